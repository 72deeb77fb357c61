# SPDX-License-Identifier: GPL-2.0-only
# The benchmark's sources, and which peers can be built here. Included by tools/build.mk (mqshm-bench, the module in the
# kernel) and by native.mk (the module in the process).

BENCH_SRC := $(filter-out %/place_kernel.c %/place_native.c,$(wildcard tools/bench/*.c)) \
	$(addprefix tools/bench/peers/,mqshm.c raw.c wake.c stream.c posix_mq.c)
BENCH_LIBS := -ljson-c -luring -lrt -pthread -lm
BENCH_DEFINES :=
BENCH_CXXFLAGS := -std=c++17 -Wall -Wextra -Wno-missing-field-initializers -MMD -MP -O2 -g

bench_has = $(if $(wildcard $(1)),yes)
ICEORYX_INCLUDE := $(lastword $(wildcard /usr/include/iceoryx/v2.*))

ifneq ($(call bench_has,$(ICEORYX_INCLUDE)/iceoryx_binding_c/publisher.h),)
BENCH_SRC += tools/bench/peers/iceoryx.c
BENCH_DEFINES += -DBENCH_ICEORYX -isystem $(ICEORYX_INCLUDE)
BENCH_LIBS += -liceoryx_binding_c
endif

ifneq ($(call bench_has,/usr/include/zmq.h),)
BENCH_SRC += tools/bench/peers/zeromq.c
BENCH_DEFINES += -DBENCH_ZEROMQ
BENCH_LIBS += -lzmq
endif

ifneq ($(call bench_has,/usr/include/boost/interprocess/ipc/message_queue.hpp),)
BENCH_CXX_SRC += tools/bench/peers/boost.cc
BENCH_DEFINES += -DBENCH_BOOST
BENCH_LIBS += -lstdc++
endif
