#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# The part of file_test that runs in the test machine: /dev/vda and /dev/vdb are disks with ext4, the second a small one.
# Arguments: the tests that are to run.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"
# shellcheck source-path=SCRIPTDIR source=blocks.sh
. "$(dirname "$0")/blocks.sh"

newline='
'
# nobody makes the nodes of devices that dmsetup maps but itself
export XDG_RUNTIME_DIR=/tmp/state MQSHM_RUNTIME=t DM_DISABLE_UDEV=1
mkdir -p $XDG_RUNTIME_DIR /disk /small /memory
mount -t ext4 /dev/vda /disk
mount -t tmpfs tmpfs /memory
chmod 777 /disk
mqtool init --name t --pool 64K:16 > /dev/null

# shellcheck disable=SC2317 # for until_true
alone() { [ "$(numbers '[(.clients | length), (.pools | map(.buffers - .free) | add)]')" = '[0,0]' ]; }
# device NAME TABLE: /dev/mapper/NAME, to be read
device() { echo "$2" | dmsetup -r create "$1" || wrong "there is no device $1"; }
log() { cat "$XDG_RUNTIME_DIR/mqshm/t-$1.log"; }
said() { log "$1" | grep -qF "$2" || wrong "$1 does not say \"$2\": $(log "$1")"; }

# ---- copies ----

sizes='0 1 511 512 4095 4096 4097 65535 65536 65537 1048576 5000001'
head -c 5000001 /dev/urandom > /memory/noise
for size in $sizes; do
	head -c "$size" /memory/noise > "/disk/in$size"
	cp "/disk/in$size" "/memory/in$size"
done

# copy FROM TO [PARAM OF THE SOURCE]: a line of a graph
copy() {
	n=$((n + 1))
	blocks="$blocks  src$n: {type: FileSource, process: all, params: {filename: $1${3:+, $3}}}$newline"
	blocks="$blocks  snk$n: {type: FileSink, process: all, params: {filename: $2}}$newline"
	connections="$connections  - src$n -> snk$n$newline"
}

# copies THREADS: all of them in one process
copies() {
	echo "pools: {4K: 64, 64K: 24}
blocks:
${blocks}connections:
${connections}processes:
  all: {threads: $1}" > /tmp/copies.yaml
	mqtool run --runtime copies /tmp/copies.yaml > /tmp/words 2>&1 || wrong "$(cat /tmp/words)"
	blocks='' connections='' n=0
}
blocks='' connections='' n=0

test_copies() {
	for size in $sizes; do
		copy "/disk/in$size" "/disk/out$size"
		copy "/memory/in$size" "/memory/out$size"
	done
	# what a disk's blocks do not fit, and what goes from one kind of file system to the other
	copy /disk/in5000001 /disk/odd 'bytes: 40000'
	copy /disk/in5000001 /memory/blocks 'bytes: 16K'
	copy /memory/in5000001 /disk/one 'direct: 0, ahead: 1'
	copy /disk/in5000001 /disk/two 'ahead: 64'
	mkfifo /tmp/into /tmp/outof
	copy /tmp/into /disk/piped
	copy /disk/in5000001 /tmp/outof
	cat /memory/noise > /tmp/into &
	cat /tmp/outof > /memory/piped &
	test_case 'files of all kinds of sizes, with direct I/O and without, and pipes'
	copies 2
	for size in $sizes; do
		equal "/disk/in$size" "/disk/out$size"
		equal "/memory/in$size" "/memory/out$size"
	done
	for out in /disk/odd /memory/blocks /disk/one /disk/two /disk/piped /memory/piped; do
		until_true cmp -s /memory/noise $out
	done
	rm -f /disk/out* /memory/out*
}

# open_direct PID: whether it has a file with O_DIRECT
open_direct() { grep -lE '^flags:.*[4-7]....$' "/proc/$1/fdinfo"/* 2> /dev/null | grep -q .; }

test_direct() {
	test_case 'on a disk it is direct I/O, in memory it is not'
	for folder in disk memory; do
		begin src FileSource filename=/$folder/in5000001
		src=$pid
		begin snk FileSink filename=/$folder/out
		sleep 0.2
		for pid in $src $pid; do
			case $folder in
			disk) until_true open_direct "$pid" ;;
			memory) ! open_direct "$pid" || wrong "O_DIRECT in /memory" ;;
			esac
		done
		join src snk
		until_true alone
		equal /memory/noise /$folder/out
	done
}

test_locked() {
	test_case 'of a user who may have little memory locked; direct=0'
	rm -f /disk/out
	su alice -c 'ulimit -l 64; mqtool init --name mine --pool 64K:32; export MQSHM_RUNTIME=mine
		mqtool launch "FileSource filename=/disk/in5000001 ! FileSink filename=/disk/mine"
		mqtool launch "FileSource direct=0 filename=/disk/in5000001 ! FileSink direct=0 filename=/disk/plain"' > /tmp/words 2>&1 ||
		wrong "$(cat /tmp/words)"
	equal /memory/noise /disk/mine
	equal /memory/noise /disk/plain
}

test_no_uring() {
	# since Linux 6.6
	[ -f /proc/sys/kernel/io_uring_disabled ] || return
	test_case 'where io_uring is switched off'
	echo 2 > /proc/sys/kernel/io_uring_disabled
	copy /disk/in5000001 /disk/off
	copies 1
	echo 0 > /proc/sys/kernel/io_uring_disabled
	equal /memory/noise /disk/off
}

# ---- what goes wrong ----

test_full() {
	test_case 'a disk that is full: what is written is told, and is a beginning of the stream'
	mount -t ext4 /dev/vdb /small
	begin full FileSink filename=/small/out
	begin src FileSource filename=/disk/in5000001
	head -c 5000000 /dev/zero > /small/fill
	join src full
	until_true grep -q lost $XDG_RUNTIME_DIR/mqshm/t-full.log
	written=$(log full | sed -n 's/.*No space left on device; the first \([0-9]*\) bytes are written, [1-9][0-9]* behind them are lost.*/\1/p')
	same "$(stat -c %s /small/out)" "$written" 'bytes that it says are written'
	[ "${written:-0}" -gt 100000 ] || wrong "only $written bytes were written: $(log full)"
	head -c "${written:-0}" /memory/noise | cmp - /small/out || wrong 'the file is no beginning of the stream'
	mqtool stop --block src > /dev/null 2>&1
	until_true alone
	umount /small
}

test_broken() {
	test_case 'an error of the disk: all before it comes, and its place is told'
	device broken "0 896 linear /dev/vdb 0${newline}896 1152 error"
	begin bad FileSource filename=/dev/mapper/broken
	begin snk FileSink filename=/disk/out
	join bad snk
	until_true grep -q error $XDG_RUNTIME_DIR/mqshm/t-bad.log
	said bad 'cannot read /dev/mapper/broken at byte 458752: Input/output error'
	# shellcheck disable=SC2317 # for until_true
	arrived() { [ "$(stat -c %s /disk/out)" = 458752 ]; }
	until_true arrived
	mqtool stop --block snk
	until_true alone
	head -c 458752 /dev/vdb | cmp - /disk/out || wrong 'what came is not what there was'
	dmsetup remove broken
}

test_disk() {
	test_case 'onto a disk itself, of which the rest stays as it is, and onto one that is full'
	cp /dev/vdb /memory/before
	begin src FileSource filename=/disk/in65537
	begin snk FileSink filename=/dev/vdb
	until_true open_direct "$pid"
	join src snk
	until_true alone
	dd if=/disk/in65537 of=/memory/before conv=notrunc 2> /dev/null
	equal /memory/before /dev/vdb
	echo "0 2048 linear /dev/vdb 0" | dmsetup create little || wrong 'there is no small disk'
	begin src FileSource filename=/disk/in5000001
	begin full FileSink filename=/dev/mapper/little
	join src full
	until_true grep -q lost $XDG_RUNTIME_DIR/mqshm/t-full.log
	said full 'No space left on device; the first 1048576 bytes are written'
	mqtool stop --block src > /dev/null 2>&1
	until_true alone
	head -c 1048576 /dev/vdb | cmp - /disk/in1048576 || wrong 'the disk has no beginning of the stream'
	dmsetup remove little
}

# stalled FILE: a source whose sink has nobody to read its pipe
mkfifo /tmp/stalled
stalled() {
	begin moved FileSource "filename=$1"
	begin snk FileSink filename=/tmp/stalled
	join moved snk
	until_true none_free
}
# shellcheck disable=SC2317 # for until_true
none_free() { [ "$(numbers '[.pools[].free] | add')" = 0 ]; }

test_shorter() {
	test_case 'a file that becomes shorter while it is read'
	cp /memory/noise /disk/changes
	stalled /disk/changes
	truncate -s 3000001 /disk/changes
	cat /tmp/stalled > /disk/out &
	until_true grep -q shorter $XDG_RUNTIME_DIR/mqshm/t-moved.log
	said moved 'became shorter while it was read: of 5000001 bytes only the first 3000001 were there'
	mqtool stop --block snk
	until_true alone
	wait
}

test_longer() {
	test_case 'a file that becomes longer while it is read'
	cp /memory/in1048576 /disk/changes
	stalled /disk/changes
	cat /memory/noise >> /disk/changes
	cat /tmp/stalled > /disk/out
	equal /disk/changes /disk/out
	until_true alone
}

# ---- deaths ----

# shellcheck disable=SC2317 # for until_true
waiting() { [ "$(dmsetup status slow | cut -d' ' -f4)" -ge 8 ]; }
test_source_killed() {
	test_case 'killed with reads in flight: what they write into is nobody else'"'"'s, until they are done'
	device slow '0 16384 delay /dev/vdb 0 600000'
	begin victim FileSource filename=/dev/mapper/slow
	until_true waiting
	kill -KILL "$pid"
	# shellcheck disable=SC2317 # for until_true
	exiting() { [ "$(numbers '[.clients[] | [.state, .held_buffers >= 8]]')" = '[["exiting",true]]' ]; }
	# shellcheck disable=SC2317 # for until_true
	settled() { [ "$(numbers '[.clients[].state | select(. == "exiting")]')" = '[]' ]; }
	until_true exiting
	stalled /memory/noise
	waiting || wrong 'the reads did not last'
	dmsetup suspend slow
	dmsetup resume slow
	until_true settled
	cat /tmp/stalled > /memory/out
	equal /memory/noise /memory/out
	until_true alone
	begin victim FileSource filename=/disk/in5000001
	begin snk FileSink filename=/disk/out
	join victim snk
	until_true alone
	equal /memory/noise /disk/out
	dmsetup remove slow
}

test_sink_killed() {
	test_case 'killed in mid-stream, a FileSink leaves a beginning of it'
	rm -f /disk/out
	begin src FileSource filename=/disk/in5000001
	begin thr Throttle messages=20
	begin snk FileSink filename=/disk/out
	join src thr
	join thr snk
	# shellcheck disable=SC2317 # for until_true
	grown() { [ "$(stat -c %s /disk/out)" -gt 65536 ]; }
	until_true grown
	kill -KILL "$pid" || wrong 'it has ended already'
	mqtool stop --block src
	mqtool stop --block thr
	until_true alone
	head -c "$(stat -c %s /disk/out)" /memory/noise | cmp - /disk/out || wrong 'the file is no beginning of the stream'
}

test_bench() {
	test_case 'what mqshm-bench-file tells'
	want 0 'direct' 'read-write' 'cp' -- mqshm-bench-file --mbytes 5 --rounds 1 --json /tmp/figures /disk
	same '["direct","read-write","cp"]' "$(jq -c '[.ways[] | select(.mb_per_s > 0 and .cpu_s_per_gb > 0) | .way]' /tmp/figures)" 'ways with figures'
	want 2 'in which folder?' -- mqshm-bench-file
}

[ $# -gt 0 ] || set -- test_copies test_direct test_locked test_no_uring test_full test_broken test_disk test_shorter test_longer \
	test_source_killed test_sink_killed test_bench
for part; do $part; done
finish
