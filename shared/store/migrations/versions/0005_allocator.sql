-- The allocator's own state: what guests said, and what follows from it.

-- Every fact that bears on which addresses a VM has, as the allocator reads it. In the common case, a fact newer
-- than all before it, only `vm_head` is read; a late one makes the allocator fold the history again, so that
-- what follows never depends on the order of arrival (G3).
CREATE TABLE inventory.vm_history (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    observed_at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('vm', 'guest', 'removed', 'base')),
    -- vm: wire, MAC and label by device key. guest: [address, prefix, gateway] by device key. base: what all before, which is no
    -- longer kept, came to.
    content jsonb,
    PRIMARY KEY (vcenter_id, moid, epoch, sequence)
);
CREATE INDEX vm_history_by_age ON inventory.vm_history (observed_at) WHERE kind <> 'base';

-- The end of each VM's history.
CREATE TABLE inventory.vm_head (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    wires jsonb, -- wire, MAC, label by device key; null: no fact about the VM as hardware yet, or it is removed
    report jsonb NOT NULL,
    detached jsonb NOT NULL, -- by key, devices that it has no more: when they went, wire, MAC, label
    left_at timestamptz, -- when the VM went last, even if it came back
    void_at timestamptz, -- when it last went for longer than release_grace_seconds, and came back
    PRIMARY KEY (vcenter_id, moid)
) WITH (fillfactor = 60);

-- The newest that Tools said, for people: silence shows here, but takes no address back (G4).
CREATE TABLE inventory.guest (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    epoch bigint NOT NULL,
    sequence bigint NOT NULL,
    observed_at timestamptz NOT NULL,
    tools text NOT NULL,
    hostname text,
    state jsonb NOT NULL, -- data of guest.addresses.changed
    PRIMARY KEY (vcenter_id, moid)
) WITH (fillfactor = 60);

-- "This address was seen on this port, on this wire, from then to then." Ended sightings stay: they are the
-- evidence for additional wires, the ground of cool-downs, and the answer to "who had it on Tuesday".
CREATE TABLE inventory.sighting (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    device_key integer NOT NULL, -- -1: Tools tell an address but no device
    address inet NOT NULL,
    wire_id uuid NOT NULL, -- all zeros: the port's network is not known
    vm_id uuid,
    port_id uuid,
    prefix integer,
    gateway inet,
    first_seen timestamptz NOT NULL, -- on this wire
    since timestamptz NOT NULL, -- without a break, on whatever wire
    ended_at timestamptz,
    opened_at timestamptz, -- last seen on this wire since then
    removed boolean NOT NULL DEFAULT false, -- it ended with a fact about the hardware
    gone boolean NOT NULL DEFAULT false, -- that the device or the VM went
    -- It counts: the VM exists, and this is where it lives.
    live boolean NOT NULL,
    PRIMARY KEY (vcenter_id, moid, device_key, address, wire_id)
) WITH (fillfactor = 75); -- an end is written beside its row, and no index is touched: none has what changes
CREATE INDEX sighting_by_address ON inventory.sighting (address);
CREATE INDEX sighting_by_wire ON inventory.sighting (wire_id, address);
CREATE INDEX sighting_by_port ON inventory.sighting (port_id);
CREATE INDEX sighting_by_age ON inventory.sighting (first_seen); -- for forgetting

-- "Who had this address on Tuesday": each period for which a device was seen with an address on a wire, for years.
-- `sighting` above has only the last of each. A period that is not over has no end.
CREATE TABLE inventory.tenure (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    device_key integer NOT NULL,
    address inet NOT NULL,
    wire_id uuid NOT NULL,
    opened_at timestamptz NOT NULL,
    ended_at timestamptz,
    ended_epoch bigint, -- place of the fact that ended it
    ended_sequence bigint,
    mac macaddr, -- when it ended
    PRIMARY KEY (vcenter_id, moid, device_key, address, wire_id, opened_at)
) WITH (fillfactor = 75);
CREATE INDEX tenure_by_address ON inventory.tenure (address, opened_at);
CREATE INDEX tenure_by_age ON inventory.tenure (opened_at); -- for forgetting

-- What an operator decided to be one network in a vCenter, by default a port group. Where it is a switch, a
-- subnet is used from all port groups of its default wire's switch that carry its VLAN.
CREATE TABLE inventory.wire_mapping (
    vcenter_id uuid PRIMARY KEY,
    mapping text NOT NULL CHECK (mapping IN ('portgroup', 'switch')),
    since timestamptz NOT NULL,
    by text NOT NULL
);

-- What such subnets are used from besides their default wire. What somebody said of a pair holds instead.
CREATE VIEW inventory.mapped_wire AS
SELECT s.id AS subnet_id, w.id AS wire_id
FROM inventory.wire w
JOIN inventory.wire_mapping m ON m.vcenter_id = w.vcenter_id AND m.mapping = 'switch'
JOIN inventory.wire d ON d.vcenter_id = w.vcenter_id AND d.id <> w.id AND NOT d.uplink
    AND inventory.switch_of(d.state) = inventory.switch_of(w.state)
JOIN ipam.subnet s ON s.default_wire = d.id
CROSS JOIN LATERAL (
    SELECT CASE WHEN s.vlan IS NULL THEN inventory.vlans_of(d.state)
                ELSE int4multirange(int4range(s.vlan, s.vlan, '[]')) END AS vlans
) on_vlan
WHERE NOT w.uplink AND NOT isempty(on_vlan.vlans) AND on_vlan.vlans <@ inventory.vlans_of(w.state)
  AND NOT EXISTS (SELECT FROM ipam.subnet_wire x WHERE x.subnet_id = s.id AND x.wire_id = w.id);

-- NIC records: what the platform vouches for.
CREATE TABLE inventory.nic (
    id uuid PRIMARY KEY,
    port_id uuid NOT NULL UNIQUE,
    vcenter_id uuid NOT NULL,
    vm_id uuid NOT NULL,
    vm_moid text NOT NULL,
    vm_name text NOT NULL,
    device_key integer NOT NULL,
    label text NOT NULL,
    mac macaddr,
    wire_id uuid NOT NULL
);
CREATE INDEX nic_by_vm ON inventory.nic (vm_id);
CREATE INDEX nic_by_wire ON inventory.nic (wire_id);

-- Written with its record by one statement each, in one transaction: a foreign key would look the record up for
-- every address anew.
CREATE TABLE inventory.nic_address (
    nic_id uuid NOT NULL,
    address inet NOT NULL,
    scope_id uuid NOT NULL,
    subnet_id uuid NOT NULL,
    source text NOT NULL CHECK (source IN ('tools', 'fixed', 'reservation')),
    since timestamptz NOT NULL,
    PRIMARY KEY (nic_id, address)
);
CREATE INDEX nic_address_by_address ON inventory.nic_address (address);
CREATE INDEX nic_address_by_subnet ON inventory.nic_address (subnet_id);

-- Addresses of live ports that no NIC record can be made for. Only the ground of the verdict is kept; the
-- sentence for people is made when asked for, with the names of the day.
CREATE TABLE inventory.unmatched (
    port_id uuid NOT NULL,
    address inet NOT NULL,
    scope_id uuid NOT NULL,
    vcenter_id uuid NOT NULL,
    vm_id uuid NOT NULL,
    vm_moid text NOT NULL,
    device_key integer NOT NULL,
    wire_id uuid,
    verdict text NOT NULL,
    subnets uuid[] NOT NULL DEFAULT '{}',
    rival_kind text, -- who holds the address instead
    rival_id uuid,
    since timestamptz NOT NULL,
    PRIMARY KEY (port_id, address)
);
CREATE INDEX unmatched_by_address ON inventory.unmatched (address);
CREATE INDEX unmatched_by_vm ON inventory.unmatched (vm_id);
CREATE INDEX unmatched_by_rival ON inventory.unmatched (rival_id);

-- Where VMs, or devices of theirs, went whose records are kept for a while, and when the first did; see the
-- allocator's setting release_grace_seconds.
CREATE TABLE inventory.lingering (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    gone_at timestamptz NOT NULL,
    PRIMARY KEY (vcenter_id, moid)
);

-- VMs whose addresses changed so lately that the old ones still count, see change_settle_seconds; with the first
-- end or beginning of an address from which that time counts.
CREATE TABLE inventory.changing (
    vcenter_id uuid NOT NULL,
    moid text NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (vcenter_id, moid)
);

-- Open conflicts. A resolved one is an event in the log, not a row: whether it ever opened depends on the order
-- in which facts arrived.
CREATE TABLE inventory.conflict (
    id uuid PRIMARY KEY,
    kind text NOT NULL, -- as in address.conflict.opened
    scope_id uuid,
    address inet,
    mac macaddr,
    vm_id uuid, -- the instance UUID that two VMs have
    holder_id uuid NOT NULL, -- a port; a reservation, a subnet; for instance_uuid a VM at one vCenter
    claimant_id uuid NOT NULL,
    opened_at timestamptz NOT NULL
);
CREATE INDEX conflict_by_address ON inventory.conflict (address);
CREATE INDEX conflict_by_mac ON inventory.conflict (mac);
CREATE INDEX conflict_by_vm ON inventory.conflict (vm_id);
CREATE INDEX conflict_by_holder ON inventory.conflict (holder_id);
CREATE INDEX conflict_by_claimant ON inventory.conflict (claimant_id);

-- Addresses that operators declared shared (VIP, anycast, CARP), or no longer: the newest word on each.
CREATE TABLE inventory.shared_address (
    scope_id uuid NOT NULL,
    address inet NOT NULL,
    at timestamptz NOT NULL,
    id uuid NOT NULL,
    shared boolean NOT NULL,
    note text,
    by text NOT NULL,
    PRIMARY KEY (scope_id, address)
);
CREATE INDEX shared_by_address ON inventory.shared_address (address);

-- What people said: addresses stated for a port (source fixed), and those a confirmed reservation brought
-- (source reservation). Void for a VM that was removed after `at`, or once an operator took it back.
CREATE TABLE inventory.statement (
    port_id uuid NOT NULL,
    address inet NOT NULL,
    source text NOT NULL CHECK (source IN ('fixed', 'reservation')),
    vm_id uuid NOT NULL,
    device_key integer NOT NULL,
    scope_id uuid NOT NULL,
    subnet_id uuid NOT NULL,
    reservation uuid,
    by text,
    at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (port_id, address, source)
);
CREATE INDEX statement_by_address ON inventory.statement (address);
CREATE INDEX statement_by_vm ON inventory.statement (vm_id);
CREATE INDEX statement_by_reservation ON inventory.statement (reservation);

-- Each decision of an operator about a port: all addresses that are fixed for it from then on, none if it is
-- unfixed. `statement` has what all decisions come to, whatever their order.
CREATE TABLE inventory.fix (
    port_id uuid NOT NULL,
    at timestamptz NOT NULL,
    id uuid NOT NULL,
    vm_id uuid NOT NULL,
    device_key integer NOT NULL,
    addresses inet[] NOT NULL,
    scopes uuid[] NOT NULL, -- of each address
    subnets uuid[] NOT NULL,
    by text NOT NULL,
    PRIMARY KEY (port_id, at, id)
);
CREATE INDEX fix_by_address ON inventory.fix USING gin (addresses);
CREATE INDEX fix_by_vm ON inventory.fix (vm_id);

-- Which networks there are, as one random value: another one after each change of what subnets, their wires,
-- names of wires and the VLANs between them come to. Allocators keep what they know of networks for as long as it
-- is the same. Random, not counted: a number would come a second time after a rollback, or in a restored
-- database, with other networks. No part of the state, so in a schema of its own: it is not compared or copied.
CREATE SCHEMA allocator;
CREATE TABLE allocator.networks (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version uuid NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO allocator.networks DEFAULT VALUES;

CREATE FUNCTION allocator.renew_networks() RETURNS void LANGUAGE sql AS $$
    INSERT INTO allocator.networks DEFAULT VALUES
    ON CONFLICT (only_row) DO UPDATE SET version = gen_random_uuid()
$$;
CREATE FUNCTION allocator.note_networks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM allocator.renew_networks();
    RETURN NULL;
END $$;
CREATE TRIGGER networks_noted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ipam.subnet
    FOR EACH STATEMENT EXECUTE FUNCTION allocator.note_networks();
CREATE TRIGGER networks_noted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON ipam.subnet_wire
    FOR EACH STATEMENT EXECUTE FUNCTION allocator.note_networks();
CREATE TRIGGER networks_noted AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON inventory.wire_mapping
    FOR EACH STATEMENT EXECUTE FUNCTION allocator.note_networks();

-- Port groups are told again at each login, and with each host that gets or loses one: mostly nothing new.
CREATE FUNCTION allocator.note_changed_wires() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM was FULL JOIN becomes n USING (id)
        WHERE (was.vcenter_id, was.moid, was.name, was.uplink, was.state IS NULL, was.state -> 'vlan',
               inventory.switch_of(was.state))
            IS DISTINCT FROM
              (n.vcenter_id, n.moid, n.name, n.uplink, n.state IS NULL, n.state -> 'vlan',
               inventory.switch_of(n.state))
    ) THEN
        PERFORM allocator.renew_networks();
    END IF;
    RETURN NULL;
END $$;
-- An upsert is both: what it inserted, perhaps nothing, and what it changed.
CREATE FUNCTION allocator.note_new_wires() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM becomes) THEN
        PERFORM allocator.renew_networks();
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER networks_noted AFTER INSERT ON inventory.wire REFERENCING NEW TABLE AS becomes
    FOR EACH STATEMENT EXECUTE FUNCTION allocator.note_new_wires();
CREATE TRIGGER changed_networks_noted AFTER UPDATE ON inventory.wire
    REFERENCING OLD TABLE AS was NEW TABLE AS becomes
    FOR EACH STATEMENT EXECUTE FUNCTION allocator.note_changed_wires();
CREATE TRIGGER former_networks_noted AFTER DELETE OR TRUNCATE ON inventory.wire
    FOR EACH STATEMENT EXECUTE FUNCTION allocator.note_networks();
