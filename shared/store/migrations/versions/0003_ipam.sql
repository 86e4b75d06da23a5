-- The address ledger. Written through shared.ipam alone.

CREATE SCHEMA ipam;

CREATE TABLE ipam.scope (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE ipam.subnet (
    id uuid PRIMARY KEY,
    scope_id uuid NOT NULL REFERENCES ipam.scope (id),
    name text NOT NULL,
    prefix cidr NOT NULL,
    gateway inet,
    dns inet[] NOT NULL DEFAULT '{}',
    domain text,
    ntp text[] NOT NULL DEFAULT '{}',
    mtu integer,
    vlan integer,
    routes jsonb NOT NULL DEFAULT '[]',
    default_wire uuid NOT NULL,
    auto_allocate boolean NOT NULL DEFAULT true,
    allocation_order text NOT NULL DEFAULT 'lowest'
        CHECK (allocation_order IN ('lowest', 'highest', 'random', 'longest_unused')),
    cooldown_seconds integer NOT NULL DEFAULT 1800 CHECK (cooldown_seconds >= 0),
    labels jsonb NOT NULL DEFAULT '{}',
    revision integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    UNIQUE (scope_id, name)
);
CREATE INDEX subnet_by_prefix ON ipam.subnet USING gist (prefix inet_ops);
CREATE INDEX subnet_by_default_wire ON ipam.subnet (default_wire);

-- What may be allocated, as the operator stated it.
CREATE TABLE ipam.subnet_range (
    subnet_id uuid NOT NULL REFERENCES ipam.subnet (id) ON DELETE CASCADE,
    first inet NOT NULL,
    last inet NOT NULL CHECK (last >= first),
    PRIMARY KEY (subnet_id, first)
);

-- The wires a subnet is used from besides its default one, and those an operator ruled out.
-- No reference to inventory.wire: a fact may come before or after.
CREATE TABLE ipam.subnet_wire (
    subnet_id uuid NOT NULL REFERENCES ipam.subnet (id) ON DELETE CASCADE,
    wire_id uuid NOT NULL,
    role text NOT NULL CHECK (role IN ('detected', 'pinned', 'denied')),
    since timestamptz NOT NULL,
    PRIMARY KEY (subnet_id, wire_id)
);
CREATE INDEX subnet_wire_by_wire ON ipam.subnet_wire (wire_id);

-- G1: the primary key is the guarantee. One row per address that is not free to hand out; one holder each.
CREATE TABLE ipam.address (
    scope_id uuid NOT NULL REFERENCES ipam.scope (id),
    address inet NOT NULL CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END),
    subnet_id uuid REFERENCES ipam.subnet (id),
    -- nic: a NIC record. sighting: seen on a live port, no record (G7). reservation: held for a VM to come.
    -- reserved: kept out by an operator. cooling: released, not to be re-used before `until`.
    holder_kind text NOT NULL CHECK (holder_kind IN ('nic', 'sighting', 'reservation', 'reserved', 'cooling')),
    holder_id uuid NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    note text,
    PRIMARY KEY (scope_id, address)
);
CREATE INDEX address_by_holder ON ipam.address (holder_id);
CREATE INDEX address_by_subnet ON ipam.address (subnet_id, address);
CREATE INDEX address_cooling ON ipam.address (subnet_id, until) WHERE holder_kind = 'cooling';

-- The complement of ipam.address within a subnet's ranges, as maximal intervals: the next free address is
-- the end of an index, however full or large the subnet.
CREATE TABLE ipam.free_interval (
    subnet_id uuid NOT NULL REFERENCES ipam.subnet (id) ON DELETE CASCADE,
    first inet NOT NULL,
    last inet NOT NULL CHECK (last >= first),
    PRIMARY KEY (subnet_id, first)
);
