# SPDX-License-Identifier: GPL-2.0-only
# What a person types. Everything that is made lies under build/; "make help" lists the targets.
#
# lib/build.mk, tools/build.mk and selftests/build.mk say what belongs to "all" and "install" (double-colon
# rules), in this one make: B, ALL_CPPFLAGS, ALL_CFLAGS and the rule for objects below are theirs to use.

SHELL := /bin/bash -o pipefail
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

B := build
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
ALL_CPPFLAGS := -D_GNU_SOURCE -Iinclude -Iinclude/uapi $(CPPFLAGS)
ALL_CFLAGS := -std=gnu11 -Wall -Wextra -Wmissing-prototypes -Wstrict-prototypes -MMD -MP $(CFLAGS)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

# the kernel that modules, load and unload are for
KDIR ?= /lib/modules/$(or $(KERNELRELEASE),$(shell uname -r))/build
MODOUT ?= $(B)/kmod/$(if $(filter %/kdir,$(KDIR)),$(notdir $(KDIR:/kdir=)),$(or $(KERNELRELEASE),$(shell uname -r)))

INPUT ?=
OUTPUT ?=

all:: $(B)/gen/packages

# The compiler names the first header that it lacks; this names all packages, and lets it try all the same.
$(B)/gen/packages: tools/packages
	@mkdir -p $(@D)
	@tools/setup --look build && touch $@ || true

-include lib/build.mk tools/build.mk selftests/build.mk

# build/obj/static/X.o and build/obj/shared/X.o from X.c
$(B)/obj/static/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(B)/obj/shared/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -fPIC -c -o $@ $<

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# ---- module ----

modules:
	@tools/kbuild $(KDIR) $(MODOUT)

unload load:
	@tools/module $@ $(MODOUT)/mqshm.ko

# ---- the test machine ----

setup:
	@tools/setup

shell:
	@tools/setup build modules vm
	@$(MAKE) --no-print-directory -s all
	@tools/vm/run --interactive --share . --mem 1G; s=$$?; [ $$s -lt 125 ] || exit $$s

demo:
	@tools/setup build modules vm demo
	@$(MAKE) --no-print-directory -s all
	@tools/demo $(if $(INPUT),--input '$(INPUT)') $(if $(OUTPUT),--output '$(OUTPUT)')

# Natively, and with the module in a kernel: tools/bench/run.
bench:
	@tools/setup build modules vm bench
	@tools/bench/run $(BENCH)

# ---- tests ----

check check-long:
	@tools/setup build modules vm test model debug
	@$(MAKE) --no-print-directory -s all
	@selftests/run $@ $(GROUPS_ONLY)

# The kernel's own way: run_tests on this machine (with the module loaded), or installed for another one.
KSFT = $(MAKE) -j$(shell nproc) --no-print-directory -s -C selftests OUTPUT=$(abspath $(B)/kselftest/mqshm) HARNESS=$(abspath $(B)/harness)

$(B)/harness/lib.mk: selftests/harness
	@selftests/harness $(B)/harness

kselftest: $(B)/harness/lib.mk all
	@mkdir -p $(B)/kselftest/mqshm
	@$(KSFT) run_tests

kselftest-install: $(B)/harness/lib.mk all
	@mkdir -p $(B)/kselftest/mqshm
	@$(KSFT) collection INSTALL_PATH=$(abspath $(or $(INSTALL_PATH),$(B)/kselftest-install))

# ---- the rest ----

install:: all
	install -Dm644 include/uapi/linux/mqshm.h $(DESTDIR)$(INCLUDEDIR)/linux/mqshm.h
	install -Dm644 tools/udev/60-mqshm.rules $(DESTDIR)$(PREFIX)/lib/udev/rules.d/60-mqshm.rules

clean:
	$(RM) -r $(B)

help:
	@echo 'make                 library and tools (no root, no kernel headers)'
	@echo 'make setup           installs the packages that are missing, or says which'
	@echo 'make demo            a graph of three processes in a virtual machine; INPUT=my.wav OUTPUT=out.wav'
	@echo 'make shell           a shell in that machine, with the module loaded and this folder mounted'
	@echo 'make check           all tests; check-long: also those that take longer; GROUPS_ONLY="kselftest-6.1 ..."'
	@echo 'make bench           mqshm beside what people use otherwise; BENCH="--case latency --rounds 9", BENCH=--write'
	@echo 'make modules         the module for KDIR ($(KDIR))'
	@echo 'make load, unload    that module into and out of this machine'"'"'s kernel'
	@echo 'make kselftest       the kernel tests on this machine; kselftest-install INSTALL_PATH=: for another one'
	@echo 'make install         PREFIX=$(PREFIX) DESTDIR='
	@echo 'make clean'

.PHONY: all modules load unload setup shell demo bench check check-long kselftest kselftest-install install clean help
