# SPDX-License-Identifier: GPL-2.0-only
# The host harness: make -f selftests/host/build.mk, from the top of the tree, builds all variants of all tests below
# build/host/. VARIANTS="plain asan".
#
# kernel.o is the module and what stands in for the kernel, with all names but the harness's hidden (the library's are
# often the same) and all variables in one section, which host_start() turns into shared memory.

SHELL := /bin/bash -o pipefail
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

H := selftests/host
VARIANTS ?= plain asan
TESTS := host_bus host_cells host_death host_drain host_fail host_flow host_graph host_keep host_kill host_last host_lease host_memory host_race host_see host_settle host_signal host_step host_storm host_wake host_worker
OUT ?= build/host
# other copies of the product's code, as for a mutation
KMOD ?= kmod
LIB ?= lib

SANITIZE_plain :=
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANITIZE_tsan := -fsanitize=thread -Wno-tsan -fno-omit-frame-pointer -DHOST_TSAN

# tsan.c stands between the compiler's calls of the sanitizer and the sanitizer
UNSANITIZED := $(H)/tsan.c
KERNEL_SRC_tsan := $(H)/tsan.c
WRAPPED := memcpy memset $(addprefix __tsan_,read_range write_range \
	$(foreach n,1 2 4 8 16,read$(n) write$(n)) $(foreach n,2 4 8,unaligned_read$(n) unaligned_write$(n)) \
	$(foreach n,8 16 32 64,$(addprefix atomic$(n)_,load store exchange fetch_add fetch_sub fetch_and fetch_or \
		fetch_xor compare_exchange_strong compare_exchange_weak)))
# threads that the library makes have to be made known
LDFLAGS_host_worker := -Wl,--wrap=pthread_create
LDFLAGS_tsan := $(WRAPPED:%=-Wl,--wrap=%)

KERNEL_SRC := $(wildcard $(KMOD)/*.c) $(addprefix $(H)/,arena.c sync.c gate.c task.c clone.c vfs.c fds.c check.c)
USER_SRC := $(H)/sys.c $(H)/test.c $(H)/race.c
STORM_SRC := $(addprefix $(H)/,storm_plan.c storm_edge.c storm_node.c)
# for those that step through an operation
STEP_SRC := $(addprefix $(H)/,step.c scene.c victim.c)
STEPPERS := host_signal host_step
# plugin.c apart: a plug-in has no place beside a library with a kernel in it
LIB_SRC := $(filter-out $(LIB)/sys.c $(LIB)/block/plugin.c,$(wildcard $(LIB)/*.c $(LIB)/block/*.c))
FORWARDED := $(filter-out linux/mqshm.h,$(sort $(shell sed -n 's/^\#include <\(linux\/.*\)>.*/\1/p' $(KMOD)/*.[ch])))

CFLAGS ?= -O2 -g
COMMON := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Werror=implicit-function-declaration -MMD -MP -fno-pie -fno-common $(CFLAGS)
KERNEL_FLAGS := -I$(OUT)/include -I$(H)/include -I$(H) -I$(KMOD) -Iinclude/uapi -Wno-sign-compare -Wno-missing-field-initializers -Wno-maybe-uninitialized
USER_FLAGS += -I$(H) -I$(LIB) -Iinclude -Iinclude/uapi

all: $(foreach v,$(VARIANTS),$(TESTS:%=$(OUT)/$(v)/%))

$(FORWARDED:%=$(OUT)/include/%): $(H)/build.mk
	@mkdir -p $(@D)
	@echo '#include "kernel.h"' > $@

define variant
$(OUT)/$(1)/%.o: %.c | $(FORWARDED:%=$(OUT)/include/%)
	@mkdir -p $$(@D)
	$(CC) $$(if $$(filter $(KERNEL_SRC) $(KERNEL_SRC_$(1)),$$<),$(KERNEL_FLAGS),$(USER_FLAGS)) \
		$(COMMON) $(SANITIZE_$(1)) $$(if $$(filter $(UNSANITIZED),$$<),-fno-sanitize=all) -c -o $$@ $$<

$(OUT)/$(1)/kernel.o: $(KERNEL_SRC:%.c=$(OUT)/$(1)/%.o) $(KERNEL_SRC_$(1):%.c=$(OUT)/$(1)/%.o)
	$(LD) -r -o $$@.all $$^
	$(OBJCOPY) --wildcard --keep-global-symbol='host_*' --keep-global-symbol='__wrap_*' \
		--set-section-flags .bss=alloc,load,data,contents \
		--rename-section .data=mqshm_shared --rename-section .bss=mqshm_shared $$@.all $$@
	@rm $$@.all

$(OUT)/$(1)/%: $(OUT)/$(1)/$(H)/%.o $(USER_SRC:%.c=$(OUT)/$(1)/%.o) $(LIB_SRC:%.c=$(OUT)/$(1)/%.o) \
		$(OUT)/$(1)/kernel.o $(OUT)/$(1)/$(H)/shared_end.o
	$(CC) -no-pie $(SANITIZE_$(1)) $(LDFLAGS_$(1)) $$(LDFLAGS_$$(@F)) $(LDFLAGS) -o $$@ $$^ -pthread -lm

$(OUT)/$(1)/host_worker: $(OUT)/$(1)/$(H)/worker_blocks.o

$(OUT)/$(1)/host_storm: $(STORM_SRC:%.c=$(OUT)/$(1)/%.o)

$(STEPPERS:%=$(OUT)/$(1)/%): $(STEP_SRC:%.c=$(OUT)/$(1)/%.o)
endef

OBJCOPY ?= objcopy
$(foreach v,$(VARIANTS),$(eval $(call variant,$(v))))

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)

.PHONY: all
.SECONDARY:
