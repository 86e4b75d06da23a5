-- The collector's own state: which vCenters to watch, where each one's stream is, what was said to exist.
-- Written by the collector and by the command line's `vcenter` commands.

CREATE SCHEMA collector;

CREATE TABLE collector.vcenter (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE,
    url text NOT NULL,
    -- References such as "env:NAME", "file:/path" or, for the user only, "text:NAME". Never a secret (G9).
    user_ref text NOT NULL,
    password_ref text NOT NULL CHECK (password_ref ~ '^(env|file):'),
    tls text NOT NULL DEFAULT 'verify' CHECK (tls IN ('verify', 'ca_file', 'thumbprint', 'insecure')),
    -- Path of the CA bundle, or the SHA-256 thumbprint.
    tls_detail text,
    -- A reference to an HTTP proxy's URL ("text:", "env:", "file:"), or "direct"; NULL: as the environment says.
    proxy text,
    scope text NOT NULL DEFAULT 'default',
    -- Learned at the first login. Two rows can't be the same vCenter.
    instance_uuid uuid UNIQUE,
    paused boolean NOT NULL DEFAULT false,
    resync_requested boolean NOT NULL DEFAULT false,
    -- Objects to be read and told again: "vm/vm-42", "datacenter/datacenter-3".
    rereads text[] NOT NULL DEFAULT '{}',
    -- Name by managed object id, as last seen: for operators who name one.
    datacenters jsonb NOT NULL DEFAULT '{}',
    brake_released boolean NOT NULL DEFAULT false,
    -- What the brake holds, by kind; NULL while it holds nothing.
    held jsonb,
    -- Changes since the last login that said nothing new, by reason.
    suppressed jsonb NOT NULL DEFAULT '{}',
    -- How far its clock was ahead of ours at the last login.
    clock_skew_seconds double precision,
    state text NOT NULL DEFAULT 'new',
    state_detail text NOT NULL DEFAULT '',
    state_at timestamptz NOT NULL DEFAULT now(),
    added_at timestamptz NOT NULL DEFAULT now()
);

-- Kept when a vCenter is removed here: added again, its facts must still be newer than the old ones.
CREATE TABLE collector.stream (
    vcenter_id uuid PRIMARY KEY, -- instance UUID
    epoch bigint NOT NULL
);

-- Every object that was, or was about to be, published as existing. The sweep of a snapshot is what is here
-- with an older epoch: what vanished while nobody looked.
CREATE TABLE collector.known_object (
    vcenter_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('host', 'switch', 'portgroup', 'vm')),
    moid text NOT NULL,
    name text,
    epoch bigint NOT NULL,
    -- Since when the brake holds its removal.
    held_at timestamptz,
    PRIMARY KEY (vcenter_id, kind, moid)
);
