"""The tables of the `inventory` schema, as the allocator writes them."""

from __future__ import annotations

from services.allocator.rows import INETS, JSON, TEXTS, UUIDS, Table

_ORDER = {
    "epoch": "bigint",
    "sequence": "bigint",
    "told_epoch": "bigint",
    "told_sequence": "bigint",
    "observed_at": "timestamptz",
}
_PLACE = {"vcenter_id": "uuid", "moid": "text"}

HOST = Table(
    "inventory.host",
    _PLACE
    | _ORDER
    | {
        "removed": "boolean",
        "name": "text",
        "connection": "text",
        "maintenance": "boolean",
        "cpu_cores": "integer",
        "cpu_mhz": "integer",
        "memory_mb": "bigint",
        "cluster": "text",
        "datacenter": "text",
        "state": JSON,
    },
    keys=2,
)
SWITCH = Table(
    "inventory.switch", _PLACE | _ORDER | {"removed": "boolean", "name": "text", "state": JSON}, keys=2
)
WIRE = Table(
    "inventory.wire",
    {"id": "uuid"}
    | _PLACE
    | _ORDER
    | {
        "retired": "boolean",
        "name": "text",
        "kind": "text",
        "uplink": "boolean",
        "hosts": TEXTS,
        "state": JSON,
    },
)
_VM_STANDING = (
    _PLACE
    | _ORDER
    | {
        "removed": "boolean",
        "appeared_at": "timestamptz",
        "gone_epoch": "bigint",
        "gone_sequence": "bigint",
        "gone_at": "timestamptz",
    }
)
VM_STANDING = Table("inventory.vm", _VM_STANDING, keys=2)
"""The part of a VM's row that a removal or a late fact changes."""
VM = Table(
    "inventory.vm",
    _VM_STANDING
    | {
        "vm_id": "uuid",
        "shadow": "boolean",
        "name": "text",
        "host": "text",
        "power": "text",
        "template": "boolean",
        "cpus": "integer",
        "memory_mb": "bigint",
        "reservation": "uuid",
        "extra_config_reservation": "uuid",
        "state": JSON,
    },
    keys=2,
)
PORT = Table(
    "inventory.port",
    {
        "id": "uuid",
        "vcenter_id": "uuid",
        "vm_moid": "text",
        "vm_id": "uuid",
        "device_key": "integer",
        "label": "text",
        "mac": "macaddr",
        "wire_id": "uuid",
        "connected": "boolean",
        "detached_at": "timestamptz",
    },
)
HISTORY = Table(
    "inventory.vm_history",
    _PLACE
    | {
        "epoch": "bigint",
        "sequence": "bigint",
        "observed_at": "timestamptz",
        "kind": "text",
        "content": JSON,
    },
    keys=4,
)
HEAD = Table(
    "inventory.vm_head",
    _PLACE
    | {
        "wires": JSON,
        "report": JSON,
        "detached": JSON,
        "left_at": "timestamptz",
        "void_at": "timestamptz",
    },
    keys=2,
)
GUEST = Table(
    "inventory.guest",
    _PLACE
    | {
        "epoch": "bigint",
        "sequence": "bigint",
        "observed_at": "timestamptz",
        "tools": "text",
        "hostname": "text",
        "state": JSON,
    },
    keys=2,
)
SIGHTING = Table(
    "inventory.sighting",
    _PLACE
    | {
        "device_key": "integer",
        "address": "inet",
        "wire_id": "uuid",
        "vm_id": "uuid",
        "port_id": "uuid",
        "prefix": "integer",
        "gateway": "inet",
        "first_seen": "timestamptz",
        "since": "timestamptz",
        "ended_at": "timestamptz",
        "opened_at": "timestamptz",
        "removed": "boolean",
        "gone": "boolean",
        "live": "boolean",
    },
    keys=5,
)
TENURE = Table(
    "inventory.tenure",
    _PLACE
    | {
        "device_key": "integer",
        "address": "inet",
        "wire_id": "uuid",
        "opened_at": "timestamptz",
        "ended_at": "timestamptz",
        "ended_epoch": "bigint",
        "ended_sequence": "bigint",
        "mac": "macaddr",
    },
    keys=6,
)
NIC = Table(
    "inventory.nic",
    {
        "id": "uuid",
        "port_id": "uuid",
        "vcenter_id": "uuid",
        "vm_id": "uuid",
        "vm_moid": "text",
        "vm_name": "text",
        "device_key": "integer",
        "label": "text",
        "mac": "macaddr",
        "wire_id": "uuid",
    },
)
NIC_ADDRESS = Table(
    "inventory.nic_address",
    {
        "nic_id": "uuid",
        "address": "inet",
        "scope_id": "uuid",
        "subnet_id": "uuid",
        "source": "text",
        "since": "timestamptz",
    },
    keys=2,
)
UNMATCHED = Table(
    "inventory.unmatched",
    {
        "port_id": "uuid",
        "address": "inet",
        "scope_id": "uuid",
        "vcenter_id": "uuid",
        "vm_id": "uuid",
        "vm_moid": "text",
        "device_key": "integer",
        "wire_id": "uuid",
        "verdict": "text",
        "subnets": UUIDS,
        "rival_kind": "text",
        "rival_id": "uuid",
        "since": "timestamptz",
    },
    keys=2,
)
CONFLICT = Table(
    "inventory.conflict",
    {
        "id": "uuid",
        "kind": "text",
        "scope_id": "uuid",
        "address": "inet",
        "mac": "macaddr",
        "vm_id": "uuid",
        "holder_id": "uuid",
        "claimant_id": "uuid",
        "opened_at": "timestamptz",
    },
)
CHANGING = Table("inventory.changing", _PLACE | {"since": "timestamptz"}, keys=2)
LINGERING = Table("inventory.lingering", _PLACE | {"gone_at": "timestamptz"}, keys=2)
SHARED = Table(
    "inventory.shared_address",
    {
        "scope_id": "uuid",
        "address": "inet",
        "at": "timestamptz",
        "id": "uuid",
        "shared": "boolean",
        "note": "text",
        "by": "text",
    },
    keys=2,
)
STATEMENT = Table(
    "inventory.statement",
    {
        "port_id": "uuid",
        "address": "inet",
        "source": "text",
        "vm_id": "uuid",
        "device_key": "integer",
        "scope_id": "uuid",
        "subnet_id": "uuid",
        "reservation": "uuid",
        "by": "text",
        "at": "timestamptz",
        "ended_at": "timestamptz",
    },
    keys=3,
)
FIX = Table(
    "inventory.fix",
    {
        "port_id": "uuid",
        "at": "timestamptz",
        "id": "uuid",
        "vm_id": "uuid",
        "device_key": "integer",
        "addresses": INETS,
        "scopes": UUIDS,
        "subnets": UUIDS,
        "by": "text",
    },
    keys=3,
)
