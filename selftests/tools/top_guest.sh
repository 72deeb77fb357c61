#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# mqtool top and stats in the test machine, the screen in tmux; and a document of each command with --json, into the working
# directory. Needs jq, tmux, churn, a locale with UTF-8 and the descriptions of terminals screen and dumb.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

churn=$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/tools/churn
documents=$PWD
work=/tmp/top
export MQSHM_RUNTIME=t LANG=C.UTF-8 XDG_RUNTIME_DIR=$work
mkdir -p $work
cd $work || exit 1

numbers() { mqtool list --json | jq -rc "$1"; }
quiet() { "$@" > /dev/null || wrong "$*"; }
# shellcheck disable=SC2317 # for until_true
there() { [ "$(numbers '.blocks | length' 2> /dev/null)" = "$1" ]; }

# terminal COMMAND...: of tmux, for a terminal of 110 by 24
terminal() { tmux -L top -f tmux.conf "$@"; }
screen() { terminal capture-pane -p; }
# shellcheck disable=SC2317 # for until_true
screen_has() { screen | grep -q -E -e "$1"; }
# shows ERE...: the screen has it soon
shows() {
	for pattern; do
		until_true screen_has "$pattern" || {
			wrong "the screen:$newline$(screen)"
			return
		}
	done
}
keys() { terminal send-keys "$@"; }
# resize COLUMNS LINES
resize() { terminal resize-window -x "$1" -y "$2"; }
# blocks as they stand on the screen, in a line
names() { screen | grep -o -E '^(gen|thr|spl|snk|end) ' | tr -d '\n'; }
# shellcheck disable=SC2317 # for until_true
names_are() { [ "$(names)" = "$1" ]; }

begin() {
	cat > t.yaml << 'END'
pools: {4K: 1024, 64K: 4}
processes:
  many: {threads: 1}
blocks:
  gen: {type: Generator, params: {wave: counter, bytes: 1000}, process: many}
  thr: {type: Throttle, params: {messages: 400}, process: many}
  spl: {type: Splitter, process: many}
  snk: {type: NullSink, process: many}
  end: {type: NullSink}
connections:
  - gen -> thr -> spl
  - {from: "spl:out1", to: snk}
  - {from: "spl:out2", to: end, policy: drop-oldest}
END
	mqtool run --json t.yaml > "$documents/run-1.json" 2> run.words &
	run=$!
	until_true there 5
	end=$(numbers '.blocks[] | select(.name == "end") | .pid')
}

# shellcheck disable=SC2317 # for until_true
sample_has() { [ "$(mqtool top --json --iterations 1 --delay 0.3 | jq -c "$1")" = true ]; }

test_text() {
	test_case "top --batch: blocks with rates that are not zero, connections, pools"
	until_true sh -c "mqtool top --batch -n 1 -d 0.3 > text; awk '\$1 == \"thr\" && \$3 > 0 && \$4 > 0 { n++ } \$1 == \"spl\" && \$4 > \$3 { n++ } END { exit n != 2 }' text"
	want 0 "mqtool top: t, up " ", 5 blocks in 2 clients: " "A second: " "Pools: 4K " "; 64K 0 held, 4 free" "Block State In/s" \
		"From To Messages/s" "spl:out2 end:in" -- sh -c 'tr -s " " < text'
	test_case "top --iterations: as many samples; --sort: in that order"
	mqtool top -b -n 3 -d 0.05 --sort name > text || wrong "status $?"
	same 3 "$(grep -c '^mqtool top: t' text)" samples
	same "end gen snk spl thr " "$(sed '/^From/,$d' text | awk '$1 ~ /^(end|gen|snk|spl|thr)$/ { printf "%s ", $1 }')" order
	same "thr spl snk gen end " "$(mqtool top -b -n 1 -d 0.05 --sort name -r | awk '/^From/ { exit } $1 ~ /^(end|gen|snk|spl|thr)$/ { printf "%s ", $1 }')" reverse
	test_case "top --json: an object a line; rates, and what is waited for"
	until_true sample_has '.runtime.messages_per_s > 0 and (.blocks[] | select(.name == "thr") | .in.taken_per_s > 0 and .out.bytes_per_s > 0 and .work_per_s > 0 and .state == "running" and .time_wait > 0.1)'
	until_true sample_has '[.blocks[] | select(.name == "snk") | .input_wait > 0, .stats.work_count > 0, .process == "many"] | all'
	mqtool top --json -n 3 -d 0.05 > lines || wrong "status $?"
	same '3 3' "$(jq -sc length lines) $(wc -l < lines)" "documents, lines"
	test_case "a column that is not there"
	want 2 "--sort nme: there is no such column; did you mean name?" -- mqtool top --sort nme
	test_case "a delay that is none"
	want 2 "--delay soon: it is a number of seconds, 0.01 to 86400" -- mqtool top --delay soon
	test_case "no runtime of that name"
	want 1 "runtime nope: there is none of that name; runtimes: t" -- mqtool top --batch --runtime nope
	test_case "no terminal"
	want 1 "terminal: there is none: --batch prints text, --json JSON" -- mqtool top
	test_case "an output that takes nothing is an error, one that is closed is none"
	want 1 "mqtool: output: No space left on device" -- sh -c 'mqtool top -b -n 2 -d 0.01 > /dev/full'
	want 0 -- sh -c '(mqtool top -b -d 0.05; echo $? > status) | head -n 1 > first; exit $(cat status)'
}

test_stats() {
	test_case "stats: a line for each block"
	same "end gen snk spl thr " "$(mqtool stats | awk 'NR > 2 { print $1 }' | sort | tr '\n' ' ')" blocks
	want 0 -- sh -c "mqtool stats | awk '\$1 == \"thr\" && \$2 > 0 { n++ } END { exit n != 1 }'"
	test_case "stats BLOCK: in full, with its ports"
	want 0 "spl (Splitter) in many, pid " "Work: " " calls, mean " ", p99 " "Waited: " " for input, " " for a time or a file" "in in 1 " "out1 out 1 " "out2 out 1 " \
		"snk (NullSink) in many, pid " -- sh -c 'mqtool stats spl snk | tr -s " "'
	test_case "stats --json: what came in went out, on each port"
	want 0 true -- sh -c 'mqtool stats --json spl | jq -e ".blocks[0] | .inputs[0].taken as \$n | .name == \"spl\" and \$n > 0 and .stats.work_count >= \$n and
		.mean_work_ns <= .stats.work_ns and ([.outputs[].messages | . == \$n or . + 1 == \$n] | all)"'
	same '[["in"],["out1","out2"]]' "$(mqtool stats --json spl | jq -c '.blocks[0] | [.inputs, .outputs] | map(map(.name))')" ports
	test_case "stats of a block that is not there"
	want 1 "block thrr: there is none of that name; did you mean thr?" -- mqtool stats thrr
}

test_screen() {
	test_case "the screen: blocks, rates that are not zero, the keys"
	echo 'set -g default-terminal screen' > tmux.conf
	terminal new-session -d -x 110 -y 24 "PS1='ready> ' sh" || wrong "tmux: status $?"
	keys 'stty -a > before; echo what\ was there' Enter
	shows 'what was there$'
	keys 'mqtool top --delay 0.3; echo "status $?"; stty -a > after' Enter
	shows '^mqtool top: t, up .*, 5 blocks in 2 clients: ' '^A second: [0-9.]*[1-9][0-9.]* messages' '^Pools: 4K [0-9]+ held, [0-9]+ free; 64K 0 held, 4 free' \
		'^Block +State +In/s +Out/s +Bytes/s +Queued .*Waits for +Process' '^thr +Running +[0-9.]*[1-9][0-9.]* ' '^snk +Running +[0-9.]*[1-9].* input [0-9]+%' '^q quit  h help'
	same "$(numbers '[.blocks[].name + " "] | add')" "$(names)" "blocks as they were made"
	test_case "Tab: connections"
	keys Tab
	shows '^spl:out1 +snk:in +[0-9.]*[1-9]' '^spl:out2 +end:in .* drop-oldest +open' 'Tab blocks'
	keys Tab
	shows '^thr ' 'Tab connections'
	test_case "keys sort, and sort the other way round"
	keys n
	until_true names_are "end gen snk spl thr "
	keys r
	until_true names_are "thr spl snk gen end "
	keys r '>' g
	shows '^gen '
	test_case "help, and back"
	keys h
	shows '^In/s, Out/s ' '^any key +back'
	keys x
	shows '^thr '
	test_case "p holds it, and lets it go on"
	keys p
	shows '^PAUSED  q quit'
	held=$(screen)
	sleep 1
	same "$held" "$(screen)" "the screen a second later"
	keys p
	shows '^q quit'
}

test_stalled() {
	test_case "a stalled block is shown, since when, and stands out; its connection drops"
	kill -STOP "$end"
	shows '^end +Stalled [0-9.]+ s ' '^mqtool top: .* 1 stalled' '^end .* 256 '
	# shellcheck disable=SC2016 # for the shell inside
	until_true sh -c 'tmux -L top capture-pane -p -e | grep -q "$(printf "\033")\[[0-9;]*31m.*end  *Stalled"'
	shows '^end +Stalled .* [0-9.]*[1-9][0-9.]*  (input|-)'
	test_case "list, stats and JSON say the same"
	want 0 "end_proc end Stalled " -- sh -c 'mqtool list --runtime t | tr -s " "'
	want 0 "end (NullSink) in end_proc, pid $end: stalled for " -- mqtool stats end
	same '["stalled",true]' "$(numbers '. as $all | .blocks[] | select(.name == "end") | [.state, (.state_since_ns > 0 and .state_since_ns + 5000000000 <= $all.now_ns)]')" "state, since"
	save list stalled --runtime t
	kill -CONT "$end"
	test_case "and when it goes on"
	shows '^end +(Running|Idle) ' ' 5 blocks in 2 clients: ([0-9] running)?(, )?([0-9] idle)?$'
}

test_size() {
	test_case "the screen follows the terminal's size: what has no room is left out"
	resize 60 9
	shows '^Block +State +In/s .*Queued  Drops/s$' '^1-4 of 5  q quit' '^thr '
	same '' "$(screen | awk 'length > 60')" "lines that are too long"
	same 9 "$(screen | awk 'END { print NR }')" lines
	resize 20 3
	shows '^Block +State' '^gen ' 
	resize 1 1
	resize 110 24
	shows '^Block .*Process' '^end ' '^q quit'
}

test_quit() {
	test_case "q: the terminal is as it was"
	keys q
	shows '^status 0' 'what was there$'
	same '' "$(screen | grep '^mqtool top:')" "what is left of it"
	until_true test -s after
	same "$(cat before)" "$(cat after)" "stty -a"
	test_case "Ctrl-C: the same"
	keys 'clear; mqtool top; echo "status now $?"' Enter
	shows '^q quit'
	keys C-c
	shows '^status now 0'
	test_case "a terminal that nobody knows"
	keys 'clear; TERM=nonsense mqtool top; echo "status then $?"' Enter
	shows '^mqtool: terminal nonsense: no description of it is installed' '^status then 1'
	test_case "one that can nothing"
	keys 'clear; TERM=dumb mqtool top -n 1 -d 0.2; echo "status last $?"' Enter
	shows '^status last 0'
}

# save COMMAND NUMBER OPTION...: one of its documents
save() {
	command=$1 number=$2
	shift 2
	mqtool "$command" --json "$@" > "$documents/$command-$number.json" || wrong "$command --json: status $?"
}

test_documents() {
	test_case "documents of all commands with --json"
	mqtool monitor --json > "$documents/monitor-1.json" &
	monitor=$!
	mqtool bus sub --json --topic "" --depth 4 > "$documents/bus-1.json" &
	bus=$!
	until_true test -s "$documents/monitor-1.json"
	(
		unset MQSHM_RUNTIME
		save list 1
	)
	name=$(printf 'caf\351')
	quiet mqtool start --block Splitter --name "$name"
	kill -9 "$(numbers '.blocks[] | select(.type == "Splitter" and .name != "spl") | .pid')"
	quiet mqtool pool add --name more --size 64 --count 1
	save list 2
	save stats 1
	save stats 2 spl snk
	save top 1 --iterations 3 --delay 0.1
	mqtool run --dry-run --json t.yaml > "$documents/run-2.json" || wrong "run --dry-run: status $?"
	mqtool launch --dry-run --json 'Generator ! NullSink' > "$documents/launch-2.json" || wrong "launch --dry-run: status $?"
	save holders 1 --limit 12
	save holders 2 --limit 2
	quiet mqtool dump spl:out1 some.mqrec --count 5
	save dump 1 --info some.mqrec
	save dump 2 --info --long some.mqrec
	save inspect 1
	save inspect 2 Mixer
	until_true sh -c "mqtool bus pub --topic a/b words | grep -q 'to 1 sub'"
	printf '\377\376' | mqtool bus pub --topic a/c > said || wrong "bus pub"
	mqtool doctor --json > "$documents/doctor-1.json"
	until_true grep -q a/c "$documents/bus-1.json"
	# one that is too slow is told how many it lost
	kill -STOP $bus $monitor
	for i in 1 2 3 4 5 6; do quiet mqtool bus pub --topic a/d $i; done
	quiet "$churn" t 600
	quiet mqtool remove --runtime t --force
	kill -CONT $bus $monitor
	wait $bus
	wait $monitor
}

# died COMMAND...: a graph with a sink x, which is killed; what launch says is in words, and what it prints in the document.
# In a runtime of its own: who fails there ends all that is in it
# shellcheck disable=SC2317 # for until_true
x_there() {
	victim=$(numbers '.blocks[] | select(.name == "x") | .pid' 2> /dev/null)
	[ -n "$victim" ]
}
died() {
	MQSHM_RUNTIME=d
	"$@" > "$documents/launch-1.json" 2> words &
	launch=$!
	until_true x_there && kill -9 "$victim"
}

test_death() {
	test_case "launch says how a block died, and so does its JSON"
	died mqtool launch --json 'Generator wave=counter ! NullSink name=x'
	wait $launch
	same 1 $? status
	want 0 "block x: its process ended by signal 9 (Killed)" -- cat words
	same '["x","ended",0,9,0]' "$(jq -c 'select(.block == "x") | [.block, .event, .code, .signal, .restarts]' "$documents/launch-1.json")" event
	test_case "and that it was started again"
	died mqtool launch --json --restart on-failure 'Generator wave=counter ! Throttle messages=100 ! NullSink name=x'
	until_true grep -q '"restarted"' "$documents/launch-1.json"
	kill -INT $launch
	wait $launch || wrong "status $?: $(cat words)"
	same '[["restarts",9,0],["restarted",0,1],["ended",0,1]]' \
		"$(jq -sc 'map(select(.block == "x") | [.event, .signal, .restarts])' "$documents/launch-1.json")" events
	MQSHM_RUNTIME=t
	test_case "and with which status one failed"
	mqtool launch --runtime d --json 'Generator wave=noise header=0 ! Amplifier name=x format=wav ! NullSink' 2> words | jq -sc . > events
	same '[1]' "$(jq -c 'map(select(.block == "x") | .code)' events)" "$(cat words)"
}

test_gone() {
	test_case "a runtime that goes away ends the screen, with words"
	keys 'clear; mqtool top; echo "status $?"' Enter
	shows '^q quit'
	mqtool top --batch --delay 0.2 > text 2>&1 &
	batch=$!
	test_documents
	shows '^mqtool: runtime t: it was removed' '^status 0'
	test_case "and samples that are printed"
	wait $batch
	same 0 $? status
	want 0 "mqtool: runtime t: it was removed" -- tail -n 1 text
	terminal kill-server
}

begin
for part in test_text test_stats test_screen test_stalled test_size test_quit test_death test_gone; do $part; done
wait $run
finish
