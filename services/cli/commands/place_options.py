"""The flags of `patchbay place`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SIZE = "Size and devices"
WHERE = "Where"
GUEST = "Guest"
REQUEST = "Request"
WHAT_IF = "What if"
APPLY = "With --apply"

Name = Annotated[str | None, typer.Argument(help="Name of the VM to be.")]
File = Annotated[
    Path | None,
    typer.Option(
        "--file", "-f", help="Read the request from YAML or JSON, or many under 'vms'; flags win over it."
    ),
]
Cpus = Annotated[int | None, typer.Option(help="Virtual CPUs. Default 1.", rich_help_panel=SIZE)]
Memory = Annotated[
    str | None, typer.Option(help="Memory: 4G, 512M, or MiB. Default 1G.", rich_help_panel=SIZE)
]
Nic = Annotated[
    list[str] | None,
    typer.Option(
        "--nic",
        help="A NIC: a subnet's name, 'any', or subnet=…,wire=…,address=…,mac=…,family=… Repeat.",
        rich_help_panel=SIZE,
    ),
]
DiskNeed = Annotated[
    list[str] | None,
    typer.Option("--disk", help="A disk: 20G, or 20G,datastore=NAME,thin=no. Repeat.", rich_help_panel=SIZE),
]
Vcenter = Annotated[str | None, typer.Option(help="Only this vCenter: name or id.", rich_help_panel=WHERE)]
Datacenter = Annotated[str | None, typer.Option(help="Only this datacenter.", rich_help_panel=WHERE)]
Cluster = Annotated[str | None, typer.Option(help="Only this cluster.", rich_help_panel=WHERE)]
Host = Annotated[str | None, typer.Option(help="Only this host.", rich_help_panel=WHERE)]
Pool = Annotated[str | None, typer.Option("--pool", help="Only this resource pool.", rich_help_panel=WHERE)]
Folder = Annotated[
    str | None, typer.Option(help="VM folder, as a path below the datacenter.", rich_help_panel=WHERE)
]
Require = Annotated[
    list[str] | None,
    typer.Option("--require", help="Only hosts with this label: zone=a. Repeat.", rich_help_panel=WHERE),
]
Prefer = Annotated[
    list[str] | None,
    typer.Option("--prefer", help="Rather hosts with this label. Repeat.", rich_help_panel=WHERE),
]
Near = Annotated[
    list[str] | None,
    typer.Option(
        "--near",
        help="On the host of this VM, or of group:NAME; cluster/VM for its cluster. Repeat.",
        rich_help_panel=WHERE,
    ),
]
Apart = Annotated[
    list[str] | None,
    typer.Option(
        "--apart", help="On another host than this VM, or group:NAME. Repeat.", rich_help_panel=WHERE
    ),
]
Group = Annotated[
    list[str] | None,
    typer.Option("--group", help="The VM belongs to this group. Repeat.", rich_help_panel=WHERE),
]
Hostname = Annotated[str | None, typer.Option(help="The guest's host name.", rich_help_panel=GUEST)]
Os = Annotated[str | None, typer.Option("--os", help="linux (default) or windows.", rich_help_panel=GUEST)]
Domain = Annotated[
    str | None, typer.Option(help="The guest's domain, instead of the subnet's.", rich_help_panel=GUEST)
]
Search = Annotated[
    list[str] | None, typer.Option("--search", help="A search domain. Repeat.", rich_help_panel=GUEST)
]
Dns = Annotated[
    list[str] | None,
    typer.Option("--dns", help="A name server, instead of the subnet's. Repeat.", rich_help_panel=GUEST),
]
TimeZone = Annotated[
    str | None, typer.Option("--time-zone", help="Such as Europe/Berlin.", rich_help_panel=GUEST)
]
Count = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="So many of them: NAME-1, NAME-2 …", rich_help_panel=REQUEST),
]
AsUser = Annotated[
    str | None,
    typer.Option(
        "--as-user", help="Create as this vCenter user instead of the collector's.", rich_help_panel=APPLY
    ),
]
PasswordEnv = Annotated[
    str | None,
    typer.Option("--password-env", help="Variable with that user's password.", rich_help_panel=APPLY),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="File with that user's password.", rich_help_panel=APPLY),
]
AsManyAsFit = Annotated[
    bool,
    typer.Option(
        "--as-many-as-fit", help="Of many, place those that fit; else all or none.", rich_help_panel=REQUEST
    ),
]
Lease = Annotated[
    str | None, typer.Option(help="How long to hold the place: 15m, 2h.", rich_help_panel=REQUEST)
]
Priority = Annotated[
    int | None, typer.Option(min=0, max=9, help="9 is decided first. Default 5.", rich_help_panel=REQUEST)
]
RequestId = Annotated[
    str | None, typer.Option(help="The same id gets the same answer.", rich_help_panel=REQUEST)
]
Fit = Annotated[
    bool,
    typer.Option(
        "--fit", help="How many more VMs of this shape fit; holds nothing.", rich_help_panel=WHAT_IF
    ),
]
WithoutHost = Annotated[
    list[str] | None,
    typer.Option(
        "--without-host",
        help="If this host were in maintenance; holds nothing. Repeat.",
        rich_help_panel=WHAT_IF,
    ),
]
Dry = Annotated[bool, typer.Option("--dry-run", help="Answer, and hold nothing.")]
Apply = Annotated[
    bool, typer.Option("--apply", help="Also create what was placed, through the vCenter's API.")
]
Template = Annotated[
    str | None, typer.Option(help="Clone this template; without one the VM is empty.", rich_help_panel=APPLY)
]
