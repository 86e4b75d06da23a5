-- The address ledger. Written through shared.ipam alone.
--
-- Locks, always taken in this order: scopes (advisory, shared by writers of addresses, exclusive for whoever
-- creates or deletes a subnet), then subnet rows (FOR NO KEY UPDATE) in the order of their ids, then addresses.
--
-- Functions that work on few rows of large tables switch sequential and bitmap scans off and look rows up
-- one by one (LATERAL … LIMIT 1): their plans are kept for as long as a session lives, and one made while a
-- table was empty must still be right when it is full.

CREATE SCHEMA ipam;

CREATE TABLE ipam.scope (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE
);
-- The id is shared.model.identifiers.scope_id('default').
INSERT INTO ipam.scope (id, name) VALUES ('f94aee8c-6a61-59b9-b852-17f41d02fd19', 'default');

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
    UNIQUE (scope_id, name),
    -- Subnets of one scope never overlap, so the greatest prefix not above an address is the only one that
    -- can contain it: one step in this index.
    UNIQUE (scope_id, prefix)
);
CREATE INDEX subnet_by_prefix ON ipam.subnet USING gist (prefix inet_ops);
CREATE INDEX subnet_by_default_wire ON ipam.subnet (default_wire);

-- What may be allocated, as the operator stated it: inside the prefix, disjoint and not adjacent.
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
    by text, -- the operator who pinned or denied it
    PRIMARY KEY (subnet_id, wire_id)
);
CREATE INDEX subnet_wire_by_wire ON ipam.subnet_wire (wire_id);

-- G1: the primary key is the guarantee. One row per address that is not free to hand out; one holder each.
-- That its scope and its subnet exist is seen to by triggers, for all rows of a statement at once: foreign keys
-- would do it row by row, at the price of writing the row a second time.
CREATE TABLE ipam.address (
    scope_id uuid NOT NULL,
    address inet NOT NULL CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END),
    -- The subnet of the scope that contains the address. It may be outside the subnet's ranges.
    subnet_id uuid,
    -- nic: a NIC record. sighting: seen on a live port, no record (G7). reservation: held for a VM to come.
    -- reserved: kept out by an operator. cooling: released, not to be re-used before `until`; holder_id is
    -- the one that released it.
    holder_kind text NOT NULL CHECK (holder_kind IN ('nic', 'sighting', 'reservation', 'reserved', 'cooling')),
    holder_id uuid NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz CHECK (holder_kind <> 'cooling' OR until IS NOT NULL),
    note text,
    -- The address first: what an address is in any scope is asked as often as what it is in one.
    PRIMARY KEY (address, scope_id)
);
-- Of reservations alone is it asked what they hold, or held. Whoever is seen with an address has no row here.
CREATE INDEX address_by_reservation ON ipam.address (holder_id)
    WHERE holder_kind = 'reservation' OR note = 'released by reservation';
CREATE INDEX address_by_subnet ON ipam.address (subnet_id, address);
CREATE INDEX address_cooling ON ipam.address (subnet_id, until) WHERE holder_kind = 'cooling';

-- What operators reserved: for nobody, or for the port with a MAC address. The ledger's row of such an address may
-- have another holder for a while (that port's NIC record, a reservation for its VM); let go of, it is reserved again.
CREATE TABLE ipam.reserved_address (
    scope_id uuid NOT NULL REFERENCES ipam.scope (id),
    address inet NOT NULL,
    mac macaddr,
    note text,
    by text,
    since timestamptz NOT NULL,
    until timestamptz,
    PRIMARY KEY (scope_id, address)
);
CREATE INDEX reserved_address_by_mac ON ipam.reserved_address (mac) WHERE mac IS NOT NULL;
CREATE INDEX reserved_address_by_end ON ipam.reserved_address (until) WHERE until IS NOT NULL;

-- The complement of ipam.address within a subnet's ranges (less the gateway), as maximal intervals: the next
-- free address is the end of an index, however full or large the subnet. The key is `last` because
-- addresses are mostly taken from the low end: moving `first` then touches no index.
CREATE TABLE ipam.free_interval (
    subnet_id uuid NOT NULL,
    first inet NOT NULL,
    last inet NOT NULL CHECK (last >= first),
    PRIMARY KEY (subnet_id, last)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

-- Waits for, and then holds to the end of the transaction, the right to write addresses of a scope
-- (shared), or to change which subnets it has (exclusive). An advisory lock and not the scope's row: its
-- queue is fair, so that steady writers never starve the operator who creates a subnet.
CREATE FUNCTION ipam.lock_scope(scope uuid, exclusively boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    key constant bigint := hashtextextended('ipam.scope/' || scope, 0);
BEGIN
    IF exclusively THEN
        PERFORM pg_advisory_xact_lock(key);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(key);
    END IF;
END $$;

-- Locks subnets against all other writers of their addresses, in the one order that can't deadlock.
CREATE FUNCTION ipam.lock_subnets(ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ipam.lock_scope(s.scope_id, false)
    FROM (SELECT DISTINCT scope_id FROM ipam.subnet WHERE id = ANY (ids) ORDER BY scope_id) s;
    PERFORM 1 FROM ipam.subnet WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE;
END $$;

-- The subnet of each address, NULL where none contains it; in the order of `addresses`.
CREATE FUNCTION ipam.subnets_of(scope uuid, addresses inet[]) RETURNS uuid[] LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    RETURN ARRAY(
        SELECT CASE WHEN s.prefix >>= a.address THEN s.id END
        FROM unnest(addresses) WITH ORDINALITY AS a (address, place)
        -- Among those nearby first: a scan that only one end bounds reads its whole page for the one row.
        LEFT JOIN LATERAL (
            (SELECT id, prefix FROM ipam.subnet
             WHERE scope_id = scope AND prefix <= a.address
               AND prefix >= network(set_masklen(a.address, CASE family(a.address) WHEN 4 THEN 20 ELSE 60 END))
             ORDER BY prefix DESC LIMIT 1)
            UNION ALL
            (SELECT id, prefix FROM ipam.subnet
             WHERE scope_id = scope AND prefix <= a.address ORDER BY prefix DESC LIMIT 1)
            LIMIT 1
        ) s ON true
        ORDER BY a.place
    );
END $$;

-- Locks what writing to `addresses` needs, then tells who holds each.
CREATE FUNCTION ipam.examine(scope uuid, addresses inet[])
RETURNS TABLE (
    subnet_id uuid, cooldown_seconds integer, remembers boolean,
    holder_kind text, holder_id uuid, since timestamptz, until timestamptz, note text,
    mac macaddr, reserved_since timestamptz, reserved_until timestamptz, reserved_note text
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    subnets uuid[];
    lone inet[];
BEGIN
    PERFORM ipam.lock_scope(scope, false);
    subnets := ipam.subnets_of(scope, addresses);
    PERFORM 1 FROM ipam.subnet s WHERE s.id = ANY (subnets) ORDER BY s.id FOR NO KEY UPDATE;
    -- The subnet's lock stands for its addresses; those of no subnet are locked one by one.
    lone := ARRAY(SELECT c.address FROM unnest(addresses, subnets) AS c (address, subnet) WHERE c.subnet IS NULL);
    IF lone <> '{}' THEN
        PERFORM 1 FROM ipam.address a
        WHERE a.scope_id = scope AND a.address = ANY (lone) ORDER BY a.address FOR UPDATE;
    END IF;
    RETURN QUERY
        SELECT c.subnet, s.cooldown_seconds, s.allocation_order = 'longest_unused',
               a.holder_kind, a.holder_id, a.since, a.until, a.note, k.mac, k.since, k.until, k.note
        FROM unnest(addresses, subnets) WITH ORDINALITY AS c (address, subnet, place)
        LEFT JOIN ipam.subnet s ON s.id = c.subnet
        LEFT JOIN ipam.address a ON a.scope_id = scope AND a.address = c.address
        LEFT JOIN ipam.reserved_address k ON k.scope_id = scope AND k.address = c.address
        ORDER BY c.place;
END $$;

-- Whether an address is in the subnet's ranges and not its gateway, held or not.
CREATE FUNCTION ipam.may_be_allocated(of_subnet uuid, candidate inet) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM ipam.subnet s JOIN ipam.subnet_range r ON r.subnet_id = s.id
        WHERE s.id = of_subnet AND s.gateway IS DISTINCT FROM candidate AND candidate BETWEEN r.first AND r.last
    )
$$;

-- Takes addresses, which are locked, out of the ledger.
CREATE FUNCTION ipam.forget(scope uuid, addresses inet[]) RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    DELETE FROM ipam.address a USING unnest(addresses) AS r (address)
    WHERE a.scope_id = scope AND a.address = r.address;
END $$;

-- Writes what was decided on addresses that are locked: the first `known` of the rows are in the ledger and get
-- these holders, the others are new; `gone` are taken out. False, and nothing is written, when somebody was
-- faster to a new one that is in no subnet, as no lock stands for those.
CREATE FUNCTION ipam.write(
    scope uuid, known integer, addresses inet[], subnets uuid[], kinds text[], ids uuid[],
    sinces timestamptz[], untils timestamptz[], notes text[], gone inet[]
) RETURNS boolean LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    broken text;
BEGIN
    IF cardinality(gone) > 0 THEN
        PERFORM ipam.forget(scope, gone);
    END IF;
    IF known > 0 THEN
        UPDATE ipam.address a
        SET holder_kind = r.kind, holder_id = r.id, since = r.since, until = r.until, note = r.note
        FROM unnest(addresses[:known], kinds[:known], ids[:known], sinces[:known], untils[:known], notes[:known])
            AS r (address, kind, id, since, until, note)
        WHERE a.scope_id = scope AND a.address = r.address;
    END IF;
    IF known < cardinality(addresses) THEN
        INSERT INTO ipam.address (scope_id, address, subnet_id, holder_kind, holder_id, since, until, note)
        SELECT scope, r.*
        FROM unnest(
            addresses[known + 1:], subnets[known + 1:], kinds[known + 1:], ids[known + 1:],
            sinces[known + 1:], untils[known + 1:], notes[known + 1:]
        ) AS r (address, subnet, kind, id, since, until, note)
        ORDER BY r.address;
    END IF;
    RETURN true;
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS broken = CONSTRAINT_NAME;
    IF broken <> 'address_pkey' OR array_position(subnets[known + 1:], NULL) IS NULL THEN
        RAISE;
    END IF;
    RETURN false;
END $$;

-- Free intervals follow the rows of ipam.address, whoever writes those.

CREATE FUNCTION ipam.withdraw_free() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    subnets constant uuid[] := ARRAY(SELECT DISTINCT t.subnet_id FROM taken t WHERE t.subnet_id IS NOT NULL);
BEGIN
    PERFORM 1 FROM ipam.subnet s WHERE s.id = ANY (subnets) ORDER BY s.id FOR NO KEY UPDATE;
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT t.scope_id, t.subnet_id FROM taken t) n
        LEFT JOIN ipam.scope c ON c.id = n.scope_id
        LEFT JOIN ipam.subnet s ON s.id = n.subnet_id AND s.scope_id = n.scope_id
        WHERE c.id IS NULL OR (s.id IS NULL AND n.subnet_id IS NOT NULL)
    ) THEN
        RAISE foreign_key_violation USING MESSAGE = 'an address is of a scope or subnet that is not there';
    END IF;
    IF subnets = '{}' THEN
        RETURN NULL;
    END IF;
    -- An interval falls into the pieces before each taken address, which get rows of their own, and the
    -- piece behind the last one, which keeps the interval's row: both have the same `last`.
    WITH hit AS (
        SELECT t.subnet_id, t.address, f.place, f.first, f.last,
               lag(t.address) OVER following AS previous, lead(t.address) OVER following AS next
        FROM taken t
        CROSS JOIN LATERAL (
            SELECT i.ctid AS place, i.first, i.last FROM ipam.free_interval i
            WHERE i.subnet_id = t.subnet_id AND i.last >= t.address ORDER BY i.last LIMIT 1
        ) f
        WHERE f.first <= t.address
        WINDOW following AS (PARTITION BY t.subnet_id, f.last ORDER BY t.address)
    ), shortened AS (
        UPDATE ipam.free_interval i SET first = h.address + 1
        FROM hit h WHERE h.next IS NULL AND h.address < h.last AND i.ctid = h.place
    ), ended AS (
        DELETE FROM ipam.free_interval i
        USING hit h WHERE h.next IS NULL AND h.address = h.last AND i.ctid = h.place
    )
    INSERT INTO ipam.free_interval (subnet_id, first, last)
    SELECT p.subnet_id, p.first, p.address - 1
    FROM (SELECT h.subnet_id, h.address, coalesce(h.previous + 1, h.first) AS first FROM hit h) p
    WHERE p.first < p.address;
    RETURN NULL;
END $$;

CREATE FUNCTION ipam.restore_free() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    subnets constant uuid[] := ARRAY(SELECT DISTINCT g.subnet_id FROM gone g WHERE g.subnet_id IS NOT NULL);
BEGIN
    IF subnets = '{}' THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM ipam.subnet s WHERE s.id = ANY (subnets) ORDER BY s.id FOR NO KEY UPDATE;
    -- Freed addresses and the intervals that touch them merge into islands. An island that ends where an
    -- interval ended keeps that interval's row; the other rows go.
    WITH freed AS (
        SELECT g.subnet_id, g.address,
               CASE WHEN g.address > r.first THEN g.address - 1 END AS before,
               CASE WHEN g.address < r.last THEN g.address + 1 END AS after
        FROM gone g
        CROSS JOIN LATERAL (
            SELECT x.first, x.last FROM ipam.subnet_range x
            WHERE x.subnet_id = g.subnet_id AND x.first <= g.address ORDER BY x.first DESC LIMIT 1
        ) r
        WHERE g.address <= r.last
          AND NOT EXISTS (SELECT FROM ipam.subnet s WHERE s.id = g.subnet_id AND s.gateway = g.address)
    ), piece AS (
        SELECT d.subnet_id, d.address AS first, d.address AS last, NULL::tid AS place FROM freed d
        UNION
        SELECT d.subnet_id, n.first, n.last, n.place
        FROM freed d
        CROSS JOIN LATERAL (
            SELECT i.first, i.last, i.ctid AS place FROM ipam.free_interval i
            WHERE i.subnet_id = d.subnet_id AND i.last = d.before LIMIT 1
        ) n
        UNION
        SELECT d.subnet_id, n.first, n.last, n.place
        FROM freed d
        CROSS JOIN LATERAL (
            SELECT i.first, i.last, i.ctid AS place FROM ipam.free_interval i
            WHERE i.subnet_id = d.subnet_id AND i.last >= d.after ORDER BY i.last LIMIT 1
        ) n
        WHERE n.first = d.after
    ), marked AS (
        SELECT p.*, p.first IS DISTINCT FROM lag(p.last) OVER ordered + 1 AS opens
        FROM piece p WINDOW ordered AS (PARTITION BY p.subnet_id ORDER BY p.first)
    ), numbered AS (
        SELECT m.*, count(*) FILTER (WHERE m.opens) OVER (PARTITION BY m.subnet_id ORDER BY m.first) AS island
        FROM marked m
    ), joined AS (
        SELECT n.subnet_id, n.last, n.place, first_value(n.first) OVER along AS island_first,
               lead(n.last) OVER along IS NULL AS ends
        FROM numbered n WINDOW along AS (PARTITION BY n.subnet_id, n.island ORDER BY n.first)
    ), grown AS (
        UPDATE ipam.free_interval i SET first = j.island_first
        FROM joined j WHERE j.ends AND i.ctid = j.place
    ), absorbed AS (
        DELETE FROM ipam.free_interval i USING joined j WHERE NOT j.ends AND i.ctid = j.place
    )
    INSERT INTO ipam.free_interval (subnet_id, first, last)
    SELECT j.subnet_id, j.island_first, j.last FROM joined j WHERE j.ends AND j.place IS NULL;
    RETURN NULL;
END $$;

-- An address that is given a subnet: those are few, and looked at one by one.
CREATE FUNCTION ipam.require_subnet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ipam.subnet s WHERE s.id = NEW.subnet_id AND s.scope_id = NEW.scope_id) THEN
        RAISE foreign_key_violation USING MESSAGE = 'an address is of a subnet that is not there';
    END IF;
    RETURN NULL;
END $$;

-- A subnet goes with its free intervals, and not as long as addresses are of it.
CREATE FUNCTION ipam.clear_subnet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ipam.address a WHERE a.subnet_id = OLD.id) THEN
        RAISE foreign_key_violation USING MESSAGE = 'the ledger has addresses of subnet ' || OLD.id;
    END IF;
    DELETE FROM ipam.free_interval WHERE subnet_id = OLD.id;
    RETURN NULL;
END $$;

CREATE TRIGGER address_taken AFTER INSERT ON ipam.address
    REFERENCING NEW TABLE AS taken FOR EACH STATEMENT EXECUTE FUNCTION ipam.withdraw_free();
CREATE TRIGGER address_gone AFTER DELETE ON ipam.address
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION ipam.restore_free();

CREATE TRIGGER address_placed AFTER UPDATE OF scope_id, subnet_id ON ipam.address
    FOR EACH ROW WHEN (NEW.subnet_id IS NOT NULL) EXECUTE FUNCTION ipam.require_subnet();
CREATE TRIGGER subnet_gone AFTER DELETE ON ipam.subnet FOR EACH ROW EXECUTE FUNCTION ipam.clear_subnet();

-- Works the free intervals of a subnet out anew: for a new subnet, changed ranges or a changed gateway.
CREATE FUNCTION ipam.rebuild_free(of_subnet uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ipam.free_interval WHERE subnet_id = of_subnet;
    WITH taken AS (
        SELECT address FROM ipam.address WHERE subnet_id = of_subnet
        UNION
        SELECT gateway FROM ipam.subnet WHERE id = of_subnet AND gateway IS NOT NULL
    ), inside AS (
        SELECT r.first, r.last, t.address, lag(t.address) OVER (PARTITION BY r.first ORDER BY t.address) AS previous
        FROM ipam.subnet_range r JOIN taken t ON t.address BETWEEN r.first AND r.last
        WHERE r.subnet_id = of_subnet
    ), behind AS (
        SELECT r.first, r.last, max(i.address) AS highest
        FROM ipam.subnet_range r LEFT JOIN inside i ON i.first = r.first
        WHERE r.subnet_id = of_subnet
        GROUP BY r.first, r.last
    )
    INSERT INTO ipam.free_interval (subnet_id, first, last)
    SELECT of_subnet, p.start, p.address - 1
    FROM (SELECT coalesce(previous + 1, first) AS start, address FROM inside) p
    WHERE p.start < p.address
    UNION ALL
    SELECT of_subnet, CASE WHEN highest IS NULL THEN first ELSE highest + 1 END, last
    FROM behind
    WHERE highest IS NULL OR highest < last;
END $$;

-- Forgets addresses of a subnet whose rest ended by `now`, the longest rested first, at most `most` of
-- them, and tells how many. A subnet that hands out the longest unused address keeps those it may hand out.
CREATE FUNCTION ipam.reclaim(of_subnet uuid, now timestamptz, most integer) RETURNS integer LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    rested inet[];
BEGIN
    SELECT array_agg(c.address) INTO rested FROM (
        SELECT a.address
        FROM ipam.subnet s JOIN ipam.address a ON a.subnet_id = s.id
        WHERE s.id = of_subnet AND a.holder_kind = 'cooling' AND a.until <= now
          AND (s.allocation_order <> 'longest_unused' OR NOT ipam.may_be_allocated(s.id, a.address))
        ORDER BY a.until LIMIT most
    ) c;
    IF rested IS NOT NULL THEN
        PERFORM ipam.forget((SELECT s.scope_id FROM ipam.subnet s WHERE s.id = of_subnet), rested);
    END IF;
    RETURN coalesce(cardinality(rested), 0);
END $$;

-- Locks a subnet for an allocation, takes back what has rested, and tells what deciding needs.
CREATE FUNCTION ipam.open_for_allocation(of_subnet uuid, now timestamptz, most integer)
RETURNS SETOF ipam.subnet LANGUAGE plpgsql AS $$
BEGIN
    PERFORM ipam.lock_subnets(ARRAY[of_subnet]);
    PERFORM ipam.reclaim(of_subnet, now, most);
    RETURN QUERY SELECT * FROM ipam.subnet WHERE id = of_subnet;
END $$;
