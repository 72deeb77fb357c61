#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# mqtool dump, replay and holders in the test machine: what a tap records, that it changes nothing, and who is shown with
# which buffers. Needs jq and leaker.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

program=$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/tools/leaker
work=/tmp/dump
export XDG_RUNTIME_DIR=$work
export MQSHM_RUNTIME=t
mkdir $work
cd $work || exit 1

quiet() { "$@" > /dev/null || wrong "$*"; }
# shellcheck disable=SC2317 # for until_true
gone() { [ ! -e "/proc/$1/exe" ]; }
# shellcheck disable=SC2317 # for until_true
has_bytes() { [ "$(wc -c < "$1")" -ge "$2" ]; }
ask() { mqtool list --json --runtime "$MQSHM_RUNTIME" | jq -re "$1"; }
# shellcheck disable=SC2317 # for until_true
says() { [ "$(ask "$1")" = "$2" ]; }
info() { mqtool dump --info --long --json "$2" | jq -rc "$1" || wrong "$2: no JSON"; }
holders() { mqtool holders --json "$@" | jq -rc '.holders[]' || wrong "holders: no JSON"; }

begin() {
	name=$1
	shift
	if line=$(mqtool start --name "$name" --block "$@" 7>&-); then
		pid=${line#*pid }
		pid=${pid%%,*}
	else
		wrong "$name does not start"
	fi
}

# chain NAME TYPE=PARAM...: NAME.in, a pipe, through blocks to the file NAME.out. Fd 7 is the pipe's only writer: nobody
# else has it, so that to close it is the end.
chain() {
	chain=$1
	shift
	mkfifo "$chain.in"
	exec 7<> "$chain.in"
	begin "$chain" FileSource --param "filename=$chain.in" --param bytes=1000
	source=$pid last=$chain
	for block in "$@"; do
		begin "$chain-${block%%=*}" "${block%%=*}" --param "${block#*=}"
		quiet mqtool connect --from "$last" --to "$chain-${block%%=*}"
		last=$chain-${block%%=*}
	done
	begin "$chain-sink" FileSink --param "filename=$chain.out"
	sink=$pid
	quiet mqtool connect --from "$last" --to "$chain-sink"
}

# send N: so many messages of 1000 bytes into the pipe
send() {
	sent=0
	while [ $sent -lt "$1" ]; do
		dd if=data bs=1000 count=$(($1 - sent < 100 ? $1 - sent : 100)) 2> /dev/null >&7
		sent=$((sent + 100))
	done
}

# record FILE ARGUMENT...: mqtool dump, $dumper, whose words go to FILE.said, once it is a tap
record() {
	file=$1
	shift
	taps=$(ask '[.connections[] | select(.tap)] | length')
	mqtool dump "$@" "$file" > "$file.said" 2>&1 7>&- &
	dumper=$!
	until_true says '[.connections[] | select(.tap)] | length' $((taps + 1))
}

# ended PID: its status is 0, once it has ended by itself
ended() {
	until_true gone "$1" || kill -KILL "$1"
	wait "$1"
	same 0 $? "status of $1"
}

quiet mqtool init --name t --pool 4K:4096 --pool 64:4096
head -c 100000 /dev/urandom > data

test_case "what an output sends is recorded until it ends"
begin a FileSource --param filename=data --param bytes=1000
record a.rec a
begin a-sink FileSink --param filename=a.out
quiet mqtool connect --from a --to a-sink
ended $dumper
until_true gone "$pid"
want 0 "a.rec: 100 messages of a:out, 100.0kB; 0 dropped" -- cat a.rec.said
want 0 -- cmp data a.out
same '"a:out" 100 100000 0 true 100' "$(info '"\(.source | tojson) \(.messages) \(.bytes) \(.dropped) \(.complete) \(.entries | length)"' a.rec)" "info"
same '[0,1000]' "$(info '.entries[0] | [.number, .length]' a.rec)" "the first message"
want 0 "a.rec: 100 messages of a:out, 100.0kB, in" "on; 0 dropped" -- mqtool dump --info a.rec
want 0 "    Number" "        99  " -- mqtool dump --info --long a.rec

test_case "what is replayed is what was recorded"
begin back FileSink --param filename=back
want 0 "100 buffers, 100.0kB" -- mqtool replay a.rec --to back --speed 0
until_true gone "$pid"
want 0 -- cmp data back

test_case "at the pace at which it came, and again and again"
chain slow Throttle=messages=50
record slow.rec slow-Throttle --count 5
send 10
ended $dumper
begin back2 FileSink --param filename=back2
mqtool replay slow.rec --to back2 --loop --speed 20 > /dev/null 2>&1 7>&- &
player=$!
until_true has_bytes back2 12000
kill -INT $player
ended $player
until_true gone "$pid"
head -c 5000 data > five
cat five five > ten
head -c 10000 back2 > back3
want 0 -- cmp ten back3

test_case "times, lengths and data times come through blocks of a graph too"
begin rec Recorder --param filename=b.rec
recorder=$pid
begin play Player --param filename=a.rec --param speed=0
quiet mqtool connect --from play --to rec
until_true gone "$recorder"
same "$(info '.entries | map([.number, .length, .data_ns])' a.rec)" "$(info '.entries | map([.number, .length, .data_ns])' b.rec)" "entries"
same '["",true]' "$(info '[.source, .complete]' b.rec)" "source"

test_case "it ends after so long, by Ctrl-C, and with a source that dies"
want 0 "0 messages of slow:out" -- mqtool dump slow c.rec --seconds 0.1
same 'true 0' "$(info '"\(.complete) \(.messages)"' c.rec)" "after so long"
record c.rec slow
kill -INT $dumper
ended $dumper
same true "$(info .complete c.rec)" "Ctrl-C"
record c.rec slow
kill -KILL "$source"
ended $dumper
same true "$(info .complete c.rec)" "death"
exec 7>&-

test_case "the output of a connection, by its number"
chain d
record d.rec --connection "$(ask '.connections[] | select(.to == "d-sink:in").id')"
send 3
until_true has_bytes d.out 3000
kill -INT $dumper
ended $dumper
want 0 "d.rec: 3 messages of d:out, 3.0kB; 0 dropped" -- cat d.rec.said

test_case "a recorder that is killed leaves what it had written, and the graph goes on"
record e.rec d
send 5
until_true has_bytes e.rec 5000
kill -KILL $dumper
wait $dumper
same 'false 5 0' "$(info '"\(.complete) \(.messages) \(.dropped)"' e.rec)" "info"
want 0 "it was cut off" -- mqtool dump --info e.rec
send 2
until_true has_bytes d.out 10000
begin back4 FileSink --param filename=back4
want 0 -- mqtool replay e.rec --to back4 --speed 0
until_true gone "$pid"
head -c 5000 data > five
want 0 -- cmp five back4

test_case "a tap that stands still loses and counts the oldest, and nobody waits for it"
record f.rec d
kill -STOP $dumper
send 400
until_true has_bytes d.out 410000
same '{"false":false,"true":true}' "$(ask '[.connections[] | select(.from == "d:out") | {(.tap | tostring): (.dropped > 0)}] | add' | tr -d ' \n')" "dropped"
kill -CONT $dumper
exec 7>&-
ended $dumper
same 400 "$(info '.messages + .dropped' f.rec)" "recorded and dropped"
same true "$(info '.dropped > 0 and .complete' f.rec)" "dropped"
same 399 "$(info '.entries[-1].number' f.rec)" "the last one"
same "$(info .dropped f.rec)" "$(info '.entries as $e | [range(1; $e | length) | $e[.].number - $e[. - 1].number - 1] | add + $e[0].number' f.rec)" "gaps"
want 0 " dropped" -- sh -c 'mqtool dump --info --long f.rec | grep -m 1 "^ .*dropped$"'

test_case "an output with nothing but a tap waits as without"
begin g FileSource --param filename=data --param bytes=1000
record g.rec g
begin g-sink FileSink --param filename=g.out
quiet mqtool connect --from g --to g-sink
ended $dumper
until_true gone "$pid"
want 0 -- cmp data g.out
same '100 0' "$(info '"\(.messages) \(.dropped)"' g.rec)" "recorded"

copies() { ask '.blocks[] | select(.name == "h-Amplifier").stats.copies'; }
test_case "a block that changes messages in place copies those that the tap holds"
chain h Amplifier=gain=2
send 50
until_true has_bytes h.out 50000
same 0 "$(copies)" "copies without a tap"
record h.rec h
kill -STOP $dumper
send 50
until_true has_bytes h.out 100000
until_true says '.blocks[] | select(.name == "h-Amplifier").stats.copies' 50
kill -CONT $dumper
kill -INT $dumper
ended $dumper
send 50
until_true has_bytes h.out 150000
same 50 "$(copies)" "copies behind the tap"
want 0 "Copied: 50 messages" -- mqtool stats h-Amplifier
same 50 "$(mqtool stats | awk '$1 == "h-Amplifier" { print $NF }')" "copies in the table"
head -c 50000 h.out > h1
for part in 2 3; do
	tail -c +$(((part - 1) * 50000 + 1)) h.out | head -c 50000 > h2
	want 0 -- cmp h1 h2
done
want 0 -- sh -c '! cmp -s h1 data'
exec 7>&-
until_true gone "$sink"

test_case "nor does a stopped tap stop a graph that lives on few buffers"
quiet mqtool init --name u --pool 1K:16
MQSHM_RUNTIME=u
chain i Amplifier=gain=1
record i.rec i
kill -STOP $dumper
send 100
until_true has_bytes i.out 100000
want 0 -- cmp data i.out
kill -CONT $dumper
exec 7>&-
ended $dumper
MQSHM_RUNTIME=t

test_case "blocks that come back wait for no dump and no replay"
begin k FileSource --param filename=/dev/zero --param bytes=1000 --persistent
record k.rec k
kill -INT $dumper
ended $dumper
same 0 "$(ask '[.connections[] | select(.from == "k:out")] | length')" "connections of k"
begin k-sink FileSink --param filename=k.out --persistent
quiet mqtool replay a.rec --to k-sink --speed 0
until_true gone "$pid"
same 0 "$(ask '[.connections[] | select(.to == "k-sink:in")] | length')" "connections of k-sink"
quiet mqtool stop --block k

test_case "what cannot be recorded or played"
chain jay
want 1 "did you mean jay?" -- mqtool dump jai x.rec
want 1 "jay-sink: it has no outputs" "comes from jay:out" -- mqtool dump jay-sink x.rec
want 1 "the block has no such output" "outputs of jay: out" -- mqtool dump jay:aut x.rec
want 1 "there is none of that number" -- mqtool dump --connection 999999999 x.rec
want 1 "cannot write /nowhere/x.rec: No such file" -- mqtool dump jay /nowhere/x.rec
want 1 "cannot read x.rec: No such file" -- mqtool replay x.rec --to jay-sink
want 1 "it is no recording" -- mqtool replay data --to jay-sink
want 1 "it is no recording" -- mqtool dump --info data
want 1 "did you mean jay-sink?" -- mqtool replay a.rec --to jay-sing
want 1 "speed=fast: this is no number" -- mqtool replay a.rec --to jay-sink --speed fast
same '' "$(ls x.rec 2> /dev/null)" "a file is left"
test_case "wrong usage"
want 2 "mqtool dump BLOCK" -- mqtool dump
want 2 "of which output, or to which file?" -- mqtool dump jay
want 2 "--info shows a recording" -- mqtool dump --info jay x.rec
want 2 "--count 0" -- mqtool dump jay x.rec --count 0
want 2 "--json and --long go with --info" -- mqtool dump jay x.rec --json
want 2 "--to is missing" -- mqtool replay a.rec
want 2 "which recording?" -- mqtool replay --to jay-sink
want 2 "--older" -- mqtool holders --older soon
want 2 "--limit" -- mqtool holders --limit all

test_case "recordings that are damaged or cut off"
head -c 100 a.rec > x.rec
want 1 "it is no recording" -- mqtool dump --info x.rec
head -c 128 a.rec > x.rec
want 0 "0 messages" "it was cut off" -- mqtool dump --info x.rec
head -c 5000 a.rec > x.rec
want 0 "4 messages" "it was cut off" -- mqtool dump --info x.rec
{ head -c 8 a.rec; printf '\002'; tail -c +10 a.rec; } > x.rec
want 1 "another version" -- mqtool dump --info x.rec
# a length of 16 MiB and more, in the second entry
{ head -c $((128 + 32 + 1000 + 4)) a.rec; printf '\377\377\377\177'; tail -c +$((128 + 32 + 1000 + 9)) a.rec; } > x.rec
want 1 "1 message" "byte 1160: it is damaged" -- mqtool dump --info x.rec
want 1 "it is damaged" -- mqtool replay x.rec --to jay-sink --speed 0
head -c $(($(wc -c < a.rec) - 8)) a.rec > x.rec
printf '\001\0\0\0\0\0\0\0' >> x.rec
want 1 "its end does not say what it holds" -- mqtool dump --info x.rec
exec 7>&-

# -- holders ---------------------------------------------------------------------

test_case "a leak is found: the program, its process, and the buffers"
mkfifo l.in
exec 7<> l.in
begin l FileSource --param filename=l.in --param bytes=1000
"$program" t leaky 7>&- &
leaker=$!
until_true sh -c 'mqtool list --json --runtime t | jq -e ".blocks[] | select(.name == \"leaky\")" > /dev/null'
quiet mqtool connect --from l --to leaky
send 30
until_true says '.connections[] | select(.to == "leaky:in").messages' 30
until_true sh -c '[ "$(mqtool holders --json --block leaky | jq .total)" = 10 ]'
same '[1,"client","4K",false,["leaky"]]' "$(holders --block leaky | jq -c '[.refs, .held_by, .pool_name, .reserve, .blocks]' | sort -u)" "holders"
same "$leaker" "$(holders --block leaky | jq .pid | sort -u)" "pid"
same 10 "$(holders --pid $leaker | jq .buffer | sort -u | wc -l)" "buffers"
holders --block leaky > ages
same "$(cat ages)" "$(jq -sc 'sort_by(-.age_ns)[]' ages)" "oldest first"
want 0 "Holders:" "leaker (leaky)" "and 8 more" -- mqtool holders --limit 2 --block leaky
sleep 0.2
same 10 "$(holders --older 0.2 --block leaky | wc -l)" "older than that"
same '' "$(holders --older 1000)" "older than all"

test_case "what is queued is shown with its connection"
kill -STOP $leaker
send 5
until_true says '.connections[] | select(.to == "leaky:in").queued' 5
same '["connection","l:out","leaky:in",1000]' "$(holders | jq -c 'select(.held_by == "connection") | [.held_by, .from, .to, .length]' | sort -u)" "queued"
want 0 "queue l:out to leaky:in" "1.0kB" -- mqtool holders --block leaky --limit 0
same '' "$(holders --pool 64)" "of another pool"
want 1 "did you mean 4K?" -- mqtool holders --pool 4k
want 1 "did you mean leaky?" -- mqtool holders --block leeky
want 1 "there is none of that name" -- mqtool holders --runtime nosuch

test_case "it is given back when the program ends"
kill -KILL $leaker
wait $leaker
until_true sh -c '[ "$(mqtool holders --json | jq .total)" = 0 ]'
want 0 "Nobody holds a buffer." -- mqtool holders
exec 7>&-

finish
