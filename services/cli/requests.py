"""Create-VM requests as people write them: flags, or a YAML or JSON file. Pure but for reading the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import yaml
from pydantic import ValidationError

from services.cli.names import nearest
from services.cli.outcome import Misused
from shared.events.placement import Disk, NicRequest, Peer, VmCreateRequested

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(m|mb|mib|g|gb|gib|t|tb|tib)?", re.IGNORECASE)
_MIB = {"m": 1, "g": 1024, "t": 1024 * 1024}
_SPAN = re.compile(r"(\d+)\s*(s|m|h|d)?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DEFAULTS: dict[str, Any] = {"cpus": 1, "memory_mb": 1024}
"""Of what a request must say and people leave out."""
_NIC_KEYS = tuple(name for name in NicRequest.model_fields if name != "labels")


def mebibytes(text: str) -> int:
    """A memory size: "4G", "512M", or plain MiB. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a memory size; write it like 4G, 512M or 4096 (MiB)")
    return int(float(found[1]) * _MIB[(found[2] or "m")[0].lower()])


def seconds(text: str) -> int:
    """A span of time: "15m", "2h", or plain seconds. Raises ValueError."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a span of time; write it like 15m, 2h or 900 (seconds)")
    return int(found[1]) * _SECONDS[(found[2] or "s").lower()]


def nic_request(text: str) -> NicRequest:
    """One NIC: "any", a subnet's name, or "subnet=…,address=…" with any field of a NIC request but labels.

    Raises ValueError.
    """
    text = text.strip()
    if text in {"", "any"}:
        return NicRequest()
    if "=" not in text:
        return NicRequest(subnet=text)
    fields: dict[str, str] = {}
    for part in text.split(","):
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or not value:
            raise ValueError(f"{part!r} in NIC {text!r} is not of the form key=value")
        if key not in _NIC_KEYS:
            raise ValueError(f"NIC {text!r}: no field {key!r}; {_choices(key, _NIC_KEYS)}")
        fields[key] = value
    try:
        return NicRequest.model_validate(fields)
    except ValidationError as error:
        raise ValueError(f"NIC {text!r}: {faults_of(error)}") from None


def disk(text: str) -> Disk:
    """One disk: "20G", or "20G,datastore=gold,thin=no". Raises ValueError."""
    size, *rest = (part.strip() for part in text.split(","))
    fields: dict[str, Any] = {"size_gb": max(1, -(-mebibytes(size) // 1024))}
    for part in rest:
        key, _, value = part.partition("=")
        if key not in {"datastore", "thin"} or not value:
            raise ValueError(f"{part!r} in disk {text!r}: there are datastore=NAME and thin=no")
        fields[key] = value
    try:
        return Disk.model_validate(fields)
    except ValidationError as error:
        raise ValueError(f"disk {text!r}: {faults_of(error)}") from None


def labels(texts: Sequence[str]) -> dict[str, str]:
    """Labels written key=value. Raises ValueError."""
    found: dict[str, str] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise ValueError(f"{text!r} is no label; write it like zone=a")
        found[key] = value
    return found


def peer(text: str, *, required: bool) -> Peer:
    """A VM, or "group:NAME"; "cluster/" before it means the cluster instead of the host."""
    level: Literal["host", "cluster"] = "cluster" if text.startswith("cluster/") else "host"
    kind, sign, name = text.removeprefix("cluster/").partition(":")
    if kind == "group" and sign:
        return Peer(group=name, level=level, required=required)
    return Peer(vm=text.removeprefix("cluster/"), level=level, required=required)


def file_content(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file; a list is taken as that of its VMs. Raises `Misused`."""
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise Misused(f"cannot read {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Misused(f"{path} is neither YAML nor JSON: {' '.join(str(error).split())}") from None
    if isinstance(content, list):
        content = {"vms": content}
    if not isinstance(content, dict):
        raise Misused(
            f"{path} must hold one request, a mapping with name, cpus, memory and nics; or many: vms"
        )
    return {str(key): value for key, value in content.items()}


def fields_of(content: dict[str, Any], source: object) -> dict[str, Any]:
    """The fields of a request as a file has them: memory as "4G", NICs and disks also as on the command line.

    Raises `Misused` naming `source`.
    """
    fields = dict(content)
    try:
        if "memory" in fields:
            fields["memory_mb"] = _said("memory", mebibytes, str(fields.pop("memory")))
        if "lease" in fields:
            fields["lease_seconds"] = _said("lease", seconds, str(fields.pop("lease")))
        for key, read in (("nics", nic_request), ("disks", disk)):
            if isinstance(fields.get(key), list):
                fields[key] = [read(item) if isinstance(item, str) else item for item in fields[key]]
    except ValueError as error:
        raise Misused(f"{source}: {error}") from None
    return fields


def _said(field: str, read: Callable[[str], int], text: str) -> int:
    try:
        return read(text)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


def merged(fields: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """`fields` with `flags` on top; of `where` and `guest` each entry wins for itself."""
    result = {**fields, **flags}
    for key in ("where", "guest"):
        below, above = fields.get(key), flags.get(key)
        if isinstance(below, dict) and isinstance(above, dict):
            result[key] = {**below, **above}
    return result


def build_request(fields: dict[str, Any]) -> VmCreateRequested:
    """The request of these fields; a request id is made when none is given. Raises `Misused`."""
    unknown = [key for key in fields if key not in VmCreateRequested.model_fields]
    if unknown:
        known = tuple(VmCreateRequested.model_fields)
        raise Misused(f"a create-VM request has no field {unknown[0]!r}; {_choices(unknown[0], known)}")
    fields = {key: value for key, value in fields.items() if value is not None}
    fields.setdefault("request_id", f"cli-{uuid4()}")
    fields.setdefault("nics", [NicRequest()])
    try:
        return VmCreateRequested.model_validate(fields)
    except ValidationError as error:
        raise Misused(f"not a create-VM request: {faults_of(error)}") from None


def faults_of(error: ValidationError) -> str:
    """Each guilty field with what is wrong with it, in one line; values are left out."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        where = ".".join(map(str, fault["loc"]))
        message = fault["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {message}" if where else message)
    return "; ".join(lines)


def _choices(wrong: str, known: tuple[str, ...]) -> str:
    close = nearest(wrong, known, limit=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
