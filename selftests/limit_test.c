// SPDX-License-Identifier: GPL-2.0-only
/* Every limit of the library: what is just within it works, and one more is the error that is promised. */

#include "kselftest_harness.h"

#include <mqshm_bus.h>

#include "graph.h"
#include "mqshm_test.h"

static const struct mqshm_limits few = {
	.clients = 3, .blocks = 4, .ports = 5, .connections = 4, .pools = 2, .buffers = 32,
};

static struct mqshm_runtime *rt;
static struct mqshm_client *client;
static struct mqshm_client *others[4];
static struct mqshm_bus *bus;
static char letters[256];
static char zeros[MQSHM_BUS_PAYLOAD_MAX + 1];

/* A name of @n bytes, each time another one. */
static const char *name_of(size_t n)
{
	static char name[256];

	letters[0] = letters[0] == 'z' ? 'a' : letters[0] + 1;
	memcpy(name, letters, n);
	name[n] = 0;
	return name;
}

static int block(const char *name, const char *type, const char *port, unsigned int ports, unsigned int depth)
{
	struct mqshm_port_spec specs[8];
	struct mqshm_block *b = NULL;
	char names[8][8];
	int err;

	for (unsigned int i = 0; i < ports; i++) {
		snprintf(names[i], sizeof(names[i]), "p%u", i);
		specs[i] = (struct mqshm_port_spec) {
			.name = i || !port ? names[i] : port, .direction = MQSHM_DIR_IN, .depth = depth,
		};
	}
	err = mqshm_block_create(client, name, type, MQSHM_CLASS_SINK, specs, ports, &b);
	mqshm_block_remove(b);
	return err;
}

/* Of each of these: @beyond asks for one more than the limit. */

static int clients(bool beyond)
{
	unsigned int n = few.clients - 1 + beyond, i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = mqshm_client_join(runtime_name(), NULL, &others[i]);
	for (i = 0; i < n; i++) {
		mqshm_client_close(others[i]);
		others[i] = NULL;
	}
	return err;
}

static int blocks(bool beyond)
{
	struct mqshm_block *b[8] = {};
	unsigned int n = few.blocks + beyond, i;
	int err = 0;

	for (i = 0; i < n && !err; i++)
		err = mqshm_block_create(client, name_of(9), "Test", MQSHM_CLASS_SINK, NULL, 0, &b[i]);
	for (i = 0; i < n; i++)
		mqshm_block_remove(b[i]);
	return err;
}

static int ports(bool beyond)
{
	return block("b", "Test", NULL, few.ports + beyond, 0);
}

static int connections(bool beyond)
{
	static const struct mqshm_port_spec out[] = {
		{ .name = "o1", .direction = MQSHM_DIR_OUT }, { .name = "o2", .direction = MQSHM_DIR_OUT },
		{ .name = "o3", .direction = MQSHM_DIR_OUT }, { .name = "o4", .direction = MQSHM_DIR_OUT },
		{ .name = "o5", .direction = MQSHM_DIR_OUT },
	};
	static const struct mqshm_port_spec in = { .name = "in", .direction = MQSHM_DIR_IN };
	struct mqshm_block *source, *sink;
	char from[16];
	int err = 0;

	must(!mqshm_block_create(client, "source", "Test", MQSHM_CLASS_SOURCE, out, 5, &source));
	must(!mqshm_block_create(client, "sink", "Test", MQSHM_CLASS_SINK, &in, 1, &sink));
	for (unsigned int i = 1; i <= few.connections + beyond && !err; i++) {
		snprintf(from, sizeof(from), "source:o%u", i);
		err = mqshm_connect(rt, from, "sink", NULL);
	}
	mqshm_block_remove(source);
	mqshm_block_remove(sink);
	return err;
}

static int depth(bool beyond)
{
	return block("b", "Test", NULL, 1, MQSHM_DEPTH_MAX + beyond);
}

static int block_name(bool beyond)
{
	return block(name_of(MQSHM_BLOCK_NAME_LEN - 1 + beyond), "Test", NULL, 1, 0);
}

static int type_name(bool beyond)
{
	return block("b", name_of(MQSHM_TYPE_NAME_LEN - 1 + beyond), NULL, 1, 0);
}

static int port_name(bool beyond)
{
	return block("b", "Test", name_of(MQSHM_PORT_NAME_LEN - 1 + beyond), 1, 0);
}

static int runtime_with(const char *name, const struct mqshm_limits *limits)
{
	struct mqshm_runtime_options options = { .limits = *limits };
	struct mqshm_runtime *other;
	int err = mqshm_runtime_create(name, &options, &other);

	if (!err)
		mqshm_runtime_close(other);
	return err;
}

static int runtime_name_length(bool beyond)
{
	return runtime_with(name_of(MQSHM_RUNTIME_NAME_LEN - 1 + beyond), &few);
}

#define CEILING(field, most) \
static int ceiling_##field(bool beyond) \
{ \
	return runtime_with(name_of(9), &(struct mqshm_limits){ .field = (most) + beyond }); \
}
CEILING(clients, MQSHM_CLIENTS_MAX)
CEILING(blocks, 4096)
CEILING(ports, 256)
CEILING(connections, 4096)
CEILING(pools, MQSHM_POOLS_MAX)
CEILING(buffers, MQSHM_BUFFERS_MAX)

/* Pools stay: each of these has a runtime of its own. */
static int pools_of(const char *name, unsigned int n, uint32_t bytes, uint32_t buffers)
{
	struct mqshm_runtime_options options = { .limits = few };
	struct mqshm_runtime *other;
	char number[16];
	int err;

	must(!mqshm_runtime_create(name_of(9), &options, &other));
	for (err = 0; n && !err; n--) {
		snprintf(number, sizeof(number), "pool%u", n);
		err = mqshm_pool_create(other, name ? name : number, bytes, buffers);
	}
	mqshm_runtime_close(other);
	return err;
}

static int pools(bool beyond)
{
	return pools_of(NULL, few.pools + beyond, 64, 1);
}

static int buffers(bool beyond)
{
	return pools_of(NULL, 1, 64, few.buffers + beyond);
}

static int pool_name(bool beyond)
{
	char name[64];

	strcpy(name, name_of(MQSHM_POOL_NAME_LEN - 1 + beyond));
	return pools_of(name, 1, 64, 1);
}

static int buffer_least(bool beyond)
{
	return pools_of(NULL, 1, MQSHM_BUFFER_BYTES_MIN - beyond, 1);
}

static int buffer_most(bool beyond)
{
	return pools_of(NULL, 1, MQSHM_BUFFER_BYTES_MAX + beyond, 1);
}

static int allocation(bool beyond)
{
	struct mqshm_buffer buf;
	int err = mqshm_buffer_alloc(client, 128 + beyond, after_ms(1000), &buf);

	if (!err)
		mqshm_buffer_release(client, &buf);
	return err;
}

/* One is there; as many more as the count of references takes. */
static int references(bool beyond)
{
	static struct mqshm_buffer refs[MQSHM_W_COUNT_MAX + 1];
	unsigned int n = 1;
	int err;

	must(!mqshm_buffer_alloc(client, 64, after_ms(1000), &refs[0]));
	for (err = 0; n < MQSHM_W_COUNT_MAX + beyond && !err; n += !err)
		err = mqshm_buffer_share(client, &refs[0], &refs[n]);
	while (n--)
		must(!mqshm_buffer_release(client, &refs[n]));
	return err;
}

static int ports_of_a_wait(bool beyond)
{
	static const struct mqshm_port_spec in = { .name = "in", .direction = MQSHM_DIR_IN };
	struct mqshm_port *many[65];
	struct mqshm_block *b;
	int err;

	must(!mqshm_block_create(client, "b", "Test", MQSHM_CLASS_SINK, &in, 1, &b));
	for (unsigned int i = 0; i < 65; i++)
		many[i] = mqshm_block_port(b, "in");
	while (!(err = mqshm_wait(client, many, 64 + beyond, after_ms(10), NULL)))
		;	/* it has news of what was done before */
	mqshm_block_remove(b);
	return err == -ETIMEDOUT ? 0 : err;
}

static int subscribe(uint32_t messages, const char *prefix, unsigned int times)
{
	struct mqshm_bus_options options = { .depth = messages };
	struct mqshm_bus *b;
	int err = 0;

	must(!mqshm_bus_open(runtime_name(), &options, &b));
	for (; times && !err; times--)
		err = mqshm_bus_subscribe(b, prefix);
	mqshm_bus_close(b);
	return err;
}

static int prefixes(bool beyond)
{
	return subscribe(1, "x", MQSHM_BUS_PREFIXES_MAX + beyond);
}

static int prefix_length(bool beyond)
{
	return subscribe(1, name_of(MQSHM_BUS_TOPIC_LEN - 1 + beyond), 1);
}

static int bus_depth(bool beyond)
{
	return subscribe(16384 + beyond, "x", 1);
}

static int publish(const char *topic, size_t bytes)
{
	struct mqshm_post post = { .topic = topic, .payload = zeros, .payload_bytes = bytes };
	int r = mqshm_bus_publish(bus, &post, NULL);

	return r < 0 ? r : 0;
}

static int topic_length(bool beyond)
{
	return publish(name_of(MQSHM_BUS_TOPIC_LEN - 1 + beyond), 1);
}

static int payload(bool beyond)
{
	return publish("x", MQSHM_BUS_PAYLOAD_MAX + beyond);
}

static const struct {
	const char *what;
	int (*try)(bool beyond);
	int error;
} limits[] = {
	{ "clients", clients, -ENOSPC },
	{ "blocks", blocks, -ENOSPC },
	{ "ports of a block", ports, -ENOSPC },
	{ "connections", connections, -ENOSPC },
	{ "pools", pools, -ENOSPC },
	{ "buffers of all pools", buffers, -ENOSPC },
	{ "most clients of any runtime", ceiling_clients, -EINVAL },
	{ "most blocks of any runtime", ceiling_blocks, -EINVAL },
	{ "most ports of any runtime", ceiling_ports, -EINVAL },
	{ "most connections of any runtime", ceiling_connections, -EINVAL },
	{ "most pools of any runtime", ceiling_pools, -EINVAL },
	{ "most buffers of any runtime", ceiling_buffers, -EINVAL },
	{ "name of a runtime", runtime_name_length, -EINVAL },
	{ "name of a pool", pool_name, -EINVAL },
	{ "name of a block", block_name, -EINVAL },
	{ "name of a type", type_name, -EINVAL },
	{ "name of a port", port_name, -EINVAL },
	{ "least bytes of a buffer", buffer_least, -EINVAL },
	{ "most bytes of a buffer", buffer_most, -EINVAL },
	{ "bytes of an allocation", allocation, -EMSGSIZE },
	{ "references to a buffer", references, -EOVERFLOW },
	{ "depth of a queue", depth, -EINVAL },
	{ "ports of a wait", ports_of_a_wait, -EINVAL },
	{ "prefixes of a subscriber", prefixes, -ENOSPC },
	{ "length of a prefix", prefix_length, -EINVAL },
	{ "depth of a subscriber's queue", bus_depth, -EINVAL },
	{ "length of a topic", topic_length, -EINVAL },
	{ "payload of a message", payload, -EINVAL },
};

TEST(one_beyond)
{
	struct mqshm_runtime_options options = { .limits = few };

	memset(letters, 'a', sizeof(letters));
	ASSERT_EQ(0, mqshm_runtime_create(runtime_name(), &options, &rt)) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, mqshm_pool_create(rt, "pool", 128, 16));
	ASSERT_EQ(0, mqshm_client_join(runtime_name(), NULL, &client));
	ASSERT_EQ(0, mqshm_bus_open(runtime_name(), NULL, &bus));
	for (unsigned int i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		EXPECT_EQ(0, limits[i].try(false)) TH_LOG("%s: within", limits[i].what);
		EXPECT_EQ(limits[i].error, limits[i].try(true)) TH_LOG("%s: beyond", limits[i].what);
		/* and none is left worse for it */
		EXPECT_EQ(0, limits[i].try(false)) TH_LOG("%s: within, again", limits[i].what);
	}
	mqshm_bus_close(bus);
	mqshm_client_close(client);
	mqshm_runtime_close(rt);
}

TEST_HARNESS_MAIN
