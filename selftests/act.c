// SPDX-License-Identifier: GPL-2.0-only
/* One act for each command. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "act.h"
#include "bus.h"
#include "notice.h"

#define PAGE	4096
#define RW	(PROT_READ | PROT_WRITE)

void actor_begin(struct actor *a, __u32 pool)
{
	struct mqshm_client_join_args join;
	struct mqshm_lease_args l;
	struct raw *r = &a->pair.out;

	a->pool = pool;
	r->fd = runtime_open_fd(runtime_name());
	must(client_join(r->fd, 0, &join) == 0);
	r->index = join.out_index;
	r->control = region_map(r->fd, MQSHM_MMAP_CONTROL, 0, PAGE, RW);
	r->hold = region_map(r->fd, MQSHM_MMAP_HOLD, 0, PAGE, RW);
	must(block_create(r->fd, "actor", RAW_DEPTH, a->ports, &a->block) == 0);
	must(lease(r->fd, pool, 1, &l) == 0);
	a->buffer = l.buffers[0];
	a->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->w = region_map(r->fd, MQSHM_MMAP_W, pool, PAGE, RW);
	must(r->control && r->hold && r->w);
	/* raw.c counts from the first buffer of the runtime */
	r->w -= pool ? RAW_BUFFERS : 0;
	a->pair.in = *r;
}

int act_info(struct actor *a)
{
	struct mqshm_info_args info = ARGS(info);

	return command(actor_fd(a), MQSHM_IOC_INFO, &info);
}

/* A second runtime, of this name. */
static int other_runtime(void)
{
	char name[MQSHM_RUNTIME_NAME_LEN];

	snprintf(name, sizeof(name), "%s-2", runtime_name());
	return runtime_create_fd(name, 0);
}

static int closed(int fd)
{
	close(fd);
	return fd < 0 ? fd : 0;
}

int act_runtime_create(struct actor *a)
{
	return closed(other_runtime());
}

int act_runtime_open(struct actor *a)
{
	return closed(runtime_open_fd(runtime_name()));
}

/* By force, with a client that holds a buffer. */
int act_runtime_remove(struct actor *a)
{
	struct mqshm_lease_args l;
	int fd = other_runtime(), err = fd;

	if (fd >= 0)
		err = pool_create(fd, "pool", 64, 8, NULL);
	if (!err)
		err = client_join(fd, 0, NULL);
	if (!err)
		err = lease(fd, 0, 1, &l);
	if (!err)
		err = runtime_remove(fd, MQSHM_REMOVE_F_FORCE, NULL);
	close(fd);
	return err;
}

int act_runtime_wait(struct actor *a)
{
	struct mqshm_runtime_wait_args w = ARGS(runtime_wait, .changes = POISON64);

	return command(actor_fd(a), MQSHM_IOC_RUNTIME_WAIT, &w);
}

int act_query(struct actor *a)
{
	static __thread char memory[16384];
	struct mqshm_query_args q = ARGS(query, .what = MQSHM_QUERY_RUNTIME,
					 .buffer = (uintptr_t)memory,
					 .buffer_bytes = sizeof(memory));

	return command(actor_fd(a), MQSHM_IOC_QUERY, &q);
}

int act_holders(struct actor *a)
{
	static __thread char memory[4096];
	struct mqshm_holders_args h = ARGS(holders, .buffer = (uintptr_t)memory,
					   .buffer_bytes = sizeof(memory));

	return command(actor_fd(a), MQSHM_IOC_HOLDERS, &h);
}

/* Reads what there is, which it made itself. */
int act_monitor(struct actor *a)
{
	struct mqshm_notice n;
	int fd = watch_fd(runtime_name()), err;

	if (fd < 0)
		return fd;
	err = act_block_create(a);
	if (!err && read(fd, &n, sizeof(n)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* BUS_OPEN, BUS_SUBSCRIBE, BUS_PUBLISH, with a message that is read and one that is not. */
int act_bus(struct actor *a)
{
	int fd = runtime_open_fd(runtime_name()), err;
	static __thread char records[2 * MQSHM_BUS_READ_MIN];

	if (fd < 0)
		return fd;
	err = bus_open(fd, 0, 4, NULL);
	if (!err)
		err = bus_subscribe(fd, "act");
	for (int i = 0; i < 2 && err >= 0; i++)
		err = bus_publish(actor_fd(a), "act", "said");
	if (err >= 0)
		err = read(fd, records, sizeof(records)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

int act_pool_create(struct actor *a)
{
	int fd = other_runtime(), err = fd;

	if (fd >= 0)
		err = pool_create(fd, "pool", PAGE, 16, NULL);
	close(fd);
	return err;
}

static int join_and_lease(struct actor *a)
{
	struct mqshm_lease_args l;
	int fd = runtime_open_fd(runtime_name());
	int err = fd < 0 ? fd : client_join(fd, 0, NULL);

	if (!err)
		err = lease(fd, a->pool, 1, &l);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int act_client_join(struct actor *a)
{
	return closed(join_and_lease(a));
}

int act_client_detach(struct actor *a)
{
	int fd = join_and_lease(a);
	int err = fd < 0 ? fd : id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0);

	close(fd);
	return err;
}

/* With something to learn. */
int act_client_sync(struct actor *a)
{
	struct mqshm_client_sync_args sync;
	int err = id_command(actor_fd(a), MQSHM_IOC_CLIENT_WAKE, 0);

	return err ?: client_sync(actor_fd(a), &sync);
}

static int drop(struct actor *a)
{
	struct mqshm_ref_args r = ARGS(ref, .count = 1);

	r.refs[0].buffer = a->buffer;
	r.refs[0].delta = -1;
	return command(actor_fd(a), MQSHM_IOC_REF, &r);
}

/* Out of a dup that came one, two or three stores far. */
int act_client_recover(struct actor *a)
{
	static unsigned int steps;
	struct raw *r = &a->pair.out;
	int err;

	raw_dup(r, a->buffer, 1, 1 + steps++ % 3);
	err = id_command(r->fd, MQSHM_IOC_CLIENT_RECOVER, 0);
	return !err && r->hold[a->buffer] > 1 ? drop(a) : err;
}

int act_block_create(struct actor *a)
{
	__u64 id;
	int err = block_create(actor_fd(a), "other", 0, NULL, &id);

	return err ?: id_command(actor_fd(a), MQSHM_IOC_BLOCK_REMOVE, id);
}

int act_block_stop(struct actor *a)
{
	int err = id_command(actor_fd(a), MQSHM_IOC_BLOCK_STOP, a->block);

	return err ?: act_client_sync(a);
}

int act_port_end(struct actor *a)
{
	__u32 ports[2];
	__u64 id;
	int err = block_create(actor_fd(a), "other", 0, ports, &id);

	if (!err)
		err = id_command(actor_fd(a), MQSHM_IOC_PORT_END, ports[MQSHM_DIR_OUT]);
	return err ?: id_command(actor_fd(a), MQSHM_IOC_BLOCK_REMOVE, id);
}

static int set_eventfd(struct actor *a, int fd)
{
	struct mqshm_port_eventfd_args e =
		ARGS(port_eventfd, .port = a->ports[MQSHM_DIR_IN], .eventfd = fd);

	return command(actor_fd(a), MQSHM_IOC_PORT_EVENTFD, &e);
}

int act_port_eventfd(struct actor *a)
{
	return set_eventfd(a, a->event) ?: set_eventfd(a, -1);
}

int act_port_arm(struct actor *a)
{
	int err = set_eventfd(a, a->event);

	if (!err)
		err = id_command(actor_fd(a), MQSHM_IOC_PORT_ARM, a->ports[MQSHM_DIR_IN]);
	return err == -EAGAIN ? 0 : err;
}

/* A ring from its block to itself, both ends attached and mapped. */
static int ring_begin(struct actor *a, __u64 *connection)
{
	struct mqshm_client_sync_args sync;
	int fd = actor_fd(a);
	int err = connect_blocks(fd, "actor", "actor", connection);

	if (!err)
		err = client_sync(fd, &sync);
	if (err)
		return err;
	a->pair.ring = sync.events[0].ring;
	a->pair.out.producer = region_map(fd, MQSHM_MMAP_PRODUCER, a->pair.ring, PAGE, RW);
	a->pair.in.consumer = region_map(fd, MQSHM_MMAP_CONSUMER, a->pair.ring, PAGE, RW);
	return a->pair.out.producer && a->pair.in.consumer ? 0 : -errno;
}

static int ring_end(struct actor *a, __u64 connection)
{
	__u64 ring = a->pair.ring;
	int err = id_command(actor_fd(a), MQSHM_IOC_DISCONNECT, connection);

	munmap(a->pair.out.producer, PAGE);
	munmap(a->pair.in.consumer, PAGE);
	if (!err)
		err = id_command(actor_fd(a), MQSHM_IOC_RING_DETACH, ring);
	return err ?: id_command(actor_fd(a), MQSHM_IOC_RING_DETACH, ring | MQSHM_RING_PRODUCER);
}

/* CONNECT, CLIENT_SYNC, DISCONNECT, RING_DETACH, with a message in the ring. */
int act_connect(struct actor *a)
{
	struct mqshm_lease_args l;
	__u64 connection;
	int err = ring_begin(a, &connection);

	if (!err)
		err = lease(actor_fd(a), a->pool, 1, &l);
	if (err)
		return err;
	raw_push(&a->pair, l.buffers[0], 9);
	return ring_end(a, connection);
}

int act_lease(struct actor *a)
{
	struct mqshm_return_args give = ARGS(return);
	struct mqshm_lease_args l;
	int err = lease(actor_fd(a), a->pool, 8, &l);

	if (err)
		return err == -EAGAIN ? 0 : err;
	give.count = l.out_count;
	memcpy(give.buffers, l.buffers, sizeof(give.buffers));
	return command(actor_fd(a), MQSHM_IOC_RETURN, &give);
}

/* Soon: when it has slept, if it came to that. */
static __u64 soon(void)
{
	return now_ns() + 50000;
}

/* Takes all at first, then waits in vain. */
int act_lease_wait(struct actor *a)
{
	struct mqshm_lease_args l = ARGS(lease, .flags = MQSHM_LEASE_F_WAIT, .pool = a->pool,
					 .count = 8, .deadline_ns = soon());
	struct mqshm_client_sync_args sync;
	int err = client_sync(actor_fd(a), &sync);

	l.gen = sync.out_gen;
	if (!err)
		err = command(actor_fd(a), MQSHM_IOC_LEASE, &l);
	return err == -ETIMEDOUT || err == -EBUSY ? 0 : err;
}

int act_ref(struct actor *a)
{
	struct mqshm_ref_args r = ARGS(ref, .count = 4);

	for (unsigned int i = 0; i < r.count; i++) {
		r.refs[i].buffer = a->buffer;
		r.refs[i].delta = i ? -1 : 3;
	}
	return command(actor_fd(a), MQSHM_IOC_REF, &r);
}

/* With the flags set that it looks at. */
int act_kick(struct actor *a)
{
	struct mqshm_kick_args k = ARGS(kick, .count = 1);
	struct pollfd p = { .fd = actor_fd(a), .events = POLLIN | POLLOUT };
	__u64 connection;

	if (!a->pair.out.producer) {
		int err = ring_begin(a, &connection);

		if (err)
			return err;
	}
	poll(&p, 1, 0);
	k.rings[0] = a->pair.ring;
	return command(actor_fd(a), MQSHM_IOC_KICK, &k);
}

/* Gives a buffer back and sleeps. */
int act_wait(struct actor *a)
{
	struct mqshm_wait_args w = ARGS(wait, .ports = 1);
	struct mqshm_client_sync_args sync;
	struct mqshm_lease_args l;
	int err = client_sync(actor_fd(a), &sync);

	if (!err)
		err = lease(actor_fd(a), a->pool, 1, &l);
	if (err && err != -EAGAIN)
		return err;
	w.count = !err;
	w.buffers[0] = l.buffers[0];
	w.gen = sync.out_gen;
	w.port_array[0] = a->ports[MQSHM_DIR_IN];
	w.deadline_ns = soon();
	err = command(actor_fd(a), MQSHM_IOC_WAIT, &w);
	return err == -ETIMEDOUT ? 0 : err;
}

int act_poll(struct actor *a)
{
	struct pollfd p = { .fd = actor_fd(a), .events = POLLIN | POLLOUT };

	if (poll(&p, 1, 0) < 0)
		return -errno;
	return p.revents & POLLNVAL ? -EBADF : p.revents & POLLHUP ? -ESHUTDOWN : 0;
}

/* Maps, touches and unmaps; payload last, which has another kind of mapping. */
int act_map(struct actor *a)
{
	static const __u32 regions[] = { MQSHM_MMAP_CONTROL, MQSHM_MMAP_HOLD, MQSHM_MMAP_W,
					 MQSHM_MMAP_META, MQSHM_MMAP_PAYLOAD };

	for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
		volatile char *p = region_map(actor_fd(a), regions[i], 0, PAGE, RW);

		if (!p)
			return -errno;
		*p;
		munmap((void *)p, PAGE);
	}
	return 0;
}
