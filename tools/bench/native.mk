# SPDX-License-Identifier: GPL-2.0-only
# mqshm-bench with the module's code in its processes, by the host harness:
# make -f tools/bench/native.mk, from the top of the tree, builds build/host/plain/mqshm-bench.

VARIANTS := plain
.DEFAULT_GOAL := bench

include tools/bench/build.mk
USER_FLAGS := $(BENCH_DEFINES)
include selftests/host/build.mk

bench: $(OUT)/plain/mqshm-bench

BENCH_OBJ := $(BENCH_SRC:%.c=$(OUT)/plain/%.o) $(BENCH_CXX_SRC:%.cc=$(OUT)/plain/%.o) $(OUT)/plain/tools/bench/place_native.o

$(OUT)/plain/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) -D_GNU_SOURCE $(BENCH_DEFINES) $(BENCH_CXXFLAGS) -fno-pie -c -o $@ $<

$(OUT)/plain/mqshm-bench: $(BENCH_OBJ) $(OUT)/plain/$(H)/sys.o $(LIB_SRC:%.c=$(OUT)/plain/%.o) $(OUT)/plain/kernel.o $(OUT)/plain/$(H)/shared_end.o
	$(CC) -no-pie $(LDFLAGS) -o $@ $^ $(BENCH_LIBS)

.PHONY: bench
