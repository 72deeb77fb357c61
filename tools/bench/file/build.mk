# SPDX-License-Identifier: GPL-2.0-only
# mqshm-bench-file: its sources. Included by tools/build.mk (the module in the kernel) and by native.mk (in the process).

BENCH_FILE_SRC := tools/bench/file/main.c tools/blocks/direct.c $(wildcard tools/blocks/file_*.c) tools/blocks/common.c
BENCH_FILE_LIBS := -luring -ljson-c -pthread
