// SPDX-License-Identifier: GPL-2.0-only
/* The module is there and answers: the node, its mode, an unknown command. */

#include "kselftest_harness.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

TEST(node_is_for_owner_and_group)
{
	struct stat st;

	ASSERT_EQ(0, stat("/dev/mqshm", &st));
	EXPECT_TRUE(S_ISCHR(st.st_mode));
	EXPECT_EQ(0660, st.st_mode & 07777);
}

TEST(unknown_command_is_enotty)
{
	int fd = open("/dev/mqshm", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, ioctl(fd, _IO('?', 255), 0));
	EXPECT_EQ(ENOTTY, errno);
	close(fd);
}

TEST_HARNESS_MAIN
