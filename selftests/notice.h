/* SPDX-License-Identifier: GPL-2.0-only */
/* Monitors by ioctl alone, and what the next notice must be. */
#ifndef NOTICE_H
#define NOTICE_H

#include "mqshm_test.h"

/* Makes a descriptor a monitor; 0 or -errno. */
int watch(int fd);
/* A monitor of a runtime, or (NULL) of which there are; a descriptor or -errno. */
int watch_fd(const char *runtime);

/*
 * The next notice: 1, or 0 at the end, or -errno; -ETIMEDOUT if none comes within
 * @ms. At most one is read.
 */
int notice_next(int fd, unsigned int ms, struct mqshm_notice *n);
/* "notice 7: client 12 test died" */
const char *notice_text(const struct mqshm_notice *n);
/*
 * Whether it is of a client that stalls or goes on again: clients without a library
 * do that whenever a test takes five seconds, so that few tests look at them.
 */
bool notice_is_stall(const struct mqshm_notice *n);

/**
 * struct reader - a monitor whose notices must be numbered without a gap
 * @fd: the monitor
 * @number: of the last notice
 * @last_ns: when that was
 * @n: that one
 * @stalls: those of stalls are not passed over
 * @ended: the end was read
 */
struct reader {
	int fd;
	__u64 number;
	__u64 last_ns;
	struct mqshm_notice n;
	bool stalls;
	bool ended;
};

/* The next one, as notice_next(); -ERANGE if it is not numbered and timed as it must be. */
int reader_next(struct reader *r, unsigned int ms);

#define ANY_ID	(~0ULL)

/* The next notice is of this kind; then it is @r->n. */
#define EXPECT_NEXT_AS(r, in_subject, in_change, in_id) \
do { \
	struct reader *__r = (r); \
	__u64 __id = (in_id); \
	ASSERT_EQ(1, reader_next(__r, PATIENCE_MS)) \
		TH_LOG("no " #in_subject ", " #in_change "; %s", notice_text(&__r->n)); \
	EXPECT_EQ(in_subject, __r->n.subject) TH_LOG("%s", notice_text(&__r->n)); \
	EXPECT_EQ(in_change, __r->n.change) TH_LOG("%s", notice_text(&__r->n)); \
	EXPECT_TRUE(__id == ANY_ID || __id == __r->n.id) TH_LOG("%s", notice_text(&__r->n)); \
} while (0)

#define EXPECT_NEXT(r, subject, change, id) \
	EXPECT_NEXT_AS(r, MQSHM_RECORD_##subject, MQSHM_CHANGE_##change, id)

#define EXPECT_NOTHING(r) \
	EXPECT_EQ(-ETIMEDOUT, reader_next(r, 0)) TH_LOG("%s", notice_text(&(r)->n))

#define EXPECT_END(r) \
do { \
	EXPECT_EQ(0, reader_next(r, PATIENCE_MS)) TH_LOG("%s", notice_text(&(r)->n)); \
	(r)->ended = true; \
} while (0)

#endif /* NOTICE_H */
