// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths of a process and of its threads: by itself, by a signal, slowly, by exec. Its
 * clients are settled when its memory can be written no more, and not before.
 */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "victim.h"

VICTIM_FIXTURE(death)

/* -- exit and kill ---------------------------------------------------------- */

static void hold_and_exit(void *arg)
{
	victim_join(O_CLOEXEC);
}

static void hold_and_sleep(void *arg)
{
	victim_join(O_CLOEXEC);
	victim_sleep();
}

TEST_F(death, exit)
{
	ASSERT_EQ(0, reap(spawn(hold_and_exit, NULL)));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_F(death, kill)
{
	pid_t pid = spawn(hold_and_sleep, NULL);

	ASSERT_TRUE(victim_await());
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	EXPECT_EQ(pid, self->departed.pid);
	EXPECT_STREQ("test", self->departed.name);
}

static void hold_and_crash(void *arg)
{
	victim_join(O_CLOEXEC);
	raise(SIGSEGV);
}

TEST_F(death, crash)
{
	ASSERT_EQ(256 + SIGSEGV, reap(spawn(hold_and_crash, NULL)));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

/* -- stops ------------------------------------------------------------------- */

/* A buffer in and out, to see that its calls work. */
static int call(int fd)
{
	struct mqshm_return_args give = ARGS(return, .count = 1);
	struct mqshm_lease_args l;
	int err = lease(fd, 0, 1, &l);

	if (err)
		return err;
	give.buffers[0] = l.buffers[0];
	return command(fd, MQSHM_IOC_RETURN, &give);
}

static void hold_and_call(void *arg)
{
	int fd = victim_join(O_CLOEXEC);

	stage->ready = 1;
	while (!stage->go)
		sleep_us(500);
	stage->seen = call(fd) ?: 1;
	victim_sleep();
}

static void stop(struct __test_metadata *_metadata, pid_t pid)
{
	int status;

	ASSERT_TRUE(victim_await());
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
}

TEST_F(death, stop_is_no_death)
{
	pid_t pid = spawn(hold_and_call, NULL);
	struct mqshm_client_record r;
	struct tally t;

	stop(_metadata, pid);
	stage->go = 1;
	EXPECT_TRUE(victim_look(self->fd, &r));
	EXPECT_NE(MQSHM_CLIENT_EXITING, r.state);
	EXPECT_EQ(stage->hold, r.held_buffers);
	EXPECT_EQ(0, tally_take(self->fd, &t));
	EXPECT_TRUE(tally_whole(&t));
	EXPECT_EQ(0, stage->seen);
	ASSERT_EQ(0, kill(pid, SIGCONT));
	EXPECT_EQ(1, victim_go()) TH_LOG("it goes on");
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_F(death, kill_of_a_stopped_process)
{
	pid_t pid = spawn(hold_and_sleep, NULL);

	stop(_metadata, pid);
	EXPECT_TRUE(victim_listed(self->fd));
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

/* -- slow deaths --------------------------------------------------------------- */

static bool await_exiting(int fd)
{
	uint64_t deadline = after_ms(PATIENCE_MS);
	struct mqshm_client_record r;

	if (!victim_await())
		return false;
	while (victim_look(fd, &r) && r.state != MQSHM_CLIENT_EXITING && now_ns() < deadline)
		sleep_us(500);
	return r.state == MQSHM_CLIENT_EXITING;
}

#define CORE_PATTERN	"/proc/sys/kernel/core_pattern"
#define HANDLER		"/tmp/mqshm-core-handler"
#define FIFO		"/tmp/mqshm-core-fifo"

static int file_write(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | flags, 0600);
	int err = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;

	close(fd);
	return err;
}

static char core_pattern[256];

/* Cores go to a program that does not read them until core_read(); whether they can. */
static bool core_begin(void)
{
	int fd = open(CORE_PATTERN, O_RDWR);
	bool has = fd >= 0 && read(fd, core_pattern, sizeof(core_pattern) - 1) > 0;

	close(fd);
	unlink(FIFO);
	return has && !mkfifo(FIFO, 0600) &&
	       !file_write(HANDLER, O_CREAT | O_TRUNC, "read line < " FIFO "\ncat > /dev/null\n") &&
	       !file_write(CORE_PATTERN, 0, "|/bin/sh " HANDLER);
}

static bool core_read(void)
{
	uint64_t deadline = after_ms(PATIENCE_MS);
	int err;

	/* ENXIO: the handler is not there yet */
	while ((err = file_write(FIFO, O_NONBLOCK, "\n")) == -ENXIO && now_ns() < deadline)
		sleep_us(500);
	return !err;
}

static void core_end(void)
{
	file_write(CORE_PATTERN, 0, core_pattern);
	unlink(FIFO);
	unlink(HANDLER);
}

/* More than a pipe holds. */
static void hold_and_dump(void *arg)
{
	static char bulk[1 << 20];

	memset(bulk, 1, sizeof(bulk));
	victim_join(O_CLOEXEC);
	stage->ready = 1;
	raise(SIGABRT);
}

TEST_F(death, core_dump)
{
	pid_t pid;

	if (!core_begin())
		SKIP(return, "no core dumps");
	pid = spawn(hold_and_dump, NULL);
	EXPECT_TRUE(await_exiting(self->fd));
	EXPECT_EXITING();
	EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_TRUE(core_read());
	core_end();
	EXPECT_EQ(256 + SIGABRT, reap_within(pid, PATIENCE_MS));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_F(death, kill_during_a_core_dump)
{
	pid_t pid;

	if (!core_begin())
		SKIP(return, "no core dumps");
	pid = spawn(hold_and_dump, NULL);
	EXPECT_TRUE(await_exiting(self->fd));
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	EXPECT_TRUE(core_read());
	core_end();
}

/* Killed, and held by a tracer at its exit: its memory is as it was. */
static pid_t stop_at_exit(struct __test_metadata *_metadata)
{
	pid_t pid = spawn(hold_and_sleep, NULL);
	int status;

	EXPECT_TRUE(victim_await());
	EXPECT_EQ(0, ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACEEXIT));
	kill(pid, SIGKILL);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(SIGTRAP | PTRACE_EVENT_EXIT << 8, status >> 8);
	return pid;
}

TEST_F(death, ptrace_exit_stop)
{
	pid_t pid = stop_at_exit(_metadata);

	EXPECT_EXITING();
	EXPECT_EQ(0, ptrace(PTRACE_CONT, pid, NULL, NULL));
	EXPECT_EQ(256 + SIGKILL, reap_within(pid, PATIENCE_MS));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

static void trace_and_die(void *arg)
{
	struct __test_metadata unused = {};

	stop_at_exit(&unused);
	stage->go = 1;
	for (;;)
		pause();
}

TEST_F(death, tracer_of_an_exit_stop_dies)
{
	pid_t tracer = spawn(trace_and_die, NULL);
	uint64_t deadline = after_ms(PATIENCE_MS);

	while (!stage->go && now_ns() < deadline)
		sleep_us(500);
	EXPECT_EXITING();
	slay(tracer);
	EXPECT_TRUE(victim_gone_within(self->fd, PATIENCE_MS, &self->departed));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

/* -- exec ------------------------------------------------------------------------ */

static __attribute__((noreturn)) void exec_loop(void)
{
	execl("/bin/sh", "sh", "-c", "while :; do sleep 1; done", NULL);
	must_failed(__FILE__, __LINE__, "exec");
}

static void hold_and_exec(void *arg)
{
	victim_join(*(int *)arg);
	stage->ready = 1;
	exec_loop();
}

static void exec_with(struct __test_metadata *_metadata, FIXTURE_DATA(death) *self, int flags)
{
	pid_t pid = spawn(hold_and_exec, &flags);

	ASSERT_TRUE(victim_await());
	EXPECT_TRUE(victim_gone_within(self->fd, PATIENCE_MS, &self->departed));
	EXPECT_EQ(0, kill(pid, 0));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	slay(pid);
}

TEST_F(death, exec)
{
	exec_with(_metadata, self, O_CLOEXEC);
}

TEST_F(death, exec_that_keeps_the_descriptor)
{
	exec_with(_metadata, self, 0);
}

/* -- without a death: descriptors that go ----------------------------------------- */

/* Without mappings, and with a second descriptor. */
TEST_F(death, last_descriptor_closed)
{
	int fd = victim_join(O_CLOEXEC);
	int copy = dup(fd);

	ASSERT_LE(0, copy);
	close(fd);
	EXPECT_TRUE(victim_listed(self->fd));
	close(copy);
	EXPECT_SETTLED(MQSHM_DEPARTED_RELEASE);
}

TEST_F(death, detach)
{
	int fd = victim_join(O_CLOEXEC);

	EXPECT_EQ(0, id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_SETTLED(MQSHM_DEPARTED_DETACH);
	EXPECT_EQ(-ESHUTDOWN, id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_EQ(-EBADFD, client_join(fd, 0, NULL)) TH_LOG("once, for good");
}

/* Settled by the removal; its death later is that of nobody. */
TEST_F(death, runtime_removed_by_force_before)
{
	pid_t pid = spawn(hold_and_sleep, NULL);

	ASSERT_TRUE(victim_await());
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_SETTLED(MQSHM_DEPARTED_FORCED);
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_FORCED);
}

/* -- threads ------------------------------------------------------------------ */

static void *wait_a_while(void *arg)
{
	struct mqshm_wait_args w = ARGS(wait, .deadline_ns = after_ms(300));
	struct mqshm_client_sync_args sync;
	int fd = *(int *)arg;

	client_sync(fd, &sync);
	w.gen = sync.out_gen;
	stage->ready = 1;
	return (void *)(long)command(fd, MQSHM_IOC_WAIT, &w);
}

TEST_F(death, close_while_another_thread_sleeps)
{
	int fd = victim_join(O_CLOEXEC);
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_a_while, &fd));
	ASSERT_TRUE(victim_await());
	sleep_us(20000);
	close(fd);
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(-ETIMEDOUT, (long)result);
	EXPECT_TRUE(victim_gone_within(self->fd, PATIENCE_MS, &self->departed));
	EXPECT_SETTLED(MQSHM_DEPARTED_RELEASE);
}

TEST_F(death, detach_while_another_thread_sleeps)
{
	int fd = victim_join(O_CLOEXEC);
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_a_while, &fd));
	ASSERT_TRUE(victim_await());
	sleep_us(20000);
	EXPECT_EQ(0, id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_SETTLED(MQSHM_DEPARTED_DETACH);
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(-ESHUTDOWN, (long)result);
}

static void *join_in_a_thread(void *arg)
{
	*(int *)arg = victim_join(O_CLOEXEC);
	return NULL;
}

/* Clients belong to memories and descriptors, not to threads. */
TEST_F(death, thread_that_joined_ends)
{
	pthread_t thread;
	int fd;

	ASSERT_EQ(0, pthread_create(&thread, NULL, join_in_a_thread, &fd));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_TRUE(victim_listed(self->fd));
	EXPECT_EQ(0, call(fd));
	close(fd);
	EXPECT_SETTLED(MQSHM_DEPARTED_RELEASE);
}

/* A thread with descriptors of its own takes its client along. */
static void *join_apart(void *arg)
{
	must(unshare(CLONE_FILES) == 0);
	*(int *)arg = victim_join(O_CLOEXEC);
	return NULL;
}

TEST_F(death, thread_with_descriptors_of_its_own_ends)
{
	struct mqshm_lease_args l;
	pthread_t thread;
	int fd;

	ASSERT_EQ(0, pthread_create(&thread, NULL, join_apart, &fd));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	/* joined is: has no memory any more, and files go after that */
	EXPECT_TRUE(victim_gone_within(self->fd, PATIENCE_MS, &self->departed));
	EXPECT_SETTLED(MQSHM_DEPARTED_RELEASE);
	EXPECT_GT(0, lease(fd, 0, 1, &l));
}

static __attribute__((noreturn)) void *outlive_the_leader(void *arg)
{
	sleep_us(50000);
	stage->seen = call(*(int *)arg) ?: 1;
	victim_sleep();
}

static void leave_leader(void *arg)
{
	static int fd;
	pthread_t thread;

	fd = victim_join(O_CLOEXEC);
	must(pthread_create(&thread, NULL, outlive_the_leader, &fd) == 0);
	pthread_exit(NULL);
}

TEST_F(death, leader_exits_before_its_threads)
{
	pid_t pid = spawn(leave_leader, NULL);
	struct mqshm_client_record r;

	ASSERT_TRUE(victim_await());
	EXPECT_EQ(1, stage->seen) TH_LOG("its calls work");
	EXPECT_TRUE(victim_look(self->fd, &r));
	EXPECT_NE(MQSHM_CLIENT_EXITING, r.state);
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

/* One memory, several clients: all go. */
static void hold_thrice(void)
{
	struct mqshm_lease_args l;

	for (int i = 0; i < 3; i++) {
		int fd = runtime_open_fd(runtime_name());

		must(client_join(fd, 0, NULL) == 0);
		must(lease(fd, 0, 8, &l) == 0);
		/* exec keeps it */
		must(fcntl(fd, F_SETFD, 0) == 0);
	}
	stage->ready = 1;
}

static void hold_thrice_and_sleep(void *arg)
{
	hold_thrice();
	victim_sleep();
}

static void hold_thrice_and_exec(void *arg)
{
	hold_thrice();
	while (!stage->go)
		sleep_us(500);
	exec_loop();
}

static pid_t start_thrice(struct __test_metadata *_metadata, FIXTURE_DATA(death) *self,
			  void (*fn)(void *), unsigned int held)
{
	pid_t pid = spawn(fn, NULL);
	struct tally t;

	EXPECT_TRUE(victim_await());
	EXPECT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(held, t.held);
	return pid;
}

TEST_F(death, several_clients_of_one_process)
{
	unsigned int held = variant->buffers == 3 ? 3 : 24;
	struct tally t;

	slay(start_thrice(_metadata, self, hold_thrice_and_sleep, held));
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(0U, t.clients);
	EXPECT_TRUE(tally_all_free(&t));
}

/* Only their memory ends. */
TEST_F(death, several_clients_of_one_exec)
{
	unsigned int held = variant->buffers == 3 ? 3 : 24;
	pid_t pid = start_thrice(_metadata, self, hold_thrice_and_exec, held);
	struct tally t;

	stage->go = 1;
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, PATIENCE_MS));
	EXPECT_EQ(0, kill(pid, 0));
	slay(pid);
}

TEST_HARNESS_MAIN
