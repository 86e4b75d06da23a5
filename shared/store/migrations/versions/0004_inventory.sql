-- What vCenters say, and what follows from it. Written by the allocator alone; anyone may read.
-- Every fact table keeps the order (epoch, sequence) of the newest fact applied, and removed objects stay as
-- rows: a late, older fact must find that it is late. told_epoch and told_sequence are the order of the newest
-- fact that described the object: a description that comes after the removal it precedes still fills the row.

CREATE SCHEMA inventory;

CREATE TABLE inventory.vcenter (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    scope_id uuid,
    state text NOT NULL CHECK (state IN ('connected', 'lost')),
    detail text,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    snapshot_epoch bigint,
    -- All that the vCenter had said up to here has been seen.
    current_to timestamptz NOT NULL,
    lag_seconds double precision,
    -- The newest epoch of which any fact was heard: what it says of the scope holds.
    scope_epoch bigint NOT NULL DEFAULT 0
);

CREATE TABLE inventory.host (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    told_epoch bigint NOT NULL DEFAULT 0,
    told_sequence bigint NOT NULL DEFAULT 0,
    observed_at timestamptz NOT NULL,
    removed boolean NOT NULL DEFAULT false,
    name text,
    connection text,
    maintenance boolean,
    cpu_cores integer,
    cpu_mhz integer,
    memory_mb bigint,
    cluster text,
    datacenter text,
    state jsonb, -- data of inventory.host.changed
    PRIMARY KEY (vcenter_id, moid)
);

CREATE TABLE inventory.switch (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    told_epoch bigint NOT NULL DEFAULT 0,
    told_sequence bigint NOT NULL DEFAULT 0,
    observed_at timestamptz NOT NULL,
    removed boolean NOT NULL DEFAULT false,
    name text,
    state jsonb,
    PRIMARY KEY (vcenter_id, moid)
);

-- A port group and its wire. Uplink port groups have a row (they are facts) but are no wires.
CREATE TABLE inventory.wire (
    id uuid PRIMARY KEY,
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    told_epoch bigint NOT NULL DEFAULT 0,
    told_sequence bigint NOT NULL DEFAULT 0,
    observed_at timestamptz NOT NULL,
    retired boolean NOT NULL DEFAULT false,
    name text,
    kind text,
    uplink boolean NOT NULL DEFAULT false,
    hosts text[] NOT NULL DEFAULT '{}',
    state jsonb, -- data of inventory.portgroup.changed
    UNIQUE (vcenter_id, moid)
);

-- The virtual switch that a port group (data of inventory.portgroup.changed) is on: standard switches of one
-- name in one datacenter are one.
CREATE FUNCTION inventory.switch_of(state jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        state ->> 'switch', state ->> 'switch_uuid',
        coalesce(state ->> 'datacenter', '') || '/' || (state ->> 'switch_name')
    )
$$;

-- The VLANs a port group carries: 0 stands for untagged. Empty where that is not known.
CREATE FUNCTION inventory.vlans_of(state jsonb) RETURNS int4multirange LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE state -> 'vlan' ->> 'kind'
        WHEN 'none' THEN int4multirange(int4range(0, 0, '[]'))
        WHEN 'trunk' THEN (
            SELECT coalesce(range_agg(int4range((r ->> 0)::int, (r ->> 1)::int, '[]')), '{}')
            FROM jsonb_array_elements(state -> 'vlan' -> 'ranges') AS r
        )
        WHEN 'unknown' THEN '{}'::int4multirange
        ELSE int4multirange(int4range((state -> 'vlan' ->> 'id')::int, (state -> 'vlan' ->> 'id')::int, '[]'))
    END
$$;
-- Whether a wire is known to carry no frames of that VLAN.
CREATE FUNCTION inventory.off_vlan(state jsonb, vlan integer) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT vlan IS NOT NULL AND coalesce(state -> 'vlan' ->> 'kind' IN ('id', 'trunk'), false)
       AND NOT vlan <@ inventory.vlans_of(state)
$$;
CREATE INDEX wire_by_switch ON inventory.wire (vcenter_id, inventory.switch_of(state)) WHERE NOT uplink;

-- Every name that a fact told of a port group. Repeats are forgotten once no late fact can come between them.
CREATE TABLE inventory.wire_name (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    told_at timestamptz NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (vcenter_id, moid, epoch, sequence)
);

CREATE TABLE inventory.vm (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    told_epoch bigint NOT NULL DEFAULT 0,
    told_sequence bigint NOT NULL DEFAULT 0,
    observed_at timestamptz NOT NULL,
    removed boolean NOT NULL DEFAULT false,
    vm_id uuid, -- identity across vCenters: the instance UUID
    appeared_at timestamptz, -- first fact about it here
    gone_at timestamptz, -- newest removal heard of, even if it came back
    gone_epoch bigint NOT NULL DEFAULT 0,
    gone_sequence bigint NOT NULL DEFAULT 0,
    shadow boolean NOT NULL DEFAULT false, -- a placeholder or a fault tolerance secondary
    name text,
    host text,
    power text,
    template boolean NOT NULL DEFAULT false,
    cpus integer,
    memory_mb bigint,
    reservation uuid, -- named in the annotation
    extra_config_reservation uuid,
    state jsonb, -- data of inventory.vm.changed
    PRIMARY KEY (vcenter_id, moid)
);
CREATE INDEX vm_by_identity ON inventory.vm (vm_id);
CREATE INDEX vm_by_host ON inventory.vm (vcenter_id, host) WHERE NOT removed;
CREATE INDEX vm_by_name ON inventory.vm (name);

-- A VM's network devices as the newest fact about the VM lists them.
CREATE TABLE inventory.port (
    id uuid PRIMARY KEY,
    vcenter_id uuid NOT NULL,
    vm_moid text NOT NULL,
    vm_id uuid NOT NULL,
    device_key integer NOT NULL,
    label text NOT NULL,
    mac macaddr,
    wire_id uuid,
    connected boolean NOT NULL,
    detached_at timestamptz -- the VM has it no more, but its record is kept for a while
);
CREATE INDEX port_by_vm ON inventory.port (vm_id);
CREATE INDEX port_by_wire ON inventory.port (wire_id);
CREATE INDEX port_by_mac ON inventory.port (mac);
