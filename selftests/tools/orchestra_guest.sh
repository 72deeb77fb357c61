#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The part of orchestra_test that runs in the test machine, in the folder of its inputs; results go to out/. Needs jq.
#
# usage: orchestra_guest.sh KILLS CHANGES [PART...]

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

kills=$1 changes=$2
shift 2
files=$PWD work=/tmp/orchestra
export XDG_RUNTIME_DIR=$work
mkdir -p $work
cd $work || exit 1

numbers() { mqtool list --runtime "$1" --json | jq -rc "$2"; }
# shellcheck disable=SC2317 # for until_true
has() { [ "$(numbers "$1" "$2" 2> /dev/null)" = "$3" ]; }
# all_back RUNTIME: no client, and every buffer is free
all_back() {
	same '[0,0,0,true]' "$(numbers "$1" '[.runtime.clients, .runtime.blocks, .runtime.connections, ([.pools[] | .free == .buffers] | all)]')" \
		"clients, blocks, connections, free is all"
}

test_files() {
	test_case "24 blocks in 8 processes run to their end"
	cp "$files"/*.flac .
	mqtool init --name orchestra --pool 4K:4096 > /dev/null
	timeout -s KILL 200 mqtool run "$files/orchestra.yaml" > words 2>&1 || wrong "status $?: $(cat words)"
	same 24 "$(grep -c ': done;' words)" "blocks that are done"
	all_back orchestra
	cp wet.flac sharp.wav silence.flac "$files/out"
	mqtool remove --runtime orchestra > /dev/null

	test_case "16 outputs and 16 inputs of a block"
	awk 'BEGIN {
		print "pools: {4K: 4096}\nprocesses: {middle: {threads: 2}}\nblocks:\n  in: {type: AudioFileSource, params: {filename: voice.flac}}"
		print "  fan: {type: Splitter, params: {outputs: 16}}\n  sum: {type: Mixer, params: {inputs: 16}}"
		print "  out: {type: AudioFileSink, params: {filename: sixteen.flac}}"
		for (i = 1; i <= 16; i++) printf "  part%d: {type: Amplifier, params: {gain: 0.%d}, process: middle}\n", i, 20 - i
		print "connections:\n  - in -> fan\n  - sum -> out"
		for (i = 1; i <= 16; i++) printf "  - fan:out%d -> part%d -> sum:in%d\n", i, i, i
	}' > sixteen.yaml
	timeout -s KILL 100 mqtool run sixteen.yaml > words 2>&1 || wrong "status $?: $(cat words)"
	cp sixteen.flac "$files/out"
}

# Like the orchestra, of messages with numbers, whose blocks may begin anew in mid-stream.
storm_graph() {
	awk 'BEGIN {
		print "runtime: storm\npools: {256: 2048}\nprocesses:"
		for (i = 0; i < 8; i++) printf "  p%d: {threads: %d, restart: \"on-failure:100000\"}\n", i, 1 + i % 2
		print "blocks:"
		for (i = 0; i < 4; i++) {
			printf "  gen%d: {type: Generator, params: {wave: counter, bytes: 256}, process: p%d}\n", i, 2 * i
			printf "  fan%d: {type: Splitter, process: p%d}\n", i, (2 * i + 1) % 8
			printf "  one%d: {type: Router, params: {ports: 1}, process: p%d}\n", i, (2 * i + 3) % 8
			printf "  two%d: {type: Router, params: {ports: 1}, process: p%d}\n", i, (2 * i + 5) % 8
			printf "  sum%d: {type: Merger, process: p%d}\n", i, (2 * i + 6) % 8
			printf "  ver%d: {type: Verify, params: {strict: 0}, process: p%d}\n", i, (2 * i + 7) % 8
		}
		print "connections:"
		for (i = 0; i < 4; i++) {
			keep = ", keep: forever"
			printf "  - {from: gen%d, to: fan%d%s}\n", i, i, keep
			printf "  - {from: \"fan%d:out1\", to: one%d%s}\n  - {from: \"fan%d:out2\", to: two%d%s}\n", i, i, keep, i, i, keep
			printf "  - {from: one%d, to: \"sum%d:in1\"%s}\n  - {from: two%d, to: \"sum%d:in2\"%s}\n", i, i, keep, i, (i + 1) % 4, keep
			printf "  - {from: sum%d, to: ver%d%s}\n", i, i, keep
		}
	}'
}

test_storm() {
	test_case "$kills kills at random in a graph of 24 blocks in 8 processes"
	storm_graph > storm.yaml
	mqtool init --name storm --pool 256=256:2048 > /dev/null
	mqtool run storm.yaml > words 2>&1 &
	run=$!
	until_true has storm .runtime.blocks 24
	seed=${MQSHM_SEED:-$$} killed=0
	echo "# seed $seed"
	while [ $killed -lt "$kills" ]; do
		seed=$(((seed * 1103515245 + 12345) % 2147483648))
		name=p$((seed / 65536 % 8))
		pid=$(numbers storm "[.clients[] | select(.name == \"$name\") | .pid][0]")
		[ "$pid" != null ] && kill -KILL "$pid" 2> /dev/null && killed=$((killed + 1))
		[ $((seed / 1048576 % 3)) = 0 ] || sleep 0.$((seed / 4096 % 3 + 1))
	done
	# who was killed often waits for up to ten seconds before it is started again
	i=0
	until has storm .runtime.blocks 24 || [ $i -gt 150 ]; do sleep 0.2; i=$((i + 1)); done
	test_case "all of it runs again, and messages pass each connection"
	same 24 "$(numbers storm '[.connections[] | select(.from_block != 0 and .to_block != 0)] | length')" "connections with both ends"
	numbers storm '[.connections[] | {id, messages}]' > before
	# shellcheck disable=SC2317 # for until_true
	all_moved() {
		numbers storm '[.connections[] | {id, messages}]' > after
		[ "$(jq -n --slurpfile a before --slurpfile b after \
			'[$a[0][] as $x | $b[0][] | select(.id == $x.id and .messages <= $x.messages)] | length')" = 0 ]
	}
	until_true all_moved || wrong "$(tail -n 5 words)"
	test_case "it ends in order, no message came twice or damaged, and every buffer is back"
	kill -INT $run
	wait $run || wrong "status $?: $(tail -n 20 words)"
	want 0 -- grep 'ver.: done' words
	same '' "$(grep -E 'ver.*[1-9][0-9]* (again|damaged)' words)" "words of Verify"
	# connections that keep stay, with what was queued, until they are taken away or the runtime goes
	same '[0,0]' "$(numbers storm '[.runtime.clients, .runtime.blocks]')" "clients and blocks"
	same true "$(numbers storm '([.connections[].queued] | add) as $q | .pools[0] | .free + $q >= .buffers')" "buffers are free or queued"
	mqtool remove --runtime storm > /dev/null || wrong "remove: status $?"
}

test_changes() {
	test_case "$changes changes under load: all are accepted"
	mqtool init --name c --pool 4K:64 > /dev/null
	export MQSHM_RUNTIME=c
	mkfifo in
	rm -f changed
	mqtool launch --runtime c "FileSource filename=in bytes=1000 ! Amplifier name=amp format=s16le gain=1 ! FileSink name=snk filename=$files/out/changed" 2> words &
	run=$!
	# as large as the pieces that are read, so that none comes in parts
	(until [ -e changed ]; do dd bs=1000 if="$files/ones"; done; dd bs=1000 if="$files/ones") > in 2> /dev/null &
	until_true test -s "$files/out/changed"
	i=1
	while [ $i -lt "$changes" ]; do
		i=$((i + 1))
		mqtool set --block amp gain=$i > /dev/null || wrong "gain=$i: status $?"
	done
	touch changed
	wait $run || wrong "status $?: $(cat words)"
	mqtool remove --runtime c > /dev/null || wrong "remove: status $?"
	unset MQSHM_RUNTIME
}

if [ $# = 0 ]; then
	set -- test_files test_changes
	[ "$kills" = 0 ] || set -- "$@" test_storm
fi
for part; do $part; done
test_case "nothing is left"
same '[]' "$(mqtool list --json | jq -c .runtimes)" runtimes
same '' "$(pidof mqtool)" processes
finish
