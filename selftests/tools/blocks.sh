# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
# Blocks that a script starts, joins and waits for, in the runtime $MQSHM_RUNTIME, and what became of that. To be sourced
# behind tap.sh.

pids=''
# begin NAME TYPE [PARAM...]: a block in a process of its own, whose number is $pid
begin() {
	block=$1 type=$2
	shift 2
	for param; do
		set -- "$@" --param "$param"
		shift
	done
	if line=$(mqtool start --block "$type" --name "$block" "$@"); then
		pid=${line#*pid }
		pid=${pid%%,*}
		pids="$pids $pid"
	else
		wrong "$block does not start"
	fi
}
join() { mqtool connect --from "$1" --to "$2" > /dev/null || wrong "$1 to $2: not connected"; }
# shellcheck disable=SC2317 # for until_true
gone() { [ ! -e "/proc/$1/exe" ]; }
# Waits until all that was begun has ended; the next may have the same names.
all_end() {
	for pid in $pids; do until_true gone "$pid"; done
	pids=''
}
# numbers FILTER: of the runtime, by jq
numbers() { mqtool list --json | jq -c "$1"; }
equal() { cmp "$1" "$2" > /tmp/cmp 2>&1 || wrong "$(cat /tmp/cmp)"; }
