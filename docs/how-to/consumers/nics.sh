#!/usr/bin/env bash
# Keeps a table of NIC records in a JSON file, with tools of the command line: amqp-consume and jq
# (apt-get install amqp-tools jq). The queue must exist and be bound to nic.# and vcenter.#.
#
#     ./nics.sh amqp://user:password@broker:5672/ dash.nics nics.json       read the queue, for ever
#     ./nics.sh apply nics.json < event.json                             apply one event, or several
#
# A message leaves the queue when its event is in the file: amqp-consume acknowledges when apply has succeeded.
set -euo pipefail

apply() {
    local table=$1
    exec 9>"$table.lock"
    flock 9
    [[ -s $table ]] || printf '{"seen":[],"nics":{},"vcenters":{}}' >"$table"
    # Said twice, or played again by an operator: the first time is what counts.
    # Each event of a NIC carries the whole record: the last one is right.
    # A lost vCenter takes nothing back: what we know is as old as its last heartbeat said.
    jq --slurp '
      reduce .[1:][] as $event (.[0];
        if (.seen | index($event.id)) or ($event | has("replayed")) then . else
          .seen = (.seen + [$event.id])[-2000:]
          | $event.data as $data
          | if $event.type == "nic.created" or $event.type == "nic.updated" then .nics[$data.nic.id] = $data.nic
            elif $event.type == "nic.released" then del(.nics[$data.nic.id])
            elif ($event.type | startswith("vcenter.")) and [$data.epoch, $data.sequence] > (.vcenters[$data.vcenter].order // [0, 0])
            then .vcenters[$data.vcenter] += {order: [$data.epoch, $data.sequence], name: $data.name, lost: ($event.type == "vcenter.lost")}
              | if $event.type == "vcenter.heartbeat" then .vcenters[$data.vcenter].current_to = $data.current_to else . end
            else . end
        end)' "$table" - >"$table.new"
    sync "$table.new"
    mv "$table.new" "$table"
}

if [[ ${1:-} == apply ]]; then
    apply "${2:?usage: nics.sh apply TABLE.json}"
    exit
fi

url=${1:?usage: nics.sh AMQP_URL QUEUE TABLE.json}
queue=${2:?usage: nics.sh AMQP_URL QUEUE TABLE.json}
table=${3:?usage: nics.sh AMQP_URL QUEUE TABLE.json}

# amqp-consume ends when the connection does; what it had not acknowledged comes again.
while true; do
    amqp-consume --url="$url" --queue="$queue" --prefetch-count=50 "$0" apply "$table" || true
    sleep 1
done
