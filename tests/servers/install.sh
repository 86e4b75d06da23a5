#!/usr/bin/env bash
# Install what the tests' servers need, where that is ours to do: as root, with apt-get, and only what is
# missing. Elsewhere say what is missing and how to get it; the tests then skip it by name (with CI set, they fail).
set -euo pipefail

missing=()
have() { command -v "$1" >/dev/null 2>&1; }

if [[ -z ${PATCHBAY_TEST_AMQP_URL:-} ]] && ! have rabbitmq-server && [[ ! -x /usr/sbin/rabbitmq-server ]]; then
    missing+=(rabbitmq-server)
fi
if [[ -z ${PATCHBAY_TEST_VCSIM_URL:-} ]] && ! have vcsim && [[ ! -x .cache/vcsim/vcsim ]]; then
    have go || missing+=(golang-go)
    [[ -d /usr/share/gocode/src/github.com/vmware/govmomi/simulator ]] || missing+=(golang-github-vmware-govmomi-dev)
fi
# For the consumer on the command line that docs/how-to has. Node is not installed: its tests are skipped without.
have amqp-consume || missing+=(amqp-tools)
have jq || missing+=(jq)

# To check compose.yaml; no engine is needed for that.
if ! have docker-compose && ! { have docker && docker compose version >/dev/null 2>&1; }; then
    missing+=(docker-compose)
fi

if [[ ${#missing[@]} -eq 0 ]]; then
    exit 0
fi

if [[ $(id -u) -ne 0 ]] || ! have apt-get; then
    echo "not installed: ${missing[*]}; tests that need them are skipped by name." >&2
    echo "as root on Debian or Ubuntu: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 0
fi

# A package's own broker must not start: the tests run private ones on free ports.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "installing for the tests: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
if ! { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    echo "could not install ${missing[*]}; the tests that need them are skipped by name." >&2
    exit 0
fi
rm -f "$log"
