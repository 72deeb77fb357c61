// SPDX-License-Identifier: GPL-2.0-only
/* The layout of the ABI, in this program and in a 32-bit one. */

#include "abi_layout.h"
#include "kselftest_harness.h"

#include <limits.h>

#include "mqshm_test.h"

TEST(layout)
{
#define STRUCT(type, bytes) EXPECT_EQ((size_t)(bytes), sizeof(struct type)) TH_LOG("%s", #type);
#define FIELD(type, field, at, bytes) \
	EXPECT_EQ((size_t)(at), offsetof(struct type, field)) TH_LOG("%s.%s", #type, #field);
	ABI_LAYOUT
#undef STRUCT
#undef FIELD
}

TEST(slot_fields_do_not_overlap)
{
	__u64 slot = MQSHM_SLOT(MQSHM_BUFFERS_MAX - 1, MQSHM_LENGTH_MAX, 0xffff);

	EXPECT_EQ(~0ULL, slot);
	EXPECT_EQ(MQSHM_BUFFERS_MAX - 1, MQSHM_SLOT_BUFFER(slot));
	EXPECT_EQ(MQSHM_LENGTH_MAX, MQSHM_SLOT_USER(slot));
	EXPECT_EQ(0xffff, MQSHM_SLOT_LAP(slot));
	slot = MQSHM_SLOT(5, 6, 7);
	EXPECT_EQ(5U, MQSHM_SLOT_BUFFER(slot));
	EXPECT_EQ(6U, MQSHM_SLOT_USER(slot));
	EXPECT_EQ(7U, MQSHM_SLOT_LAP(slot));
}

TEST(intent_fields_do_not_overlap)
{
	__u64 intent = MQSHM_INTENT(MQSHM_OP_RELEASE, 1, 0xabcde, 0x1234, 0x56, 0x789a);

	EXPECT_EQ((unsigned int)MQSHM_OP_RELEASE, MQSHM_INTENT_OP(intent));
	EXPECT_EQ(1U, MQSHM_INTENT_PAR(intent));
	EXPECT_EQ(0xabcdeU, MQSHM_INTENT_BUFFER(intent));
	EXPECT_EQ(0x1234, MQSHM_INTENT_HOLD(intent));
	EXPECT_EQ(0x56, MQSHM_INTENT_N(intent));
	EXPECT_EQ(0x789a, MQSHM_INTENT_RING(intent));
	EXPECT_EQ(~0ULL, MQSHM_INTENT(7, 1, 0xfffff, 0xffff, 0xff, 0xffff));
}

TEST(laps_start_at_one_and_wrap)
{
	EXPECT_EQ(1, MQSHM_LAP(0ULL, 3));
	EXPECT_EQ(1, MQSHM_LAP(7ULL, 3));
	EXPECT_EQ(2, MQSHM_LAP(8ULL, 3));
	EXPECT_EQ(0, MQSHM_LAP(0xffffULL << 3, 3));
}

/* The same layout and commands for a 32-bit program. */
TEST(compat_program)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 8);
	pid_t pid;
	int rc;

	ASSERT_LT(0, n);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, "abi32");
	if (access(path, X_OK))
		SKIP(return, "no abi32 (built where gcc has -m32)");
	pid = fork();
	if (!pid) {
		execl(path, "abi32", NULL);
		_exit(errno == ENOEXEC ? 4 : 1);
	}
	rc = reap(pid);
	if (rc == 4)
		SKIP(return, "this kernel runs no 32-bit programs");
	EXPECT_EQ(0, rc);
}

TEST_HARNESS_MAIN
