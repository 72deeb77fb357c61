#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# mqtool worker in the test machine: many blocks in one process, with real files.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

export MQSHM_RUNTIME=t
cd /tmp || exit 1

# numbers FILTER: what jq makes of mqtool list --json
numbers() { mqtool list --json | jq -c "$1"; }
# shellcheck disable=SC2317 # for until_true
there() { [ "$(numbers '.blocks | length')" = "$1" ]; }
# shellcheck disable=SC2317 # for until_true
gone() { ! kill -0 "$1" 2> /dev/null; }

# chain N [OPTION...]: a source, N - 2 amplifiers and a sink in a worker; sets $worker
chain() {
	n=$1 i=1
	shift
	set -- "$@" --block FileSource --param filename=in --param bytes=1000
	while [ $i -lt $((n - 1)) ]; do
		set -- "$@" --block Amplifier --param gain=1 --param format=s16le
		i=$((i + 1))
	done
	mqtool worker "$@" --block FileSink --param filename=out > words 2>&1 &
	worker=$!
	until_true there "$n"
	i=0 from=filesource0
	while [ $i -lt $((n - 2)) ]; do
		mqtool connect --from $from --to amplifier$i > /dev/null || wrong "$from: not connected"
		from=amplifier$i i=$((i + 1))
	done
	mqtool connect --from $from --to filesink0 > /dev/null || wrong "filesink0: not connected"
}

head -c 500000 /dev/urandom > in
mqtool init --name t --pool small=1K:8 > /dev/null

for options in '--threads 1' '--threads 3'; do
	test_case "16 blocks, $options, eight buffers: a file passes unchanged"
	# shellcheck disable=SC2086 # words
	chain 16 $options
	wait $worker || wrong "status $?"
	cmp in out || wrong "$(cat words)"
	same 16 "$(grep -c ': done;' words)" "blocks that say that they are done"
	same '[8,0]' "$(numbers '[.pools[0].free, (.clients | length)]')" 'free buffers and clients'
done

test_case 'a block is where it was pinned, else on the thread with the fewest'
mqtool worker --threads 2 --process many --block Router --name a --pin 1 --block Router --name b --block Router \
	--name c --block Router --name d --pin 1 > words 2>&1 &
worker=$!
until_true there 4
same '[["a","d"],["b","c"]]' "$(mqtool list --json |
	jq -c '[.blocks | group_by(.client)[] | map(.name) | sort] | sort')" 'blocks by client'
same '["many","many"]' "$(numbers '[.clients[].name]')" 'names of clients'

calls() { numbers '[.clients[] | .ioctls, .sleeps]'; }
# rests WHAT: no call is made and no sleep ends for a second, at last
rests() {
	after=$(calls) i=0
	while before=$after && sleep 1 && after=$(calls) && [ "$before" != "$after" ] && [ $i -lt 20 ]; do i=$((i + 1)); done
	same "$before" "$after" "$1"
}
test_case 'a graph at rest does not wake up'
rests 'calls and sleeps of its clients'

test_case 'what its blocks wait for is told'
same '["a","b","c","d"]' "$(numbers '[.blocks[] | select(.stats.work_count == 0 and .stats.work_ns == 0 and
	.stats.waits == "input" and .stats.waits_since_ns > 0) | .name] | sort')" 'blocks that wait for input'

test_case 'one block is stopped, then all'
want 0 -- mqtool stop --block c
same '["a","b","d"]' "$(numbers '[.blocks[].name] | sort')" 'blocks'
kill -TERM $worker
wait $worker || wrong "status $?"
same 4 "$(grep -c ': stopped;' words)" 'blocks that say that they were stopped'

test_case 'a pipe and a command that are quiet do not hold up the blocks of their thread'
mkfifo quiet command full one two unread
# opened to read and write, so that nothing waits; one pipe is full, and nobody empties it; one that nobody opens to read
exec 3<> quiet 4<> full 5<> one 6<> two
head -c 65536 /dev/zero >&4
echo one >&5
echo two >&6
rm -f out
mqtool worker --block FileSource --name idle --param filename=quiet --block FileSink --name heard --param filename=heard \
	--block Exec --name cmd --param command='cat command -' --block FileSource --name feed --param filename=one \
	--block FileSink --name stuck --param filename=full --block FileSource --name src --param filename=in \
	--param bytes=1000 --block FileSink --name snk --param filename=out --block FileSource --name two --param filename=two \
	--block FileSink --name unread --param filename=unread > words 2>&1 &
worker=$!
until_true there 9
for ends in 'idle heard' 'feed stuck' 'two unread' 'src snk'; do
	mqtool connect --from "${ends% *}" --to "${ends#* }" > /dev/null || wrong "$ends: not connected"
done
until_true cmp -s in out
until_true there 7
rests 'calls and sleeps of its clients'
same '["time","time"]' "$(numbers '[.blocks[] | select(.name == "unread" or .name == "stuck") | .stats.waits]')" 'what sinks wait for'
echo loud >&3
until_true grep -q loud heard
read -r line < unread
same two "$line" 'line from the pipe that nobody had opened'
kill -TERM $worker
wait $worker || wrong "status $?: $(cat words)"
exec 3>&- 4>&- 5>&- 6>&-

test_case 'a name that is taken: nothing is left, and nothing has begun'
echo precious > out
want 1 'block same: there is a block of that name' -- mqtool worker --block FileSink --name same --param filename=out \
	--block Router --name same
same '[0,0]' "$(numbers '[(.blocks | length), (.clients | length)]')" 'blocks and clients'
same precious "$(cat out)" 'file of the first'

test_case 'a block that fails does not end the others'
mqtool worker --block FileSink --name bad --param filename=/dev/full --block FileSource --name good --param filename=in \
	--param bytes=1000 > words 2>&1 &
worker=$!
until_true there 2
mqtool connect --from good --to bad > /dev/null || wrong 'not connected'
until_true grep -q 'bad: failed' words || wrong "$(cat words)"
same '["good"]' "$(numbers '[.blocks[].name]')" 'blocks'
mqtool stop --block good
wait $worker && wrong 'status 0'

# where PID: processors of its threads but the first, which only waits
where() {
	for task in /proc/"$1"/task/*; do
		[ "${task##*/}" = "$1" ] || sed -n 's/^Cpus_allowed_list:\t//p' "$task/status"
	done | tr '\n' ' '
}
for place in '--cpus 1 --threads 2:1 1 ' '--cpus 0-1 --threads 3:0 1 0 ' '--cpus 1,0 --threads 2:0 1 ' '--node 0:0-1 '; do
	test_case "its threads run where they are to: ${place%:*}"
	# shellcheck disable=SC2086 # words
	mqtool worker ${place%:*} --block Router --name a > words 2>&1 &
	worker=$!
	until_true there 1
	same "${place#*:}" "$(where $worker)" 'processors of its threads'
	kill -TERM $worker
	wait $worker || wrong "status $?: $(cat words)"
done

test_case 'a place that is not there'
want 1 'mqtool: --cpus: 0-2: not all of these processors are there and online; online: 0-1' -- \
	mqtool worker --cpus 0-2 --block Router
want 1 'mqtool: --cpus: 100000: not all of these processors' -- mqtool worker --cpus 100000 --block Router
want 1 'mqtool: --node: 5: there is no NUMA node with processors of that number; there are: 0' -- \
	mqtool worker --node 5 --block Router
same '[0,0]' "$(numbers '[(.blocks | length), (.clients | length)]')" 'blocks and clients'

test_case 'what belongs to a block comes behind it'
want 2 'mqtool worker: --pin 1: of which block? --block TYPE comes first' -- mqtool worker --pin 1 --block Router
want 2 'mqtool worker: --name a: of which block?' -- mqtool worker --name a --block Router
want 2 'mqtool worker: --param a=b: of which block?' -- mqtool worker --param a=b --block Router
want 2 'mqtool worker: --pin 2: there are 2 (--threads), and the first is 0' -- \
	mqtool worker --block Router --pin 2 --threads 2

test_case 'a place that is none'
for list in '' ',' '1,' 1- -1 1-0 0x1 '0 1' '0,,1' a; do
	want 2 "--cpus $list: it is a list of processors" -- mqtool worker --cpus "$list" --block Router
done
want 2 '--node x: it is the number of a NUMA node' -- mqtool worker --node x --block Router
want 2 '--cpus and --node: it is one of them' -- mqtool worker --cpus 0 --node 0 --block Router

test_case 'its death settles all of it'
chain 6 --threads 2
kill -KILL $worker
wait $worker 2> /dev/null
until_true there 0
same '[8,0]' "$(numbers '[.pools[0].free, (.clients | length)]')" 'free buffers and clients'
want 0 -- mqtool remove
finish
