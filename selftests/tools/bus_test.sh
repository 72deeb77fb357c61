#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# mqtool bus and mqtool set in the test machine: what comes to whom, and blocks that are changed while they run. Needs jq.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

work=/tmp/bus
export XDG_RUNTIME_DIR=$work
export MQSHM_RUNTIME=t
mkdir -m 777 $work
cd $work || exit 1

as() {
	user=$1
	shift
	su "$user" -c "$*"
}
quiet() { "$@" > /dev/null || wrong "$*"; }
# shellcheck disable=SC2317 # for until_true
gone() { [ ! -e "/proc/$1/exe" ]; }
# shellcheck disable=SC2317 # for until_true
subscribes() { grep -qs mqshm-subscriber "/proc/$1"/fdinfo/*; }
# shellcheck disable=SC2317 # for until_true
has_bytes() { [ "$(wc -c < "$1")" -ge "$2" ]; }
# waits_for BLOCK WHAT RUNTIME
# shellcheck disable=SC2317 # for until_true
waits_for() { [ "$(mqtool list --json --runtime "$3" | jq -r ".blocks[] | select(.name == \"$1\") | .stats.waits")" = "$2" ]; }

# listen FILE OPTION...: a subscriber, $listener, whose words go to FILE
listen() {
	file=$1
	shift
	mqtool bus sub "$@" > "$file" 2>&1 &
	listener=$!
	until_true subscribes $listener
}

# ended PID: its status, once it has ended by itself
ended() {
	until_true gone "$1"
	wait "$1"
	same 0 $? "status of $1"
}

begin() {
	name=$1
	shift
	if line=$(mqtool start --name "$name" --block "$@"); then
		pid=${line#*pid }
		pid=${pid%%,*}
	else
		wrong "$name does not start"
	fi
}

fields() { jq -rc "$1" "$2" || wrong "$2 is not JSON"; }
# samples FILE: 16 bits each
samples() { od -An -v -td2 "$1" | tr -s ' \n' ' ' | sed 's/^ //; s/ $//'; }
# 100 and -200
play() { printf '\144\0\070\377' >&7; }

quiet mqtool init --name t --pool 4K:64

test_case "a message comes as it was published, in both forms"
listen a.json --topic news --json --count 2
first=$listener
listen a.text --topic news --topic w --count 2
want 0 "message 1 to 2 subscribers" -- mqtool bus pub --topic news/one 'rain, "no" sun' --type 7
printf '\377\0' > bytes
want 0 "to 2 subscribers" -- sh -c 'mqtool bus pub --topic news < bytes'
ended $first
ended $listener
same '[1,"news/one",7,"rain, \"no\" sun",null,0,0,0,0]
[2,"news",0,null,"/wA=",0,0,0,0]' "$(fields '[.number,.topic,.type,.payload,.payload_base64,.sender_uid,.sender_block,.target,.target_pid]' a.json)" "JSON"
same true "$(fields '.at_ns > 0 and .sender_pid > 0' a.json | sort -u)" "time and process"
want 0 "  news/one from pid " '(root), type 7: rain, "no" sun' ": 2 bytes" -- cat a.text

test_case "nobody subscribes: nobody gets it"
want 0 "to 0 subscribers" -- mqtool bus pub --topic news void

test_case "a prefix is the beginning of a topic"
listen b --topic wea --count 1 --json
quiet mqtool bus pub --topic we no
quiet mqtool bus pub --topic Weather no
quiet mqtool bus pub --topic weather yes
ended "$listener"
same yes "$(fields .payload b)" "payload"

test_case "without --topic it shows all; an empty message is one; it ends with its reader"
mqtool bus sub --json | head -n 1 > c &
until_true sh -c 'grep -qs mqshm-subscriber /proc/[0-9]*/fdinfo/*'
want 0 -- mqtool bus pub --topic any ''
until_true test -s c
same '""' "$(fields '.payload | tojson' c)" "payload"
wait

test_case "what a terminal would obey is not shown"
listen d --count 1
quiet mqtool bus pub --topic x "$(printf 'a\033[31m')"
ended "$listener"
want 0 ": 6 bytes" -- cat d

test_case "one that is too slow is told how many it lost"
listen e --topic flood --depth 2 --json --count 2
kill -STOP "$listener"
for i in 1 2 3 4 5 6; do quiet mqtool bus pub --topic flood $i; done
kill -CONT "$listener"
ended "$listener"
same '4
"5"
"6"' "$(fields '.lost // .payload | tojson' e)" "lost, and what came"

test_case "Ctrl-C ends it in order"
listen f
kill -INT "$listener"
ended "$listener"

begin amp Amplifier --param format=s16le --param gain=2
amp=$pid
test_case "to a process alone"
listen g --topic x --count 1 --json
first=$listener
listen h --topic x --count 1 --json
want 0 "to 1 subscriber" -- mqtool bus pub --topic x --target "$first" first
want 0 "to 1 subscriber" -- mqtool bus pub --topic x --target "$listener" second
ended "$first"
ended "$listener"
same "first $first" "$(fields '"\(.payload) \(.target_pid)"' g)" "first"
same second "$(fields .payload h)" "second"

test_case "to a block alone"
listen i --topic mqshm --json
want 0 "to 1 subscriber" -- mqtool bus pub --topic mqshm/set --target amp gain=2
want 0 "to 1 subscriber" -- mqtool bus pub --topic mqshm/end last
until_true grep -q last i
kill -INT "$listener"
ended "$listener"
same '"last"' "$(fields '.payload | tojson' i)" "what others see"

test_case "targets that are not there"
want 1 "there is no" "did you mean amp?" -- mqtool bus pub --topic x --target am hello
want 1 "there is no such process" -- mqtool bus pub --topic x --target 2147483647 hello
test_case "more than a message takes"
head -c 4096 /dev/zero > most
head -c 4097 /dev/zero > toomuch
want 0 -- sh -c 'mqtool bus pub --topic x < most'
want 1 "more than 4096 bytes" -- sh -c 'mqtool bus pub --topic x < toomuch'
test_case "wrong usage"
want 2 "pub or sub" -- mqtool bus
want 2 "it is pub or sub" -- mqtool bus publish
want 2 "--topic is missing" -- mqtool bus pub hello
want 2 "in quotes" -- mqtool bus pub --topic x two words
want 2 "it has 1 to 63 bytes" -- mqtool bus pub --topic "$(printf %064d 0)" hello
want 2 "--count" -- mqtool bus sub --count 0
want 2 "--block is missing" -- mqtool set gain=1
want 2 "which parameter" -- mqtool set --block amp
want 2 "it is KEY=VALUE" -- mqtool set --block amp gain
want 1 "it may have no control characters" -- mqtool bus pub --topic "$(printf 'a\001')" x
want 1 "limit" -- mqtool bus sub --depth 1000000

# -- changes ------------------------------------------------------------------

mkfifo in
exec 7<> in
begin src FileSource --param filename=in
begin sink FileSink --param filename=out
quiet mqtool connect --from src --to amp
quiet mqtool connect --from amp --to sink

test_case "a gain is changed between two buffers, while the block sleeps"
play
until_true has_bytes out 4
want 0 "amp gain=-3.5" -- mqtool set --block amp gain=-3.5
play
until_true has_bytes out 8
want 0 -- mqtool set --block amp gain=0 clip=1
play
until_true has_bytes out 12
same "200 -400 -350 700 0 0" "$(samples out)" "samples"

test_case "what is wrong is refused by the block, and nothing is changed"
want 1 "block amp: gain=loud: this is no number, such as 2.5; nothing was changed" -- mqtool set --block amp gain=loud
want 1 "gain=: this is no number" -- mqtool set --block amp gain=
want 1 "Amplifier takes no parameter volume; parameters that can be changed: gain, clip; nothing" -- mqtool set --block amp volume=1
want 1 "no parameter gian; did you mean gain? parameters that can be changed: gain, clip" -- mqtool set --block amp clip=1 gian=1
want 1 "format cannot be changed while the block runs; parameters that can be changed: gain, clip" -- mqtool set --block amp format=wav
want 1 "clip=maybe: this is neither" -- mqtool set --block amp gain=5 clip=maybe
want 1 "parameter gain is given twice" -- mqtool set --block amp gain=5 gain=6
want 1 "did you mean amp?" -- mqtool set --block amo gain=5
play
until_true has_bytes out 16
same "0 0" "$(samples out | cut -d' ' -f7-)" "samples"
want 0 -- mqtool set --block amp gain=1
want 0 -- mqtool set --block amp gain=2
play
until_true has_bytes out 20
same "200 -400" "$(samples out | cut -d' ' -f9-)" "samples"

test_case "a Throttle that sleeps for long goes on when it may be faster"
timeout -s KILL 60 mqtool launch --runtime fast 'Generator wave=counter bytes=100 messages=5 ! Throttle name=slow messages=0.001 ! NullSink' > words.fast 2>&1 &
launched=$!
# behind its first message
until_true waits_for slow time fast
quiet mqtool set --runtime fast --block slow messages=1000
wait $launched || wrong "status $?: $(cat words.fast)"
want 0 "slow: done; in: 5 buffers" -- cat words.fast

test_case "a block that takes no changes"
want 1 "a FileSink takes no changes while it runs" -- mqtool set --block sink filename=other

test_case "requests that are none change nothing and end nothing"
quiet mqtool bus pub --topic mqshm/set --target amp gain
quiet mqtool bus pub --topic mqshm/set --target amp ''
want 0 -- sh -c 'mqtool bus pub --topic mqshm/set --target amp < most'
want 0 -- sh -c 'mqtool bus pub --topic mqshm/set --target amp < bytes'
quiet mqtool bus pub --topic mqshm/set gain=7
quiet mqtool bus pub --topic mqshm/other --target amp gain=7
play
until_true has_bytes out 24
same "200 -400" "$(samples out | cut -d' ' -f11-)" "samples"

test_case "what a text says is done"
listen j --topic mqshm --json
quiet mqtool bus pub --topic mqshm/set --target amp gain=4
kill -INT "$listener"
ended "$listener"
want 0 "amp clip=0" -- mqtool set --block amp clip=0
play
until_true has_bytes out 28
same "400 -800" "$(samples out | cut -d' ' -f13-)" "samples"

test_case "a block that waits for room or a connection is changed too"
begin amp2 Amplifier --param format=s16le
begin src2 FileSource --param filename=out
quiet mqtool connect --from src2 --to amp2
want 0 "amp2 gain=9" -- mqtool set --block amp2 gain=9
quiet mqtool stop --block amp2

# what the Throttle does not take is the Generator's and the Amplifier's: it has to copy, and all buffers are in use
# shellcheck disable=SC2317 # for until_true
waits() { [ "$(mqtool list --json --runtime v | jq -r '.blocks[] | select(.name == "ampli") | .stats.waits')" = buffer ]; }
for many in '' 'processes: {many: }'; do
	test_case "a block that waits for a buffer to copy to is changed too${many:+, beside others on its thread}"
	cat > short.yaml << END
runtime: v
pools: {4K: 3}
$many
blocks:
  src: {type: Generator, params: {wave: counter, bytes: 1000}${many:+, process: many}}
  ampli: {type: Amplifier, params: {format: s16le}${many:+, process: many}}
  thr: {type: Throttle, params: {messages: 0.001}${many:+, process: many}}
  nul: {type: NullSink}
  nul2: {type: NullSink}
connections: [src -> ampli -> nul, src -> thr -> nul2]
END
	mqtool run short.yaml > words 2>&1 &
	run=$!
	until_true waits
	for gain in 2 3 4; do want 0 "ampli gain=$gain" -- mqtool set --runtime v --block ampli gain=$gain; done
	waits || wrong "it waits for nothing any more"
	mqtool stop --runtime v --all > /dev/null
	wait $run || wrong "status $?: $(cat words)"
done

test_case "a block that does not answer"
kill -STOP "$amp"
want 1 "it has not answered within 1 s" -- mqtool set --block amp --timeout 1 gain=6
kill -CONT "$amp"
want 0 -- mqtool set --block amp gain=3
play
until_true has_bytes out 32
same "300 -600" "$(samples out | cut -d' ' -f15-)" "samples"

test_case "under load each change is at one sample, and nothing is lost"
quiet mqtool init --name u --pool 4K:64
head -c 50000 /dev/zero | tr '\000' '\001' > ones
MQSHM_RUNTIME=u
mkfifo in2
begin src FileSource --param filename=in2 --param bytes=1000
begin amp Amplifier --param format=s16le
begin sink FileSink --param filename=out2
quiet mqtool connect --from src --to amp
quiet mqtool connect --from amp --to sink
# and once more after the last change
(
	until [ -e changed ]; do cat ones; echo >> written; done
	cat ones; echo >> written
) > in2 &
writer=$!
for gain in 2 3 4 5; do want 0 -- mqtool set --block amp gain=$gain; done
touch changed
wait $writer
bytes=$((50000 * $(wc -l < written)))
until_true has_bytes out2 $bytes
same $bytes "$(wc -c < out2)" "bytes"
# 257 times 1 to 5, each once and in order: those that came
od -An -v -w2 -td2 out2 | uniq | tr -d ' ' > gains
same "$(sort -nu gains)" "$(cat gains)" "order"
same '' "$(grep -vx -e 257 -e 514 -e 771 -e 1028 -e 1285 gains)" "samples"
same 1285 "$(tail -n 1 gains)" "the last"
MQSHM_RUNTIME=t

test_case "others: who may not change the graph publishes and sets nothing"
quiet mqtool init --name p --pool 4K:64 --mode 0775
until_true test -e /dev/mqshm
chmod 666 /dev/mqshm
want 1 "no permission" -- as nobody "mqtool bus pub --runtime root/p --topic x hello"
MQSHM_RUNTIME=p
begin mine Amplifier
want 1 "no permission" -- as nobody "mqtool set --runtime root/p --block mine gain=2"
as nobody "mqtool bus sub --runtime root/p --topic x --count 1 --json" > k 2>&1 &
first=$!
until_true sh -c 'grep -qs mqshm-subscriber /proc/[0-9]*/fdinfo/* && grep -qs "mqshm-queued:.0 of 1024" /proc/[0-9]*/fdinfo/*'
quiet mqtool bus pub --topic x hello
ended $first
same hello "$(fields .payload k)" "payload"

test_case "it ends with the runtime"
listen l
want 0 -- mqtool remove --runtime p --force
ended "$listener"

finish
