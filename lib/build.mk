# SPDX-License-Identifier: LGPL-2.1-or-later
# The library: build/lib/libmqshm.a and libmqshm.so.0. Included by the top Makefile.

LIB_MAJOR := 0
LIB_VERSION := 0.1
LIB_SRC := $(sort $(wildcard lib/*.c lib/block/*.c lib/manager/*.c))
LIB_STATIC := $(B)/lib/libmqshm.a
LIB_SHARED := $(B)/lib/libmqshm.so.$(LIB_MAJOR)
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include

$(LIB_SRC:%.c=$(B)/obj/static/%.o) $(LIB_SRC:%.c=$(B)/obj/shared/%.o): ALL_CFLAGS += -fvisibility=hidden

# where plug-ins are looked for; looked at each time: PREFIX may be another than when it was made
$(B)/gen/block_dir.h: FORCE
	@mkdir -p $(@D)
	@echo '#define MQSHM_BLOCK_DIR "$(LIBDIR)/mqshm/blocks"' >$@.new
	@if cmp -s $@.new $@; then $(RM) $@.new; else mv $@.new $@; fi

$(B)/obj/static/lib/block/plugin.o $(B)/obj/shared/lib/block/plugin.o: ALL_CPPFLAGS += -I$(B)/gen
$(B)/obj/static/lib/block/plugin.o $(B)/obj/shared/lib/block/plugin.o: $(B)/gen/block_dir.h

$(LIB_STATIC): $(LIB_SRC:%.c=$(B)/obj/static/%.o)
	@mkdir -p $(@D)
	$(RM) $@
	$(AR) rcs $@ $^

$(LIB_SHARED): $(LIB_SRC:%.c=$(B)/obj/shared/%.o) lib/libmqshm.map
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -Wl,-soname,$(@F) -Wl,--version-script=lib/libmqshm.map \
		-Wl,-z,defs -o $@ $(filter %.o,$^) -pthread
	ln -sf $(@F) $(B)/lib/libmqshm.so

# looked at each time: PREFIX may be another than when it was made
$(B)/lib/libmqshm.pc: lib/libmqshm.pc.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@prefix@|$(PREFIX)|' -e 's|@libdir@|$(LIBDIR)|' \
		-e 's|@includedir@|$(INCLUDEDIR)|' -e 's|@version@|$(LIB_VERSION)|' $< >$@.new
	@if cmp -s $@.new $@; then $(RM) $@.new; else mv $@.new $@; fi

.PHONY: FORCE

all:: $(LIB_STATIC) $(LIB_SHARED) $(B)/lib/libmqshm.pc

install:: $(LIB_STATIC) $(LIB_SHARED) $(B)/lib/libmqshm.pc
	install -Dm644 -t $(DESTDIR)$(INCLUDEDIR) $(wildcard include/*.h)
	install -Dm644 $(LIB_STATIC) $(DESTDIR)$(LIBDIR)/libmqshm.a
	install -Dm755 $(LIB_SHARED) $(DESTDIR)$(LIBDIR)/libmqshm.so.$(LIB_VERSION)
	ln -sf libmqshm.so.$(LIB_VERSION) $(DESTDIR)$(LIBDIR)/libmqshm.so.$(LIB_MAJOR)
	ln -sf libmqshm.so.$(LIB_MAJOR) $(DESTDIR)$(LIBDIR)/libmqshm.so
	install -Dm644 $(B)/lib/libmqshm.pc $(DESTDIR)$(LIBDIR)/pkgconfig/libmqshm.pc
