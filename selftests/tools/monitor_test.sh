#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# mqtool monitor in the test machine: what it shows, in both forms, and when it ends. Needs jq and churn.

# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$(dirname "$0")/tap.sh"

churn=$(cd "$(dirname "$0")/../.." && pwd)/build/selftests/tools/churn
work=/tmp/monitor
export XDG_RUNTIME_DIR=$work
unset MQSHM_RUNTIME
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

# begin BLOCK: a Splitter in a process of its own, $pid
begin() {
	if line=$(mqtool start --runtime t --name "$1" --block Splitter); then
		pid=${line#*pid }
		pid=${pid%%,*}
	else
		wrong "$1 does not start"
	fi
}

# shows WORD... in FILE: the words are in it within ten seconds, in lines of this order
shows() {
	file=$1
	shift
	line=0
	for words; do
		until_true grep -q -F -e "$words" "$file" || continue
		# the first such line behind the last
		next=$(awk -v line="$line" -v words="$words" 'NR > line && index($0, words) { print NR; exit }' "$file")
		if [ -z "$next" ]; then
			wrong "no \"$words\" behind line $line of $file:$newline$(cat "$file")"
		else
			line=$next
		fi
	done
}

# ended PID: its status, once it has ended by itself
ended() {
	until_true gone "$1"
	wait "$1"
	same 0 $? "status of $1"
}

# lines FILTER FILE: what jq makes of each line
lines() { jq -rc "$1" "$2" || wrong "$2 is not JSON"; }

test_present() {
	test_case "what is there comes first"
	quiet mqtool init --name t --pool small=64:8
	begin a
	a=$pid
	begin b
	quiet mqtool connect --runtime t --from a:out1 --to b:in
	mqtool monitor --runtime t > text &
	text=$!
	mqtool monitor --runtime t --json > json &
	json=$!
	MQSHM_RUNTIME=t mqtool monitor > named &
	named=$!
	mqtool monitor > all &
	all=$!
	mqtool monitor --json > all_json &
	shows text "runtime t is there" "pool small is there" "client a_proc (pid $a) is there, idle" \
		"client b_proc (pid $pid) is there, idle" "block a is there" "block b is there" \
		"connection a:out1 to b:in is there"
	test_case "as JSON, with the keys of list"
	shows json '"subject":"connection"'
	same "$(mqtool list --runtime t --json | jq -rc '.runtime.id, .pools[].pool, .clients[].id, .blocks[].id, .connections[].id')" \
		"$(lines 'select(.present) | .id // .pool' json)" "numbers"
	same "a_proc $a idle" "$(lines 'select(.subject == "client" and .name == "a_proc") | [.name, .pid, .state] | join(" ")' json)" client
	same "a:out1 b:in" "$(lines 'select(.subject == "connection") | [.from, .to] | join(" ")' json)" connection
	test_case "of all runtimes with their names"
	shows all "runtime t is there" "t: pool small is there" "t: connection a:out1 to b:in is there"
}

test_kill() {
	test_case "a kill"
	kill -9 "$a"
	shows text "client a_proc (pid $a) died" "connection a:out1 to b:in died" "block a died" "client a_proc (pid $a) settled in "
	until_true grep -q -x ".*client a_proc (pid $a) settled in .*s: it held 0 references" text
	for file in named all; do
		shows $file "client a_proc (pid $a) died" "connection a:out1 to b:in died" "block a died" "client a_proc (pid $a) settled in "
	done
	test_case "a kill, as JSON"
	shows json '"settle_ns":'
	same "client died 1,connection died 2,block died 3,client settled 4," \
		"$(lines 'select(.change) | [.subject, .change, .number] | join(" ")' json | tr '\n' ,)" "what, how, number"
	same "$a 0 true" "$(lines 'select(.change == "settled") | [.pid, .refs, .settle_ns > 0] | join(" ")' json)" "pid, references, time"
	same "$(lines 'select(.subject == "client" and .name == "a_proc") | .id' json | head -n 1)" \
		"$(lines 'select(.subject == "block" and .change == "died") | .client' json)" "client of the block"
	test_case "a block that is stopped goes in order"
	quiet mqtool stop --runtime t --block b
	shows text "block b went" "client b_proc (pid $pid) went" "client b_proc (pid $pid) settled in "
}

test_runtimes() {
	test_case "runtimes that come later are watched too"
	quiet mqtool init --name u --pool 64:8
	quiet mqtool pool add --runtime u --name more --size 64 --count 1
	shows all "runtime u came" "u: pool more "
	quiet mqtool remove --runtime u
	shows all "runtime u went"
	same 2 "$(grep -c "runtime u " all)" "lines of runtime u itself"
	test_case "another user sees only what she may read"
	mkfifo hers
	quiet mqtool init --name before --mode 0744 --pool 64:8
	as alice mqtool monitor > hers &
	exec 3< hers
	# what is there: from then on she watches
	read -r line <&3
	same "runtime root/before is there" "${line#*  }" "the first line"
	read -r line <&3
	quiet mqtool init --name private --pool 64:8
	quiet mqtool init --name public --mode 0744 --pool 64:8
	read -r line <&3
	exec 3<&-
	same "runtime root/public came" "${line#*  }" "the line after what is there"
	for r in before private public; do quiet mqtool remove --runtime $r; done
	test_case "a reader that is too slow is told how many it lost"
	kill -STOP "$json" "$text"
	quiet "$churn" t 600
	kill -CONT "$json" "$text"
	shows text " notices were lost: read faster, or look with mqtool list" "client churn (pid " "settled in "
	until_true sh -c 'tail -n 1 json | grep -q settled'
	# each line is the next one, or says how many are missing up to it
	same "[true,true]" "$(lines . json | jq -sc 'map(select(.number)) as $n | [any($n[]; .lost > 100),
		([range(1; $n | length) | $n[.].number == $n[. - 1].number + ($n[.].lost // 1)] | all)]')" "lost, all numbered"
}

test_end() {
	test_case "it ends with its runtime, however many it had lost"
	quiet mqtool remove --runtime t
	for process in $text $json $named; do ended "$process"; done
	shows text "runtime t went"
	same went "$(tail -n 1 json | jq -r .change)" "the last line"
	shows all "runtime t went"
	test_case "SIGTERM ends it in order"
	kill -TERM "$all"
	ended "$all"
	test_case "it ends when its output is closed, though nothing happens"
	quiet mqtool init --name t --pool 64:8
	mkfifo pipe
	mqtool monitor > pipe &
	closed=$!
	head -n 1 < pipe > first
	ended $closed
	shows first "runtime t is there"
	test_case "an output that takes nothing is an error"
	want 1 "mqtool: output: No space left on device" -- sh -c 'mqtool monitor > /dev/full'
	quiet mqtool remove --runtime t
}

test_names() {
	test_case "JSON is UTF-8, whatever bytes a name has"
	odd=$(printf 'a"b\\c\377d\302\233e')
	quiet mqtool init --name "$odd" --pool 64:8
	mqtool list --json --runtime "$odd" > listed
	mqtool monitor --json --runtime "$odd" | head -n 1 > told
	for file in listed told; do
		same " ef bf bd c2 9b" "$(tr -cd '\200-\377' < $file | od -A n -t x1)" "bytes in $file that are not ASCII"
		quiet grep -F 'a\"b\\c' $file
	done
	test_case "a name has no commands for a terminal"
	line=$(mqtool monitor --runtime "$odd" | head -n 1)
	same 'runtime a"b\c?d??e is there' "${line#*  }" "the line"
	quiet mqtool remove --runtime "$odd"
}

test_refused() {
	test_case "an unknown runtime"
	want 1 "mqtool: runtime no: there is none of that name" "mqtool init --name no" -- mqtool monitor --runtime no
	test_case "a word that is no option"
	want 2 "t: what is this? it is --runtime t" -- mqtool monitor t
	test_case "another user's runtime"
	quiet mqtool init --name t --pool 64:8
	want 1 "runtime root/t: its mode does not let you in" -- as alice mqtool monitor --runtime root/t
	test_case "a user who may not open the device"
	want 1 "mqtool: /dev/mqshm: you may not open it" -- as carol mqtool monitor
	quiet mqtool remove --runtime t
}

test_present
test_kill
test_runtimes
test_end
test_names
test_refused
finish
