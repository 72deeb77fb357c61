#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The part of audio_test that runs in the test machine, in the folder of its inputs; results go to out/, to be compared outside.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=blocks.sh
. "$(dirname "$0")/blocks.sh"

state=/tmp/state
export XDG_RUNTIME_DIR=$state MQSHM_RUNTIME=t
mkdir -p $state

# chain NAME BLOCK...: blocks NAME1, NAME2, ... one behind the other, joined from the end; a BLOCK is "TYPE PARAM..."
chain() {
	chain=$1 number=0
	shift
	for words; do
		number=$((number + 1))
		# shellcheck disable=SC2086
		begin "$chain$number" $words
	done
	while [ $number -gt 1 ]; do
		join "$chain$((number - 1))" "$chain$number"
		number=$((number - 1))
	done
}
# soon NAME PATTERN: it will
soon() { until_true grep -q "$2" "$state/mqshm/t-$1.log"; }
# says NAME WORD...: the log of a block
says() {
	name=$1
	shift
	want 0 "$@" -- cat "$state/mqshm/t-$name.log"
}

test_files() {
	test_case "files of every kind are read and written"
	for file in *.in.*; do
		name=${file%%.*}
		chain "$name" "AudioFileSource filename=$file" "AudioFileSink filename=out/$name.wav"
	done
	all_end
	for type in flac aiff au caf; do
		chain "$type" "AudioFileSource filename=s24.in.wav" "AudioFileSink filename=out/sink.$type"
	done
	chain u "AudioFileSource filename=s16.in.wav" "AudioFileSink filename=out/sink-ulaw.wav encoding=ulaw"
	chain fs "AudioFileSource filename=f32.in.wav" "AudioFileSink filename=out/f32-s16.wav encoding=s16"
	chain ss "AudioFileSource filename=s24.in.wav format=s16le" "AudioFileSink filename=out/s24-s16.wav"
	chain h "AudioFileSource filename=s16.in.wav header=no" "AudioFileSink filename=out/raw.wav format=s16le channels=2 rate=8000"
	chain f "AudioFileSource filename=s16.in.wav format=f32le" "FileSink filename=out/streamed.wav"
	chain i "FileSource filename=s24.in.wav bytes=97" "AudioFileSink filename=out/pieces.wav"
	all_end
}

test_blocks() {
	test_case "Delay, FirFilter, Generator"
	chain d "AudioFileSource filename=s24.in.wav" "Delay time=0.25" "AudioFileSink filename=out/delay.wav"
	chain o "FileSource filename=s16.in.wav bytes=1001" "FirFilter filename=odd.taps" "AudioFileSink filename=out/odd.wav"
	chain e "AudioFileSource filename=s24.in.wav" "FirFilter taps=0.5,-0.25,0.125,0.25" "AudioFileSink filename=out/even.wav"
	chain k "AudioFileSource filename=short.in.wav" "FirFilter filename=odd.taps" "AudioFileSink filename=out/short-fir.wav"
	chain s "Generator length=0.5 amplitude=0.9 rate=8000" "AudioFileSink filename=out/sine.wav"
	chain n "Generator wave=noise length=2 amplitude=0.5 channels=2 format=s32le rate=8000 bytes=4000" "AudioFileSink filename=out/noise.wav"
	all_end
}

test_mixer() {
	test_case "Mixer: sums, alignment, an echo through a Splitter"
	begin mix Mixer inputs=3
	for i in 1 2 3; do
		begin m$i AudioFileSource filename=mix$i.wav bytes=$((1000 * i))
		join m$i mix:in$i
	done
	chain mo "AudioFileSink filename=out/mixed.wav"
	join mix mo1
	begin at Mixer
	begin a1 AudioFileSource filename=mix1.wav start=10
	begin a2 AudioFileSource filename=mix2.wav start=10.125
	join a1 at:in1
	join a2 at:in2
	begin ao AudioFileSink filename=out/aligned.wav
	join at ao
	begin es AudioFileSource filename=mix1.wav bytes=1600
	begin sp Splitter
	begin ed Delay time=0.05
	begin em Mixer
	begin eo AudioFileSink filename=out/echo.wav
	join es sp
	join sp:out1 em:in1
	join sp:out2 ed
	join ed em:in2
	join em eo
	chain hole "AudioFileSource filename=mix1.wav header=0 bytes=1600" "./every.so n=2" "Mixer inputs=1 format=s16le channels=2 rate=8000" \
		"AudioFileSink filename=out/holes.wav format=s16le channels=2 rate=8000"
	all_end
	test_case "Mixer: streams of different formats are refused"
	begin bad Mixer
	begin b1 AudioFileSource filename=mix1.wav
	begin b2 AudioFileSource filename=s24.in.wav
	begin b3 NullSink
	join bad b3
	join b1 bad:in1
	join b2 bad:in2
	soon bad "and another input is s"
	mqtool stop --all > /dev/null
	all_end
	test_case "Mixer: streams of different days are refused"
	begin far Mixer
	begin f1 AudioFileSource filename=mix1.wav
	begin f2 AudioFileSource filename=mix2.wav start=1000
	begin f3 NullSink
	join far f3
	join f1 far:in1
	join f2 far:in2
	soon far "s away from the others'; align=start does not look at times"
	mqtool stop --all > /dev/null
	all_end
}

test_counter() {
	test_case "Generator and Verify: every message is there"
	chain c "Generator wave=counter messages=100 bytes=64" "FileSink filename=out/count"
	chain v "Generator wave=counter messages=2000 bytes=4096" "Verify" "NullSink"
	begin w Verify
	begin g1 Generator wave=counter messages=50 bytes=64
	begin g2 Generator wave=counter messages=50 bytes=64
	begin gm Merger
	join g1 gm:in1
	join g2 gm:in2
	join gm w
	all_end
	says v2 "2000 good, 0 missing, 0 damaged, 0 again, of 1 sources"
	says v3 "done; in: 2000 buffers"
	says w "100 good, 0 missing, 0 damaged, 0 again, of 2 sources"

	head -c 1280 out/count > /tmp/first
	{ cat /tmp/first && tail -c +1345 out/count; } > /tmp/lost
	{ cat /tmp/first && cat /tmp/first; } > /tmp/twice
	{ cat /tmp/first && head -c 63 /tmp/first && printf x; } > /tmp/damaged
	for fault in lost twice damaged; do
		test_case "Verify: a message that is $fault"
		chain "$fault" "FileSource filename=/tmp/$fault bytes=64" "Verify strict=0"
		chain "s$fault" "FileSource filename=/tmp/$fault bytes=64" "Verify"
		soon "${fault}2" 'done'
		soon "s${fault}2" failed
		mqtool stop --all > /dev/null
		all_end
		case $fault in
		lost) says lost2 "99 good, 1 missing, 0 damaged" && says slost2 "message 21 comes too early; 20 was expected, after 21 good ones" ;;
		twice) says twice2 "20 good, 0 missing, 0 damaged, 20 again" && says stwice2 "message 0 has come before; 20 was expected" ;;
		damaged) says damaged2 "20 good, 0 missing, 1 damaged" && says sdamaged2 "is damaged; 20 was expected, after 20 good ones" ;;
		esac
	done
}

test_throttle() {
	test_case "Throttle: everything comes, and not too soon"
	chain t "Throttle messages=20" "FileSink filename=out/throttled"
	begin t0 FileSource filename=s16.in.wav bytes=500
	from=$(cut -d' ' -f1 /proc/uptime)
	join t0 t1
	all_end
	to=$(cut -d' ' -f1 /proc/uptime)
	cmp s16.in.wav out/throttled || wrong "something else came"
	# 39 messages: the last one is 38 times 50 ms behind the first
	awk "BEGIN { exit !($to - $from > 1.85) }" || wrong "all within $from to $to"
	test_case "Throttle: a rate is needed; it stops while it waits"
	want 1 "how fast? rate=BYTES a second, or messages=N a second" -- mqtool start --block Throttle --name no
	chain q "Generator length=10" "Throttle rate=1" "NullSink"
	want 0 -- mqtool stop --all
	all_end
}

test_exec() {
	test_case "Exec: bytes through a command, as a source and as a sink"
	seq 1 3000 | sed 's/$/ is a line/' > /tmp/lines
	tr '[:lower:]' '[:upper:]' < /tmp/lines > /tmp/upper
	begin x1 FileSource filename=/tmp/lines bytes=1000
	mqtool start --block Exec --name x2 --param "command=tr a-z A-Z" > /dev/null || wrong "x2 does not start"
	mqtool start --block Exec --name x3 --param output=no --param "command=cat > /tmp/got; echo ended" > /dev/null || wrong "x3 does not start"
	join x1 x2
	join x2 x3
	mqtool start --block Exec --name y1 --param input=no --param "command=cat; seq 1 5" > /dev/null || wrong "y1 does not start"
	begin y2 FileSink filename=/tmp/seq
	join y1 y2
	soon x3 'done'
	soon y2 'done'
	cmp /tmp/upper /tmp/got || wrong "something else came out of tr"
	same "$(seq 1 5)" "$(cat /tmp/seq)" "what seq said"
	says x3 "ended"
	test_case "Exec: a WAV stream through sox"
	begin z1 AudioFileSource filename=s16.in.wav
	mqtool start --block Exec --name z2 --param "command=sox -D -V1 -t wav - -t wav - vol 0.5" > /dev/null || wrong "z2 does not start"
	begin z3 AudioFileSink filename=out/sox.wav
	join z1 z2
	join z2 z3
	all_end
	test_case "Exec: a command that does not want everything"
	begin h1 FileSource filename=/tmp/lines bytes=1000
	mqtool start --block Exec --name h2 --param "command=head -n 2" > /dev/null || wrong "h2 does not start"
	begin h3 FileSink filename=/tmp/head
	join h1 h2
	join h2 h3
	all_end
	soon h2 'done'
	same "$(head -n 2 /tmp/lines)" "$(cat /tmp/head)" "its output"
	test_case "Exec: one that fails, and one that is stopped with all that it started"
	mqtool start --block Exec --name e1 --param input=no --param output=no --param "command=exit 3" > /dev/null
	soon e1 "the command ended with status 3"
	mqtool start --block Exec --name e2 --param input=no --param output=no --param "command=sleep 1234 & echo \$!; wait" > /dev/null
	soon e2 '^[0-9]*$'
	sleeper=$(sed -n '/^[0-9]*$/p' $state/mqshm/t-e2.log)
	want 0 -- mqtool stop --block e2
	until_true gone "$sleeper"
}

test_refused() {
	test_case "what cannot be is refused, with a reason"
	want 1 "cannot read noise.taps: Format not recognised" -- mqtool start --block AudioFileSource --name r --param filename=noise.taps
	want 1 "cannot read nofile: No such file or directory" -- mqtool start --block AudioFileSource --name r --param filename=nofile
	want 1 "it is no file; FileSource reads pipes" -- mqtool start --block AudioFileSource --name r --param filename=/dev/null
	want 1 "what kind of file is \"xyz\"? type=wav, flac" -- mqtool start --block AudioFileSink --name r --param filename=/tmp/a.xyz
	want 1 "encoding=mp9: it is one of: auto" -- mqtool start --block AudioFileSink --name r --param filename=/tmp/a.wav --param encoding=mp9
	want 1 "which coefficients? taps=" -- mqtool start --block FirFilter --name r
	want 1 "coefficient 2 is no number: x" -- mqtool start --block FirFilter --name r --param taps=1,x
	want 1 "time=-1: must be 0 to 3600 s" -- mqtool start --block Delay --name r --param time=-1
	want 1 "channels=0: must be 1 to 64" -- mqtool start --block Generator --name r --param channels=0
	[ ! -e /tmp/a.wav ] || wrong "a file was made"
	test_case "a FLAC file of floats is refused when the stream says that it has such"
	chain rf "Generator format=f32le length=1" "AudioFileSink filename=/tmp/f.flac encoding=float"
	soon rf2 "a file of that type does not take 1 channels of 48000 Hz, encoding=float"
	mqtool stop --all > /dev/null
	all_end
	test_case "samples of 8 bits in a stream are refused"
	chain r8 "FileSource filename=u8.in.wav" "Delay time=1" "NullSink"
	soon r82 "the samples of this WAV stream are integers of 8 bits; blocks take"
	mqtool stop --all > /dev/null
	all_end
}

# shellcheck disable=SC2317 # for until_true
used_up() { mqtool list --json | jq -e '.pools[0].free == 0' > /dev/null; }

# A block that makes new buffers must have them when all others wait in its input.
# shellcheck disable=SC2086 # $raw is several words
test_starving() {
	test_case "buffers that all wait in an input are not the end"
	raw="format=s16le channels=2 rate=8000"
	export MQSHM_RUNTIME=small
	mqtool init --name small --pool 64K:8 > /dev/null
	begin w1 AudioFileSource filename=long.wav header=0
	begin w2 FirFilter taps=1 $raw
	filter=${pid%%,*}
	begin w3 Mixer inputs=1 $raw
	begin w4 AudioFileSink filename=out/starved.wav $raw
	join w2 w3
	join w3 w4
	kill -STOP "$filter"
	join w1 w2
	until_true used_up
	kill -CONT "$filter"
	all_end
	want 0 -- mqtool remove
	export MQSHM_RUNTIME=t
}

mqtool init --name t --pool 64:128 --pool 4K:256 --pool 64K:64 > /dev/null
test_files
test_blocks
test_mixer
test_counter
test_throttle
test_exec
test_refused
test_starving
test_case "every buffer is back, nothing is left"
same '[0,0,true]' "$(mqtool list --json | jq -c '[.runtime.blocks, .runtime.connections, ([.pools[] | .free == .buffers] | all)]')" \
	"blocks, connections, free is all"
want 0 "runtime t is removed" -- mqtool remove
finish
