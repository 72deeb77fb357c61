#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Whole graphs in the test machine: mqtool run, launch, graph, what is started again; completion; mqtool doctor.
# Needs jq, bash and bash-completion.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

work=/tmp/graph
export XDG_RUNTIME_DIR=/tmp/graph-state
unset MQSHM_RUNTIME
mkdir -p $work $XDG_RUNTIME_DIR
cd $work || exit 1

json() { mqtool list --json --runtime "$2" | jq -rc "$1"; }
runtimes() { mqtool list --json | jq -rc '[.runtimes[].name] | join(" ")'; }
# shellcheck disable=SC2317 # for until_true
runtimes_are() { [ "$(runtimes)" = "$1" ]; }
# shellcheck disable=SC2317 # for until_true
has() { [ "$(json ".$2 | length" "$3" 2> /dev/null)" = "$1" ]; }
# shellcheck disable=SC2317 # for until_true
blocks() { [ "$(json .runtime.blocks "$2" 2> /dev/null)" = "$1" ]; }
pid_of() { json ".blocks[] as \$b | .clients[] | select(.id == \$b.client and \$b.name == \"$1\") | .pid" "$2"; }
# shellcheck disable=SC2317 # for until_true
has_block() { [ -n "$(pid_of "$1" "$2")" ]; }
equal() { cmp "$1" "$2" > cmp.out 2>&1 || wrong "$(cat cmp.out)"; }
# shellcheck disable=SC2317 # for until_true
gone() { [ ! -e "/proc/$1/exe" ]; }
# shellcheck disable=SC2317 # for until_true
says() { grep -q "$2" "$1"; }

# refused WHAT WORD... -- COMMAND...: status 1, and nothing is left
refused() {
	test_case "$1"
	shift
	want 1 "$@"
	same '' "$(runtimes)" "runtimes"
}

test_run() {
	cat > copy.yaml << 'END'
pools:
  4K: 1024
  large: {size: 64K, count: 4}
processes:
  reader:
blocks:
  src: {type: FileSource, params: {filename: in, bytes: 1000}, process: reader}
  amp: {type: Amplifier, params: {gain: 1.0, format: s16le}}
  snk: {type: FileSink, params: {filename: out}}
  snk2:
    type: FileSink
    params:
      filename: out2
connections:
  - src -> amp -> snk
  - {from: "src:out", to: snk2}
END
	test_case "run --dry-run shows the graph, sinks first, and starts nothing"
	want 0 "Runtime: copy" "snk FileSink snk_proc no filename=out snk2" "src FileSource reader no filename=in bytes=1000 Connections" \
		"src amp block no no amp snk block no no src:out snk2 block no no" -- sh -c 'mqtool run --dry-run copy.yaml | tr -s " \n" "  "'
	[ ! -e out ] || wrong "there is an output"
	test_case "pools and processes have places, which are looked at before anything starts"
	sed 's/count: 4}/count: 4, huge: true, node: 0}/; s/reader:/reader: {threads: 2, cpus: "1,0"}/' copy.yaml > place.yaml
	want 0 "Runtime: place" -- mqtool run --dry-run place.yaml
	sed 's/"1,0"/0-99/' place.yaml > wrong.yaml
	want 1 "wrong.yaml:5: cpus of process reader: 0-99: not all of these processors are there and online; online: 0-1" -- \
		mqtool run wrong.yaml
	sed 's/huge: true/huge: maybe/' place.yaml > wrong.yaml
	want 1 "wrong.yaml:3: huge maybe: it is true or false" -- mqtool run wrong.yaml
	sed 's/node: 0/node: 9/' place.yaml > wrong.yaml
	want 1 "pool large: there is no NUMA node 9 with memory" -- mqtool run wrong.yaml
	same '' "$(runtimes)" "runtimes"
	mqtool run place.yaml > words 2>&1 || wrong "$(cat words)"
	cmp in out || wrong "$(cat words)"
	rm -f out out2
	test_case "it shows restarts, policies, and what is persistent"
	sed 's/format: s16le}/&, restart: on-failure:3/
		s/to: snk2}/to: snk2, policy: drop-oldest, keep: 60}\n  - {from: amp, to: snk2, persistent: false}/' copy.yaml > how.yaml
	want 0 "amp Amplifier amp_proc on-failure:3 gain=1.0" "src amp block for restarts no amp snk block for restarts no" \
		"src:out snk2 drop-oldest yes 1 min amp snk2 block no no" -- sh -c 'mqtool run --dry-run how.yaml | tr -s " \n" "  "'

	test_case "run runs a graph to its end, with pools of its own, and leaves no runtime"
	want 0 "src: done; in: 0 buffers, 0B; out: 300 buffers, 300.0kB" -- mqtool run copy.yaml
	same '' "$(runtimes)" "runtimes"
	equal in out
	test_case "everything that an output is connected to gets the first message too"
	equal in out2

	test_case "connections are made as the graph says"
	sed 's/to: snk2}/to: snk2, policy: drop-oldest, keep: 60}/; s/filename: in,/filename: feed,/' copy.yaml > how.yaml
	mkfifo feed
	mqtool run how.yaml 2> words &
	run=$!
	exec 4> feed
	until_true has 3 connections how
	same '["block","drop-oldest",true]' \
		"$(json '[.connections[0].policy, (.connections[2] | .policy, .keep)]' how)" "policies, keep"
	exec 4>&-
	wait $run || wrong "status $?: $(cat words)"
	rm -f feed

	test_case "run takes the runtime that is there, and leaves it"
	mqtool init --name t --pool 4K:1024 > /dev/null
	rm -f out out2
	want 0 -- mqtool run --runtime t copy.yaml
	equal in out
	same '["4K","large"]' "$(json '[.pools[].name]' t)" "pools"
	same '[0,true]' "$(json '[.runtime.blocks, ([.pools[] | .free == .buffers] | all)]' t)" "blocks, free is all"
	test_case "a pool of another size that is there is told"
	sed 's/4K: 1024/4K: 1025/' copy.yaml > other.yaml
	want 1 "pool 4K: the runtime has one of that name, with 1024 buffers of 4096 bytes" -- mqtool run --runtime t other.yaml
	mqtool remove --runtime t > /dev/null
}

# edited WHAT SED WORD...: run of the graph with a change is refused with these words
edited() {
	what=$1
	sed "$2" copy.yaml > wrong.yaml
	shift 2
	refused "$what" "$@" -- mqtool run wrong.yaml
}

test_run_refused() {
	rm -f out
	refused "a graph that is not there" "graph no.yaml: No such file or directory" -- mqtool run no.yaml
	: > empty.yaml
	refused "a graph without a word" "graph empty.yaml: there is nothing in it" -- mqtool run empty.yaml
	refused "a folder" "graph .: it is a folder" -- mqtool run .
	edited "two documents" '$a---\nblocks: {x: {type: NullSink}}' "graph wrong.yaml: there are several documents in it (---); a graph is one"
	edited "a file that is no YAML" 's/\[*$/: [/;2q' "wrong.yaml:" "YAML: "
	edited "an unknown key" 's/params: {gain/parms: {gain/' \
		"mqtool: wrong.yaml:8: key parms: there is no such key here; did you mean params? keys: type, params"
	edited "an unknown type" 's/Amplifier/Amplifer/' "mqtool: wrong.yaml:8: block type Amplifer" "did you mean Amplifier?"
	edited "an unknown parameter" 's/gain/gian/' "mqtool: wrong.yaml:8: parameter gian: Amplifier has no such parameter; did you mean gain?"
	edited "an unknown parameter, on a line of its own" 's/filename: out2/filenam: out2/' \
		"mqtool: wrong.yaml:13: parameter filenam: FileSink has no such parameter"
	edited "a value that is none" 's/gain: 1.0/gain: loud/' "mqtool: wrong.yaml:8: block amp: gain=loud: this is no number, such as 2.5"
	edited "a parameter that is needed" '/ params:$/d;/filename: out2$/d' \
		"mqtool: wrong.yaml:10: block snk2: parameter filename is missing"
	edited "a connection of an unknown block" 's/-> amp ->/-> amb ->/' "mqtool: wrong.yaml:15: block amb: there is none of that name; did you mean amp?"
	edited "a connection to a source" 's/- src -> amp/- snk -> src/' "mqtool: wrong.yaml:15: block snk: a FileSink is a sink"
	edited "an unknown process" 's/process: reader/process: raeder/' "mqtool: wrong.yaml:7: process raeder: there is none of that name; did you mean reader?"
	edited "a pool that cannot be" 's/64K, count/17M, count/' "mqtool: wrong.yaml:3: pool large: a buffer has 64 bytes to 16M"
	edited "a policy that is none" 's/FileSink, params: {filename: out}/&, restart: often/;s/}, restart: often}/, restart: often}/;s/out, restart/out}, restart/' \
		"mqtool: wrong.yaml:9: restart often: it is no, on-failure or always"
	edited "an unknown port, before anything runs" 's/src:out/src:left/' \
		"mqtool: wrong.yaml:16: port src:left: the block has no such output; outputs of src: out"
	edited "a file that is not there, before anything runs" 's/filename: in,/filename: nofile,/' \
		"cannot read nofile" "mqtool: wrong.yaml:7: block src: it does not start, for the reason above"
	[ ! -e out ] || wrong "there is an output"
}

test_run_values() {
	cat > full.yaml << 'END'
runtime: full
pools:
  4K: 64
  large: {size: 64K, count: 4, huge: false}
processes:
  many: {threads: 2}
  other: {node: 0}
blocks:
  src: {type: FileSource, params: {filename: in}, process: many}
  amp: {type: Amplifier, params: {gain: 1.0}, restart: always}
  nul: {type: NullSink}
connections:
  - src -> amp
  - {from: amp, to: nul, policy: drop-oldest, tap: true, persistent: true}
END
	test_case "a value that is none is told with its line, and how it is written"
	want 0 -- mqtool run --dry-run full.yaml
	while IFS='#' read -r edit word; do
		sed "$edit" full.yaml > wrong.yaml
		want 1 "mqtool: wrong.yaml:$word" -- mqtool run --dry-run wrong.yaml
	done << 'END'
s/runtime: full/runtime: [a]/#1: runtime: a word is missing here
s/^  4K: 64/  4K: none/#3: pool 4K: 
s/^  4K: 64/  4K: {size: 4K}/#3: pool 4K: its count is missing
s/^  4K: 64/  large: 64/#4: YAML: duplicate key
s/huge: false/huge: no/#4: huge no: it is true or false
s/huge: false/node: x/#4: node x: 
s/huge: false/nod: 0/#4: key nod: there is no such key here; did you mean node?
s/^  large.*/  - large/#4: YAML: 
/^  4K/d;s/^  large.*/  - large/#3: pools: it is NAME: COUNT, or NAME: {size: BYTES, count: N}
s/threads: 2/threads: 0/#6: threads 0: it is a number from 1 to 64
s/threads: 2/threads: 65/#6: threads 65: it is a number from 1 to 64
s/node: 0/node: x/#7: node x: it is the number of a NUMA node
s/node: 0/node: 7/#7: node of process other: 
s/node: 0/node: 0, cpus: 0/#7: cpus of process other: 
s/node: 0/restart: on-failure:x/#7: restart on-failure:x: it is no, on-failure or always
s/{node: 0}/two/#7: process other: it is {threads: N, restart: WHEN}
s/^  other/  ""/#7: process : a name has 1 to 63 bytes
s/^  other/  nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn/#7: process nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn: a name has 1 to 63 bytes
s/type: NullSink/restart: no/#11: block nul: its type is missing
s/{type: NullSink}/NullSink/#11: block nul: it is {type: TYPE, params: {KEY: VALUE}}
s/type: NullSink/type: [NullSink]/#11: type of block nul: a word is missing here
s/^  nul:/  "n:l":/#11: block n:l: a name has 1 to 63 bytes, without :
s/^  nul:/  src:/#11: YAML: duplicate key
s/type: NullSink/type: /#11: type of block nul: a word is missing here
s/{gain: 1.0}/1.0/#10: params: it is KEY: VALUE for each parameter
s/gain: 1.0/gain: {}/#10: parameter gain: a word is missing here
s/process: many/process: many, restart: no/#9: block src: restart belongs to its process
s/src -> amp/src amp/#13: connection: it is BLOCK:PORT -> BLOCK:PORT, with PORT left out
s/src -> amp/src ->/#13: connection: it is BLOCK:PORT -> BLOCK:PORT, with PORT left out
s/src -> amp/src -> -> amp/#13: connection: it is BLOCK:PORT -> BLOCK:PORT, with PORT left out
s/src -> amp/amp -> nul/#14: connection amp: it is connected to nul already
s/from: amp, //#14: connection: it needs from and to
s/to: nul, //#14: connection: it needs from and to
s/tap: true/tap: maybe/#14: tap maybe: it is true or false
s/persistent: true/persistent: yes/#14: persistent yes: it is true or false
s/drop-oldest, tap/block, tap/#14: connection amp: a tap drops: policy drop-newest or drop-oldest
s/policy: drop-oldest, tap: true/tap: true, policy: block/#14: connection amp: a tap drops: policy drop-newest or drop-oldest
s/drop-oldest/drop/#14: policy drop: there is no such policy; there are block, drop-newest and drop-oldest
s/persistent: true/persistent: false, keep: 60/#14: connection amp: keep keeps messages for a block that comes back, which persistent: false excludes
s/src -> amp/nul -> amp/#13: block nul: a NullSink is a sink
s/src -> amp/amp -> src/#13: block src: a FileSource is a source
/^blocks/,$d# graph: there are no blocks in it
s/persistent: true/keep: 0/#14: keep 0: it is a number of seconds, 0.001 or more, or forever
s/^  - src.*//;s/^  - {from.*/  src: amp/#14: connections: it is a list: - BLOCK:PORT -> BLOCK:PORT
/^  [sna].*type/d;s/^blocks:/blocks: none/#8: blocks: it is NAME: {type: TYPE, params: {KEY: VALUE}}
END
	test_case "a tap drops the oldest if nothing else is said"
	sed 's/policy: drop-oldest, //' full.yaml > wrong.yaml
	want 0 "amp nul drop-oldest" -- sh -c 'mqtool run --dry-run wrong.yaml | tr -s " "'
}

test_end() {
	test_case "SIGINT ends the sources; what is on its way arrives"
	mqtool init --name t --pool 4K:1024 > /dev/null
	rm -f out
	mkfifo feed
	while cat in; do sleep 0.1; done > feed 2> /dev/null &
	mqtool launch --runtime t 'FileSource name=src filename=feed bytes=1000 ! Amplifier name=amp ! FileSink name=snk filename=out' 2> words &
	run=$!
	until_true sh -c '[ -s out ]'
	kill -INT $run
	wait $run || wrong "status $?: $(cat words)"
	sent=$(sed -n 's/^src: done.*out: \([0-9]*\) buffers.*/\1/p' words)
	[ -n "$sent" ] || wrong "the source did not end its stream: $(cat words)"
	same "$sent" "$(sed -n 's/^snk: done; in: \([0-9]*\) buffers.*/\1/p' words)" "messages"
	same "$(head -c "$(wc -c < out)" in | md5sum)" "$(head -c 300000 out | md5sum)" "the first 300 messages"
	rm -f feed out
	test_case "a second SIGINT stops what does not end, and nothing of others"
	mkfifo pipe
	mqtool start --runtime t --block NullSink --name other > /dev/null
	mqtool launch --runtime t 'FileSource filename=/dev/zero ! FileSink name=snk filename=pipe' 2> words &
	run=$!
	until_true blocks 3 t
	kill -INT $run
	sleep 0.3
	kill -INT $run
	wait $run || wrong "status $?"
	want 0 "snk: stopped" -- cat words
	same other "$(mqtool list --runtime t --json | jq -r '.blocks[].name')" "blocks that are left"
	mqtool stop --runtime t --all > /dev/null
	rm -f pipe out
	test_case "what hangs meanwhile, and is killed, is not started again"
	rm -f words
	timeout -s KILL 60 mqtool launch --runtime t --restart on-failure 'FileSource name=src filename=/dev/zero ! NullSink name=snk' 2> words &
	until_true blocks 2 t
	hung=$(pid_of src t)
	run=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$hung/status")
	kill -STOP "$hung"
	kill -INT "$run"
	sleep 0.3
	kill -INT "$run"
	until_true says words "snk: stopped"
	kill -KILL "$hung"
	wait $!
	same 1 $? "status"
	want 0 "block src: its process ended by signal 9 (Killed)" -- cat words
	mqtool remove --runtime t > /dev/null
}

test_restart() {
	test_case "a killed block comes back, connected as before, and the graph goes on to its end"
	mqtool init --name t --pool 4K:1024 > /dev/null
	mkfifo feed
	mqtool launch --runtime t --restart on-failure \
		'FileSource name=src filename=feed ! Amplifier name=amp ! FileSink name=snk filename=out' 2> words &
	run=$!
	exec 3> feed
	echo one >&3
	until_true says out one
	before=$(pid_of amp t)
	kill -KILL "$before"
	until_true says words "block amp: it runs again"
	echo two >&3
	exec 3>&-
	wait $run || wrong "status $?"
	same "one two" "$(tr '\n' ' ' < out | sed 's/ $//')" "output"
	want 0 "block amp: its process (pid $before) ended by signal 9 (Killed); it is started again" -- cat words

	test_case "a block that fails again and again is given up, and the graph ends with status 1"
	while cat in; do :; done > feed 2> /dev/null &
	want 1 "block amp: it runs again (pid" "block amp: its process ended by status 1, again after 2 restarts" \
		"this is no WAV stream" -- mqtool launch --runtime t --restart on-failure:2 \
		'FileSource filename=feed bytes=1000 ! Amplifier name=amp format=wav ! FileSink filename=out'
	same 0 "$(json .runtime.blocks t)" "blocks"

	test_case "what was kept for one that is given up is told"
	cat > gone.yaml << 'END'
blocks:
  src: {type: FileSource, params: {filename: in, bytes: 60000}}
  amp: {type: Amplifier, params: {format: wav}, restart: on-failure:1}
  nul: {type: NullSink}
connections:
  - {from: src, to: amp, keep: forever}
  - amp -> nul
END
	want 1 "again after 1 restart" "src: done; in: 0 buffers, 0B; out: 5 buffers" "connections: messages still kept: 3" -- \
		timeout -s KILL 30 mqtool run gone.yaml
	test_case "a block that comes back to a stream that has ended sees the end; what that cost is told"
	want 0 "amp: done; in: 0 buffers" "amp: restarts: " "; messages lost: 0 in its hands, " -- mqtool launch --runtime t --restart on-failure \
		'FileSource filename=in bytes=1000 ! Amplifier name=amp format=wav ! FileSink filename=out'
	# one message a life; what the source sends behind the back of a life is not among those
	gone=$(echo "$said" | sed -n 's/^amp: restarts: \([0-9]*\);.* \([0-9]*\) queued for it$/\1 + \2/p' | xargs expr)
	[ "$gone" -gt 0 ] && [ "$gone" -le 300 ] || wrong "$gone messages gone"
	test_case "the connections of a graph with restarts go with it"
	same '[0,[]]' "$(json '[.runtime.blocks, .connections]' t)" "blocks, connections"
	test_case "start --restart watches a block, which finds the connections again that others made"
	want 0 "amp: watched by pid " -- mqtool start --runtime t --restart always --block Amplifier --name amp
	watcher=${said#*by pid }
	watcher=${watcher%%,*}
	mqtool start --runtime t --block FileSource --name src --param filename=feed > /dev/null
	mqtool start --runtime t --block FileSink --name snk --param filename=out > /dev/null
	mqtool connect --runtime t --from src --to amp > /dev/null
	mqtool connect --runtime t --from amp --to snk --policy drop-newest > /dev/null
	exec 3> feed
	echo one >&3
	until_true says out one
	kill -KILL "$(pid_of amp t)"
	until_true says "$XDG_RUNTIME_DIR/mqshm/t-amp.log" "it runs again"
	echo two >&3
	until_true says out two
	test_case "a connection that was taken away is not made again"
	mqtool disconnect --runtime t --from src --to amp > /dev/null
	before=$(pid_of amp t)
	kill -KILL "$before"
	until_true sh -c "[ \$(grep -c 'it runs again' $XDG_RUNTIME_DIR/mqshm/t-amp.log) = 2 ]"
	same '["amp:out","snk:in","drop-newest"]' "$(json '.connections[] | [.from, .to, .policy]' t)" "connections"
	test_case "all of its connections are persistent, but for one that is made not to be"
	mqtool connect --runtime t --from src --to amp --transient > /dev/null
	same '["amp:out",true]["src:out",false]' "$(json '.connections | sort_by(.from)[] | [.from, .persistent]' t | tr -d '\n')" "connections"
	want 2 "--transient: it is that, or it is persistent and keeps" -- mqtool connect --runtime t --from src --to amp --transient --keep
	mqtool disconnect --runtime t --from src --to amp > /dev/null
	exec 3>&-
	test_case "what is asked to stop is not started again, and the watcher ends"
	want 0 -- mqtool stop --runtime t --all
	until_true gone "$watcher"
	same 0 "$(json .runtime.blocks t)" "blocks"
	rm -f feed out
	mqtool remove --runtime t > /dev/null
}

test_worker() {
	cat > worker.yaml << 'END'
runtime: t
pools: {4K: 1024}
processes:
  many: {threads: 2, restart: on-failure}
blocks:
  src: {type: FileSource, params: {filename: feed, bytes: 1000}}
  amp1: {type: Amplifier, params: {format: s16le}, process: many}
  amp2: {type: Amplifier, params: {format: s16le}, process: many}
  amp3: {type: Amplifier, params: {format: s16le}, process: many}
  snk: {type: FileSink, params: {filename: out}}
connections:
  - src -> amp1 -> amp2 -> amp3 -> snk
END
	test_case "blocks of one process run in one, on as many threads as it has"
	mkfifo feed
	mqtool run worker.yaml 2> words &
	run=$!
	until_true blocks 5 t
	same '["many","many"]["src_proc"]["snk_proc"]' \
		"$(json '.clients | group_by(.pid) | sort_by(-length, -(.[0].name == "src_proc" | if . then 1 else 0 end))[] | map(.name)' t | tr -d '\n')" processes
	same '[1,2]' "$(json '[.blocks[] | select(.name | startswith("amp"))] | group_by(.client) | map(length) | sort' t)" "blocks of each thread"
	exec 3> feed
	echo one >&3
	until_true says out one
	test_case "a worker that is killed comes back with all its blocks, connected as before"
	before=$(pid_of amp1 t)
	kill -KILL "$before"
	until_true says words "process many: it runs again"
	echo two >&3
	until_true says out two
	test_case "SIGINT ends the sources of a graph with workers"
	kill -INT $run
	wait $run || wrong "status $?: $(cat words)"
	want 0 "src: done" "amp1: done" "amp2: done" "amp3: done" "snk: done" -- cat words
	exec 3>&-
	rm -f out feed
	test_case "one process with all blocks runs a graph to its end"
	sed 's/filename: feed/filename: in/;s/snk: {/snk: {process: many, /;s/src: {/src: {process: many, /' worker.yaml > one.yaml
	want 0 "src: done" "snk: done" -- mqtool run one.yaml
	equal in out
	refused "a block of a worker that cannot start" "one.yaml:" "cannot read nofile" -- sh -c 'sed -i s/filename:.in,/filename:\ nofile,/ one.yaml; mqtool run one.yaml'
	rm -f out
	test_case "what a block of a worker would write is left as it is when the graph does not start"
	sed 's/filename: in/filename: feed/;s/snk: {/snk: {process: many, /;s/src -> amp1/src:left -> amp1/' worker.yaml > one.yaml
	echo precious > out
	cp in feed
	want 1 "port src:left: the block has no such output" -- mqtool run one.yaml
	same precious "$(cat out)" "output"
	rm -f out feed
	test_case "a block that fails ends the others of its process, and the graph"
	sed 's/filename: feed/filename: in/;s/, restart: on-failure//;s/format: s16le/format: wav/;s/snk: {/snk: {process: many, /;s/src: {/src: {process: many, /' \
		worker.yaml > one.yaml
	timeout -s KILL 30 mqtool run one.yaml > words 2>&1
	same 1 $? "status"
	want 0 "amp1: failed" "src: stopped" "snk: stopped" -- cat words
	test_case "a command that a block of a worker runs has none of the worker's files"
	cat > exec.yaml << 'END'
processes: {many: }
blocks:
  cmd: {type: Exec, params: {command: "echo /proc/self/fd/*", input: 0}, process: many}
  snk: {type: FileSink, params: {filename: out}, process: many}
connections: [cmd -> snk]
END
	want 0 "cmd: done" -- mqtool run exec.yaml
	same "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2" "$(sed 's, /proc/self/fd/[3-9]$,,' out)" "files of the command"
	rm -f out
	test_case "a command between blocks of one thread"
	cat > exec.yaml << 'END'
processes: {many: }
blocks:
  src: {type: FileSource, params: {filename: in, bytes: 4000}, process: many}
  thr: {type: Throttle, params: {messages: 50}, process: many}
  cmd: {type: Exec, params: {command: cat}, process: many}
  snk: {type: FileSink, params: {filename: out}, process: many}
connections: [src -> thr -> cmd -> snk]
END
	timeout -s KILL 40 mqtool run exec.yaml > words 2>&1 || wrong "status $?: $(cat words)"
	equal in out
	rm -f out
	test_case "a worker that died when its source had ended comes back, and sees the end"
	cat > starved.yaml << 'END'
pools: {4K: 1024}
processes:
  many: {restart: on-failure}
blocks:
  src: {type: FileSource, params: {filename: in, bytes: 4000}}
  thr: {type: Throttle, params: {messages: 10}, process: many}
  amp: {type: Amplifier, params: {format: s16le}, process: many}
  snk: {type: FileSink, params: {filename: out}}
connections:
  - src -> thr -> amp -> snk
END
	rm -f words
	timeout -s KILL 30 mqtool run starved.yaml > words 2>&1 &
	run=$!
	until_true says words "src: done"
	kill -KILL "$(pid_of thr starved)"
	wait $run || wrong "status $?: $(cat words)"
	want 0 "thr: done; in: 0 buffers" "many: restarts: 1; messages lost: " -- cat words
	test_case "so does one whose source has ended inside of a process that goes on"
	cat > ended.yaml << 'END'
pools: {4K: 1024}
processes: {many: {threads: 2}}
blocks:
  src: {type: FileSource, params: {filename: in, bytes: 4000}, process: many}
  other: {type: FileSource, params: {filename: feed}, process: many}
  thr: {type: Throttle, params: {messages: 1}, restart: on-failure}
  nul: {type: NullSink}
  nul2: {type: NullSink}
connections:
  - src -> thr -> nul
  - other -> nul2
END
	mkfifo feed
	rm -f words
	timeout -s KILL 30 mqtool run ended.yaml > words 2>&1 &
	run=$!
	exec 3> feed
	until_true says words "src: done"
	kill -KILL "$(pid_of thr ended)"
	until_true says words "thr: done; in: 0 buffers"
	exec 3>&-
	wait $run || wrong "status $?: $(cat words)"
	rm -f feed
	test_case "one for which messages are kept is started again, and gets them"
	sed 's/- src -> thr -> amp/- {from: src, to: thr, keep: forever}\n  - thr -> amp/;s/keep: f/persistent: true, &/' starved.yaml > kept.yaml
	rm -f words
	timeout -s KILL 60 mqtool run kept.yaml > words 2>&1 &
	run=$!
	until_true says words "src: done"
	queued=$(json '.connections[] | select(.to == "thr:in") | .queued' kept)
	kill -KILL "$(pid_of thr kept)"
	wait $run || wrong "status $?: $(cat words)"
	got=$(sed -n 's/^thr: done; in: \([0-9]*\) buffers.*/\1/p' words)
	[ "${got:-0}" -gt 0 ] && [ "$got" -le "$queued" ] || wrong "it got $got of $queued: $(cat words)"
	rm -f out
	test_case "a graph whose connections stay runs again in its runtime"
	mqtool init --name kept --pool 4K:1024 > /dev/null
	sed 's/messages: 10/messages: 1000/' kept.yaml > again.yaml
	for i in 1 2; do
		want 0 "src: done" "snk: done" -- timeout -s KILL 30 mqtool run --runtime kept again.yaml
		same '[true,false,false]' "$(json '[(.connections | length == 1), .connections[0].kept, (.connections[0].queued > 0)]' kept)" "connection $i"
	done
	test_case "but not with one of them that only looks on"
	mqtool remove --runtime kept > /dev/null
	mqtool init --name kept --pool 4K:1024 > /dev/null
	mqtool start --runtime kept --name src --block FileSource --param filename=in > /dev/null
	mqtool start --runtime kept --name thr --block Throttle --param messages=10 > /dev/null
	mqtool connect --runtime kept --from src --to thr --policy drop-oldest --tap --persistent > /dev/null
	mqtool stop --runtime kept --all > /dev/null
	sed 's/persistent: true, keep: forever/policy: drop-oldest/' again.yaml > tap.yaml
	want 1 "it is connected to thr" -- timeout -s KILL 30 mqtool run --runtime kept tap.yaml
	test_case "one that somebody else made, and that stays, outlives the graph that took it"
	mqtool remove --runtime kept > /dev/null
	mqtool init --name kept --pool 4K:1024 > /dev/null
	mqtool start --runtime kept --name src --block FileSource --param filename=in > /dev/null
	mqtool start --runtime kept --name nul --block NullSink > /dev/null
	mqtool connect --runtime kept --from src --to nul --persistent > /dev/null
	mqtool stop --runtime kept --all > /dev/null
	for i in 1 2; do
		want 0 "src: done" "nul: done" -- timeout -s KILL 30 mqtool launch --runtime kept --restart on-failure \
			'FileSource name=src filename=in ! NullSink name=nul'
		same 1 "$(json '.connections | length' kept)" "connections after run $i"
	done
	test_case "a connection whose blocks are gone is taken away by their names"
	want 1 "block src: there is none of that name" -- mqtool disconnect --runtime kept --from src:in --to nul
	want 0 "is taken away" -- mqtool disconnect --runtime kept --from src --to nul:in
	same 0 "$(json '.connections | length' kept)" "connections"
	mqtool remove --runtime kept > /dev/null
	rm -f out
}

test_storm() {
	test_case "a block that is killed when it has announced its end is not started again: nobody would hear it"
	cat > linger.yaml << END
runtime: linger
blocks:
  src: {type: $(dirname "$0")/../../build/selftests/tools/keep_blocks.so:Count, params: {runtime: linger, messages: 5, linger: 1}, restart: on-failure}
  nul: {type: NullSink}
connections: [src -> nul]
END
	rm -f words
	timeout -s KILL 30 mqtool run linger.yaml > words 2>&1 &
	run=$!
	until_true says words "src: done"
	until_true says words "nul: done"
	kill -KILL "$(pid_of src linger)"
	wait $run || wrong "status $?: $(cat words)"
	same '' "$(grep restarts words)" "restarts"
	test_case "blocks killed at random, while parameters and connections are changed: each message is accounted for"
	want 0 -- "$(dirname "$0")/../../build/selftests/tools/keep_storm" --meddle 5
	echo "$said" | sed 's/^/# /'
}

# with_pool RUNTIME POOL: an ephemeral runtime with one pool, held by its maker until a client has come
with_pool() {
	until_true runtimes_are ''
	mqtool init --ephemeral --name "$1" --pool "$2" > /dev/null &
	until_true has 1 pools "$1"
}

# pools_used RUNTIME POOLS: those that it has while a graph that says none runs in it
pools_used() {
	mkfifo feed
	# an open that sleeps would be interrupted by the end of any child
	exec 3<> feed
	timeout -s KILL 30 mqtool launch --runtime "$1" 'FileSource name=src filename=feed ! NullSink name=nul' 2> words 3>&- &
	run=$!
	until_true has_block src "$1"
	same "$2" "$(json '[.pools[].name]' "$1")" "pools"
	exec 3>&-
	wait $run || wrong "status $?: $(cat words)"
	rm -f feed
}

test_launch() {
	test_case "launch reads quotes, names and branches"
	cp in "in 2"
	want 0 "s: done" -- mqtool launch "FileSource name=s filename=\"in 2\" ! Splitter name=t  t.out1 ! FileSink filename='out a' t.out2 ! FileSink filename=out\\ b"
	equal in "out a"
	equal in "out b"
	same '' "$(runtimes)" "runtimes"
	test_case "two graphs that begin at the same time in one runtime"
	for i in 1 2 3 4; do
		mqtool launch --runtime both "Generator name=g$i wave=counter bytes=1000 messages=5 ! NullSink name=n$i" > words$i 2>&1 &
		pids="$pids $!"
	done
	for pid in $pids; do wait "$pid" || wrong "status $?: $(cat words?)"; done
	same '' "$(runtimes)" "runtimes"
	test_case "one that finds another's default pools half made goes on with them"
	with_pool half 4K:1024
	pools_used half '["4K","64K","1M"]'
	test_case "but not with pools that somebody chose, nor in a runtime that is in use"
	mqtool init --name chosen --pool 4K:1024 > /dev/null
	pools_used chosen '["4K"]'
	mqtool remove --runtime chosen > /dev/null
	with_pool chosen 4K:1000
	pools_used chosen '["4K"]'
	with_pool chosen 4K:1024
	mqtool start --runtime chosen --block NullSink --name idle > /dev/null
	pools_used chosen '["4K"]'
	mqtool stop --runtime chosen --all
	until_true runtimes_are ''
	test_case "launch takes words that the shell has made"
	want 0 -- mqtool launch FileSource "filename=in 2" ! FileSink filename=out
	equal in out
	test_case "a source of - reads what launch reads, a sink of - writes where it writes"
	mqtool launch 'FileSource filename=- ! FileSink filename=-' < in > out 2> words || wrong "status $?, $(cat words)"
	equal in out
	refused "a ! without a block before it" "mqtool: launch: !: a block is missing before it" -- mqtool launch '! FileSink filename=out'
	refused "a ! without a block behind it" "mqtool: launch: !: a block is missing after it" -- mqtool launch 'FileSource filename=in !'
	refused "a parameter before a block" "mqtool: launch: parameter a: no block stands before it" -- mqtool launch 'a=b FileSink'
	refused "two blocks of one name" "mqtool: launch: block x: there are two of that name" -- \
		mqtool launch 'FileSource name=x filename=in ! NullSink name=x'
	refused "a reference to nothing" "mqtool: launch: block x: there is none of that name" -- mqtool launch 'FileSource filename=in ! x.'
	test_case "a quote that is not closed"
	want 2 "a quote (\") is not closed" -- mqtool launch 'FileSource filename="in'
}

test_graph() {
	test_case "graph draws blocks, ports, processes and connections as DOT"
	mqtool init --name t --pool 4K:1024 > /dev/null
	mkfifo feed pipe
	mqtool launch --runtime t 'FileSource name=src filename=feed ! FileSink name=s&k filename=pipe' 2> words &
	run=$!
	until_true blocks 2 t
	want 0 'digraph mqshm {' '<b>t</b><br/>pool 4K: 1024 of 1024 buffers free' 'label=<src_proc, pid ' '<b>src</b>' '>FileSource<' \
		'>out<' '<b>s&amp;k</b>' '0 messages, 0B\n0 of 256 queued' '#77767b' -- mqtool graph --runtime t --interval 0
	test_case "a full queue is orange, and rates are shown"
	while cat in; do :; done > feed 2> /dev/null &
	feeder=$!
	until_true sh -c "mqtool graph --runtime t -i 0 | grep -q '#e66100.*25[56] of 256 queued'"
	cat pipe > /dev/null &
	until_true sh -c "mqtool graph --runtime t | grep -q '#[1e].*MB/s'"
	test_case "graph --output writes DOT, and says what a picture needs"
	want 0 -- mqtool graph --runtime t -i 0 --output g.dot
	want 0 'digraph mqshm {' -- cat g.dot
	want 1 "picture g.svg: Graphviz, which draws it, is not there" "--output FILE.dot" -- mqtool graph --runtime t -i 0 -o g.svg
	want 2 "--output g.jpg: its end says what it is to be" -- mqtool graph --runtime t -o g.jpg
	kill -TERM $run
	kill $feeder
	wait $run || wrong "status $?: $(cat words)"
	rm -f feed pipe
	test_case "graph shows what is dropped, and that what waits just now has worked"
	cat > drop.yaml << END
blocks:
  gen: {type: Generator, params: {wave: counter, bytes: 100}}
  thr: {type: Throttle, params: {messages: 100}}
  nul: {type: NullSink}
connections:
  - {from: gen, to: thr, policy: drop-oldest}
  - thr -> nul
END
	mqtool run --runtime t drop.yaml 2> words &
	run=$!
	until_true sh -c "mqtool graph --runtime t | grep -q '#e66100.*/s dropped'"
	until_true sh -c "mqtool graph --runtime t | grep -q 'nul_proc, pid [0-9]*, running'"
	kill -TERM $run
	wait $run || wrong "status $?: $(cat words)"
	mqtool remove --runtime t > /dev/null
}

# completes LINE WORD...: what bash would offer at the end of that line
completes() {
	line=$1
	shift
	want 0 -- bash -c ". $completion; . $(dirname "$0")/../../tools/mqtool/completion.bash
		COMP_LINE='$line' COMP_POINT=${#line} COMP_CWORD=$(($# - 2))
		COMP_WORDS=(\"\$@\"); _mqtool; echo \"\${COMPREPLY[*]}\"" "$@"
	[ "$said" = "$1" ] || wrong "$line: $said, not $1"
}

test_completion() {
	completion=/usr/share/bash-completion/bash_completion
	if [ ! -e $completion ] || ! command -v bash > /dev/null; then
		test_case "completion # SKIP bash-completion is missing; tools/setup test installs it"
		return
	fi
	mqtool init --name t --pool 64:4 > /dev/null
	mqtool start --block Splitter --name spl > /dev/null
	mqtool start --block Router --name rtr > /dev/null
	test_case "bash completes commands and options"
	completes "mqtool st" "start stop stats" mqtool st
	completes "mqtool connect --fr" "--from" mqtool connect --fr
	test_case "bash completes runtimes, blocks, ports and numbers of processes"
	completes "mqtool list --runtime " "t" mqtool list --runtime ""
	completes "mqtool stop --block " "spl rtr" mqtool stop --block ""
	completes "mqtool connect --from " "spl:out1 spl:out2 rtr:out1 rtr:out2" mqtool connect --from ""
	completes "mqtool connect --to spl:" "in" mqtool connect --to spl :
	completes "mqtool stats r" "rtr" mqtool stats r
	completes "mqtool top --sort p" "p99 process" mqtool top --sort p
	completes "mqtool connect --policy drop" "drop-newest drop-oldest" mqtool connect --policy drop
	completes "mqtool stop --pid " "$(json '[.clients[].pid] | join(" ")' t)" mqtool stop --pid ""
	mqtool init --name u --pool 64:4 > /dev/null
	completes "mqtool stop --block " "" mqtool stop --block ""
	completes "mqtool stop --runtime t --block s" "spl" mqtool stop --runtime t --block s
	mqtool remove --runtime u > /dev/null
	mqtool stop --runtime t --all
	mqtool remove --runtime t > /dev/null
}

test_manager() {
	test_case "a program can start, watch and stop blocks, and look at them, by the library's manager"
	mqtool init --name t --pool 64:4 > /dev/null
	want 0 -- "$(dirname "$0")/../../build/selftests/tools/managed" t "$(command -v mqtool)"
	mqtool remove --runtime t > /dev/null
}

test_doctor() {
	test_case "doctor finds all in order"
	want 0 "ok module mqshm is loaded" "ok device you may open" "ok versions library 0.1 and the module speak version 1" \
		"ok message a message went through" -- sh -c 'mqtool doctor | tr -s " "'
	same '' "$(runtimes)" "runtimes"
	test_case "doctor --json has the same"
	same '["module","device","versions","limits","huge pages","NUMA nodes","message"]' \
		"$(mqtool doctor --json | jq -c '[.checks[] | select(.finding == "ok" and .check != "kernel" and .check != "files") | .check]')" checks
	test_case "doctor tells who may not open the device what to do"
	want 1 "bad device you may not open /dev/mqshm" "sudo adduser carol mqshm, then log in again" -- su carol -c 'mqtool doctor | tr -s " "; mqtool doctor > /dev/null'
	test_case "doctor tells that there are too many runtimes"
	echo 1 > /sys/module/mqshm/parameters/user_runtimes
	su alice -c "mqtool init --name one --pool 64:1" > /dev/null
	want 1 "bad limits you have 1 runtimes, as many as a user may have" -- su alice -c 'mqtool doctor | tr -s " "; mqtool doctor > /dev/null'
	su alice -c "mqtool remove --runtime one" > /dev/null
	echo 64 > /sys/module/mqshm/parameters/user_runtimes
	test_case "doctor works without the module, and says how to get it"
	rmmod mqshm || wrong "rmmod: status $?"
	want 1 "bad module it is neither loaded nor installed for this kernel" "make modules && sudo make load" "signatures" -- \
		sh -c 'mqtool doctor | tr -s " "; mqtool doctor > /dev/null'
}

dd if=/dev/urandom of=in bs=1000 count=300 2> /dev/null
[ $# -gt 0 ] || set -- test_run test_run_refused test_run_values test_worker test_launch test_end test_restart test_storm test_graph test_manager test_completion test_doctor
for part; do $part; done
test_case "no process is left"
same '' "$(pidof mqtool)" processes
finish
