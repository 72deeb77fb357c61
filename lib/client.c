// SPDX-License-Identifier: LGPL-2.1-or-later
/* Clients: joining, leaving, learning of changes, showing what was held back. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "port.h"
#include "ring.h"
#include "runtime.h"
#include "sys.h"

#define SPIN_DEFAULT_NS	20000

unsigned int mqshm_client_forks;

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static int fork_error;

/* Nothing is mapped in the child, and the descriptor is the parent's client. */
static void fork_child(void)
{
	mqshm_client_forks++;
}

static void fork_watch(void)
{
	fork_error = -pthread_atfork(NULL, NULL, fork_child);
}

#ifdef MQSHM_DEBUG
void mqshm_client_debug_enter(struct mqshm_client *c)
{
	int nobody = 0, self = gettid();

	if (!__atomic_compare_exchange_n(&c->owner, &nobody, self, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED) &&
	    nobody != self)
		abort();
}

void mqshm_client_debug_leave(struct mqshm_client *c)
{
	__atomic_store_n(&c->owner, 0, __ATOMIC_RELEASE);
}
#endif

void mqshm_client_hold_signals(sigset_t *old)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };
	sigset_t all;
	size_t i;

	sigfillset(&all);
	for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_BLOCK, &all, old);
}

void mqshm_client_let_signals(const sigset_t *old)
{
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

int mqshm_client_ioctl(struct mqshm_client *c, unsigned int cmd, void *args)
{
	int r = c->dead ? -ESHUTDOWN : mqshm_sys_ioctl(c->fd, cmd, args);

	if (r == -ESHUTDOWN)
		c->dead = true;
	return r;
}

int mqshm_client_command(struct mqshm_client *c, unsigned int cmd, uint64_t id)
{
	struct mqshm_id_args args = { .size = sizeof(args), .id = id };

	return mqshm_client_ioctl(c, cmd, &args);
}

static size_t control_bytes(const struct mqshm_client *c)
{
	return sizeof(*c->control) + c->stats_max * sizeof(c->control->stats[0]);
}

static int map_own_pages(struct mqshm_client *c)
{
	void *address;
	int r;

	r = mqshm_sys_map(c->fd, MQSHM_MMAP_OFFSET(MQSHM_MMAP_CONTROL, 0),
			  control_bytes(c), true, &address);
	if (r)
		return r;
	c->control = address;
	r = mqshm_sys_map(c->fd, MQSHM_MMAP_OFFSET(MQSHM_MMAP_HOLD, 0),
			  sizeof(uint16_t) * c->buffers_max, true, &address);
	if (r)
		return r;
	c->cells.hold = address;
	r = mqshm_sys_map(c->fd, MQSHM_MMAP_OFFSET(MQSHM_MMAP_STATUS, 0),
			  MQSHM_STATUS_RING(c->rings_max), false, &address);
	if (r)
		return r;
	c->status = address;
	/* uint64_t and __u64 are two types where long has 64 bits. */
	c->gen = (const uint64_t *)&c->status->gen[c->index];
	c->cells.intent = (uint64_t *)&c->control->intent;
	return 0;
}

static void unmap_own_pages(struct mqshm_client *c)
{
	mqshm_sys_unmap(c->control, control_bytes(c));
	mqshm_sys_unmap(c->cells.hold, sizeof(uint16_t) * c->buffers_max);
	mqshm_sys_unmap((void *)c->status, MQSHM_STATUS_RING(c->rings_max));
}

static int join(struct mqshm_client *c, const struct mqshm_client_options *options)
{
	struct mqshm_client_join_args args = {
		.size = sizeof(args),
		.flags = (options->read_only ? MQSHM_JOIN_F_READ_ONLY : 0) |
			 (options->direct_io ? MQSHM_JOIN_F_DIRECT_IO : 0),
		.role = options->role,
	};
	const char *name = options->process_name;
	char *p;
	int r;

	if (!name)
		name = program_invocation_short_name;
	strncpy(args.name, name[0] ? name : "?", sizeof(args.name) - 1);
	/* a file may be called anything; the module takes no control characters */
	for (p = args.name; !options->process_name && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	r = mqshm_sys_ioctl(c->fd, MQSHM_IOC_CLIENT_JOIN, &args);
	if (r)
		return r;
	if (args.out_index >= MQSHM_CLIENTS_MAX || args.out_rings > MQSHM_RINGS_MAX ||
	    args.out_buffers > MQSHM_BUFFERS_MAX)
		return -EPROTO;
	c->id = args.out_id;
	c->stats_max = args.out_stats;
	c->index = args.out_index;
	c->rings_max = args.out_rings;
	c->buffers_max = args.out_buffers;
	if (args.out_index < MQSHM_TOGGLES)
		c->cells.toggle = MQSHM_W_TOGGLE(args.out_index);
	return 0;
}

static uint64_t spin_choose(uint64_t spin_ns)
{
	if (spin_ns == UINT64_MAX)
		return 0;
	if (spin_ns)
		return spin_ns;
	/* Whom it waits for could not run. */
	return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPIN_DEFAULT_NS : 0;
}

static int client_setup(struct mqshm_client *c, const char *name,
			const struct mqshm_client_options *options)
{
	uint64_t id;
	int r;

	c->name = strdup(name ? name : "");
	if (!c->name)
		return -ENOMEM;
	c->fd = mqshm_runtime_bind(name, &id);
	if (c->fd < 0)
		return c->fd;
	r = join(c, options);
	if (!r)
		r = map_own_pages(c);
	if (!r)
		r = mqshm_pool_query(c);
	if (!r)
		r = mqshm_client_sync(c);
	c->changed = false;	/* that was the first look */
	return r;
}

int mqshm_client_join(const char *name, const struct mqshm_client_options *options,
		      struct mqshm_client **out)
{
	static const struct mqshm_client_options defaults;
	struct mqshm_client *c;
	int r;

	if (sizeof(void *) < 8)
		return -EOPNOTSUPP;	/* its 8-byte stores may be torn */
	if (!options)
		options = &defaults;
	pthread_once(&fork_once, fork_watch);
	if (fork_error)
		return fork_error;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fd = -1;
	c->forks = mqshm_client_forks;
	c->last_pool = &c->no_pool;
	c->clock.stale = true;
	c->read_only = options->read_only;
	c->direct_io = options->direct_io;
	c->persistent = options->persistent;
	c->spin_ns = spin_choose(options->spin_ns);
	r = client_setup(c, name, options);
	if (r) {
		mqshm_client_close(c);
		return r;
	}
	*out = c;
	return 0;
}

static void client_unmap(struct mqshm_client *c)
{
	size_t i;

	for (i = 0; i < c->n_rings; i++)
		mqshm_ring_unmap(c->rings[i]);
	for (i = 0; i < c->n_pools; i++)
		mqshm_pool_unmap(&c->pools[i]);
	unmap_own_pages(c);
}

void mqshm_client_close(struct mqshm_client *c)
{
	struct mqshm_block *b;
	sigset_t signals;
	size_t i;

	if (!c)
		return;
	mqshm_client_hold_signals(&signals);
	if (client_alive(c) && c->control) {
		if (!c->control->busy)
			mqshm_client_publish(c);
		mqshm_client_command(c, MQSHM_IOC_CLIENT_DETACH, 0);
	}
	/* In a child the addresses may be somebody else's by now. */
	if (c->forks == mqshm_client_forks)
		client_unmap(c);
	mqshm_sys_close(c->fd);
	for (i = 0; i < c->n_rings; i++)
		free(c->rings[i]);
	while ((b = c->blocks)) {
		c->blocks = b->next;
		mqshm_block_free(b);
	}
	free(c->rings);
	free(c->list);
	free(c->name);
	free(c);
	mqshm_client_let_signals(&signals);
}

uint64_t mqshm_client_id(const struct mqshm_client *c)
{
	return c->forks == mqshm_client_forks ? c->id : 0;
}

int mqshm_client_fd(const struct mqshm_client *c)
{
	return c->forks == mqshm_client_forks ? c->fd : -ESHUTDOWN;
}

bool mqshm_client_direct_io(const struct mqshm_client *c)
{
	return c->direct_io;
}

static int event_handle(struct mqshm_client *c, const struct mqshm_event *ev)
{
	struct mqshm_block *b;

	client_changed(c);
	switch (ev->kind) {
	case MQSHM_EVENT_ATTACH:
		return mqshm_ring_attach(c, ev);
	case MQSHM_EVENT_STOP:
		b = mqshm_block_find(c, ev->id);
		if (b)
			b->stop = true;
		return 0;
	case MQSHM_EVENT_MESSAGE:
		c->mail++;
		return 0;
	default:
		return 0;
	}
}

/* Backwards, since letting go of a ring closes the gap. */
static void rings_reap(struct mqshm_client *c)
{
	size_t i;

	for (i = c->n_rings; i-- > 0 && !c->dead;)
		mqshm_ring_reap(c, c->rings[i]);
}

static int sync_all(struct mqshm_client *c)
{
	struct mqshm_client_sync_args args;
	uint64_t changes = c->changes;
	int error = 0;
	uint32_t i;

	do {
		memset(&args, 0, sizeof(args));
		args.size = sizeof(args);
		error = mqshm_client_ioctl(c, MQSHM_IOC_CLIENT_SYNC, &args);
		if (error)
			return error;
		for (i = 0; i < args.out_count && i < MQSHM_SYNC_EVENTS; i++) {
			int r = event_handle(c, &args.events[i]);

			if (r && !error)
				error = r;
		}
	} while (args.out_more && !c->dead);
	c->known_gen = args.out_gen;
	rings_reap(c);
	/* nothing came: somebody roused it, and means those who wait */
	if (c->changes == changes)
		client_changed(c);
	return c->dead ? -ESHUTDOWN : error;
}

__attribute__((cold, noinline)) int mqshm_client_sync(struct mqshm_client *c)
{
	sigset_t signals;
	int r;

	c->syncs++;
	mqshm_client_hold_signals(&signals);
	r = sync_all(c);
	mqshm_client_let_signals(&signals);
	return r;
}

__attribute__((noinline)) int mqshm_client_publish(struct mqshm_client *c)
{
	struct mqshm_kick_args kick;
	bool closed = false;
	size_t i;

	if (c->refs.count)
		mqshm_pool_flush_refs(c);
	if (c->dead)
		return -ESHUTDOWN;
	if (!c->pending)
		return 0;
	c->pending = false;
	for (i = 0; i < c->n_rings; i++) {
		struct ring *k = c->rings[i];

		if (k->held_back && !k->out)
			proto_publish(&k->rx);			/* [O5] */
	}
	proto_fence();						/* [F1] [O6] */
	mqshm_ring_kick_begin(&kick);
	for (i = 0; i < c->n_rings; i++) {
		struct ring *k = c->rings[i];
		uint32_t flags;

		if (!k->held_back)
			continue;
		k->held_back = false;
		k->unpublished = 0;
		flags = ring_flags(k);				/* [F2] [O7] */
		if (flags & (k->out ? RING_TX_ASKS : RING_RX_ASKS))
			mqshm_ring_kick(c, &kick, k->number);
		closed |= k->out && flags & MQSHM_RING_CLOSED;
	}
	mqshm_ring_kick_end(c, &kick);
	if (closed)
		rings_reap(c);
	return c->dead ? -ESHUTDOWN : 0;
}

int mqshm_client_quiesce(struct mqshm_client *c)
{
	int r = mqshm_client_publish(c);

	if (r)
		return r;
	if (c->spares)
		mqshm_pool_return_all(c);
	c->clock.stale = true;
	return c->dead ? -ESHUTDOWN : 0;
}

int mqshm_client_flush(struct mqshm_client *c)
{
	int r = client_enter(c);

	if (r)
		return r;
	r = mqshm_client_quiesce(c);
	client_leave(c);
	return r;
}

void mqshm_client_rouse(const struct mqshm_client *c)
{
	struct mqshm_id_args args = { .size = sizeof(args) };

	/* no call of the client's: the kernel takes it at any time, from any thread */
	mqshm_sys_ioctl(c->fd, MQSHM_IOC_CLIENT_WAKE, &args);
}

int mqshm_client_update(struct mqshm_client *c)
{
	int r = client_enter(c);

	if (r)
		return r;
	r = client_check(c);
	if (!r && c->changed) {
		c->changed = false;
		r = 1;
	}
	client_leave(c);
	return r;
}

int mqshm_client_recover(struct mqshm_client *c)
{
	struct mqshm_block *b;
	size_t i;
	int r;

	if (!client_alive(c))
		return -ESHUTDOWN;
	r = mqshm_client_command(c, MQSHM_IOC_CLIENT_RECOVER, 0);
	if (r)
		return r;
	/* It is not known how far the call had come: show everything again. */
	for (i = 0; i < c->n_rings; i++)
		c->rings[i]->held_back = true;
	c->pending = true;
	for (b = c->blocks; b; b = b->next)
		for (i = 0; i < b->n_ports; i++)
			b->ports[i].turn = b->ports[i].burst = 0;
	mqshm_pool_recover(c);
	client_leave(c);
	return mqshm_client_flush(c);
}
