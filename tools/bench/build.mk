# SPDX-License-Identifier: GPL-2.0-only
# The benchmark's sources, and which peers can be built here. Included by tools/build.mk (mqshm-bench, the module in the
# kernel) and by native.mk (the module in the process).

BENCH_SRC := $(filter-out %/place_kernel.c %/place_native.c,$(wildcard tools/bench/*.c)) \
	$(addprefix tools/bench/peers/,mqshm.c share.c raw.c wake.c stream.c posix_mq.c)
BENCH_CXX_SRC :=
BENCH_LIBS := -ljson-c -lrt -pthread -lm
BENCH_DEFINES :=
BENCH_CXXFLAGS := -std=c++17 -Wall -Wextra -Wno-missing-field-initializers -MMD -MP -O2 -g

ICEORYX_INCLUDE := $(lastword $(wildcard /usr/include/iceoryx/v2.*))

ifneq ($(wildcard /usr/include/liburing.h),)
BENCH_DEFINES += -DBENCH_LIBURING
BENCH_LIBS += -luring
endif

ifneq ($(wildcard $(or $(ICEORYX_INCLUDE),none)/iceoryx_binding_c/publisher.h),)
BENCH_SRC += tools/bench/peers/iceoryx.c
BENCH_DEFINES += -DBENCH_ICEORYX -isystem $(ICEORYX_INCLUDE)
BENCH_LIBS += -liceoryx_binding_c
endif

ifneq ($(wildcard /usr/include/zmq.h),)
BENCH_SRC += tools/bench/peers/zeromq.c
BENCH_DEFINES += -DBENCH_ZEROMQ
BENCH_LIBS += -lzmq
endif

ifneq ($(and $(wildcard /usr/include/boost/interprocess/ipc/message_queue.hpp),$(shell command -v $(CXX))),)
BENCH_CXX_SRC += tools/bench/peers/boost.cc
BENCH_DEFINES += -DBENCH_BOOST
BENCH_LIBS += -lstdc++
endif
