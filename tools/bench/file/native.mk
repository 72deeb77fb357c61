# SPDX-License-Identifier: GPL-2.0-only
# mqshm-bench-file with the module's code in its processes, by the host harness:
# make -f tools/bench/file/native.mk, from the top of the tree, builds build/host/plain/mqshm-bench-file.

VARIANTS := plain
.DEFAULT_GOAL := bench

include tools/bench/file/build.mk
include selftests/host/build.mk

BENCH_FILE_OBJ := $(BENCH_FILE_SRC:%.c=$(OUT)/plain/%.o) $(OUT)/plain/tools/bench/place_native.o $(OUT)/plain/tools/bench/file/uring_native.o

$(OUT)/plain/mqshm-bench-file: $(BENCH_FILE_OBJ) $(OUT)/plain/$(H)/sys.o $(LIB_SRC:%.c=$(OUT)/plain/%.o) $(OUT)/plain/kernel.o $(OUT)/plain/$(H)/shared_end.o
	$(CC) -no-pie -Wl,--wrap=io_uring_register_files $(LDFLAGS) -o $@ $^ $(BENCH_FILE_LIBS)

bench: $(OUT)/plain/mqshm-bench-file

.PHONY: bench
