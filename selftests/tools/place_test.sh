#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Places on a machine of two NUMA nodes, with a processor each: tools/vm/run --nodes 2.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

export MQSHM_RUNTIME=t
cd /tmp || exit 1
group=/sys/fs/cgroup/place

numbers() { mqtool list --json | jq -c "$1"; }
# shellcheck disable=SC2317 # for until_true
there() { [ "$(numbers '.blocks | length')" = "$1" ]; }
# shellcheck disable=SC2317 # for want
# within COMMAND...: in a cpuset of processor 0 and memory of node 0
within() { sh -c "echo \$\$ > $group/cgroup.procs && exec \"\$@\"" sh "$@"; }

echo +cpuset > /sys/fs/cgroup/cgroup.subtree_control
mkdir $group
echo 0 > $group/cpuset.cpus
echo 0 > $group/cpuset.mems
mqtool init --name t --pool 4K:64 > /dev/null

test_case 'a pool is on the node that it is to be on'
want 0 'pool far: 8 buffers of 1M' -- mqtool pool add --name far --size 1M --count 8 --node 1 --huge
same '[1,true,true]' "$(numbers '.pools[] | select(.name == "far") | [.node, .huge, .huge_bytes <= .payload_bytes]')" pool
want 0 'far 1M 8 8 0 0 8.4MB' -- sh -c 'mqtool list --long | tr -s " "'

test_case 'a node that has no room'
want 1 'pool much: NUMA node 1 has no 314.6MB of memory left to reserve' -- \
	mqtool pool add --name much --size 1M --count 300 --node 1

test_case 'a node that this process may not use'
want 1 'pool far1: you may not use memory of NUMA node 1; this process may use nodes 0 (its cpuset)' -- \
	within mqtool pool add --name far1 --size 4K --count 8 --node 1
want 0 'pool near: 8 buffers' -- within mqtool pool add --name near --size 4K --count 8 --node 0

test_case 'a worker runs on the processors of its node'
mqtool worker --threads 2 --node 1 --block Router --name a > words 2>&1 &
worker=$!
until_true there 1
for task in "/proc/$worker/task"/*; do
	[ "${task##*/}" = "$worker" ] || same 1 "$(sed -n 's/^Cpus_allowed_list:\t//p' "$task/status")" 'processors of a thread'
done
kill -TERM $worker
wait $worker || wrong "status $?: $(cat words)"

test_case 'processors that this process may not use'
want 1 '--cpus: 1: this process may not use all of these processors (its cpuset)' -- \
	within mqtool worker --cpus 1 --block Router
want 1 '--cpus: 0-1: this process may not use all' -- within mqtool worker --threads 2 --cpus 0-1 --block Router
want 1 '--node: 1: this process may not use processors of that NUMA node' -- within mqtool worker --node 1 --block Router
same '[0,0]' "$(numbers '[(.blocks | length), (.clients | length)]')" 'blocks and clients'

test_case 'doctor tells of the nodes'
want 0 'NUMA nodes 0-1 have memory' -- sh -c 'mqtool doctor | tr -s " "'
want 0 -- mqtool remove
finish
