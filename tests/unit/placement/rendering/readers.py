"""Each rendering read back by rules of its own: what would a guest make of it?"""

from __future__ import annotations

import json
from configparser import ConfigParser
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import yaml
from pyVmomi import SoapAdapter, VmomiSupport

from services.cli.provisioning.json_notation import from_json
from shared.events.guest_configuration import CloudInit, GuestFile

_soap: Any = SoapAdapter
_support: Any = VmomiSupport
_V2_TOP = {"version", "renderer", "ethernets", "bonds", "bridges", "vlans"}
_V2_ETHERNET: dict[str, type] = {
    "match": dict,
    "set-name": str,
    "dhcp4": bool,
    "dhcp6": bool,
    "addresses": list,
    "gateway4": str,
    "gateway6": str,
    "mtu": int,
    "nameservers": dict,
    "routes": list,
    "optional": bool,
}


@dataclass
class Seen:
    """One adapter as a guest would configure it. Lists, not sets: twice would show."""

    mac: str | None
    addresses: list[str] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)
    dns: list[str] = field(default_factory=list)
    routes: list[tuple[str, str]] = field(default_factory=list)
    dhcp: bool = False


def read_customization(content: dict[str, Any]) -> list[Seen]:
    """Through pyVmomi's types and its serializer, which insists on required fields."""
    spec = from_json(json.loads(json.dumps(content)))
    text = _soap.SerializeToStr(spec, version=_support.newestVersions.Get("vim"))
    xml = ElementTree.fromstring(text)  # noqa: S314  written a line above
    return [_mapping(item) for item in xml if _tag(item) == "nicSettingMap"]


def _mapping(item: Any) -> Seen:
    seen = Seen(_text(item, "macAddress"))
    adapter = _child(item, "adapter")
    mask = _text(adapter, "subnetMask")
    ip = _text(_child(adapter, "ip"), "ipAddress")
    if ip is not None:
        seen.addresses.append(f"{ip}/{IPv4Network(f'0.0.0.0/{mask}').prefixlen}")
    seen.gateways += _texts(adapter, "gateway")
    seen.dns += _texts(adapter, "dnsServerList")
    v6 = _child(adapter, "ipV6Spec")
    for fixed in [] if v6 is None else [part for part in v6 if _tag(part) == "ip"]:
        seen.addresses.append(f"{_text(fixed, 'ipAddress')}/{_text(fixed, 'subnetMask')}")
    seen.gateways += _texts(v6, "gateway")
    seen.dhcp = ip is None and v6 is None
    return seen


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _child(element: Any, name: str) -> Any:
    return next((part for part in element if _tag(part) == name), None)


def _texts(element: Any, name: str) -> list[str]:
    return [] if element is None else [part.text for part in element if _tag(part) == name]


def _text(element: Any, name: str) -> str | None:
    return next(iter(_texts(element, name)), None)


def read_cloud_init(content: CloudInit) -> list[Seen]:
    """Through YAML, by the rules of cloud-init's published schema for version 2.

    It is cloudinit/config/schemas/schema-network-config-v2.json of canonical/cloud-init; `_V2_ETHERNET` are
    those of its names that are needed here.
    """
    config = yaml.safe_load(yaml.safe_dump(content.network_config))
    assert config["version"] == 2
    assert config.keys() <= _V2_TOP
    if content.vendor_data is not None:
        assert content.vendor_data.startswith("#cloud-config\n")
        assert yaml.safe_load(content.vendor_data)["ntp"]["servers"]
    return [_ethernet(item) for item in config["ethernets"].values()]


def _ethernet(item: dict[str, Any]) -> Seen:
    assert item.keys() <= _V2_ETHERNET.keys()
    assert all(type(value) is _V2_ETHERNET[key] for key, value in item.items())
    match = item["match"]
    assert match.keys() == {"macaddress"}
    assert match["macaddress"].lower() == match["macaddress"]
    servers = item.get("nameservers", {})
    assert servers.keys() <= {"search", "addresses"}
    routes = item.get("routes", [])
    assert all(route.keys() <= {"to", "via", "metric"} and route.keys() >= {"to"} for route in routes)
    return Seen(
        match.get("macaddress"),
        list(item.get("addresses", [])),
        [item[key] for key in ("gateway4", "gateway6") if key in item],
        list(servers.get("addresses", [])),
        [(route["to"], route["via"]) for route in routes],
        dhcp=item["dhcp4"],
    )


def read_keyfile(file: GuestFile) -> Seen:
    """As GLib's key files are written: sections, one line per key."""
    parser = ConfigParser(interpolation=None, strict=True, delimiters=("=",), comment_prefixes=("#",))
    parser.read_string(file.content)
    assert parser["connection"]["type"] == "ethernet"
    mac = parser["ethernet"].get("mac-address")
    seen = Seen(None if mac is None else mac.lower())
    for family in ("ipv4", "ipv6"):
        section = parser[family]
        assert (section["method"] == "manual") == ("address1" in section)
        seen.dhcp |= section["method"] == "auto"
        seen.addresses += [value for key, value in section.items() if key.startswith("address")]
        seen.gateways += [value for key, value in section.items() if key == "gateway"]
        seen.dns += [server for server in section.get("dns", "").split(";") if server]
        routes = [value.split(",") for key, value in section.items() if key.startswith("route")]
        seen.routes += [(to, via) for to, via in routes]
    return seen


def read_ignition(content: dict[str, Any]) -> dict[str, GuestFile]:
    """The files it would write, by path."""
    found = json.loads(json.dumps(content))
    assert found["ignition"]["version"].startswith("3.")
    files = {}
    for file in found["storage"]["files"]:
        kind, _, text = file["contents"]["source"].partition(",")
        assert kind == "data:"
        assert text.isascii()
        assert not set(text) & set(" \n\"'<>")
        files[file["path"]] = GuestFile(path=file["path"], mode=f"{file['mode']:04o}", content=unquote(text))
    return files
