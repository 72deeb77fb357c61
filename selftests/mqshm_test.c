// SPDX-License-Identifier: GPL-2.0-only
/* Helpers of all tests that need no library: commands, snapshots, processes. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mqshm_test.h"

int device_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int command(int fd, unsigned int number, void *args)
{
	return ioctl(fd, number, args) < 0 ? -errno : 0;
}

int id_command(int fd, unsigned int number, __u64 id)
{
	struct mqshm_id_args args = ARGS(id, .id = id);

	return command(fd, number, &args);
}

const char *runtime_name(void)
{
	static char name[MQSHM_RUNTIME_NAME_LEN];
	static pid_t owner;

	if (!owner) {
		owner = getpid();
		snprintf(name, sizeof(name), "test-%d", owner);
	}
	return name;
}

int runtime_create_mode(int fd, const char *name, __u32 flags, __u32 mode, __u32 gid)
{
	struct mqshm_runtime_create_args args =
		ARGS(runtime_create, .flags = flags, .mode = mode, .gid = gid);

	strncpy(args.name, name, sizeof(args.name) - 1);
	return command(fd, MQSHM_IOC_RUNTIME_CREATE, &args);
}

int runtime_create(int fd, const char *name, __u32 flags)
{
	return runtime_create_mode(fd, name, flags, 0700, MQSHM_GID_SELF);
}

int runtime_open_of(int fd, const char *name, __u32 uid)
{
	struct mqshm_runtime_open_args args = ARGS(runtime_open, .uid = uid);

	strncpy(args.name, name, sizeof(args.name) - 1);
	return command(fd, MQSHM_IOC_RUNTIME_OPEN, &args);
}

int runtime_open(int fd, const char *name)
{
	return runtime_open_of(fd, name, MQSHM_UID_SELF);
}

static int close_on_error(int fd, int err)
{
	if (!err)
		return fd;
	close(fd);
	return err;
}

int runtime_create_fd(const char *name, __u32 flags)
{
	int fd = device_open();

	return fd < 0 ? fd : close_on_error(fd, runtime_create(fd, name, flags));
}

int runtime_open_fd(const char *name)
{
	int fd = device_open();

	return fd < 0 ? fd : close_on_error(fd, runtime_open(fd, name));
}

int runtime_remove(int fd, __u32 flags, __u32 *clients)
{
	struct mqshm_runtime_remove_args args =
		ARGS(runtime_remove, .flags = flags, .out_clients = POISON32);
	int err = command(fd, MQSHM_IOC_RUNTIME_REMOVE, &args);

	if (clients)
		*clients = args.out_clients;
	return err;
}

int pool_create(int fd, const char *name, __u32 buffer_bytes, __u32 buffers,
		struct mqshm_pool_create_args *out)
{
	struct mqshm_pool_create_args args =
		ARGS(pool_create, .buffer_bytes = buffer_bytes, .buffers = buffers,
		     .out_pool = POISON32, .out_first = POISON32);
	int err;

	strncpy(args.name, name, sizeof(args.name) - 1);
	err = command(fd, MQSHM_IOC_POOL_CREATE, &args);
	if (out)
		*out = args;
	return err ? err : (int)args.out_pool;
}

int client_join(int fd, __u32 flags, struct mqshm_client_join_args *out)
{
	struct mqshm_client_join_args args =
		ARGS(client_join, .flags = flags, .name = "test", .out_id = POISON64,
		     .out_index = POISON32, .out_rings = POISON32,
		     .out_buffers = POISON32);
	int err = command(fd, MQSHM_IOC_CLIENT_JOIN, &args);

	if (out)
		*out = args;
	return err;
}

int block_create(int fd, const char *name, __u32 depth, __u32 ports[2], __u64 *id)
{
	struct mqshm_port_desc descs[2] = {
		{ .name = "in", .direction = MQSHM_DIR_IN, .depth = depth, .out_port = POISON32 },
		{ .name = "out", .direction = MQSHM_DIR_OUT, .out_port = POISON32 },
	};
	struct mqshm_block_create_args args =
		ARGS(block_create, .type = "Test", .class_ = MQSHM_CLASS_PROCESSING,
		     .ports = 2, .port_array = (uintptr_t)descs, .out_id = POISON64);
	int err;

	strncpy(args.name, name, sizeof(args.name) - 1);
	err = command(fd, MQSHM_IOC_BLOCK_CREATE, &args);
	if (ports) {
		ports[0] = descs[0].out_port;
		ports[1] = descs[1].out_port;
	}
	if (id)
		*id = args.out_id;
	return err;
}

int connect_blocks(int fd, const char *from, const char *to, __u64 *id)
{
	struct mqshm_connect_args args =
		ARGS(connect, .from_port = "out", .to_port = "in", .out_id = POISON64,
		     .out_which = POISON32);
	int err;

	strncpy(args.from_block, from, sizeof(args.from_block) - 1);
	strncpy(args.to_block, to, sizeof(args.to_block) - 1);
	err = command(fd, MQSHM_IOC_CONNECT, &args);
	if (id)
		*id = args.out_id;
	return err;
}

int client_sync(int fd, struct mqshm_client_sync_args *out)
{
	memset(out, 0, sizeof(*out));
	out->size = sizeof(*out);
	out->out_count = out->out_more = POISON32;
	out->out_gen = POISON64;
	return command(fd, MQSHM_IOC_CLIENT_SYNC, out);
}

int attach_ring(int fd, __u32 direction, struct mqshm_event *out)
{
	struct mqshm_client_sync_args args;
	int err;

	do {
		err = client_sync(fd, &args);
		for (__u32 i = 0; !err && i < args.out_count; i++) {
			if (args.events[i].kind == MQSHM_EVENT_ATTACH &&
			    args.events[i].direction == direction) {
				*out = args.events[i];
				return 0;
			}
		}
	} while (!err && args.out_more);
	return err ? err : -ENOENT;
}

int lease(int fd, __u32 pool, __u32 count, struct mqshm_lease_args *out)
{
	memset(out, 0, sizeof(*out));
	out->size = sizeof(*out);
	out->pool = pool;
	out->count = count;
	out->out_count = POISON32;
	return command(fd, MQSHM_IOC_LEASE, out);
}

void *region_map(int fd, __u32 what, __u32 which, size_t bytes, int prot)
{
	void *p = mmap(NULL, bytes, prot, MAP_SHARED, fd,
		       MQSHM_MMAP_OFFSET(what, which));

	return p == MAP_FAILED ? NULL : p;
}

/* -- snapshots ----------------------------------------------------------- */

int snapshot_take(int fd, __u32 what, struct snapshot *s)
{
	__u64 bytes = 16384;
	int err;

	memset(s, 0, sizeof(*s));
	for (;;) {
		struct mqshm_query_args args = ARGS(query, .what = what,
						    .buffer_bytes = bytes);

		free(s->data);
		s->data = malloc(bytes);
		args.buffer = (uintptr_t)s->data;
		err = command(fd, MQSHM_IOC_QUERY, &args);
		s->bytes = args.out_bytes;
		s->now_ns = args.out_now_ns;
		s->changes = args.out_changes;
		if (err != -ENOBUFS)
			break;
		bytes = args.out_bytes * 2;
	}
	if (err) {
		free(s->data);
		s->data = NULL;
		s->bytes = 0;
	}
	return err;
}

void snapshot_free(struct snapshot *s)
{
	free(s->data);
	memset(s, 0, sizeof(*s));
}

const void *snapshot_next(const struct snapshot *s, __u32 kind, const void *prev)
{
	const char *p = s->data;
	const struct mqshm_record *r;

	if (prev) {
		r = prev;
		p = (const char *)prev + r->bytes;
	}
	while (p < s->data + s->bytes) {
		r = (const struct mqshm_record *)p;
		if (r->bytes < sizeof(*r) || r->bytes % 8)
			return NULL;
		if (r->kind == kind)
			return r;
		p += r->bytes;
	}
	return NULL;
}

size_t snapshot_count(const struct snapshot *s, __u32 kind)
{
	const void *r = NULL;
	size_t n = 0;

	while ((r = snapshot_next(s, kind, r)))
		n++;
	return n;
}

const struct mqshm_block_record *snapshot_block(const struct snapshot *s, const char *name)
{
	const struct mqshm_block_record *r = NULL;

	while ((r = snapshot_next(s, MQSHM_RECORD_BLOCK, r)) && strcmp(r->name, name))
		;
	return r;
}

const struct mqshm_client_record *snapshot_client(const struct snapshot *s, __u64 id)
{
	const struct mqshm_client_record *r = NULL;

	while ((r = snapshot_next(s, MQSHM_RECORD_CLIENT, r)) && r->id != id)
		;
	return r;
}

const struct mqshm_connection_record *snapshot_connection(const struct snapshot *s, __u64 id)
{
	const struct mqshm_connection_record *r = NULL;

	while ((r = snapshot_next(s, MQSHM_RECORD_CONNECTION, r)) && r->id != id)
		;
	return r;
}

const struct mqshm_departed_record *snapshot_departed(const struct snapshot *s, __u64 id)
{
	const struct mqshm_departed_record *r = NULL;

	while ((r = snapshot_next(s, MQSHM_RECORD_DEPARTED, r)) && r->id != id)
		;
	return r;
}

static void tally_add(struct tally *t, const struct mqshm_record *r)
{
	const struct mqshm_runtime_record *rt = (const void *)r;
	const struct mqshm_pool_record *pool = (const void *)r;
	const struct mqshm_client_record *client = (const void *)r;
	const struct mqshm_connection_record *connection = (const void *)r;

	switch (r->kind) {
	case MQSHM_RECORD_RUNTIME:
		t->clients = rt->clients;
		t->state = rt->state;
		break;
	case MQSHM_RECORD_POOL:
		t->buffers += pool->buffers;
		t->free += pool->free;
		t->quarantined += pool->quarantined;
		break;
	case MQSHM_RECORD_CLIENT:
		t->held += client->held_buffers;
		t->busy += client->state != MQSHM_CLIENT_IDLE;
		break;
	case MQSHM_RECORD_CONNECTION:
		t->queued += connection->queued;
		break;
	}
}

int tally_take(int fd, struct tally *t)
{
	struct snapshot s;
	int err = snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s);
	const char *p;

	memset(t, 0, sizeof(*t));
	if (err)
		return err;
	for (p = s.data; p < s.data + s.bytes; p += ((const struct mqshm_record *)p)->bytes)
		tally_add(t, (const struct mqshm_record *)p);
	snapshot_free(&s);
	return 0;
}

bool tally_whole(const struct tally *t)
{
	return !t->quarantined && t->free + t->held + t->queued == t->buffers;
}

bool tally_all_free(const struct tally *t)
{
	return tally_whole(t) && t->free == t->buffers && !t->held && !t->queued;
}

int tally_wait_free(int fd, struct tally *t, unsigned int ms)
{
	__u64 deadline = after_ms(ms);
	int err;

	while (!(err = tally_take(fd, t))) {
		if (!t->clients && tally_all_free(t))
			return 0;
		if (now_ns() > deadline)
			return -ETIMEDOUT;
		sleep_us(1000);
	}
	return err;
}

/* -- processes, time, counts --------------------------------------------- */

pid_t spawn(void (*fn)(void *arg), void *arg)
{
	pid_t parent = getpid();
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	fn(arg);
	fflush(NULL);
	_exit(0);
}

static int decode(int status)
{
	return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return decode(status);
}

int reap_within(pid_t pid, unsigned int ms)
{
	__u64 deadline = after_ms(ms);
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return decode(status);
		if (got < 0)
			return -errno;
		if (now_ns() > deadline) {
			slay(pid);
			return -ETIMEDOUT;
		}
		sleep_us(500);
	}
}

void slay(pid_t pid)
{
	kill(pid, SIGKILL);
	reap(pid);
}

void must_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "# %s:%d: child %d: %s (errno %d)\n", file, line, getpid(), what, errno);
	fflush(NULL);
	_exit(1);
}

void *shared_memory(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

__u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

__u64 after_ms(__u64 ms)
{
	return now_ns() + ms * 1000000;
}

void sleep_us(unsigned int us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L };

	nanosleep(&t, NULL);
}

void stay_on_one_processor(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

__u64 rounds(__u64 few, __u64 many)
{
	const char *count = getenv("MQSHM_ROUNDS");
	const char *long_run = getenv("MQSHM_LONG");

	if (count && *count)
		return strtoull(count, NULL, 0);
	if (long_run && !strcmp(long_run, "1"))
		return many;
	return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? few : few / 10;
}

bool user_mode_linux(void)
{
	char text[256] = "";
	int fd = open("/proc/cpuinfo", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 && strstr(text, "User Mode Linux");
}

int parameter_set(const char *name, const char *value)
{
	char path[128];
	int fd, n;

	snprintf(path, sizeof(path), "/sys/module/mqshm/parameters/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	n = write(fd, value, strlen(value));
	close(fd);
	return n < 0 ? -errno : 0;
}

__u64 random_seed(void)
{
	const char *given = getenv("MQSHM_SEED");
	__u64 seed = given && *given ? strtoull(given, NULL, 0) : now_ns();

	printf("# MQSHM_SEED=%llu repeats the random choices of this test\n",
	       (unsigned long long)seed);
	fflush(stdout);
	return seed ? seed : 1;
}

__u64 random_next(__u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
