// SPDX-License-Identifier: GPL-2.0-only
/*
 * Permissions: what each of owner, group and others may do under each bit of the
 * mode, whose names are whose, what only the owner may do.
 */

#include "kselftest_harness.h"

#include <grp.h>
#include <sys/stat.h>

#include "mqshm_test.h"
#include "notice.h"

#define OWNER		1000
#define MEMBER		1001
#define STRANGER	1002
#define GROUP		3000

/* Which descriptor state each answer belongs to. */
struct answers {
	int list;
	int manage;
	int join;
};

static char rt_name[MQSHM_RUNTIME_NAME_LEN];

/* Ids of a user with a group and the device's, without capabilities. */
static void become(uid_t uid, gid_t group)
{
	gid_t groups[2];
	struct stat st;

	must(stat(DEVICE, &st) == 0);
	groups[0] = st.st_gid;
	groups[1] = group;
	must(setgroups(2, groups) == 0);
	must(setresgid(uid, uid, uid) == 0);
	must(setresuid(uid, uid, uid) == 0);
}

struct act {
	uid_t uid;
	gid_t group;
	__u32 mode;
	struct answers *answers;
};

static void make(void *arg)
{
	struct act *a = arg;
	int fd;

	become(a->uid, a->group);
	fd = device_open();
	must(fd >= 0);
	must(runtime_create_mode(fd, rt_name, MQSHM_RUNTIME_F_PERSISTENT, a->mode, a->group) == 0);
}

static void ask(void *arg)
{
	struct act *a = arg;
	int fd;

	become(a->uid, a->group);
	fd = device_open();
	must(fd >= 0);
	a->answers->list = runtime_open_of(fd, rt_name, OWNER);
	if (a->answers->list)
		return;
	a->answers->manage = pool_create(fd, "pool", 64, 1, NULL);
	a->answers->join = client_join(fd, 0, NULL);
}

/* Root removes it, whatever the mode says. */
static int unmake(void)
{
	int fd = device_open();
	int err = runtime_open_of(fd, rt_name, OWNER);

	if (!err)
		err = runtime_remove(fd, MQSHM_REMOVE_F_FORCE, NULL);
	close(fd);
	return err;
}

FIXTURE(mode)
{
	struct answers *answers;
};

FIXTURE_VARIANT(mode)
{
	__u32 mode;
	uid_t uid;
	gid_t group;
	struct answers answers;
};

/* The bits of one kind of person; the others have the opposite bits. */
#define MODES(person, user, member, shift) \
FIXTURE_VARIANT_ADD(mode, person##_none) { 0777 & ~(7 << shift), user, member, { -EACCES, 1, 1 } }; \
FIXTURE_VARIANT_ADD(mode, person##_w) { (0777 & ~(7 << shift)) | 2 << shift, user, member, \
	{ -EACCES, 1, 1 } }; \
FIXTURE_VARIANT_ADD(mode, person##_wx) { (0777 & ~(7 << shift)) | 3 << shift, user, member, \
	{ -EACCES, 1, 1 } }; \
FIXTURE_VARIANT_ADD(mode, person##_r) { (0777 & ~(7 << shift)) | 4 << shift, user, member, \
	{ 0, -EACCES, -EACCES } }; \
FIXTURE_VARIANT_ADD(mode, person##_rx) { (0777 & ~(7 << shift)) | 5 << shift, user, member, \
	{ 0, -EACCES, 0 } }; \
FIXTURE_VARIANT_ADD(mode, person##_rw) { 6 << shift, user, member, { 0, 0, -EACCES } }; \
FIXTURE_VARIANT_ADD(mode, person##_rwx) { 7 << shift, user, member, { 0, 0, 0 } }

MODES(owner, OWNER, GROUP, 6);
MODES(member, MEMBER, GROUP, 3);
MODES(stranger, STRANGER, STRANGER, 0);

FIXTURE_SETUP(mode)
{
	struct act a = { OWNER, GROUP, variant->mode, NULL };

	snprintf(rt_name, sizeof(rt_name), "%s", runtime_name());
	self->answers = shared_memory(4096);
	*self->answers = (struct answers){ 1, 1, 1 };
	ASSERT_EQ(0, reap(spawn(make, &a)));
}

FIXTURE_TEARDOWN(mode)
{
	EXPECT_EQ(0, unmake());
}

TEST_F(mode, decides)
{
	struct act a = { variant->uid, variant->group, 0, self->answers };

	EXPECT_EQ(0, reap(spawn(ask, &a)));
	EXPECT_EQ(variant->answers.list, self->answers->list);
	EXPECT_EQ(variant->answers.manage, self->answers->manage);
	EXPECT_EQ(variant->answers.join, self->answers->join);
}

/* -- what else write permission is needed for ---------------------------- */

FIXTURE(reader)
{
	int fd;
};

FIXTURE_SETUP(reader)
{
	struct act a = { OWNER, GROUP, 0755, NULL };

	snprintf(rt_name, sizeof(rt_name), "%s", runtime_name());
	ASSERT_EQ(0, reap(spawn(make, &a)));
}

FIXTURE_TEARDOWN(reader)
{
	EXPECT_EQ(0, unmake());
}

static int open_as(uid_t uid)
{
	int fd;

	become(uid, uid);
	fd = device_open();
	must(fd >= 0);
	must(runtime_open_of(fd, rt_name, OWNER) == 0);
	return fd;
}

/* May join with r-x: its own blocks are its own affair, the graph is not. */
static void try_graph(void *arg)
{
	__u64 theirs = *(__u64 *)arg;
	int fd = open_as(STRANGER);
	__u64 id;

	must(client_join(fd, 0, NULL) == 0);
	must(block_create(fd, "mine", 0, NULL, &id) == 0);
	must(connect_blocks(fd, "mine", "mine", NULL) == -EACCES);
	must(id_command(fd, MQSHM_IOC_BLOCK_STOP, theirs) == -EACCES);
	must(id_command(fd, MQSHM_IOC_BLOCK_STOP, id) == 0);
	must(id_command(fd, MQSHM_IOC_DISCONNECT, 1) == -EACCES);
	must(pool_create(fd, "pool", 64, 1, NULL) == -EACCES);
	must(id_command(fd, MQSHM_IOC_BLOCK_REMOVE, id) == 0);
}

TEST_F(reader, may_not_change_the_graph)
{
	int fd = device_open();
	__u64 id;

	ASSERT_EQ(0, runtime_open_of(fd, rt_name, OWNER));
	ASSERT_EQ(0, client_join(fd, 0, NULL));
	ASSERT_EQ(0, block_create(fd, "theirs", 0, NULL, &id));
	EXPECT_EQ(0, reap(spawn(try_graph, &id)));
}

static void try_remove(void *arg)
{
	int fd = open_as(STRANGER);

	must(runtime_remove(fd, 0, NULL) == -EPERM);
	must(runtime_remove(fd, MQSHM_REMOVE_F_FORCE, NULL) == -EPERM);
}

TEST_F(reader, may_not_remove)
{
	EXPECT_EQ(0, reap(spawn(try_remove, NULL)));
}

/* Write permission is not ownership. */
static void try_remove_member(void *arg)
{
	int fd;

	become(MEMBER, GROUP);
	fd = device_open();
	must(runtime_open_of(fd, rt_name, OWNER) == 0);
	must(runtime_remove(fd, 0, NULL) == -EPERM);
}

TEST(member_may_not_remove)
{
	struct act a = { OWNER, GROUP, 0777, NULL };

	snprintf(rt_name, sizeof(rt_name), "%s", runtime_name());
	ASSERT_EQ(0, reap(spawn(make, &a)));
	EXPECT_EQ(0, reap(spawn(try_remove_member, NULL)));
	EXPECT_EQ(0, unmake());
}

static void owner_removes(void *arg)
{
	int fd = open_as(OWNER);

	must(runtime_remove(fd, 0, NULL) == 0);
}

TEST(owner_may_remove)
{
	struct act a = { OWNER, GROUP, 0700, NULL };

	snprintf(rt_name, sizeof(rt_name), "%s", runtime_name());
	ASSERT_EQ(0, reap(spawn(make, &a)));
	EXPECT_EQ(0, reap(spawn(owner_removes, NULL)));
	EXPECT_EQ(-ENOENT, unmake());
}

/* -- names and groups ---------------------------------------------------- */

static void make_own(void *arg)
{
	struct act *a = arg;
	struct mqshm_runtime_open_args o = ARGS(runtime_open, .uid = MQSHM_UID_SELF);
	struct snapshot s;
	int fd, viewer;

	become(a->uid, a->uid);
	fd = device_open();
	must(runtime_open(fd, rt_name) == -ENOENT);
	must(runtime_create_mode(fd, rt_name, 0, 0700, MQSHM_GID_SELF) == 0);
	must(snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s) == 0);
	must(((const struct mqshm_runtime_record *)
	      snapshot_next(&s, MQSHM_RECORD_RUNTIME, NULL))->uid == a->uid);
	snapshot_free(&s);
	strcpy(o.name, rt_name);
	viewer = device_open();
	must(command(viewer, MQSHM_IOC_RUNTIME_OPEN, &o) == 0);
	must(runtime_open_of(device_open(), rt_name, OWNER) == -EACCES);
}

/* Nobody can squat on another's name; "name" is one's own. */
TEST(names_belong_to_users)
{
	struct act owner = { OWNER, GROUP, 0700, NULL };
	struct act other = { STRANGER, STRANGER, 0, NULL };

	snprintf(rt_name, sizeof(rt_name), "%s", runtime_name());
	ASSERT_EQ(0, reap(spawn(make, &owner)));
	EXPECT_EQ(0, reap(spawn(make_own, &other)));
	EXPECT_EQ(0, unmake());
}

static void foreign_group(void *arg)
{
	become(OWNER, GROUP);
	must(runtime_create_mode(device_open(), rt_name, 0, 0770, GROUP + 1) == -EPERM);
	must(runtime_create_mode(device_open(), rt_name, 0, 0770, 0xfffffffe) == -EPERM);
	must(runtime_create_mode(device_open(), rt_name, 0, 0770, GROUP) == 0);
}

TEST(group_must_be_ones_own)
{
	snprintf(rt_name, sizeof(rt_name), "%s", runtime_name());
	EXPECT_EQ(0, reap(spawn(foreign_group, NULL)));
}

static void or_open_unreadable(void *arg)
{
	int fd;

	become(OWNER, GROUP);
	fd = device_open();
	must(runtime_create_mode(fd, rt_name, MQSHM_RUNTIME_F_OR_OPEN, 0700,
				 MQSHM_GID_SELF) == -EACCES);
}

/* An owner who took the read bit from himself. */
TEST(or_open_needs_read)
{
	struct act a = { OWNER, GROUP, 0300, NULL };

	snprintf(rt_name, sizeof(rt_name), "%s", runtime_name());
	ASSERT_EQ(0, reap(spawn(make, &a)));
	EXPECT_EQ(0, reap(spawn(or_open_unreadable, NULL)));
	EXPECT_EQ(0, unmake());
}

static bool lists(int fd)
{
	const struct mqshm_runtime_record *r = NULL;
	struct snapshot s;

	must(snapshot_take(fd, MQSHM_QUERY_RUNTIMES, &s) == 0);
	while ((r = snapshot_next(&s, MQSHM_RECORD_RUNTIME, r)) &&
	       (strcmp(r->name, rt_name) || r->uid != OWNER))
		;
	return r;
}

static void list_as(void *arg)
{
	struct act *a = arg;

	become(a->uid, a->group);
	a->answers->list = lists(device_open());
}

static void list_all(struct __test_metadata *_metadata, __u32 mode, int owner, int member,
		     int stranger)
{
	const struct { uid_t uid; gid_t group; int sees; } people[] = {
		{ OWNER, GROUP, owner }, { MEMBER, GROUP, member }, { STRANGER, STRANGER,
								     stranger },
	};
	struct answers *answers = shared_memory(4096);
	struct act a = { OWNER, GROUP, mode, NULL };

	snprintf(rt_name, sizeof(rt_name), "%s", runtime_name());
	ASSERT_EQ(0, reap(spawn(make, &a)));
	for (size_t i = 0; i < ARRAY_SIZE(people); i++) {
		struct act look = { people[i].uid, people[i].group, 0, answers };

		answers->list = -1;
		EXPECT_EQ(0, reap(spawn(list_as, &look)));
		EXPECT_EQ(people[i].sees, answers->list) TH_LOG("mode %o, person %zu", mode, i);
	}
	EXPECT_EQ(true, lists(device_open())) TH_LOG("root sees all");
	EXPECT_EQ(0, unmake());
}

TEST(list_of_runtimes_shows_what_may_be_read)
{
	list_all(_metadata, 0700, 1, 0, 0);
	list_all(_metadata, 0740, 1, 1, 0);
	list_all(_metadata, 0744, 1, 1, 1);
	list_all(_metadata, 0733, 1, 0, 0);
}

/* Joining is checked with the rights of who joins, not of who opened. */
static void join_passed_descriptor(void *arg)
{
	int fd = *(int *)arg;

	become(STRANGER, STRANGER);
	must(client_join(fd, 0, NULL) == -EACCES);
	must(pool_create(fd, "pool", 64, 1, NULL) == -EACCES);
}

TEST(descriptor_of_root_gives_no_rights)
{
	int fd = runtime_create_fd(runtime_name(), 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, reap(spawn(join_passed_descriptor, &fd)));
}

/* -- monitors ------------------------------------------------------------- */

static char private_name[MQSHM_RUNTIME_NAME_LEN];

/**
 * struct stranger - a child of another user that watches which runtimes there are
 * @fd: a monitor that it inherits, or -1: it opens one
 * @ready: it watches
 */
struct stranger {
	int fd;
	volatile int ready;
};

static void stranger(void *arg)
{
	struct stranger *s = arg;
	struct mqshm_notice n;

	become(STRANGER, STRANGER);
	if (s->fd < 0)
		s->fd = watch_fd(NULL);
	must(s->fd >= 0);
	s->ready = 1;
	must(read(s->fd, &n, sizeof(n)) == sizeof(n));
	must(n.change == MQSHM_CHANGE_CAME && !strcmp(n.name, rt_name));
	must(read(s->fd, &n, sizeof(n)) == sizeof(n));
	must(n.change == MQSHM_CHANGE_WENT && !strcmp(n.name, rt_name));
}

/* Makes and removes a runtime that a stranger may not read, and one that it may. */
static void private_and_public(struct __test_metadata *_metadata, int fd)
{
	struct stranger *s = shared_memory(sizeof(*s));
	int fds[2];
	pid_t pid;

	s->fd = fd;
	snprintf(rt_name, sizeof(rt_name), "%s", runtime_name());
	snprintf(private_name, sizeof(private_name), "%s-p", runtime_name());
	pid = spawn(stranger, s);
	while (!s->ready)
		sleep_us(200);
	fds[0] = device_open();
	fds[1] = device_open();
	ASSERT_EQ(0, runtime_create_mode(fds[0], private_name, 0, 0773, MQSHM_GID_SELF));
	ASSERT_EQ(0, runtime_create_mode(fds[1], rt_name, 0, 0704, MQSHM_GID_SELF));
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
}

TEST(monitor_tells_of_what_may_be_read)
{
	private_and_public(_metadata, -1);
}

/* The rights are those of who reads, not of who opened. */
TEST(monitor_of_root_gives_no_rights)
{
	struct reader r = { .fd = watch_fd(NULL) };

	private_and_public(_metadata, watch_fd(NULL));
	EXPECT_NEXT(&r, RUNTIME, CAME, ANY_ID);
	EXPECT_STREQ(private_name, r.n.name);
	EXPECT_NEXT(&r, RUNTIME, CAME, ANY_ID);
	EXPECT_STREQ(rt_name, r.n.name);
	EXPECT_NEXT(&r, RUNTIME, WENT, ANY_ID);
	EXPECT_NEXT(&r, RUNTIME, WENT, ANY_ID);
	EXPECT_NOTHING(&r);
}

TEST_HARNESS_MAIN
