#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The part of blocks_test that runs in the test machine, in the folder of its inputs.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=blocks.sh
. "$(dirname "$0")/blocks.sh"

out=/tmp/out
export XDG_RUNTIME_DIR=/tmp/state MQSHM_RUNTIME=t
mkdir -p $out $XDG_RUNTIME_DIR

allocated() { numbers .runtime.allocated; }
# between LEAST MOST NUMBER WHAT
between() { if [ "$3" -lt "$1" ] || [ "$3" -gt "$2" ]; then wrong "$4: $3, not $1 to $2"; fi; }

# amplify NAME GAIN BYTES [PARAM...]
amplify() {
	test_case "Amplifier: $1, gain=$2, buffers of $3 bytes"
	begin src FileSource "filename=$1.in" "bytes=$3"
	file=$1 gain=$2
	shift 3
	begin amp Amplifier "gain=$gain" "$@"
	begin snk FileSink filename=$out/amplified
	join src amp
	join amp snk
	all_end
	equal "$file.expected" $out/amplified
}

refused_stream() {
	test_case "Amplifier: $1"
	begin src FileSource "filename=$2"
	mqtool start --foreground --block Amplifier --name amp --param "$3" > $out/words 2>&1 &
	amp=$!
	until_true mqtool connect --from src --to amp > /dev/null
	wait $amp
	same 1 $? "status"
	want 0 "mqtool: block amp: $4" "amp: failed" -- cat $out/words
	# it may wait for another Amplifier
	mqtool stop --all
	all_end
}

test_splitter() {
	test_case "Splitter: every output gets everything"
	before=$(allocated)
	begin src FileSource filename=noise bytes=1000
	begin spl Splitter outputs=3
	for i in 1 2 3; do
		begin "snk$i" FileSink "filename=$out/split$i"
		join "spl:out$i" "snk$i"
	done
	join src spl
	all_end
	for i in 1 2 3; do equal noise $out/split$i; done
	test_case "Splitter: no copy is made"
	between 100 105 $(($(allocated) - before)) "buffers for 100 messages"
}

test_merger() {
	test_case "Merger: everything of every input, in the order of each"
	begin mrg Merger inputs=3
	i=0
	for name in a b c; do
		i=$((i + 1))
		begin "$name" FileSource "filename=lines-$name" bytes=10
		join "$name" "mrg:in$i"
	done
	begin snk FileSink filename=$out/merged
	join mrg snk
	all_end
	same 600 "$(wc -l < $out/merged)" "lines"
	for name in a b c; do
		grep "^$name" $out/merged > $out/of
		equal lines-$name $out/of
	done
}

test_router() {
	test_case "Router: each input goes to its output"
	begin rtr Router ports=3
	i=0
	for name in a b c; do
		i=$((i + 1))
		begin "$name" FileSource "filename=lines-$name" bytes=10
		begin "snk$i" FileSink "filename=$out/routed-$name"
		join "$name" "rtr:in$i"
		join "rtr:out$i" "snk$i"
	done
	all_end
	for name in a b c; do equal lines-$name $out/routed-$name; done
}

test_routes() {
	test_case "Router: a route that is not connected does not hold up another"
	begin rtr Router ports=2
	begin a FileSource filename=lines-a bytes=10
	begin b FileSource filename=lines-b bytes=10
	begin snk FileSink filename=$out/routed
	join a rtr:in1
	join b rtr:in2
	join rtr:out2 snk
	until_true gone "$pid"
	equal lines-b $out/routed
	mqtool stop --all
	all_end
}

test_pipes() {
	test_case "pipes with names: a source and a sink"
	mkfifo $out/in $out/out
	begin src FileSource filename=$out/in bytes=1000
	begin snk FileSink filename=$out/out
	join src snk
	cat noise > $out/in &
	cat $out/out > $out/through
	all_end
	equal noise $out/through
	test_case "a sink writes its file anew, or with append behind what it has"
	for append in 0 1; do
		echo before > $out/behind
		begin src FileSource filename=lines-a
		begin snk FileSink filename=$out/behind append=$append
		join src snk
		all_end
		{ [ $append = 0 ] || echo before; cat lines-a; } > $out/expected
		equal $out/expected $out/behind
	done
	test_case "- is stdin and stdout, pipes as they come"
	mqtool start --foreground --block FileSink --name snk --param filename=- 2> /dev/null | cat > $out/dashes &
	sink=$!
	# shellcheck disable=SC2002
	cat noise | mqtool start --foreground --block FileSource --name src --param filename=- 2> /dev/null &
	until_true mqtool connect --from src --to snk > /dev/null
	wait $sink
	equal noise $out/dashes
}

test_in_place() {
	test_case "Amplifier changes a buffer in place if nobody else holds it"
	before=$(allocated)
	begin src FileSource filename=noise bytes=1000
	begin amp Amplifier gain=1.0 format=s16le
	begin snk FileSink filename=$out/place
	join src amp
	join amp snk
	all_end
	equal noise $out/place
	between 100 105 $(($(allocated) - before)) "buffers for 100 messages"

	test_case "a sink beside an Amplifier gets the data unchanged"
	before=$(allocated)
	mkfifo $out/data $out/slow
	begin src FileSource filename=$out/data bytes=1000
	begin amp Amplifier gain=-1.0 format=s16le
	begin slow FileSink filename=$out/slow
	begin snk FileSink filename=$out/inverted
	join amp snk
	join src amp
	join src slow
	# nobody reads the pipe yet, so its sink and that sink's queue hold every message while the Amplifier works
	cat noise > $out/data
	until_true gone "$pid"
	copies=$(($(allocated) - before))
	cat $out/slow > $out/unchanged
	all_end
	equal noise $out/unchanged
	cmp -s noise $out/inverted && wrong "the Amplifier did nothing"
	same 100000 "$(wc -c < $out/inverted)" "bytes from the Amplifier"
	test_case "and the Amplifier has copied what the sink held"
	between 200 210 $copies "buffers for 100 messages"
}

mqtool init --name t --pool 64:64 --pool 4K:512 --pool 64K:16 > /dev/null
while read -r case; do
	# shellcheck disable=SC2086
	amplify $case
done < cases
refused_stream "samples of 8 bits are refused" bits8.wav gain=2 "the samples of this WAV stream are integers of 8 bits"
refused_stream "what is no WAV stream is refused if one was promised" noise format=wav "this is no WAV stream"
test_splitter
test_merger
test_router
test_routes
test_pipes
test_in_place
test_case "every buffer is back, nothing is left"
same '[0,0,true]' "$(numbers '[.runtime.blocks, .runtime.connections, ([.pools[] | .free == .buffers] | all)]')" "blocks, connections, free is all"
want 0 "runtime t is removed" -- mqtool remove
finish
