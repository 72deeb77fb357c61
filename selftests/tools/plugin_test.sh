#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# mqtool inspect, on this machine: the built-in types; plug-ins by path and by name, and each way in which one can be wrong.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"
make -s --no-print-directory -C "$top" all || exit 1

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 1
export PATH=$top/build/bin:$PATH
unset MQSHM_BLOCK_PATH

# plugin NAME TYPES: NAME.so, from the text of MQSHM_BLOCK_PLUGIN's argument; $before stands in front of it
before=''
plugin() {
	cat > "$1.c" << END
#include <mqshm_block.h>
static enum mqshm_result work(struct mqshm_instance *in) { return mqshm_has_input(in, 0) ? MQSHM_DONE : MQSHM_OK; }
#define TYPE(name) { .abi = MQSHM_BLOCK_ABI, .type = name, .summary = "one", .work = work }
static const struct mqshm_block_ops a = TYPE("Aye"), b = TYPE("Bee");
const struct mqshm_block_ops *const both[] = { &a, &b };
$before
MQSHM_BLOCK_PLUGIN($2);
END
	gcc -shared -fPIC -I"$top/include" -I"$top/include/uapi" -o "$1.so" "$1.c" || wrong "$1.c does not build"
}

test_good() {
	test_case "a plug-in with one type, by its path"
	plugin one '&a'
	want 0 "Aye: one (source)" -- mqtool inspect ./one.so
	want 0 "Aye: one" -- mqtool inspect "$tmp/one.so:Aye"
	test_case "one with two types: which must be said"
	plugin two '&a, &b'
	want 0 "Bee: one" -- mqtool inspect ./two.so:Bee
	want 1 "./two.so has several types: say ./two.so:Aye (or one of Aye, Bee)" -- mqtool inspect ./two.so
	want 1 "./two.so has no type Cee; it has Aye, Bee" -- mqtool inspect ./two.so:Cee
	test_case "a folder with a colon in its name"
	mkdir a:b && cp one.so a:b
	want 0 "Aye: one" -- mqtool inspect ./a:b/one.so
	test_case "built with the shared library, the plug-in still uses the program's calls"
	gcc -shared -fPIC -I"$top/include" -I"$top/include/uapi" -o linked.so one.c -L"$top/build/lib" -lmqshm "-Wl,-rpath,$top/build/lib"
	want 0 "NEEDED libmqshm.so.0" -- sh -c "objdump -p linked.so | tr -s ' '"
	want 0 "binding file ./linked.so [0] to mqtool" -- \
		sh -c "LD_BIND_NOW=1 LD_DEBUG=bindings mqtool inspect ./linked.so 2>&1 | grep 'symbol .mqshm_has_input'"
}

test_names() {
	mkdir -p far near
	plugin Aye '&a' && mv Aye.so far
	cp two.so near/extra.so
	test_case "by name, in the folders of MQSHM_BLOCK_PATH"
	want 1 "block type Aye: there is none of that name" -- mqtool inspect Aye
	export MQSHM_BLOCK_PATH=$tmp/none::$tmp/near:$tmp/far
	want 0 "Aye: one" -- mqtool inspect Aye
	want 0 "Bee: one" -- mqtool inspect extra:Bee
	want 1 "there is no extra2.so in the folders of \$MQSHM_BLOCK_PATH or in " -- mqtool inspect extra2:Bee
	test_case "the first folder that has it counts"
	plugin Aye '&b' && mv Aye.so near
	want 1 "$tmp/near/Aye.so has no type Aye; it has Bee" -- mqtool inspect Aye
	rm near/Aye.so
	test_case "a type that is built in is that, whatever lies in the folders"
	cp two.so near/Merger.so
	want 0 "Merger: in1, in2" -- mqtool inspect Merger
	rm near/Merger.so
	test_case "they are listed, and a wrong name gets a suggestion"
	want 0 "$tmp/near/extra.so" "$tmp/far/Aye.so" "Splitter" -- mqtool inspect
	want 1 "there is none of that name; did you mean Aye?" "extra:Bee" -- mqtool inspect Aya
	test_case "as JSON, with where they come from"
	same "[\"$tmp/near/extra.so\",\"$tmp/far/Aye.so\"]" \
		"$(mqtool inspect --json | jq -c '[.types[] | select(.type == "Aye") | .path]')" "paths"
	test_case "one that is none is told of, and the others are listed"
	echo text > near/bad.so
	want 0 "mqtool: plug-in: $tmp/near/bad.so cannot be loaded" "$tmp/far/Aye.so" -- mqtool inspect
	unset MQSHM_BLOCK_PATH
}

# refused WHAT SENTENCE FILE
refused() {
	test_case "refused: $1"
	want 1 "mqtool: block type: $2" -- mqtool inspect "$3"
}

test_bad() {
	refused "a file that is not there" "./no.so: No such file or directory" ./no.so
	echo text > text.so
	refused "a text" "./text.so cannot be loaded: ./text.so: file too short" ./text.so
	head -c 4096 /dev/zero > zero.so
	refused "no shared object" "./zero.so cannot be loaded: ./zero.so: invalid ELF header" ./zero.so
	echo 'int nothing;' | gcc -shared -fPIC -x c -o library.so -
	refused "a library" "./library.so is no plug-in: it does not export mqshm_block_plugin" ./library.so
	before='int mqshm_from_tomorrow(void); int (*need)(void) = mqshm_from_tomorrow;' plugin need '&a'
	refused "one that needs a call of a newer library" "./need.so cannot be loaded: ./need.so: undefined symbol: mqshm_from_tomorrow" ./need.so
	before=$'#undef MQSHM_BLOCK_ABI\n#define MQSHM_BLOCK_ABI 77' plugin other '&a'
	refused "one for another version of the interface" "./other.so: built for version 77 of the block interface, and this is " ./other.so
	before='static const struct mqshm_block_ops c = { .abi = 77, .type = "C", .summary = "c", .work = work };' plugin mixed '&a, &c'
	refused "a type of another version" "./mixed.so: a type of it is for version 77 of the block interface" ./mixed.so
	before='static const struct mqshm_block_ops c = { .abi = MQSHM_BLOCK_ABI, .type = "C", .summary = "c" };' plugin idle '&c'
	refused "a type without work" "./idle.so: type C of it lacks work" ./idle.so
	before='static const struct mqshm_block_ops c = { .abi = MQSHM_BLOCK_ABI, .summary = "c", .work = work };' plugin unnamed '&c'
	refused "a type without a name" "./unnamed.so: type (without name) of it lacks a name" ./unnamed.so
	before='static const struct mqshm_block_ops c = TYPE("a/b");' plugin slash '&c'
	refused "a type with a name that cannot be" "./slash.so: a/b is no name of a type" ./slash.so
	plugin empty 'NULL'
	refused "one without types" "./empty.so: there are no types of blocks in it" ./empty.so
	test_case "start says the same"
	want 1 "mqtool: block type: ./no.so: No such file or directory" -- mqtool start --block ./no.so --name x
}

# all_of WHAT FILTER: nothing of all built-in types fails a filter of jq, which makes words of what does
all_of() {
	test_case "$1"
	same '' "$(mqtool inspect --json | jq -r ".types[] | .type as \$type | $2")" "exceptions"
}

# shellcheck disable=SC2016 # $ of jq
test_builtin() {
	export MQSHM_BLOCK_PATH=/nonexistent
	all_of "every type says what it is, and has ports that do" \
		'select((.summary | length) < 10 or .class == "unknown" or (.ports | length) == 0 or any(.ports[]; .help == null)) | .type'
	all_of "every parameter says what it is, and of which kind" \
		'.params[] | select(.help == null or ([.kind] | inside(["string", "number", "integer", "size", "bool"]) | not)) | "\($type) \(.key)"'
	all_of "defaults lie in the range, or are one of the words" \
		'.params[] | select(.default != null and (.default as $d | .choices | index($d) | not)) |
			select((.kind == "string" and .choices != []) or (.min != null and (.default | tonumber) as $n | $n < .min or $n > .max)) |
			"\($type) \(.key)"'
	all_of "ports that are counted have a parameter for it" \
		'([.params[] | select(.kind == "integer" or .kind == "bool") | .key]) as $keys | .ports[] |
			select(.count != null and (.count as $c | $keys | index($c) | not)) | "\($type) \(.name)"'
	test_case "README.md and the manual page know every type"
	for type in $(mqtool inspect --json | jq -r '.types[].type'); do
		grep -q "^|.*$type.*|" "$top/README.md" || wrong "README.md: no $type"
		grep -q "^\.B $type$" "$top/tools/mqtool/mqtool.1" || wrong "mqtool.1: no $type"
	done
	test_case "names of the JSON stay"
	same '{"types":[{"type":"Splitter","class":"processing","summary":"in -> out1, out2, ..., each gets everything, without a copy","path":null,"ports":[{"name":"in","direction":"in","count":null,"optional":false,"help":"messages"},{"name":"out","direction":"out","count":"outputs","optional":false,"help":"each of them"}],"params":[{"key":"outputs","kind":"integer","needed":false,"default":"2","min":1,"max":31,"unit":null,"choices":[],"live":false,"help":"how many"}]}]}' \
		"$(mqtool inspect --json Splitter | jq -c .)" "JSON of Splitter"
	test_case "values for people: needed, ranges with units, words, sizes"
	want 0 "filename  string  (needed)" "size    auto      1 to 16M, or auto" "0 to 1000000000 s, or now" "auto s16le s24le s32le f32le" -- \
		mqtool inspect AudioFileSource
	want 0 "in1, in2, ... (inputs)" -- mqtool inspect Mixer
	want 0 "in (if input)" "out (if output)" -- mqtool inspect Exec
	want 0 "may be left open" -- mqtool inspect Verify
	test_case "parameters that mqtool set changes"
	want 0 "factor; may be set while it runs" -- mqtool inspect Amplifier
	same '["gain","clip"]' "$(mqtool inspect --json Amplifier | jq -c '[.types[].params[] | select(.live) | .key]')" "live parameters"
	test_case "a name that is none, also with other letters"
	want 1 "block type mixer: there is none of that name; did you mean Mixer?" -- mqtool inspect mixer
	unset MQSHM_BLOCK_PATH
}

test_builtin
test_good
test_names
test_bad
finish
