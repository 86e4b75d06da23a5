-- Requests, reservations and answers of placement. Written by placement alone.

CREATE SCHEMA placement;

-- Every request that was answered, with its answer: the same request id gets the same answer again.
CREATE TABLE placement.request (
    request_id text PRIMARY KEY,
    fingerprint text NOT NULL, -- of the content: another content under the same id is a mistake
    body jsonb NOT NULL, -- data of vm.create.requested
    outcome text NOT NULL CHECK (outcome IN ('placed', 'refused')),
    answer jsonb NOT NULL, -- data of vm.create.placed or vm.create.refused
    findings jsonb, -- all rulings, where the answer carries only the first of them
    batch text, -- the batch it was asked in
    answered_at timestamptz NOT NULL
);
CREATE INDEX request_by_time ON placement.request (answered_at);

CREATE INDEX request_by_batch ON placement.request (batch) WHERE batch IS NOT NULL;

-- Fencing tokens: whoever takes a reservation over gets the next one, so that a token is never given twice.
CREATE SEQUENCE placement.token;

-- Host capacity and addresses held for a VM to come. Its addresses are those the ledger holds for its id.
CREATE TABLE placement.reservation (
    id uuid PRIMARY KEY,
    request_id text NOT NULL UNIQUE REFERENCES placement.request (request_id) DEFERRABLE INITIALLY DEFERRED,
    state text NOT NULL CHECK (state IN ('held', 'confirmed', 'cancelled', 'expired')),
    vcenter_id uuid NOT NULL,
    host text NOT NULL,
    name text NOT NULL,
    -- No VM of the vCenter had the name at the time: only then may a VM be recognised by it.
    name_was_free boolean NOT NULL,
    cpus integer NOT NULL,
    memory_mb bigint NOT NULL,
    nics jsonb NOT NULL, -- as in the answer
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    note text,
    vm_id uuid,
    vm_moid text,
    groups text[] NOT NULL DEFAULT '{}', -- that its VM belongs to, for the affinity of others
    token bigint NOT NULL DEFAULT nextval('placement.token'),
    previous_token bigint, -- of who extended it last: that command may come twice
    -- What Tools say of the VM's addresses after the confirmation.
    verdict text CHECK (verdict IN ('verified', 'drifted')),
    seen jsonb, -- by NIC: reserved and seen addresses, at the verdict
    recognised_by text CHECK (recognised_by IN ('annotation', 'extra_config', 'mac', 'name', 'command')),
    -- The confirmed VM's own row in the inventory counts against its host from now on.
    settled boolean NOT NULL DEFAULT false,
    CHECK ((state = 'confirmed') = (vm_moid IS NOT NULL)),
    CHECK ((state = 'held') = (ended_at IS NULL))
);
CREATE INDEX reservation_due ON placement.reservation (expires_at) WHERE state = 'held';
CREATE INDEX reservation_by_name ON placement.reservation (name) WHERE state = 'held';
CREATE INDEX reservation_counting ON placement.reservation (vcenter_id, host)
    WHERE state = 'held' OR (state = 'confirmed' AND NOT settled);
CREATE INDEX reservation_by_time ON placement.reservation (created_at);

CREATE INDEX reservation_by_group ON placement.reservation USING gin (groups) WHERE groups <> '{}';
CREATE INDEX reservation_unverified ON placement.reservation (ended_at)
    WHERE state = 'confirmed' AND verdict IS DISTINCT FROM 'verified';

-- The NICs of reservations: the wires whose ports they take, and the MACs to recognise VMs by, which are not to
-- be given twice.
CREATE TABLE placement.reservation_nic (
    reservation_id uuid NOT NULL REFERENCES placement.reservation (id) ON DELETE CASCADE,
    nic integer NOT NULL,
    wire_id uuid NOT NULL,
    mac macaddr, -- null: vCenter chooses
    live boolean NOT NULL DEFAULT true, -- while the reservation is held or not yet settled
    PRIMARY KEY (reservation_id, nic)
);
CREATE UNIQUE INDEX reservation_nic_once ON placement.reservation_nic (mac) WHERE live;
CREATE INDEX reservation_nic_by_mac ON placement.reservation_nic (mac);
CREATE INDEX reservation_nic_by_wire ON placement.reservation_nic (wire_id) WHERE live;

-- How full subnets were, sampled: what a forecast is made from.
CREATE TABLE placement.subnet_use (
    subnet_id uuid NOT NULL,
    at timestamptz NOT NULL,
    used bigint NOT NULL,
    capacity numeric NOT NULL,
    PRIMARY KEY (subnet_id, at)
);

-- What reservations take of hosts beyond the VMs that the inventory shows. Inventory and reservations are
-- written by different services at different moments; whichever comes first, a VM counts exactly once.
CREATE VIEW placement.claim AS
SELECT r.id, r.vcenter_id, r.host, r.cpus, r.memory_mb
FROM placement.reservation r
WHERE (r.state = 'held' AND NOT EXISTS (
          SELECT FROM inventory.vm v
          WHERE v.reservation = r.id AND v.vcenter_id = r.vcenter_id AND NOT v.removed AND NOT v.template)
      AND NOT EXISTS (
          SELECT FROM inventory.vm v
          WHERE v.extra_config_reservation = r.id AND v.vcenter_id = r.vcenter_id
            AND NOT v.removed AND NOT v.template))
   OR (r.state = 'confirmed' AND NOT r.settled AND NOT EXISTS (
          SELECT FROM inventory.vm v WHERE v.vcenter_id = r.vcenter_id AND v.moid = r.vm_moid));

CREATE INDEX vm_by_reservation ON inventory.vm (reservation) WHERE reservation IS NOT NULL;
CREATE INDEX vm_by_extra_config_reservation ON inventory.vm (extra_config_reservation)
    WHERE extra_config_reservation IS NOT NULL;
