#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Large graphs in the test machine, and what mqtool says of one more than a limit takes. Needs jq.
#
# usage: limits_test.sh [PART...]

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

export XDG_RUNTIME_DIR=/tmp/limits
mkdir -p $XDG_RUNTIME_DIR
cd $XDG_RUNTIME_DIR || exit 1
module=/sys/module/mqshm/parameters

numbers() { mqtool list --runtime "$1" --json | jq -c "$2"; }
quiet() { "$@" > /dev/null || wrong "$*"; }
# letters N: so many
letters() { printf "%0$1d" 0 | tr 0 x; }
# shellcheck disable=SC2317 # for until_true
has_blocks() { [ "$(numbers "$1" .runtime.blocks)" = "$2" ]; }
# shellcheck disable=SC2317 # for until_true
lines() { [ "$(wc -l < "$1")" = "$2" ]; }

# crossed PROCESSES GROUPS MESSAGES THREADS: groups of four blocks, each in another process, with eight connections a group
crossed() {
	awk -v processes="$1" -v groups="$2" -v messages="$3" -v threads="$4" 'BEGIN {
		print "runtime: large\npools: {small: {size: 64, count: 8192}}\nprocesses:"
		for (i = 0; i < processes; i++) printf "  p%d: {threads: %d}\n", i, threads
		print "blocks:"
		for (i = 0; i < groups; i++) {
			printf "  gen%d: {type: Generator, params: {wave: counter, bytes: 64, messages: %d}, process: p%d}\n", i, messages, i % processes
			printf "  spl%d: {type: Splitter, params: {outputs: 6}, process: p%d}\n", i, (i + 1) % processes
			printf "  mrg%d: {type: Merger, params: {inputs: 6}, process: p%d}\n", i, (i + 2) % processes
			printf "  ver%d: {type: Verify, process: p%d}\n", i, (i + 3) % processes
		}
		print "connections:"
		for (i = 0; i < groups; i++) {
			printf "  - gen%d -> spl%d\n  - mrg%d -> ver%d\n", i, i, i, i
			for (k = 1; k <= 6; k++) printf "  - spl%d:out%d -> mrg%d:in%d\n", i, k, (i + k) % groups, k
		}
	}'
}

# passes PROCESSES GROUPS MESSAGES THREADS: such a graph runs to its end, and each message comes everywhere, once and undamaged
passes() {
	crossed "$@" > crossed.yaml
	mqtool run crossed.yaml > words 2>&1 || wrong "status $?: $(tail -n 5 words)"
	same "$2" "$(grep -c "^ver.*: done; in: $((6 * $3)) buffers" words)" "blocks that got all"
	same $((4 * $2)) "$(grep -c ': done;' words)" "blocks that are done"
	same '[0,0,0,true]' "$(numbers large '[.runtime.clients, .runtime.blocks, .runtime.connections, .pools[0].free == .pools[0].buffers]')" \
		"clients, blocks, connections, free is all"
}

test_many() {
	quiet mqtool init --name large --pool small=64:8192
	test_case "16 processes of 16 blocks, 256 blocks, 512 connections"
	passes 16 64 100 2
	test_case "one of 256 blocks on one thread"
	passes 1 64 100 1
	quiet mqtool remove --runtime large
}

test_most() {
	quiet mqtool init --name large --pool small=64:8192
	test_case "64 processes, 256 blocks, 512 connections"
	passes 64 64 1000 1
	quiet mqtool remove --runtime large
	test_case "64 processes of 16 blocks on two threads each, 1024 blocks, 2048 connections"
	quiet mqtool init --name large --pool small=64:8192 --limit blocks=1024 --limit connections=2048
	passes 64 256 100 2
	quiet mqtool remove --runtime large
}

# a line through 254 blocks, then nothing for a while, then another
test_rest() {
	test_case "256 blocks in 16 processes at rest do not wake up"
	mkfifo feed
	awk 'BEGIN {
		print "runtime: rest\npools: {small: {size: 64, count: 64}}\nprocesses:"
		for (i = 0; i < 16; i++) printf "  p%d:\n", i
		print "blocks:\n  b0: {type: FileSource, params: {filename: feed}, process: p0}"
		for (i = 1; i < 255; i++) printf "  b%d: {type: Router, params: {ports: 1}, process: p%d}\n", i, i % 16
		print "  b255: {type: FileSink, params: {filename: out}, process: p15}\nconnections:"
		for (i = 0; i < 255; i++) printf "  - b%d -> b%d\n", i, i + 1
	}' > rest.yaml
	mqtool run rest.yaml > words 2>&1 &
	run=$!
	exec 3> feed
	echo one >&3
	until_true lines out 1
	after=$(numbers rest '[.clients[] | .ioctls, .sleeps]') i=0
	while before=$after && sleep 1 && after=$(numbers rest '[.clients[] | .ioctls, .sleeps]') && [ "$before" != "$after" ] && [ $i -lt 20 ]; do
		i=$((i + 1))
	done
	same "$before" "$after" "calls and sleeps of its clients"
	echo two >&3
	until_true lines out 2
	exec 3>&-
	wait $run || wrong "status $?: $(tail -n 5 words)"
	same "one two" "$(tr '\n' ' ' < out | sed 's/ $//')" "output"
}

# beyond WHAT STATUS WORDS... -- COMMAND...
beyond() {
	test_case "one more: $1"
	shift
	want "$@"
}

test_beyond() {
	quiet mqtool init --name t --pool 64:4 --limit clients=3 --limit blocks=2 --limit ports=3 --limit connections=1 \
		--limit pools=2 --limit buffers=8
	same '{"clients":3,"blocks":2,"ports":3,"connections":1,"pools":2,"buffers":8}' "$(numbers t .runtime.limits)" "limits"
	export MQSHM_RUNTIME=t
	for name in a b; do quiet mqtool start --block Splitter --name $name; done
	beyond "block" 1 "block c: the runtime takes 2 blocks, and has them" "limits are set when a runtime is made: mqtool init --limit" -- \
		mqtool start --block Splitter --name c
	quiet mqtool connect --from a:out1 --to b
	beyond "connection" 1 "connection a:out2: runtime t takes 1 connections, and has them; a limit is set when a runtime is made: mqtool init --limit connections=2" -- \
		mqtool connect --from a:out2 --to b
	quiet mqtool stop --block b
	beyond "port" 1 "block b: it would have 4 ports, and a block of this runtime takes 3" "mqtool init --limit" -- \
		mqtool start --block Splitter --name b --param outputs=3
	beyond "client" 1 "mqtool: runtime t: it takes 3 clients, and has them; a limit is set when a runtime is made: mqtool init --limit clients=6" -- \
		mqtool worker --threads 3 --block Splitter --name w
	beyond "buffer" 1 "pool p: runtime t takes 8 buffers and has 4, so that there is no place for 5; a limit is set when a runtime is made: mqtool init --limit buffers=9" -- \
		mqtool pool add --name p --size 64 --count 5
	quiet mqtool pool add --name p --size 64 --count 4
	beyond "pool" 1 "pool q: runtime t takes 2 pools, and has them; a limit is set when a runtime is made: mqtool init --limit pools=4" -- \
		mqtool pool add --name q --size 64 --count 1
	quiet mqtool stop --all
	quiet mqtool remove
	unset MQSHM_RUNTIME

	while read -r key most; do
		beyond "most $key of any runtime" 1 "runtime t: it would take $((most + 1)) $key, and the module allows $most: its parameter max_$key" -- \
			mqtool init --name t --pool 64:1 --limit "$key=$((most + 1))"
	done << 'END'
clients 256
blocks 4096
ports 256
connections 4096
pools 32
buffers 1048576
END
	quiet mqtool init --name t --pool 4K:4
	export MQSHM_RUNTIME=t
	cat > many.yaml << 'END'
blocks:
  s: {type: Splitter, params: {outputs: 31}}
  m: {type: Merger, params: {inputs: 31}}
connections: [s:out1 -> m:in1]
END
	beyond "32 ports, and ends" 0 "Splitter" -- mqtool run --dry-run many.yaml
	beyond "outputs of a Splitter" 1 "outputs=32: must be 1 to 31" -- mqtool start --block Splitter --name s --param outputs=32
	beyond "threads of a worker" 2 "--threads 65: 1 to 64" -- mqtool worker --threads 65 --block Splitter
	beyond "bytes of a runtime's name" 2 "1 to 31 bytes" -- mqtool init --name "$(letters 32)"
	beyond "bytes of a pool's name" 2 "the name of a pool has 1 to 31 bytes" -- mqtool pool add --name "$(letters 32)" --size 64 --count 1
	beyond "bytes of a block's name" 2 "1 to 63 bytes" -- mqtool start --block Splitter --name "$(letters 64)"
	beyond "bytes of a process's name" 2 "1 to 63 bytes" -- mqtool start --block Splitter --name s --process "$(letters 64)"
	beyond "bytes of a buffer" 2 "a buffer has 64 bytes to 16M" -- mqtool init --name u --pool "16777217:1"
	beyond "bytes of a topic" 2 "it has 1 to 63 bytes" -- mqtool bus pub --topic "$(letters 64)" x
	beyond "bytes of a message" 1 "more than 4096 bytes" -- sh -c 'head -c 4097 /dev/zero | mqtool bus pub --topic x'
	beyond "messages of a subscriber's queue" 1 "16385 messages are more than the module's limit: its parameter max_bus_depth" -- \
		mqtool bus sub --depth 16385
	quiet mqtool start --block Amplifier --name amp
	beyond "bytes of a change" 1 "block amp: " "4096" -- mqtool set --block amp "gain=$(letters 4096)"
	quiet mqtool stop --all
	echo 0 > $module/max_subscribers
	beyond "subscriber" 1 "runtime t: its bus has as many subscribers as the module allows: its parameter max_subscribers" -- mqtool bus sub
	echo 1024 > $module/max_subscribers
	quiet mqtool remove
	unset MQSHM_RUNTIME
	echo 1 > $module/user_runtimes
	quiet su alice -c "mqtool init --name one --pool 64:1"
	beyond "runtime of a user" 1 "you have as many runtimes as a user may have (the module's parameter user_runtimes); mqtool list shows them" -- \
		su alice -c "mqtool init --name two --pool 64:1"
	echo 64 > $module/user_runtimes
	echo 1 > $module/user_mbytes
	beyond "memory of a user" 1 "that is more memory than a user may have in pools (the module's parameter user_mbytes)" -- \
		su alice -c "mqtool pool add --runtime one --size 1M --count 2"
	echo 0 > $module/user_mbytes
	su alice -c "mqtool remove --runtime one" > /dev/null
	beyond "limits that are none" 2 "--limit blocks: it is KEY=NUMBER; keys: clients, blocks, ports" -- mqtool init --name t --limit blocks
	want 2 "--limit block=3: it is KEY=NUMBER" -- mqtool init --name t --limit block=3
	want 2 "--limit blocks=0: a limit is a number from 1 on" -- mqtool init --name t --limit blocks=0
}

[ $# -gt 0 ] || set -- test_beyond test_many test_rest
for part; do $part; done
test_case "nothing is left"
same '[]' "$(mqtool list --json | jq -c .runtimes)" runtimes
same '' "$(pidof mqtool)" processes
finish
