/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every test uses: commands by ioctl alone (no library), snapshots, processes,
 * time, numbers of rounds. Functions return 0 or -errno unless they say otherwise.
 */
#ifndef MQSHM_TEST_H
#define MQSHM_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/mqshm.h>

#define DEVICE		"/dev/mqshm"
/*
 * How long a test waits for what must come: a wake-up that takes longer is lost. Long,
 * for an emulated machine on a busy host now and then stands still for many seconds.
 */
#define PATIENCE_MS	60000
#define POISON32	0xccccccccU
#define POISON64	0xccccccccccccccccULL

/* Arguments of a command: ARGS(lease, .pool = 1), the rest 0. */
#define ARGS(command, ...) \
	((struct mqshm_##command##_args){ \
		.size = sizeof(struct mqshm_##command##_args), ##__VA_ARGS__ })

/* -- commands ------------------------------------------------------------ */

/* A new descriptor, close-on-exec. */
int device_open(void);
int command(int fd, unsigned int number, void *args);
/* A command that takes struct mqshm_id_args. */
int id_command(int fd, unsigned int number, __u64 id);

/* Name of this test's runtime: of its own for each process, borrowed. */
const char *runtime_name(void);

int runtime_create(int fd, const char *name, __u32 flags);
int runtime_create_mode(int fd, const char *name, __u32 flags, __u32 mode, __u32 gid);
int runtime_open(int fd, const char *name);
int runtime_open_of(int fd, const char *name, __u32 uid);
/* Device opened and bound to a runtime of that name; a descriptor or -errno. */
int runtime_create_fd(const char *name, __u32 flags);
int runtime_open_fd(const char *name);
int runtime_remove(int fd, __u32 flags, __u32 *clients);
/* Index of the pool or -errno; @out may be NULL. */
int pool_create(int fd, const char *name, __u32 buffer_bytes, __u32 buffers,
		struct mqshm_pool_create_args *out);
int client_join(int fd, __u32 flags, struct mqshm_client_join_args *out);
/* One block with an input "in" of @depth and an output "out"; port numbers to
 * ports[0] and ports[1]. */
int block_create(int fd, const char *name, __u32 depth, __u32 ports[2], __u64 *id);
/* From port "out" of one block to port "in" of the other. */
int connect_blocks(int fd, const char *from, const char *to, __u64 *id);
int client_sync(int fd, struct mqshm_client_sync_args *out);
/* First ATTACH event of that direction that CLIENT_SYNC tells. */
int attach_ring(int fd, __u32 direction, struct mqshm_event *out);
int lease(int fd, __u32 pool, __u32 count, struct mqshm_lease_args *out);

/* mmap() of a region; NULL and errno on failure. */
void *region_map(int fd, __u32 what, __u32 which, size_t bytes, int prot);

/* -- snapshots ----------------------------------------------------------- */

struct snapshot {
	char *data;
	__u64 bytes;
	__u64 now_ns;
	__u64 changes;
};

int snapshot_take(int fd, __u32 what, struct snapshot *s);
void snapshot_free(struct snapshot *s);
/* Record of @kind after @prev (NULL: the first), or NULL. */
const void *snapshot_next(const struct snapshot *s, __u32 kind, const void *prev);
size_t snapshot_count(const struct snapshot *s, __u32 kind);
/* Records by name or number; NULL if there is none. */
const struct mqshm_block_record *snapshot_block(const struct snapshot *s, const char *name);
const struct mqshm_client_record *snapshot_client(const struct snapshot *s, __u64 id);
const struct mqshm_connection_record *snapshot_connection(const struct snapshot *s, __u64 id);
const struct mqshm_departed_record *snapshot_departed(const struct snapshot *s, __u64 id);

/**
 * struct tally - where the buffers of a runtime are
 * @buffers: of all pools
 * @free: in depots
 * @quarantined: out of use
 * @held: with a reference in the hands of a live client, summed over clients
 * @queued: messages in rings
 * @clients: clients now
 * @state: MQSHM_STATE_*
 * @busy: clients that do not sleep in the module
 */
struct tally {
	__u64 buffers;
	__u64 free;
	__u64 quarantined;
	__u64 held;
	__u64 queued;
	__u32 clients;
	__u32 state;
	__u32 busy;
};

int tally_take(int fd, struct tally *t);
/* Each buffer is at exactly one place; only where no buffer is shared. */
bool tally_whole(const struct tally *t);
/* Nobody has anything: all buffers are free. */
bool tally_all_free(const struct tally *t);
/* Looks again until all buffers are free and no client is left; -ETIMEDOUT. */
int tally_wait_free(int fd, struct tally *t, unsigned int ms);

/* -- processes, time, counts --------------------------------------------- */

/* A child that dies with its parent, runs @fn and exits with 0. */
pid_t spawn(void (*fn)(void *arg), void *arg);
/* Exit status; 256 + number if a signal ended it. */
int reap(pid_t pid);
/* The same, but kills it and gives -ETIMEDOUT if it takes longer. */
int reap_within(pid_t pid, unsigned int ms);
/* Kill and reap. */
void slay(pid_t pid);

/* In a child: says what was wrong and ends the process. */
#define must(condition) \
	do { \
		if (!(condition)) \
			must_failed(__FILE__, __LINE__, #condition); \
	} while (0)
void must_failed(const char *file, int line, const char *what) __attribute__((noreturn));

/* Memory that children share with their parent, zeroed. */
void *shared_memory(size_t bytes);

__u64 now_ns(void);
__u64 after_ms(__u64 ms);
void sleep_us(unsigned int us);

/*
 * From here on the process runs on the first processor only. Races need two; but to
 * wake a processor costs an emulated machine so much that the bulk of a long test
 * runs on one.
 */
void stay_on_one_processor(void);

/*
 * MQSHM_ROUNDS if set, else @many with MQSHM_LONG=1, else @few; a tenth of @few on
 * one processor: that is a User Mode Linux, where a switch of tasks takes long.
 */
__u64 rounds(__u64 few, __u64 many);

/* One processor, and a memory that the host's mappings shadow. */
bool user_mode_linux(void);

/* Sets a parameter of the module: 0 or -errno. */
int parameter_set(const char *name, const char *value);

/* Random numbers that MQSHM_SEED (printed) repeats. */
__u64 random_seed(void);
__u64 random_next(__u64 *state);

#endif /* MQSHM_TEST_H */
