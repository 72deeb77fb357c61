# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# Completion of mqtool for bash: commands and options from its --help; runtimes, blocks and ports from mqtool list --json.

# _mqtool_names SECTION FIELD RUNTIME: FIELD of each object in SECTION
_mqtool_names() {
	[[ -z $3 ]] || mqtool list --json --runtime "$3" 2> /dev/null | awk -v section="$1" -v field="$2" '
		/^  "/ { split($0, a, "\""); here = a[2] }
		here == section && $1 == "\"" field "\":" {
			sub(/^[^:]*: "?/, ""); sub(/"?,?$/, ""); print
		}'
}

# _mqtool_ends DIRECTION RUNTIME: block:port of each port of that direction
_mqtool_ends() {
	[[ -z $2 ]] || mqtool list --json --runtime "$2" 2> /dev/null | awk -v direction="$1" '
		function value() { v = $0; sub(/^[^:]*: "?/, "", v); sub(/"?,?$/, "", v); return v }
		/^  "/ { split($0, a, "\""); here = a[2] }
		here != "blocks" && here != "ports" { next }
		/^      "id":/ { id = value() }
		/^      "name":/ { name = value(); if (here == "blocks") block[id] = name }
		/^      "block":/ { owner = value() }
		/^      "direction":/ && value() == direction { print block[owner] ":" name }'
}

# Runtimes as --runtime takes them: NAME, or USER/NAME of somebody else's.
_mqtool_runtimes() {
	env -u MQSHM_RUNTIME mqtool list --json 2> /dev/null | awk -v me="$(id -un)" '
		function value() { v = $0; sub(/^[^:]*: "?/, "", v); sub(/"?,?$/, "", v); return v }
		/^      "name":/ { name = value() }
		/^      "owner":/ { print (value() == me ? "" : value() "/") name }'
}

# Words of --help that begin with two spaces: the commands.
_mqtool_commands() { mqtool --help 2> /dev/null | awk '/^Commands:/ { on = 1; next } on && /^  [a-z]/ { print $1; next } on { exit }'; }

_mqtool_options() { mqtool "$1" --help 2> /dev/null | grep -o -e '--[a-z][a-z-]*' | sort -u; }

_mqtool_types() { mqtool inspect --json 2> /dev/null | awk -F '"' '$2 == "type" { print $4 }'; }

# The runtime that this line means: --runtime, $MQSHM_RUNTIME, or the only one.
_mqtool_runtime() {
	local i all
	for ((i = 2; i < ${#words[@]} - 1; i++)); do
		[[ ${words[i]} != --runtime ]] || { echo "${words[i + 1]}" && return; }
		[[ ${words[i]} != --runtime=* ]] || { echo "${words[i]#*=}" && return; }
	done
	[[ -z ${MQSHM_RUNTIME-} ]] || { echo "$MQSHM_RUNTIME" && return; }
	all=$(_mqtool_runtimes)
	[[ $all == *[[:space:]]* ]] || echo "$all"
}

_mqtool_reply() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }

# Value of an option; false if it has none that is known here.
_mqtool_value() {
	local runtime
	runtime=$(_mqtool_runtime)
	case $1 in
	--runtime) _mqtool_reply "$(_mqtool_runtimes)" ;;
	--from) _mqtool_reply "$(_mqtool_ends out "$runtime")" ;;
	--to) _mqtool_reply "$(_mqtool_ends in "$runtime")" ;;
	--block)
		if [[ ${words[1]} == start || ${words[1]} == worker ]]; then
			_mqtool_reply "$(_mqtool_types)"
		else
			_mqtool_reply "$(_mqtool_names blocks name "$runtime")"
		fi
		;;
	--pid) _mqtool_reply "$(_mqtool_names clients pid "$runtime")" ;;
	--id | --connection) _mqtool_reply "$(_mqtool_names connections id "$runtime")" ;;
	--restart) _mqtool_reply "no on-failure always" ;;
	--sort) _mqtool_reply "name state in out bytes queued work p99 drops waits process" ;;
	--policy) _mqtool_reply "block drop-newest drop-oldest" ;;
	--log | --output) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	--name | --param | --process | --size | --count | --timeout | --interval | --mode | --limit | \
		--delay | --iterations | --seconds | --speed | --depth | --older | --node | --cpus) ;;
	--pool) [[ ${words[1]} != holders ]] || _mqtool_reply "$(_mqtool_names pools name "$runtime")" ;;
	*) return 1 ;;
	esac
}

_mqtool() {
	local cur prev words=() cword
	# a colon is part of block:port
	_get_comp_words_by_ref -n := cur prev words cword
	COMPREPLY=()
	if ((cword == 1)); then
		_mqtool_reply "$(_mqtool_commands) --help --version"
	elif [[ $cur == --*=* ]]; then
		prev=${cur%%=*} cur=${cur#*=}
		_mqtool_value "$prev"
	elif ! _mqtool_value "$prev"; then
		case ${words[1]},$cur in
		*,-*) _mqtool_reply "$(_mqtool_options "${words[1]}")" ;;
		run,*) mapfile -t COMPREPLY < <(compgen -f -X '!*.y?(a)ml' -- "$cur"; compgen -d -- "$cur") ;;
		dump,*)
			if ((cword == 2)); then
				_mqtool_reply "$(_mqtool_ends out "$(_mqtool_runtime)") --info --connection"
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			fi
			;;
		replay,*) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
		pool,*) _mqtool_reply add ;;
		stats,*) _mqtool_reply "$(_mqtool_names blocks name "$(_mqtool_runtime)")" ;;
		inspect,*) _mqtool_reply "$(_mqtool_types)" ;;
		*) _mqtool_reply "$(_mqtool_options "${words[1]}")" ;;
		esac
	fi
	__ltrim_colon_completions "$cur"
}

complete -F _mqtool mqtool
