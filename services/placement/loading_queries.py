"""What the world is read with."""

from __future__ import annotations

VCENTERS = "SELECT id, name, state, detail, nullif(current_to, 'epoch') FROM inventory.vcenter"
HOST_ORDERS = """
SELECT vcenter_id, moid, epoch, sequence FROM inventory.host WHERE NOT removed AND state IS NOT NULL
"""
HOSTS = """
SELECT h.vcenter_id, h.moid, h.epoch, h.sequence, h.state
FROM inventory.host h JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)
WHERE NOT h.removed AND h.state IS NOT NULL
"""
WIRE_ORDERS = """
SELECT vcenter_id, moid, epoch, sequence FROM inventory.wire WHERE NOT retired AND state IS NOT NULL
"""
WIRES = """
SELECT w.vcenter_id, w.moid, w.epoch, w.sequence, w.state
FROM inventory.wire w JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)
WHERE NOT w.retired AND w.state IS NOT NULL
"""
RETIRED = "SELECT id, state FROM inventory.wire WHERE retired AND state IS NOT NULL AND id = ANY ($1::uuid[])"
LOADS = """
SELECT vcenter_id, host, sum(cpus)::bigint AS cpus, sum(memory_mb)::bigint AS memory_mb
FROM (
    SELECT vcenter_id, host, sum(cpus) AS cpus, sum(memory_mb) AS memory_mb
    FROM inventory.vm
    WHERE NOT removed AND NOT template AND host IS NOT NULL AND ($1 OR power IS DISTINCT FROM 'off')
    GROUP BY vcenter_id, host
    UNION ALL
    SELECT vcenter_id, host, cpus, memory_mb FROM placement.claim
) taken
GROUP BY vcenter_id, host
"""
LOADS_OF_HOSTS = """
SELECT k.vcenter_id, k.host, sum(t.cpus)::bigint AS cpus, sum(t.memory_mb)::bigint AS memory_mb
FROM unnest($2::uuid[], $3::text[]) AS k (vcenter_id, host)
CROSS JOIN LATERAL (
    SELECT v.cpus, v.memory_mb FROM inventory.vm v
    WHERE v.vcenter_id = k.vcenter_id AND v.host = k.host AND NOT v.removed AND NOT v.template
      AND ($1 OR v.power IS DISTINCT FROM 'off')
    UNION ALL
    SELECT c.cpus, c.memory_mb FROM placement.claim c WHERE c.vcenter_id = k.vcenter_id AND c.host = k.host
) t
GROUP BY k.vcenter_id, k.host
"""
PORTS = """
SELECT k.id, (SELECT count(*) FROM inventory.port p WHERE p.wire_id = k.id AND p.detached_at IS NULL)
    + (SELECT count(*) FROM placement.reservation_nic n
       JOIN placement.claim c ON c.id = n.reservation_id WHERE n.wire_id = k.id AND n.live)
FROM unnest($1::uuid[]) AS k (id)
"""
FREE = """
SELECT s.id,
    coalesce((SELECT sum(CASE WHEN family(f.last) = 6 AND f.last >= f.first + 1000000 THEN 1000000
                              ELSE f.last - f.first + 1 END)
              FROM ipam.free_interval f WHERE f.subnet_id = s.id), 0)
    + (SELECT count(*) FROM ipam.address a
       WHERE a.subnet_id = s.id AND a.holder_kind = 'cooling' AND a.until <= $1)
FROM ipam.subnet s
"""
SUBNET_REVISIONS = "SELECT id, revision FROM ipam.subnet"
ROLES = """
SELECT id, default_wire, 'default' FROM ipam.subnet
UNION ALL
SELECT subnet_id, wire_id, role FROM ipam.subnet_wire
UNION ALL
SELECT subnet_id, wire_id, 'mapped' FROM inventory.mapped_wire
"""
PLACES_OF_VM = """
SELECT v.vcenter_id, v.host FROM inventory.vm v
WHERE (v.name = $1 OR v.moid = $1 OR v.vm_id::text = lower($1)) AND NOT v.removed AND NOT v.template
UNION
SELECT r.vcenter_id, r.host FROM placement.reservation r WHERE r.name = $1 AND r.state = 'held'
"""
PLACES_OF_GROUP = """
SELECT r.vcenter_id, coalesce(v.host, r.host)
FROM placement.reservation r
LEFT JOIN inventory.vm v ON v.vcenter_id = r.vcenter_id AND v.moid = r.vm_moid
WHERE r.groups @> ARRAY[$1::text] AND r.groups <> '{}'
  AND (r.state = 'held' OR (r.state = 'confirmed' AND (v.moid IS NULL OR NOT v.removed)))
"""
CHOSEN = """
SELECT 'host ' || h.vcenter_id || ' ' || h.moid || ' ' || h.epoch || ' ' || h.sequence
FROM inventory.host h JOIN unnest($1::uuid[], $2::text[]) AS k (vcenter_id, moid) USING (vcenter_id, moid)
WHERE NOT h.removed
UNION ALL
SELECT 'wire ' || id || ' ' || epoch || ' ' || sequence FROM inventory.wire
WHERE id = ANY ($3::uuid[]) AND NOT retired
UNION ALL
SELECT 'subnet ' || id || ' ' || revision FROM ipam.subnet WHERE id = ANY ($4::uuid[])
UNION ALL
SELECT 'role ' || id || ' ' || default_wire || ' default' FROM ipam.subnet WHERE id = ANY ($4::uuid[])
UNION ALL
SELECT 'role ' || subnet_id || ' ' || wire_id || ' ' || role FROM ipam.subnet_wire
WHERE subnet_id = ANY ($4::uuid[])
UNION ALL
SELECT 'role ' || subnet_id || ' ' || wire_id || ' mapped' FROM inventory.mapped_wire
WHERE subnet_id = ANY ($4::uuid[])
"""
