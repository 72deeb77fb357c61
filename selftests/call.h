/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For each command a right call: a small runtime in which it has something to do,
 * and the arguments. Tests then make one thing wrong.
 */
#ifndef CALL_H
#define CALL_H

#include "mqshm_test.h"

/* What a descriptor is. */
enum state { UNBOUND, BOUND, CLIENT, SUBSCRIBER };

/**
 * struct setup - a small runtime in which every command has something to do
 * @fds: one descriptor of each state; another client too
 * @ports: in and out of block "a", which is CLIENT's, then of "b"
 * @block: number of "a"
 * @connection: b:out → a:in, both ends attached
 * @ring: its number
 * @buffer: leased by CLIENT
 */
struct setup {
	int fds[4];
	int other;
	__u32 ports[4];
	__u64 block;
	__u64 connection;
	__u32 ring;
	__u32 buffer;
	int event;
	char memory[8192];
};

/* As big as the largest struct with a tail, aligned. */
union args {
	__u32 size;
	__u64 words[512];
	char bytes[4096];
};

/* 0, or the error that one of its steps gave. */
int setup_open(struct setup *s);

/* Arguments of the command; args is zero before. */
void fill_info(struct setup *s, void *args);
void fill_runtime_create(struct setup *s, void *args);
void fill_runtime_open(struct setup *s, void *args);
void fill_runtime_wait(struct setup *s, void *args);
void fill_query(struct setup *s, void *args);
void fill_holders(struct setup *s, void *args);
void fill_pool_create(struct setup *s, void *args);
void fill_client_join(struct setup *s, void *args);
void fill_nothing(struct setup *s, void *args);
void fill_block_create(struct setup *s, void *args);
void fill_block(struct setup *s, void *args);
void fill_out_port(struct setup *s, void *args);
void fill_port_eventfd(struct setup *s, void *args);
void fill_port_arm(struct setup *s, void *args);
void fill_connect(struct setup *s, void *args);
void fill_connection(struct setup *s, void *args);
void fill_ring(struct setup *s, void *args);
void fill_lease(struct setup *s, void *args);
void fill_return(struct setup *s, void *args);
void fill_ref(struct setup *s, void *args);
void fill_kick(struct setup *s, void *args);
void fill_wait(struct setup *s, void *args);
void fill_bus_publish(struct setup *s, void *args);

#endif /* CALL_H */
