#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# mqtool in the test machine: what each command does, what it says when it cannot, and that it leaves nothing then.
# Needs jq, and /vm/mqshm.ko to load the module again.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

work=/tmp/mqtool
state=/tmp/mqtool-state
limits=/sys/module/mqshm/parameters
export XDG_RUNTIME_DIR=$state
unset MQSHM_RUNTIME
mkdir -m 777 $work $state
cd $work || exit 1

# What a command that failed must not leave: files, processes, runtimes and open descriptors (the module counts both).
# Looking takes longer than most commands do, so a test takes over what the one before it has seen.
files() { find $work $state; }
processes() {
	for process in /proc/[0-9]*; do
		command=''
		# shellcheck disable=SC2162 # no line ends in it
		read command 2> /dev/null < "$process/cmdline"
		case $command in mqtool*) echo "$process" ;; esac
	done
}
users() {
	count=0
	[ ! -e /sys/module/mqshm ] || read -r count < /sys/module/mqshm/refcnt
	echo "$count"
}
no_more_users() { [ "$(users)" -le "$users" ]; }
look() { files=$(files) processes=$(processes) users=$(users) looked=1; }
looked=''

# refused WHAT STATUS WORD... -- COMMAND...: a test of its own
refused() {
	test_case "$1"
	shift
	[ -n "$looked" ] || look
	want "$@"
	same "$files" "$(files)" "files"
	for process in $(processes); do
		case $processes in *"$process"*) ;; *) wrong "it left $process" ;; esac
	done
	no_more_users || until_true no_more_users
	# what one has left is not the next one's
	[ -z "$tap_wrong" ] || looked=''
}

# json FILTER [OPTION...]: what jq makes of mqtool list --json
json() {
	filter=$1
	shift
	mqtool list --json "$@" | jq -rc "$filter"
}

as() {
	user=$1
	shift
	su "$user" -c "$*"
}

# Starts a block in runtime t; its process is $pid.
begin() {
	name=$1 looked='' pid=none
	shift
	if line=$(mqtool start --runtime t --name "$name" --block "$@"); then
		pid=${line#*pid }
		pid=${pid%%,*}
	else
		wrong "$name does not start"
	fi
}
join() {
	looked=''
	mqtool connect --runtime t --from "$1" --to "$2" > /dev/null || wrong "$1 to $2: not connected"
}
# shellcheck disable=SC2317 # for until_true
gone() { [ ! -e "/proc/$1/exe" ]; }
runtimes() { json '[.runtimes[].name] | join(" ")'; }

# A test of what a command does.
does() { looked='' && test_case "$1"; }
# A command between tests.
quiet() { looked='' && "$@" > /dev/null; }

# ---- init, pool add ----

test_init() {
	does "list without a runtime says how to make one"
	want 0 "No runtimes. Make one: mqtool init --name NAME" -- mqtool list
	does "list --json without a runtime is an empty list"
	same '[]' "$(json .runtimes)" runtimes

	refused "list of an unknown runtime" 1 "mqtool: runtime no: there is none of that name" "mqtool init --name no" -- \
		mqtool list --runtime no
	refused "start without any runtime" 1 "mqtool: runtime: there is none" "mqtool init --name NAME" -- \
		mqtool start --block Splitter --name s

	does "init makes the pools that it is told"
	want 0 "runtime t: 3 pools, 1.1MB of buffers" -- \
		mqtool init --name t --pool 4K:256 --pool small=100:50 --pool 16K:4
	same '["4K",4096,256]["small",100,50]["16K",16384,4]' \
		"$(json '.pools[] | [.name, .buffer_bytes, .buffers]' --runtime t | tr -d '\n')" pools
	does "a runtime is its owner's alone and stays, if nothing else is said"
	same '["root","0700",true]' "$(json '.runtime | [.owner, .mode, .persistent]' --runtime t)" "owner, mode, persistent"

	does "init with a mode and a group"
	want 0 "runtime g: 1 pool" -- mqtool init --name g --mode 0770 --group mqshm --pool 64:4
	same '["0770","mqshm"]' "$(json '.runtime | [.mode, .group]' --runtime g)" "mode and group"
	does "a group may have any number of members"
	echo "crowd:x:4321:root$(awk 'BEGIN { for (i = 0; i < 5000; i++) printf ",member%d", i }')" >> /etc/group
	want 0 "runtime c: 1 pool" -- mqtool init --name c --group crowd --pool 64:4
	same crowd "$(json .runtime.group --runtime c)" group
	quiet mqtool remove --runtime c
	does "list without --runtime shows all runtimes"
	want 0 "Name Owner Mode Group" "t root 0700 root" "g root 0770 mqshm" -- sh -c 'mqtool list | tr -s " "'
	same "t g" "$(runtimes)" "runtimes as JSON"
	refused "which runtime, if there are two" 2 "mqtool: runtime: which one?" "--runtime or \$MQSHM_RUNTIME" "t, g" -- \
		mqtool connect --from a --to b
	does "MQSHM_RUNTIME says which"
	want 0 "Runtime: g (owner root, group mqshm, mode 0770, persistent)" -- env MQSHM_RUNTIME=g mqtool list
	does "--runtime goes before MQSHM_RUNTIME"
	want 0 "Runtime: t " -- env MQSHM_RUNTIME=g mqtool list --runtime t
	does "remove removes it"
	want 0 "runtime g is removed" -- mqtool remove --runtime g
	same t "$(runtimes)" runtimes
	does "the only runtime there is is meant"
	want 0 "pool only: 4 buffers of 64 in runtime t" -- mqtool pool add --name only --size 64 --count 4

	does "a pool on huge pages, of a node: what it got is told"
	quiet mqtool init --name h --pool 64:4
	want 0 "pool wide: 3 buffers of 1M in runtime h" -- \
		mqtool pool add --runtime h --name wide --size 1M --count 3 --huge --node 0
	same '[true,4194304,true,0]' \
		"$(json '.pools[] | select(.name == "wide") | [.huge, .payload_bytes, .huge_bytes % 2097152 == 0, .node]' --runtime h)" pool
	quiet mqtool remove --runtime h
	does "where huge pages are denied, there is a pool without them, and that is said"
	echo deny > /sys/kernel/mm/transparent_hugepage/shmem_enabled
	want 0 "pool 1M: 0% of it are on huge pages, the rest on small ones: this system denies them" "runtime h: 1 pool" -- \
		mqtool init --name h --pool 1M:2,huge
	same '[true,0,null]' "$(json '.pools[0] | [.huge, .huge_bytes, .node]' --runtime h)" pool
	does "and doctor says it"
	want 0 "note huge pages this system denies them to shared memory" "ok NUMA nodes 0 is the only one" -- \
		sh -c 'mqtool doctor | tr -s " "'
	echo never > /sys/kernel/mm/transparent_hugepage/shmem_enabled
	quiet mqtool remove --runtime h

	does "init without pools makes three"
	want 0 "runtime d: 3 pools, 54.5MB of buffers" -- mqtool init --name d
	same '["4K",1024]["64K",256]["1M",32]' "$(json '.pools[] | [.name, .buffers]' --runtime d | tr -d '\n')" pools
	quiet mqtool remove --runtime d
}

test_init_refused() {
	refused "init with a name that is taken" 1 "runtime t: you have one of that name" "mqtool remove --runtime t" -- \
		mqtool init --name t
	refused "init with more memory than there is" 1 "mqtool: pool 16M: there are no 1.0TB of memory left" -- \
		mqtool init --name big --pool 64:4 --pool 16M:60000
	refused "init with an unknown group" 1 "mqtool: group nosuch: there is no such group" -- mqtool init --name g --group nosuch
	refused "init with a group that one is not in" 1 "mqtool: group root: you are not in it" "id -nG" -- \
		as alice mqtool init --name g --group root
	refused "init with more memory than a user may have" 1 "pool 16M: that is more memory than a user may have" -- \
		as alice mqtool init --name g --pool 16M:1000
	echo 1 > $limits/user_runtimes
	quiet as alice mqtool init --name one --pool 64:1
	refused "init of more runtimes than a user may have" 1 "runtime two: you have as many runtimes as a user may have" -- \
		as alice mqtool init --name two --pool 64:1
	quiet as alice mqtool remove --runtime one
	echo 64 > $limits/user_runtimes

	refused "init without a name" 2 "--name is missing" -- mqtool init
	refused "init with a name with a slash" 2 "--name a/b: 1 to" "without /" -- mqtool init --name a/b
	refused "init with a mode that is none" 2 "--mode 0780: it is octal" -- mqtool init --name g --mode 0780
	refused "init with a pool without a number" 2 "--pool 4K: it is SIZE:COUNT" -- mqtool init --name g --pool 4K
	refused "init with a pool of too small buffers" 2 "--pool 63:1: a buffer has 64 bytes to 16M" -- \
		mqtool init --name g --pool 63:1
	refused "init with a pool of too large buffers" 2 "--pool 17M:1: a buffer has 64 bytes to 16M" -- \
		mqtool init --name g --pool 17M:1
	refused "init with a pool of no buffers" 2 "--pool 4K:0: the number of buffers" -- mqtool init --name g --pool 4K:0
	refused "init with a pool of an unknown kind" 2 "--pool 4K:1,hug: behind the count there may be ,huge" -- \
		mqtool init --name g --pool 4K:1,hug
	refused "init with a pool on a node that is not there" 1 \
		"pool 4K: there is no NUMA node 7 with memory; nodes with memory: 0" -- mqtool init --name g --pool 4K:1,node=7
	refused "init with two pools of one name" 2 "two pools of the name 4K" -- mqtool init --name g --pool 4K:1 --pool 4K:2
	refused "a word that is no option" 2 "here: what is this?" "--name here" -- mqtool init here
	refused "an unknown option" 2 "unrecognized option" "Try \`mqtool init --help'" -- mqtool init --nam3 x
	refused "an unknown command" 2 "conect is no command; did you mean connect?" -- mqtool conect
	refused "no command" 2 "which command? mqtool --help lists them" -- mqtool

	refused "pool add with a name that is taken" 1 "pool 4K: there is one of that name" -- \
		mqtool pool add --size 4K --count 1
	refused "pool add with more memory than there is" 1 "pool huge: there are no 67.1GB of memory left" -- \
		mqtool pool add --name huge --size 16M --count 4000
	refused "pool add with more buffers than a runtime takes" 1 "pool many: runtime t takes 65536 buffers and has " -- \
		mqtool pool add --name many --size 64 --count 70000
	refused "pool add to an unknown runtime" 1 "runtime tt: there is none of that name; did you mean t?" -- \
		mqtool pool add --runtime tt --size 4K --count 1
	refused "pool add with a node that is none" 2 "--node: a NUMA node is a number from 0 on" -- \
		mqtool pool add --size 4K --count 1 --node first
	refused "pool add without a number" 2 "--count is missing" -- mqtool pool add --size 4K
	refused "pool add with a size that is none" 2 "--size: a size is a number of bytes" -- mqtool pool add --size big --count 1
	refused "pool with another word than add" 2 "it is mqtool pool add" -- mqtool pool remove
}

test_ephemeral() {
	does "an ephemeral runtime goes with its last client, and init with it"
	mqtool init --name e --ephemeral --pool 64:4 > held &
	holder=$!
	until_true grep -q "It goes with its last client" held
	same false "$(json .runtime.persistent --runtime e)" persistent
	mqtool start --runtime e --block Splitter --name s > /dev/null || wrong "no block starts in it"
	mqtool stop --runtime e --all || wrong "the block does not stop"
	wait $holder || wrong "init: status $?"
	same t "$(runtimes)" runtimes

	does "an ephemeral runtime that nobody came to goes with init"
	# the words of the one before would be taken for this one's
	rm -f held
	mqtool init --name e --ephemeral --pool 64:4 > held &
	holder=$!
	until_true grep -q "It goes with its last client" held
	kill -TERM $holder
	wait $holder || wrong "init: status $?"
	same t "$(runtimes)" runtimes
	rm -f held
}

# ---- start ----

test_start() {
	does "start says the process and its log, and the block is there"
	want 0 "src: pid " ", log $state/mqshm/t-src.log" -- \
		mqtool start --runtime t --block FileSource --name src --param filename=in --param bytes=1000
	pid=${said#*pid }
	pid=${pid%%,*} src=${pid%%,*}
	same "src FileSource source out out src_proc $pid" "$(json '[(.blocks[] | .name, .type, .class),
		(.ports[] | .name, .direction), (.clients[] | .name, .pid)] | join(" ")' --runtime t)" "block, port, process"
	case $(readlink "/proc/$pid/exe") in */mqtool) ;; *) wrong "pid $pid is no mqtool" ;; esac
	does "the process keeps the working directory"
	same $work "$(readlink "/proc/$pid/cwd")" "working directory"
	does "the process is in a session of its own, and reads nothing from the terminal"
	# shellcheck disable=SC2046
	set -- $(cat "/proc/$pid/stat")
	same "$pid" "$6" session
	same /dev/null "$(readlink "/proc/$pid/fd/0")" stdin

	refused "start with a name that is taken" 1 "block src: there is a block of that name in runtime t" "mqtool stop --block src" -- \
		mqtool start --block FileSource --name src --param filename=in
	refused "a sink whose name is taken does not touch its file" 1 "block src: there is a block of that name" -- \
		mqtool start --block FileSink --name src --param filename=keep
	same kept "$(cat keep)" "the file"
	refused "a sink whose name is taken does not make its file" 1 "block src: there is a block of that name" -- \
		mqtool start --block FileSink --name src --param filename=new

	does "a source that is started before it is connected loses nothing"
	begin snk FileSink --param filename=out
	# long enough to read all of it, if it did not wait
	sleep 0.5
	want 0 "connection " ": src:out to snk:in" -- mqtool connect --from src:out --to snk:in
	until_true gone "$src"
	until_true gone "$pid"
	cmp in out || wrong "the output differs from the input"
	does "list shows what has left"
	want 0 "Recently gone:" "src_proc Left" "snk_proc Left" -- sh -c 'mqtool list --runtime t | tr -s " "'
	does "every buffer is back"
	same '[true,true]' "$(json '[.runtime.allocated == .runtime.freed, ([.pools[] | .free == .buffers] | all)]' --runtime t)" \
		"allocated is freed, free is all"
	does "the log says what the block did"
	want 0 "snk: done; in: 300 buffers, 300.0kB; out: 0 buffers" -- cat $state/mqshm/t-snk.log

	does "start --log puts the log there"
	want 0 ", log own.log" -- mqtool start --block Splitter --name s --log own.log
	mqtool stop --block s
	want 0 "s: stopped; in: 0 buffers" -- cat own.log
	does "start --process names the process"
	mqtool start --block Splitter --name s --process "my own" > /dev/null
	same '["my own"]' "$(json '[.clients[].name]' --runtime t)" processes
	mqtool stop --block s

	does "--foreground stays, takes - for stdin and stdout, and ends with the stream"
	mqtool start --foreground --block FileSink --name o --param filename=- > out 2> err1 &
	sink=$!
	mqtool start --foreground --block FileSource --name i --param filename=- --param bytes=4K < in 2> err2 &
	source=$!
	until_true mqtool connect --from i --to o > /dev/null
	wait $source || wrong "source: status $?, $(cat err2)"
	wait $sink || wrong "sink: status $?, $(cat err1)"
	cmp in out || wrong "the output differs from the input"
	want 0 "o: done; in: 74 buffers, 300.0kB" -- cat err1
	does "SIGTERM ends a block in order"
	begin src FileSource --param filename=in
	kill -TERM "$pid"
	until_true gone "$pid"
	same left "$(json '.departed[-1].how' --runtime t)" "how it ended"
	rm -f out err1 err2 own.log
}

test_start_refused() {
	refused "start of an unknown type" 1 "block type Amplifer: there is none of that name; did you mean Amplifier?" -- \
		mqtool start --block Amplifer --name a
	refused "start with an unknown parameter" 1 "parameter gian: Amplifier has no such parameter; did you mean gain?" -- \
		mqtool start --block Amplifier --name a --param gian=2
	refused "start with a parameter twice" 1 "parameter gain is given twice" -- \
		mqtool start --block Amplifier --name a --param gain=2 --param gain=3
	refused "start in an unknown runtime" 1 "runtime tt: there is none of that name; did you mean t?" -- \
		mqtool start --runtime tt --block Splitter --name s
	refused "a gain that is no number" 1 "block a: gain=loud: this is no number, such as 2.5" -- \
		mqtool start --block Amplifier --name a --param gain=loud
	refused "a gain with something behind the number" 1 "block a: gain=2x: this is no number" -- \
		mqtool start --block Amplifier --name a --param gain=2x
	refused "a gain that is NaN" 1 "block a: gain=nan: this is no number" -- \
		mqtool start --block Amplifier --name a --param gain=nan
	refused "an unknown format" 1 "block a: format=mp3: it is one of: auto" -- \
		mqtool start --block Amplifier --name a --param format=mp3
	refused "too many inputs" 1 "block m: inputs=32: must be 1 to 31" -- \
		mqtool start --block Merger --name m --param inputs=32
	refused "a parameter that is needed" 1 "block s: parameter filename is missing" -- mqtool start --block FileSource --name s
	refused "a file that is not there" 1 "block s: cannot read nofile: No such file or directory" -- \
		mqtool start --block FileSource --name s --param filename=nofile
	refused "a file that is a folder" 1 "block s: cannot read /proc: it is a folder" -- \
		mqtool start --block FileSource --name s --param filename=/proc
	refused "a folder that is not there" 1 "block s: cannot write no/out: No such file or directory" -- \
		mqtool start --block FileSink --name s --param filename=no/out
	refused "no pool that fits" 1 "block s: no pool has buffers of 65536 bytes" "pools: 4K (256 of 4K), small" "mqtool pool add" -- \
		mqtool start --block FileSource --name s --param filename=in --param bytes=64K
	refused "- without --foreground" 1 "parameter filename: - is stdin or stdout" "add --foreground" -- \
		mqtool start --block FileSource --name s --param filename=-
	refused "a log that cannot be" 1 "log no/log: No such file or directory; name another place: --log FILE" -- \
		mqtool start --block Splitter --name s --log no/log

	refused "start without a type" 2 "--block is missing" -- mqtool start --name s
	refused "start without a name" 2 "--name is missing" -- mqtool start --block Splitter
	refused "start with a name with a colon" 2 "--name a:b: 1 to 63 bytes, without :" -- mqtool start --block Splitter --name a:b
	refused "start with a parameter without a value" 2 "--param gain: it is KEY=VALUE" -- \
		mqtool start --block Amplifier --name a --param gain
	refused "start with a log in the foreground" 2 "--log: with --foreground there is no log" -- \
		mqtool start --block Splitter --name s --log l --foreground

	does "a start that fails as the first leaves no folder for logs"
	want 1 "cannot read nofile" -- env XDG_RUNTIME_DIR=$work/run mqtool start --block FileSource --name s --param filename=nofile
	[ ! -e run/mqshm ] || wrong "it left run/mqshm"
	rm -rf run
}

# ---- connect, disconnect, list, stop, remove ----

test_connect() {
	mkfifo pipe
	begin src FileSource --param filename=pipe
	src=$pid
	begin amp Amplifier
	amp=$pid
	begin spl Splitter
	spl=$pid
	begin snk FileSink --param filename=out
	snk=$pid

	refused "connect from an unknown block" 1 "block scr: there is none of that name; did you mean src? blocks: src, amp, spl, snk" -- \
		mqtool connect --from scr:out --to amp:in
	refused "connect to an unknown block" 1 "block nowhere: there is none of that name; blocks: src, amp, spl, snk" -- \
		mqtool connect --from src:out --to nowhere:in
	refused "connect from an unknown port" 1 "port src:outt: the block has no such output; did you mean out? outputs of src: out" -- \
		mqtool connect --from src:outt --to amp:in
	refused "connect to an unknown port" 1 "port amp:left: the block has no such input; inputs of amp: in" -- \
		mqtool connect --from src:out --to amp:left
	refused "connect to an output" 1 "port amp:out: this is an output, and --to takes an input; inputs of amp: in" -- \
		mqtool connect --from src:out --to amp:out
	refused "connect from an input" 1 "port amp:in: this is an input, and --from takes an output; outputs of amp: out" -- \
		mqtool connect --from amp:in --to snk:in
	refused "connect from one of several outputs" 1 "port spl: the block has 2 outputs, say which as BLOCK:PORT: out1, out2" -- \
		mqtool connect --from spl --to snk
	refused "connect from a block without outputs" 1 "port snk: the block has no output" -- mqtool connect --from snk --to amp
	refused "connect in an unknown runtime" 1 "runtime tt: there is none of that name" -- \
		mqtool connect --runtime tt --from src --to amp
	refused "connect without an end" 2 "--to is missing" -- mqtool connect --from src

	does "connect takes a block alone where it has one port"
	want 0 ": src to amp" -- mqtool connect --from src --to amp
	join amp:out snk:in
	same '["src:out","amp:in"]["amp:out","snk:in"]' "$(json '.connections[] | [.from, .to]' --runtime t | tr -d '\n')" connections
	refused "connect what is connected" 1 "connection src:out: it is connected to amp:in already" -- \
		mqtool connect --from src:out --to amp:in
	does "list shows processes and connections as tables"
	want 0 "PID Name Blocks Status" "src_proc src" "amp_proc amp" "From To Buffers Bytes" "src:out amp:in 0 0B" \
		"4K 4K 256 256" -- sh -c 'mqtool list --runtime t | tr -s " "'
	does "list --long shows more"
	want 0 "Held Ioctls Sleeps Copies User" "Dropped Queued Depth Policy State Id" "src:out amp:in 0 0B 0 0 256 block open" -- \
		sh -c 'mqtool list --runtime t --long | tr -s " "'
	refused "connect with a policy that is none" 2 "--policy wait: there is no such policy; there are block, drop-newest and drop-oldest" -- \
		mqtool connect --from src:out --to amp:in --policy wait
	refused "a tap that blocks" 2 "--tap: it drops: --policy drop-newest or drop-oldest" -- \
		mqtool connect --from src:out --to amp:in --policy block --tap
	refused "connect that keeps for no time" 2 "--keep=soon: it is a number of seconds, 0.001 or more, or forever" -- \
		mqtool connect --from src:out --to amp:in --keep=soon
	does "list --json carries what the tables show"
	same '["block",0]' "$(json '.connections[0] | [.policy, .dropped]' --runtime t | tr -d ' ')" "policy, dropped"
	same '["0x6d71736864617461",1,4,4,2,7,true]' "$(json '[.runtime.magic, .runtime.version,
		((.clients, .blocks, .connections, .ports) | length),
		([.clients[] | .pid > 1 and .uid == 0 and .role == "standalone"] | all)]' --runtime t)" \
		"magic, version, clients, blocks, connections, ports, what clients are"

	does "disconnect by the ends, while data flows: what is queued is delivered, the rest waits"
	# read too, so that the open waits for nobody
	exec 3<> pipe
	echo one >&3
	until_true grep -q one out
	want 0 " is taken away" -- mqtool disconnect --from src:out --to amp:in
	same '["amp:out"]' "$(json '[.connections[].from]' --runtime t)" connections
	echo two >&3
	sleep 0.3
	same 1 "$(wc -l < out)" "lines while nothing is connected"
	join src:out amp:in
	until_true grep -q two out
	does "connect with a policy, for as long as it is not taken away"
	mqtool disconnect --from src:out --to amp:in > /dev/null
	want 0 ": src:out to amp:in" -- mqtool connect --from src:out --to amp:in --policy drop-oldest --keep=60
	same '["drop-oldest",true,true,false]' "$(json '.connections[] | select(.from == "src:out" and
		(.disconnected | not)) | [.policy, .persistent, .keep, .kept]' --runtime t)" "policy, persistent, keep, kept"
	want 0 "drop-oldest, keep" -- mqtool list --runtime t --long
	does "disconnect by number"
	number=$(json '.connections[] | select(.from == "src:out" and (.disconnected | not)) | .id' --runtime t)
	want 0 "connection $number is taken away" -- mqtool disconnect --id "$number"
	does "disconnect by the ends, of two connections of an output"
	for to in amp snk; do
		join src:out amp:in
		join src:out snk:in
		want 0 " is taken away" -- mqtool disconnect --from src --to $to
		same "$to:in" "$(json '["amp:in", "snk:in"] - [.connections[] | select(.from == "src:out" and
			(.disconnected | not)) | .to] | .[]' --runtime t)" "input that has nothing now"
		want 0 -- mqtool disconnect --from src --to "$([ $to = amp ] && echo snk || echo amp)"
	done
	refused "disconnect by a number that is none's" 1 "connection $number: there is none of that number; mqtool list --long shows them" -- \
		mqtool disconnect --id "$number"
	refused "disconnect what is not connected" 1 "connection src: it is not connected to amp; mqtool list shows what is" -- \
		mqtool disconnect --from src --to amp
	refused "disconnect an unknown block" 1 "block nowhere: there is none of that name" -- \
		mqtool disconnect --from src --to nowhere
	refused "disconnect without ends" 2 "which? it is --from and --to, or --id" -- mqtool disconnect
	refused "disconnect by a number and by ends" 2 "which?" -- mqtool disconnect --id 1 --from src --to amp
	refused "disconnect by a number that is no number" 2 "--id one: it is a number" -- mqtool disconnect --id one
	does "a source ends with its pipe, also while it is not connected"
	exec 3>&-
	until_true gone "$src"
}

test_stop() {
	refused "stop of an unknown block" 1 "block nowhere: there is none of that name; blocks: amp, spl, snk" -- \
		mqtool stop --block nowhere
	refused "stop of a process of somebody else's" 1 "process 1: it does not use this runtime; processes: " -- mqtool stop --pid 1
	refused "stop of nothing" 2 "which? one of --block, --pid, --all" -- mqtool stop
	refused "stop of two things" 2 "which? one of --block, --pid, --all" -- mqtool stop --block amp --all
	refused "stop with a time that is none" 2 "--timeout soon: it is a number of seconds" -- mqtool stop --all --timeout soon

	does "stop --block returns once the block is gone"
	want 0 -- mqtool stop --block amp
	same '["spl","snk"]' "$(json '[.blocks[].name]' --runtime t)" blocks
	until_true gone "$amp"
	does "stop --pid stops the blocks of that process"
	want 0 -- mqtool stop --pid "$spl"
	until_true gone "$spl"

	kill -STOP "$snk"
	does "stop --timeout says which block has not ended, and leaves it"
	want 1 "block snk: it was asked to end but has not within 1 s (process $snk" "--timeout S, or kill it: --kill" -- \
		mqtool stop --block snk --timeout 1
	same '["snk",true]' "$(json '.blocks[] | [.name, .stopping]' --runtime t)" "what is left"
	does "stop --kill kills a process that has not ended by then"
	want 0 "process $snk snk_proc is killed" -- mqtool stop --block snk --timeout 0 --kill
	until_true gone "$snk"
	same died "$(json ".departed[] | select(.pid == $snk) | .how" --runtime t)" "how it ended"
	does "stop --all stops the rest"
	begin s1 Splitter
	begin s2 Splitter
	want 0 -- mqtool stop --all
	same '[0,true]' "$(json '[.runtime.blocks, ([.pools[] | .free == .buffers] | all)]' --runtime t)" "blocks, free is all"
	until_true gone "$pid"
	does "stop --all of an empty runtime has nothing to do"
	want 0 -- mqtool stop --all
	same '' "$said" "what it said"
	does "a sink that waits for a reader of its pipe is stopped"
	begin src FileSource --param filename=in
	begin snk FileSink --param filename=pipe
	join src snk
	sleep 0.3
	want 0 -- mqtool stop --all
	does "a source that waits for a writer of its pipe is stopped"
	begin src FileSource --param filename=pipe
	want 0 -- mqtool stop --all
	rm -f pipe out
}

test_remove() {
	begin src FileSource --param filename=/dev/zero
	src=$pid
	begin snk FileSink --param filename=/dev/null
	join src snk
	refused "remove of a runtime that is used" 1 "runtime t: it is in use by" "src_proc" "mqtool stop --runtime t --all" \
		"mqtool remove --runtime t --force" -- mqtool remove --runtime t
	refused "remove of an unknown runtime" 1 "runtime tt: there is none of that name; did you mean t?" -- mqtool remove --runtime tt
	refused "remove of another user's runtime" 1 "runtime alice/t: there is none of that name" -- mqtool remove --runtime alice/t
	refused "a runtime of an unknown user" 1 "runtime nosuch/t: there is no user nosuch; it is USER/NAME" -- \
		mqtool list --runtime nosuch/t
	does "remove --force shuts it down, and its processes end"
	want 0 "runtime t is removed; it had 2 clients" -- mqtool remove --force
	same '' "$(runtimes)" runtimes
	until_true gone "$src"
	until_true gone "$pid"
	want 0 "block snk: the runtime was removed" "snk: failed" -- cat $state/mqshm/t-snk.log
}

# ---- other users, no module ----

test_permission() {
	quiet mqtool init --name t --pool 64:8
	quiet mqtool init --name r --mode 0750 --group mqshm --pool 4K:8
	refused "carol may not open the device" 1 "mqtool: /dev/mqshm: you may not open it; it is for the group mqshm" "adduser" -- \
		as carol mqtool list
	refused "alice may not look into root's runtime" 1 "runtime root/t: its mode does not let you in" "ask its owner" -- \
		as alice mqtool list --runtime root/t
	refused "alice may not start a block in it" 1 "runtime root/t: its mode does not let you in" -- \
		as alice mqtool start --runtime root/t --block Splitter --name s --log /tmp/mqtool/log
	does "alice sees only what she may read"
	same root/r "$(as alice mqtool list | awk 'NR > 2 { print $1 }')" runtimes
	does "alice may list and join a runtime of mode 0750 of her group"
	want 0 "Runtime: r (owner root, group mqshm, mode 0750" -- as alice mqtool list --runtime root/r
	want 0 "s: pid " "mqshm/root_r-s.log" -- as alice XDG_RUNTIME_DIR=/run/user/1000 mqtool start --runtime root/r --block Splitter --name s
	refused "but not add a pool" 1 "pool 64: no permission: the runtime's mode does not let you change it" -- \
		as alice mqtool pool add --runtime root/r --size 64 --count 4
	refused "nor connect" 1 "connection s:out1: no permission: the runtime's mode does not let you change it" -- \
		as alice mqtool connect --runtime root/r --from s:out1 --to s:in
	quiet mqtool connect --runtime r --from s:out1 --to s:in
	refused "nor disconnect" 1 "no permission: the runtime's mode does not let you change it" -- \
		as alice mqtool disconnect --runtime root/r --from s:out1 --to s:in
	refused "nor stop another's block" 1 "no permission: the runtime's mode does not let you change it" -- \
		as bob mqtool stop --runtime root/r --all
	refused "nor remove the runtime" 1 "runtime root/r: only its owner may remove it" -- as bob mqtool remove --runtime root/r
	mqtool stop --runtime r --all
	for r in t r; do quiet mqtool remove --runtime $r; done
}

test_no_module() {
	does "the module can be unloaded once no runtime is left"
	want 0 -- rmmod mqshm
	for command in "list" "list --runtime t" "init --name t" "connect --runtime t --from a --to b" \
		"disconnect --runtime t --id 1" "start --runtime t --block Splitter --name s" "stop --runtime t --all" \
		"remove --runtime t" "pool add --runtime t --size 64 --count 1" "monitor" "monitor --runtime t"; do
		# shellcheck disable=SC2086
		refused "no module: $command" 1 "mqtool: /dev/mqshm: the module is not loaded; load it: sudo modprobe mqshm" -- \
			mqtool $command
	done
}

dd if=/dev/urandom of=in bs=1000 count=300 2> /dev/null
echo kept > keep
test_init
test_init_refused
test_ephemeral
export MQSHM_RUNTIME=t
test_start
test_start_refused
test_connect
test_stop
unset MQSHM_RUNTIME
test_remove
test_permission
test_no_module
does "no process is left"
same '' "$(processes)" processes
finish
