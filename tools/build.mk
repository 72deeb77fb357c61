# SPDX-License-Identifier: GPL-2.0-only
# mqtool and its blocks. Linked with the static library, so that it runs from the tree; all of it, and its calls can be seen
# by plug-ins, which must not bring a second one along.

MQTOOL_SRC := $(wildcard tools/mqtool/*.c tools/blocks/*.c)
MQTOOL_OBJ := $(MQTOOL_SRC:%.c=$(B)/obj/static/%.o)

all:: $(B)/bin/mqtool

$(B)/bin/mqtool: $(MQTOOL_OBJ) $(B)/lib/libmqshm.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -Wl,--export-dynamic-symbol='mqshm_*' -o $@ $(MQTOOL_OBJ) \
		-Wl,--whole-archive $(B)/lib/libmqshm.a -Wl,--no-whole-archive -ljson-c -lfyaml -lncursesw -ltinfo -lsndfile -lliquid -luring -lz -lm -pthread

# the parser alone, for a test that feeds it byte by byte
$(B)/selftests/host/wav_test: $(B)/obj/static/selftests/host/wav_test.o $(B)/obj/static/tools/blocks/wav.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

$(B)/obj/static/selftests/host/wav_test.o: ALL_CPPFLAGS += -Itools/blocks

# what happens fast, for a test of mqtool monitor; what a program can do with a manager; what becomes of messages under kills;
# a bug to be found by mqtool holders; snapshots that somebody made up
TOOL_TESTS := $(addprefix $(B)/selftests/tools/,churn managed keep_storm leaker rates)

all:: $(TOOL_TESTS) $(B)/selftests/tools/keep_blocks.so

$(TOOL_TESTS): $(B)/selftests/tools/%: $(B)/obj/static/selftests/tools/%.o $(B)/lib/libmqshm.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -pthread

# a plug-in: what it calls is in mqtool
$(B)/selftests/tools/keep_blocks.so: $(B)/obj/shared/selftests/tools/keep_blocks.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^

install:: $(B)/bin/mqtool
	install -Dm755 $(B)/bin/mqtool $(DESTDIR)$(PREFIX)/bin/mqtool
	install -Dm644 tools/mqtool/mqtool.1 $(DESTDIR)$(PREFIX)/share/man/man1/mqtool.1
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/mqshm/schema $(wildcard tools/mqtool/schema/*.json)
	install -Dm644 tools/mqtool/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/mqtool

# ---- mqshm-bench ----

include tools/bench/build.mk

BENCH_OBJ := $(BENCH_SRC:%.c=$(B)/obj/static/%.o) $(BENCH_CXX_SRC:%.cc=$(B)/obj/static/%.o) $(B)/obj/static/tools/bench/place_kernel.o

all:: $(B)/bin/mqshm-bench

install:: $(B)/bin/mqshm-bench
	install -Dm755 $(B)/bin/mqshm-bench $(DESTDIR)$(PREFIX)/bin/mqshm-bench

# the peers that it has are known by their names alone
$(B)/gen/bench_peers: FORCE
	@mkdir -p $(@D)
	@echo '$(BENCH_DEFINES)' >$@.new
	@if cmp -s $@.new $@; then $(RM) $@.new; else mv $@.new $@; fi

$(BENCH_OBJ): ALL_CPPFLAGS += $(BENCH_DEFINES)
$(BENCH_OBJ): $(B)/gen/bench_peers

$(B)/obj/static/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(ALL_CPPFLAGS) $(BENCH_CXXFLAGS) -c -o $@ $<

$(B)/bin/mqshm-bench: $(BENCH_OBJ) $(B)/lib/libmqshm.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o %.a,$^) $(BENCH_LIBS)

# ---- mqshm-bench-file ----

include tools/bench/file/build.mk

BENCH_FILE_OBJ := $(BENCH_FILE_SRC:%.c=$(B)/obj/static/%.o) $(B)/obj/static/tools/bench/place_kernel.o

all:: $(B)/bin/mqshm-bench-file

$(B)/bin/mqshm-bench-file: $(BENCH_FILE_OBJ) $(B)/lib/libmqshm.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(BENCH_FILE_LIBS)
