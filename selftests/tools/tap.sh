# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
# Tests in a script for sh, also busybox's: one cause a test, each a line of TAP. To be sourced.
#
#	test_case 'what is so'		the next test; what went wrong with it is told by:
#	wrong 'what is not'		the test has failed
#	want STATUS [WORD...] -- CMD...	runs CMD: its status, and the words that it must have said (in $said: out and err)
#	finish				the last test, the plan; exits

tap_number=0 tap_failed=0 tap_name='' tap_wrong=''
# what the last command of want said
# shellcheck disable=SC2034
said=''
newline='
'

tap_end() {
	[ -n "$tap_name" ] || return 0
	tap_number=$((tap_number + 1))
	if [ -z "$tap_wrong" ]; then
		echo "ok $tap_number $tap_name"
	else
		echo "not ok $tap_number $tap_name"
		echo "$tap_wrong" | sed '1d;s/^/# /'
		tap_failed=$((tap_failed + 1))
	fi
	tap_name='' tap_wrong=''
}

test_case() {
	tap_end
	tap_name=$1
}

wrong() { tap_wrong="$tap_wrong$newline$*"; }

want() {
	tap_status=$1 tap_words=''
	shift
	while [ "$1" != -- ]; do
		tap_words="$tap_words$1$newline"
		shift
	done
	shift
	said=$("$@" 2>&1)
	tap_got=$?
	[ $tap_got = "$tap_status" ] || wrong "status $tap_got, not $tap_status: $*$newline$said"
	while read -r tap_word; do
		case $said in
		*"$tap_word"*) ;;
		*) wrong "does not say \"$tap_word\": $*$newline$said" ;;
		esac
	done << END
$tap_words
END
}

# same WANTED GOT WHAT
same() { [ "$1" = "$2" ] || wrong "$3: $2, not $1"; }

tap_second() {
	read -r tap_up _ < /proc/uptime
	echo "${tap_up%.*}"
}

# Waits until a command succeeds, at most a minute.
until_true() {
	tap_until=$(($(tap_second) + 60))
	until "$@" 2> /dev/null; do
		[ "$(tap_second)" -lt $tap_until ] || { wrong "not within a minute: $*" && return 1; }
		sleep 0.02
	done
}

finish() {
	tap_end
	echo "1..$tap_number"
	[ $tap_failed = 0 ]
	exit
}
