#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What make install installs: the files, and that a program outside the tree builds with them and runs in the test machine.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source-path=SCRIPTDIR source=tap.sh
. "$here/tap.sh"
cd "$top" || exit 1

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
readme=$top/README.md
export PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$root/usr/lib/pkgconfig
warnings=(-Wall -Wextra -Werror)

# A fresh build without headers of any kernel, as on a machine that only wants the library.
# shellcheck disable=SC2317 # for want
build() { make -s -j"$(nproc)" B="$tmp/build" KDIR=/nonexistent "$@"; }

test_install() {
	test_case "make install builds what is missing, without root and kernel headers"
	want 0 -- build PREFIX=/usr DESTDIR="$root" install
	test_case "the files that are installed"
	same "$(sort << 'END'
/usr/bin/mqshm-bench
/usr/bin/mqtool
/usr/include/linux/mqshm.h
/usr/include/mqshm.h
/usr/include/mqshm_block.h
/usr/include/mqshm_bus.h
/usr/include/mqshm_manager.h
/usr/include/mqshm_rates.h
/usr/lib/libmqshm.a
/usr/lib/libmqshm.so
/usr/lib/libmqshm.so.0
/usr/lib/libmqshm.so.0.1
/usr/lib/pkgconfig/libmqshm.pc
/usr/lib/udev/rules.d/60-mqshm.rules
/usr/share/bash-completion/completions/mqtool
/usr/share/man/man1/mqtool.1
/usr/share/mqshm/schema/bench.json
/usr/share/mqshm/schema/bus.json
/usr/share/mqshm/schema/common.json
/usr/share/mqshm/schema/doctor.json
/usr/share/mqshm/schema/dump.json
/usr/share/mqshm/schema/holders.json
/usr/share/mqshm/schema/inspect.json
/usr/share/mqshm/schema/launch.json
/usr/share/mqshm/schema/list.json
/usr/share/mqshm/schema/monitor.json
/usr/share/mqshm/schema/run.json
/usr/share/mqshm/schema/stats.json
/usr/share/mqshm/schema/top.json
END
	)" "$(find "$root" -not -type d -printf '/%P\n' | sort)" "files"
	test_case "the installed mqtool runs"
	want 0 "mqtool 0." -- "$root/usr/bin/mqtool" --version
	test_case "its manual page is one"
	if command -v man > /dev/null; then
		want 0 "mqtool init" -- env LC_ALL=C MANWIDTH=100 man --warnings -l "$root/usr/share/man/man1/mqtool.1"
	else
		want 0 ".TH" -- cat "$root/usr/share/man/man1/mqtool.1"
	fi
	test_case "pkg-config knows the library, with the folders that it was installed to"
	want 0 "-I$root/usr/include" "-L$root/usr/lib" "-lmqshm" -- pkg-config --cflags --libs libmqshm
	test_case "and for a static program what it needs besides"
	want 0 "-pthread" -- pkg-config --static --libs libmqshm
	test_case "another PREFIX after that is in the new .pc"
	want 0 -- build PREFIX=/opt/mq DESTDIR="$tmp/opt" install
	want 0 "prefix=/opt/mq" -- cat "$tmp/opt/opt/mq/lib/pkgconfig/libmqshm.pc"
}

test_library() {
	test_case "the shared library exports what libmqshm.map says, and nothing else"
	same "$(sed -n 's/^\t\(mqshm_.*\);$/\1/p' lib/libmqshm.map | sort)" \
		"$(nm -D --defined-only "$root/usr/lib/libmqshm.so" | sed -n 's/.* [TDBRVW] \(.*\)@@MQSHM_.*/\1/p' | sort)" "symbols"
	same '' "$(nm -D --defined-only "$root/usr/lib/libmqshm.so" | grep -v '@@MQSHM_\| A MQSHM_')" "symbols without a version"
	test_case "its name for the loader is libmqshm.so.0"
	want 0 "soname: [libmqshm.so.0]" -- sh -c "readelf -d '$root/usr/lib/libmqshm.so' | tr -s ' '"
	test_case "the static library has no global name but mqshm's"
	same '' "$(nm -g --defined-only "$root/usr/lib/libmqshm.a" | awk 'NF == 3 { print $3 }' |
		grep -v '^mqshm_')" "names"
}

# compiles COMPILER OPTION... HEADER
compiles() {
	test_case "$* compiles alone"
	echo "#include <${!#}>" > "$tmp/header"
	# shellcheck disable=SC2046
	want 0 -- "${@:1:$#-1}" "${warnings[@]}" -fsyntax-only $(pkg-config --cflags libmqshm) "$tmp/header"
}

test_headers() {
	compiles gcc -x c -std=c99 -pedantic mqshm.h
	compiles gcc -x c -std=c99 -pedantic mqshm_block.h
	compiles gcc -x c -std=c99 -pedantic mqshm_bus.h
	compiles gcc -x c -std=c99 -pedantic mqshm_manager.h
	compiles gcc -x c -std=c99 -pedantic mqshm_rates.h
	compiles gcc -x c -std=c99 -pedantic linux/mqshm.h
	compiles g++ -x c++ -std=c++11 mqshm.h
	compiles g++ -x c++ -std=c++20 mqshm.h
	compiles g++ -x c++ -std=c++20 mqshm_block.h
	compiles g++ -x c++ -std=c++20 mqshm_bus.h
	compiles g++ -x c++ -std=c++20 mqshm_manager.h
	compiles g++ -x c++ -std=c++20 mqshm_rates.h
}

# The blocks of README.md under a heading: the first in C, and the first without a language after it.
example() {
	awk -v want="$1" -v heading="^#+ ${2:-A program of your own}" '
		$0 ~ heading { here = 1; next }
		here && /^#/ && !inside { exit }
		here && /^```/ {
			if (inside) { if (inside == want) exit; inside = "" }
			else { inside = $0 == "```c" ? "c" : seen ? "text" : "other"; seen = seen || inside == "c" }
			next
		}
		inside == want' "$readme"
}

# Package of the line that compiles it.
example_package() { sed -n '/^#* *A program of your own/,$ s/.*pkg-config --cflags --libs \([a-z]*\).*/\1/p' "$readme" | head -n 1; }

# shellcheck disable=SC2046 # what pkg-config says is several words
test_example() {
	test_case "README.md has a program, and what it prints"
	example c > "$tmp/hello.c"
	example text > "$tmp/printed"
	[ -s "$tmp/hello.c" ] || wrong "no block in C under 'A program of your own' in $readme"
	[ -s "$tmp/printed" ] || wrong "no block of text after it"
	test_case "the package that README.md says is there"
	want 0 -- pkg-config --exists "$(example_package)"
	cd "$tmp" || exit 1
	test_case "the program builds with the shared library"
	want 0 -- gcc "${warnings[@]}" -O2 -o "$tmp/hello" hello.c $(pkg-config --cflags --libs libmqshm)
	want 0 "[libmqshm.so.0]" -- readelf -d "$tmp/hello"
	test_case "the program builds with the static library"
	libs=$(pkg-config --static --libs libmqshm)
	# shellcheck disable=SC2086
	want 0 -- gcc "${warnings[@]}" -O2 -o "$tmp/hello-static" hello.c $(pkg-config --cflags libmqshm) ${libs/-lmqshm/-l:libmqshm.a}
	want 1 -- sh -c "readelf -d '$tmp/hello-static' | grep libmqshm"
	test_plugin
	test_case "both print in the test machine what README.md says, and the block passes on what it says"
	cat > "$tmp/both" << END
#!/bin/sh
LD_LIBRARY_PATH=$root/usr/lib $tmp/hello && $tmp/hello-static
cd $tmp && mqtool init --name t --pool 64:64 > /dev/null || exit
seq 1000 1999 > lines
export HOME=$tmp
mqtool start --block FileSource --name src --param filename=lines --param bytes=5 > /dev/null
mqtool start --block ./every.so --name third --param n=3 > /dev/null || exit
mqtool connect --from src --to third > /dev/null
mqtool start --foreground --block FileSink --name out --param filename=passed 2> log &
until mqtool connect --from third --to out 2> /dev/null | grep -q .; do sleep 0.1; done
wait
awk 'NR % 3 == 0' lines | cmp - passed && mqtool remove
END
	chmod +x "$tmp/both"
	got=$("$top/tools/vm/run" --timeout 60 --with "$tmp/hello" --with "$tmp/hello-static" --with "$tmp/every.so" \
		--with "$root/usr/lib" -- "$tmp/both" 2>&1) || wrong "status $?"
	same "$(cat "$tmp/printed" "$tmp/printed" && echo runtime t is removed)" "$got" "output"
	cd "$top" || exit 1
}

# shellcheck disable=SC2046 # what pkg-config says is several words
test_plugin() {
	test_case "the block that README.md shows builds as a plug-in, without a warning"
	example c "A block of your own" > "$tmp/every.c"
	[ -s "$tmp/every.c" ] || wrong "no block in C under 'A block of your own' in $readme"
	want 0 -- gcc "${warnings[@]}" -shared -fPIC -o "$tmp/every.so" every.c $(pkg-config --cflags libmqshm)
	test_case "the installed mqtool shows it as README.md does"
	example text "A block of your own" > "$tmp/shown"
	same "$(sed -n '/^Every: /,/^\$/ { /^\$/d; p }' "$tmp/shown")" "$("$root/usr/bin/mqtool" inspect ./every.so)" "inspect"
	test_case "and finds it in the folder of the prefix that it was installed to"
	want 1 "there is no every.so in the folders of \$MQSHM_BLOCK_PATH or in /usr/lib/mqshm/blocks" -- \
		"$root/usr/bin/mqtool" inspect every:Every
}

test_install
test_library
test_headers
test_example
finish
