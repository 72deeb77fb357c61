// SPDX-License-Identifier: LGPL-2.1-or-later
/* Runtimes: make, bind to, remove, and change their graph. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "runtime.h"
#include "sys.h"

#define MODE_DEFAULT	0700
#define NAME_BUFFER	16384	/* for getpwnam_r() and getgrnam_r(), at first */

int mqshm_name_copy(char *to, size_t size, const char *from)
{
	size_t n = from ? strnlen(from, size) : 0;

	if (n == 0 || n == size)
		return -EINVAL;
	memset(to, 0, size);
	memcpy(to, from, n);
	return 0;
}

static int number_parse(const char *text, uint32_t *out)
{
	char *end;
	unsigned long n;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (*end || errno || n >= UINT32_MAX)
		return -EINVAL;
	*out = (uint32_t)n;
	return 0;
}

/* Room for the answer of getpwnam_r() or getgrnam_r(), twice of what was too small. */
static int room_grow(char **memory, size_t *bytes)
{
	free(*memory);
	*bytes = *bytes ? 2 * *bytes : NAME_BUFFER;
	*memory = malloc(*bytes);
	return *memory ? 0 : -ENOMEM;
}

static int user_find(const char *name, size_t length, uint32_t *uid)
{
	char *copy = strndup(name, length), *memory = NULL;
	struct passwd pw, *found = NULL;
	size_t bytes = 0;
	int r;

	do {
		r = copy ? room_grow(&memory, &bytes) : -ENOMEM;
		if (!r)
			r = getpwnam_r(copy, &pw, memory, bytes, &found);
	} while (r == ERANGE);
	if (found)
		*uid = found->pw_uid;
	if (r != -ENOMEM)
		r = found || !number_parse(copy, uid) ? 0 : -ESRCH;
	free(memory);
	free(copy);
	return r;
}

/* All members of a group count: some have more than any fixed room takes. */
static int group_find(const char *name, uint32_t *gid)
{
	struct group gr, *found = NULL;
	char *memory = NULL;
	size_t bytes = 0;
	int r;

	do {
		r = room_grow(&memory, &bytes);
		if (!r)
			r = getgrnam_r(name, &gr, memory, bytes, &found);
	} while (r == ERANGE);
	if (found)
		*gid = found->gr_gid;
	if (r != -ENOMEM)
		r = found || !number_parse(name, gid) ? 0 : -ENOENT;
	free(memory);
	return r;
}

int mqshm_device_open(void)
{
	struct mqshm_info_args info = { .size = sizeof(info) };
	int fd = mqshm_sys_open();
	int r;

	if (fd < 0)
		return fd;
	r = mqshm_sys_ioctl(fd, MQSHM_IOC_INFO, &info);
	if (!r && (info.out_magic != MQSHM_MAGIC || info.out_version != MQSHM_ABI_VERSION))
		r = -EPROTONOSUPPORT;
	if (r) {
		mqshm_sys_close(fd);
		return r;
	}
	return fd;
}

int mqshm_runtime_bind(const char *name, uint64_t *id)
{
	struct mqshm_runtime_open_args args = {
		.size = sizeof(args),
		.uid = MQSHM_UID_SELF,
	};
	const char *slash = name ? strchr(name, '/') : NULL;
	int r = 0, fd;

	if (slash)
		r = user_find(name, (size_t)(slash - name), &args.uid);
	if (!r)
		r = mqshm_name_copy(args.name, sizeof(args.name), slash ? slash + 1 : name);
	if (r)
		return r;
	fd = mqshm_device_open();
	if (fd < 0)
		return fd;
	r = mqshm_sys_ioctl(fd, MQSHM_IOC_RUNTIME_OPEN, &args);
	if (r) {
		mqshm_sys_close(fd);
		return r;
	}
	*id = args.out_id;
	return fd;
}

static int runtime_new(int fd, uint64_t id, struct mqshm_runtime **out)
{
	struct mqshm_runtime *rt = malloc(sizeof(*rt));

	if (!rt) {
		mqshm_sys_close(fd);
		return -ENOMEM;
	}
	rt->fd = fd;
	rt->id = id;
	*out = rt;
	return 0;
}

int mqshm_runtime_open(const char *name, struct mqshm_runtime **out)
{
	uint64_t id;
	int fd = mqshm_runtime_bind(name, &id);

	return fd < 0 ? fd : runtime_new(fd, id, out);
}

static int runtime_make(const char *name, const struct mqshm_runtime_options *options,
			uint32_t flags, bool *created, struct mqshm_runtime **out)
{
	struct mqshm_runtime_create_args args = {
		.size = sizeof(args),
		.flags = flags,
		.mode = MODE_DEFAULT,
		.gid = MQSHM_GID_SELF,
	};
	int r = mqshm_name_copy(args.name, sizeof(args.name), name);
	int fd;

	if (!r && strchr(name, '/'))
		r = -EINVAL;
	if (!r && options) {
		if (options->mode)
			args.mode = options->mode;
		if (options->persistent)
			args.flags |= MQSHM_RUNTIME_F_PERSISTENT;
		args.limits = options->limits;
		if (options->group)
			r = group_find(options->group, &args.gid);
	}
	if (r)
		return r;
	fd = mqshm_device_open();
	if (fd < 0)
		return fd;
	r = mqshm_sys_ioctl(fd, MQSHM_IOC_RUNTIME_CREATE, &args);
	if (r) {
		mqshm_sys_close(fd);
		return r;
	}
	if (created)
		*created = args.out_created;
	return runtime_new(fd, args.out_id, out);
}

int mqshm_runtime_create(const char *name, const struct mqshm_runtime_options *options,
			 struct mqshm_runtime **out)
{
	return runtime_make(name, options, 0, NULL, out);
}

int mqshm_runtime_open_or_create(const char *name,
				 const struct mqshm_runtime_options *options,
				 bool *created, struct mqshm_runtime **out)
{
	/* Another user's can only be opened. */
	if (name && strchr(name, '/')) {
		if (created)
			*created = false;
		return mqshm_runtime_open(name, out);
	}
	return runtime_make(name, options, MQSHM_RUNTIME_F_OR_OPEN, created, out);
}

void mqshm_runtime_close(struct mqshm_runtime *rt)
{
	if (!rt)
		return;
	mqshm_sys_close(rt->fd);
	free(rt);
}

int mqshm_runtime_fd(const struct mqshm_runtime *rt)
{
	return rt->fd;
}

int mqshm_runtime_remove(struct mqshm_runtime *rt, bool force, uint32_t *clients)
{
	struct mqshm_runtime_remove_args args = {
		.size = sizeof(args),
		.flags = force ? MQSHM_REMOVE_F_FORCE : 0,
	};
	int r = mqshm_sys_ioctl(rt->fd, MQSHM_IOC_RUNTIME_REMOVE, &args);

	if (clients)
		*clients = args.out_clients;
	return r;
}

int mqshm_runtime_wait(struct mqshm_runtime *rt, uint64_t *changes, uint64_t deadline_ns)
{
	struct mqshm_runtime_wait_args args = {
		.size = sizeof(args),
		.changes = *changes,
		/* 1 lies in the past: looks, and does not sleep. */
		.deadline_ns = deadline_ns == MQSHM_NO_WAIT ?
			       1 : clock_kernel_deadline(deadline_ns),
	};
	int r = mqshm_sys_ioctl(rt->fd, MQSHM_IOC_RUNTIME_WAIT, &args);

	if (!r)
		*changes = args.out_changes;
	return r;
}

int mqshm_pool_create(struct mqshm_runtime *rt, const char *name,
		      uint32_t buffer_bytes, uint32_t buffers)
{
	return mqshm_pool_create_with(rt, name, buffer_bytes, buffers, NULL);
}

int mqshm_pool_create_with(struct mqshm_runtime *rt, const char *name, uint32_t buffer_bytes,
			   uint32_t buffers, const struct mqshm_pool_options *options)
{
	static const struct mqshm_pool_options defaults;
	struct mqshm_pool_create_args args = {
		.size = sizeof(args),
		.buffer_bytes = buffer_bytes,
		.buffers = buffers,
	};
	int r;

	if (!options)
		options = &defaults;
	args.flags = (options->huge ? MQSHM_POOL_F_HUGE : 0) |
		     (options->on_node ? MQSHM_POOL_F_NODE : 0);
	args.node = options->on_node ? options->node : 0;
	r = mqshm_name_copy(args.name, sizeof(args.name), name);
	return r ? r : mqshm_sys_ioctl(rt->fd, MQSHM_IOC_POOL_CREATE, &args);
}

/* The only port of its direction in a block that was named alone. */
static int port_guess(struct mqshm_runtime *rt, const char *block, uint32_t direction,
		      char *port)
{
	const struct mqshm_block_record *found;
	const struct mqshm_port_record *only;
	struct mqshm_snapshot *snap;
	int r = mqshm_runtime_snapshot(rt, &snap);

	if (r)
		return r;
	found = mqshm_snapshot_find_block(snap, block);
	only = found ? mqshm_snapshot_find_port(snap, found->id, NULL, direction) : NULL;
	if (only)
		memcpy(port, only->name, MQSHM_PORT_NAME_LEN);
	else
		r = found ? -EINVAL : -ENOENT;
	mqshm_snapshot_free(snap);
	return r;
}

/* "block:port" or "block" into its two names. */
static int end_parse(struct mqshm_runtime *rt, const char *text, uint32_t direction,
		     char *block, char *port)
{
	const char *colon = text ? strchr(text, ':') : NULL;
	size_t n = colon ? (size_t)(colon - text) : 0;

	if (!colon) {
		int r = mqshm_name_copy(block, MQSHM_BLOCK_NAME_LEN, text);

		return r ? r : port_guess(rt, block, direction, port);
	}
	if (n == 0 || n >= MQSHM_BLOCK_NAME_LEN)
		return -EINVAL;
	memset(block, 0, MQSHM_BLOCK_NAME_LEN);
	memcpy(block, text, n);
	return mqshm_name_copy(port, MQSHM_PORT_NAME_LEN, colon + 1);
}

int mqshm_connect(struct mqshm_runtime *rt, const char *from, const char *to, uint64_t *id)
{
	return mqshm_connect_with(rt, from, to, NULL, id);
}

int mqshm_connect_with(struct mqshm_runtime *rt, const char *from, const char *to,
		       const struct mqshm_connect_options *options, uint64_t *id)
{
	static const struct mqshm_connect_options defaults;
	struct mqshm_connect_args args = { .size = sizeof(args) };
	int r;

	if (!options)
		options = &defaults;
	args.policy = options->policy;
	args.flags = (options->persistent ? MQSHM_CONNECT_F_PERSISTENT : 0) |
		     (options->keep ? MQSHM_CONNECT_F_KEEP : 0) |
		     (options->transient ? MQSHM_CONNECT_F_TRANSIENT : 0) |
		     (options->tap ? MQSHM_CONNECT_F_TAP : 0);
	args.keep_ns = options->keep_ns;
	r = end_parse(rt, from, MQSHM_DIR_OUT, args.from_block, args.from_port);
	if (!r)
		r = end_parse(rt, to, MQSHM_DIR_IN, args.to_block, args.to_port);
	if (!r)
		r = mqshm_sys_ioctl(rt->fd, MQSHM_IOC_CONNECT, &args);
	if (!r && id)
		*id = args.out_id;
	return r;
}

static int id_command(struct mqshm_runtime *rt, unsigned int cmd, uint64_t id)
{
	struct mqshm_id_args args = { .size = sizeof(args), .id = id };

	return mqshm_sys_ioctl(rt->fd, cmd, &args);
}

int mqshm_disconnect(struct mqshm_runtime *rt, uint64_t id)
{
	return id_command(rt, MQSHM_IOC_DISCONNECT, id);
}

int mqshm_block_request_stop(struct mqshm_runtime *rt, uint64_t block_id)
{
	return id_command(rt, MQSHM_IOC_BLOCK_STOP, block_id);
}
