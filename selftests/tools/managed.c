// SPDX-License-Identifier: GPL-2.0-only
/* managed RUNTIME MQTOOL: what a program can do by mqshm_manager.h; says what is not so. */
#include <dirent.h>
#include <errno.h>
#include <mqshm_manager.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int wrong;

#define CHECK(what) do {						\
	if (!(what)) {							\
		printf("managed.c:%d: not so: %s\n", __LINE__, #what);	\
		wrong = 1;						\
	}								\
} while (0)

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void start(struct mqshm_manager *m)
{
	const struct mqshm_param bad = { "gian", "2" };
	struct mqshm_block_spec spec = { .type = "Splitter", .name = "spl", .process_name = "one" };
	struct mqshm_process_info p;
	char *said, *log;

	CHECK(!mqshm_manager_start_block(m, &spec, &p, NULL));
	CHECK(p.pid && p.ours && p.state == MQSHM_PROCESS_RUNNING);
	CHECK(!strcmp(p.name, "one") && !strcmp(p.block, "spl"));
	spec = (struct mqshm_block_spec){
		.type = "Router", .name = "rtr", .restart.when = MQSHM_RESTART_ON_FAILURE,
	};
	CHECK(!mqshm_manager_start_block(m, &spec, NULL, NULL));

	spec = (struct mqshm_block_spec){ .type = "Amplifier", .name = "unstarted", .params = &bad, .n_params = 1 };
	CHECK(mqshm_manager_start_block(m, &spec, &p, &said) == -ECHILD);
	CHECK(p.state == MQSHM_PROCESS_ENDED && p.code == 1 && !p.signal);
	CHECK(said && strstr(said, "gian"));
	free(said);
	log = mqshm_manager_log_path(m, "unstarted");
	CHECK(log && !fopen(log, "r") && errno == ENOENT);
	free(log);
	spec = (struct mqshm_block_spec){ .type = "Splitter", .name = "s", .log = "/nowhere/log" };
	CHECK(mqshm_manager_start_block(m, &spec, NULL, NULL) == -ENOENT);
}

static void look(struct mqshm_manager *m)
{
	struct mqshm_connection_info *connections;
	struct mqshm_process_info *processes;
	struct mqshm_block_info *blocks;
	struct mqshm_stats stats;
	uint64_t id, found;
	size_t n;

	CHECK(!mqshm_manager_connect(m, "spl:out1", "rtr:in1", NULL, &id));
	CHECK(!mqshm_manager_find_connection(m, "spl:out1", "rtr:in1", &found) && found == id);
	CHECK(mqshm_manager_find_connection(m, "spl:out2", "rtr:in1", &found) == -ENOENT);
	CHECK(mqshm_manager_find_connection(m, "spl", "rtr:in1", &found) == -ENOENT);

	CHECK(!mqshm_manager_list_processes(m, &processes, &n) && n == 2);
	CHECK(!strcmp(processes[0].name, "one") && processes[0].clients == 1 && processes[0].blocks == 1);
	CHECK(!strcmp(processes[1].name, "rtr_proc") && processes[1].ours);
	CHECK(!mqshm_manager_list_blocks(m, &blocks, &n) && n == 2);
	CHECK(!strcmp(blocks[0].name, "spl") && !strcmp(blocks[0].type, "Splitter"));
	CHECK(blocks[0].pid == processes[0].pid && blocks[1].pid == processes[1].pid && !blocks[0].stopping);
	CHECK(!mqshm_manager_list_connections(m, &connections, &n) && n == 1);
	CHECK(connections->id == id && connections->depth && !connections->queued);
	CHECK(!strcmp(connections->from, "spl:out1") && !strcmp(connections->to, "rtr:in1"));
	CHECK(!mqshm_manager_get_stats(m, &stats));
	CHECK(stats.processes == 2 && stats.blocks == 2 && stats.connections == 1);
	CHECK(stats.buffers && stats.buffers == stats.buffers_free && !stats.deaths && !stats.restarts);
	free(processes);
	free(blocks);
	free(connections);
}

static void kill_and_restart(struct mqshm_manager *m)
{
	const struct mqshm_block_record *block;
	struct mqshm_process_info p;
	struct mqshm_snapshot *snap;
	uint64_t id, deadline = mqshm_after_ms(10000);
	struct mqshm_stats stats;
	uint32_t event;

	CHECK(mqshm_manager_next(m, &event, &p, MQSHM_NO_WAIT) == -ETIMEDOUT);
	CHECK(!mqshm_runtime_snapshot(mqshm_manager_runtime(m), &snap));
	block = mqshm_snapshot_find_block(snap, "rtr");
	CHECK(!mqshm_manager_kill_client(m, block->client));
	CHECK(!mqshm_manager_next(m, &event, &p, MQSHM_FOREVER));
	CHECK(event == MQSHM_EVENT_RESTARTS && p.signal == SIGKILL && !strcmp(p.block, "rtr"));
	CHECK(p.state == MQSHM_PROCESS_RESTARTS);
	CHECK(!mqshm_manager_next(m, &event, &p, MQSHM_FOREVER));
	CHECK(event == MQSHM_EVENT_RESTARTED && p.restarts == 1 && p.state == MQSHM_PROCESS_RUNNING);
	/* it is another client now */
	CHECK(!mqshm_manager_kill_client(m, block->client));
	mqshm_snapshot_free(snap);
	/* spl has to let go of the old end first */
	while (mqshm_manager_find_connection(m, "spl:out1", "rtr:in1", &id) &&
	       mqshm_now_ns() < deadline)
		usleep(1000);
	CHECK(!mqshm_manager_find_connection(m, "spl:out1", "rtr:in1", &id));
	CHECK(!mqshm_manager_get_stats(m, &stats) && stats.restarts == 1 && stats.deaths == 1);
	CHECK(!mqshm_manager_disconnect(m, id) && mqshm_manager_disconnect(m, id) == -ENOENT);
}

static void stop(struct mqshm_manager *m)
{
	struct mqshm_process_info p, *processes;
	uint32_t event;
	size_t n;

	CHECK(mqshm_manager_stop_block(m, "nosuch", mqshm_after_ms(10000)) == -ENOENT);
	CHECK(mqshm_manager_stop_process(m, 1, mqshm_after_ms(10000)) == -ENOENT);
	CHECK(!mqshm_manager_list_processes(m, &processes, &n));
	CHECK(!mqshm_manager_stop_process(m, processes[0].pid, mqshm_after_ms(10000)));
	free(processes);
	CHECK(!mqshm_manager_next(m, &event, &p, MQSHM_FOREVER));
	CHECK(event == MQSHM_EVENT_ENDED && p.stopped && !p.code && !strcmp(p.block, "spl"));
	CHECK(!mqshm_manager_stop_all(m, mqshm_after_ms(10000)));
	CHECK(!mqshm_manager_next(m, &event, &p, MQSHM_FOREVER));
	CHECK(event == MQSHM_EVENT_ENDED && p.stopped && !strcmp(p.block, "rtr"));
	CHECK(mqshm_manager_next(m, &event, &p, MQSHM_FOREVER) == -ECHILD);
	CHECK(!mqshm_manager_list_processes(m, &processes, &n) && n == 2);
	CHECK(processes[0].state == MQSHM_PROCESS_ENDED && processes[1].restarts == 1);
	free(processes);
}

static void refuse(const char *runtime)
{
	static const char *const nobody[] = { "/nowhere", "nobody", NULL };
	const struct mqshm_block_spec spec = { .type = "Splitter", .name = "s" };
	struct mqshm_manager *m;

	CHECK(mqshm_manager_open("nosuch", NULL, &m) == -ENOENT);
	CHECK(!mqshm_manager_open(runtime, NULL, &m));
	CHECK(mqshm_manager_start_block(m, &spec, NULL, NULL) == -ENOENT);
	mqshm_manager_close(m);
	CHECK(!mqshm_manager_open(runtime, nobody, &m));
	CHECK(mqshm_manager_start_block(m, &spec, NULL, NULL) == -ENOENT);
	mqshm_manager_close(m);
	mqshm_manager_close(NULL);
}

int main(int argc, char **argv)
{
	int files = open_files();
	const char *const worker[] = { argv[argc - 1], "mqtool", "start", NULL };
	struct mqshm_manager *m;

	if (argc != 3 || mqshm_manager_open(argv[1], worker, &m))
		return 1;
	start(m);
	look(m);
	kill_and_restart(m);
	stop(m);
	mqshm_manager_close(m);
	refuse(argv[1]);
	CHECK(open_files() == files);
	return wrong;
}
