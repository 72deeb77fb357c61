// SPDX-License-Identifier: GPL-2.0-only
/*
 * mqshm-bench-file: a file through FileSource and FileSink into another one, by direct I/O
 * and by read and write, and beside that by cp: throughput, and processor time a GB.
 *
 * The clock stops when all is on the disk. Processor time is that of the processes and of the
 * fsync behind them, with what the kernel does there; where nothing else runs, also all of
 * the machine's, which has what the kernel does by itself.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../blocks/blocks.h"
#include "../place.h"

#define RUNTIME		"bench-file"
#define PIECE		(1 << 20)
#define ROUNDS_MAX	50
#define GB		1e9

enum way { WAY_DIRECT, WAY_PLAIN, WAY_CP, WAYS };

static const char *const way_names[WAYS] = { "direct", "read-write", "cp" };

/**
 * struct figures - of one copy
 * @seconds: until all is on the disk
 * @cpu: processor time of the processes and of fsync, s
 * @machine_cpu: of the machine, s
 */
struct figures {
	double seconds;
	double cpu;
	double machine_cpu;
};

/**
 * struct options - the command line
 * @folder: where the files are
 * @bytes: of the file
 * @rounds: copies each way
 * @ahead: reads in flight
 * @only: enum way, WAYS for all
 * @json: where the figures go, or NULL
 * @in: the file
 * @out: its copy
 */
struct options {
	const char *folder;
	uint64_t bytes;
	unsigned int rounds;
	unsigned int ahead;
	int only;
	const char *json;
	char in[512];
	char out[512];
};

static void die(const char *what, int error)
{
	fprintf(stderr, "mqshm-bench-file: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static void check(int error, const char *what)
{
	if (error)
		die(what, error);
}

/* -- clocks ------------------------------------------------------------------------------ */

static double now(void)
{
	return mqshm_now_ns() / 1e9;
}

static double cpu_of(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return r.ru_utime.tv_sec + r.ru_stime.tv_sec +
	       (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* All that was not idle, of all processors. */
static double machine_cpu(void)
{
	unsigned long long t[8] = { 0 };
	FILE *f = fopen("/proc/stat", "r");
	int n;

	if (!f)
		return 0;
	n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
		   &t[4], &t[5], &t[6], &t[7]);
	fclose(f);
	return n < 7 ? 0 : (t[0] + t[1] + t[2] + t[5] + t[6]) / (double)sysconf(_SC_CLK_TCK);
}

/* -- files --------------------------------------------------------------------------------- */

/* What it holds is not the same anywhere. */
static void file_make(const struct options *o)
{
	uint64_t *piece = malloc(PIECE), x = 88172645463325252ull;
	int fd = open(o->in, O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd < 0)
		die(o->in, errno);
	for (uint64_t at = 0; at < o->bytes; at += PIECE) {
		size_t n = o->bytes - at < PIECE ? o->bytes - at : PIECE;

		for (size_t i = 0; i < PIECE / sizeof(*piece); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			piece[i] = x;
		}
		if (write(fd, piece, n) != (ssize_t)n)
			die(o->in, errno ? errno : ENOSPC);
	}
	if (fsync(fd))
		die(o->in, errno);
	close(fd);
	free(piece);
}

/* To the disk, and out of the page cache if it shall be read from the disk again. */
static void file_settle(const char *name, bool forget)
{
	int fd = open(name, O_RDONLY);

	if (fd < 0 || fsync(fd))
		die(name, errno);
	if (forget)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static void files_compare(const struct options *o)
{
	char *a = malloc(PIECE), *b = malloc(PIECE);
	int in = open(o->in, O_RDONLY), out = open(o->out, O_RDONLY);
	ssize_t n, m;

	do {
		n = read(in, a, PIECE);
		m = read(out, b, PIECE);
		if (n < 0 || n != m || memcmp(a, b, n))
			die(o->out, EILSEQ);
	} while (n);
	close(in);
	close(out);
	free(a);
	free(b);
}

/* -- ways ------------------------------------------------------------------------------------ */

static void block_main(const struct mqshm_block_ops *ops, const char *name,
		       const struct mqshm_param *params, size_t n, double *cpu)
{
	struct mqshm_client_options options = { .direct_io = true };
	struct mqshm_instance *in;
	struct mqshm_client *c;
	char *sentence = NULL;

	check(mqshm_client_join(RUNTIME, &options, &c), "join");
	if (mqshm_instance_new(c, ops, name, params, n, &sentence, &in) ||
	    mqshm_instance_run(in, &sentence) != MQSHM_DONE) {
		fprintf(stderr, "mqshm-bench-file: %s: %s\n", name, sentence ? sentence : "stopped");
		exit(1);
	}
	mqshm_instance_free(in);
	mqshm_client_close(c);
	*cpu = cpu_of(RUSAGE_SELF);
	exit(0);
}

static void reap(pid_t pid, const char *what)
{
	int status;

	if (place_wait(pid, &status) || !WIFEXITED(status) || WEXITSTATUS(status))
		die(what, ECHILD);
}

/* Two processes; what they have used is in cpu[0] and cpu[1]. */
static void copy_by_blocks(const struct options *o, const char *direct, double *cpu)
{
	char ahead[16];
	const struct mqshm_param source[] = {
		{ "filename", o->in }, { "direct", direct }, { "ahead", ahead },
	};
	const struct mqshm_param sink[] = { { "filename", o->out }, { "direct", direct } };
	struct mqshm_runtime *rt;
	pid_t pids[2];
	int error;

	snprintf(ahead, sizeof(ahead), "%u", o->ahead);
	check(mqshm_runtime_create(RUNTIME, NULL, &rt), "runtime (is the module loaded?)");
	check(mqshm_pool_create(rt, "64K", 64 << 10, 192), "pool");
	pids[0] = place_fork();
	if (!pids[0])
		block_main(&file_source_ops, "src", source, 3, &cpu[0]);
	pids[1] = place_fork();
	if (!pids[1])
		block_main(&file_sink_ops, "snk", sink, 2, &cpu[1]);
	while ((error = mqshm_connect(rt, "src", "snk", NULL)) == -ENOENT)
		usleep(1000);
	check(error, "connect");
	reap(pids[0], "src");
	reap(pids[1], "snk");
	mqshm_runtime_close(rt);
}

static void copy_by_cp(const struct options *o)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		execlp("cp", "cp", o->in, o->out, NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		die("cp", ECHILD);
}

static void copy(const struct options *o, enum way way, double *shared, struct figures *f)
{
	double cpu, self, machine, begin;

	unlink(o->out);
	file_settle(o->in, true);
	shared[0] = shared[1] = 0;
	cpu = cpu_of(RUSAGE_CHILDREN);
	machine = machine_cpu();
	begin = now();
	if (way == WAY_CP)
		copy_by_cp(o);
	else
		copy_by_blocks(o, way == WAY_DIRECT ? "1" : "0", shared);
	cpu = way == WAY_CP ? cpu_of(RUSAGE_CHILDREN) - cpu : shared[0] + shared[1];
	self = cpu_of(RUSAGE_SELF);
	file_settle(o->out, false);
	*f = (struct figures){ .seconds = now() - begin, .cpu = cpu + cpu_of(RUSAGE_SELF) - self,
			       .machine_cpu = machine_cpu() - machine };
}

/* -- telling ----------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(const struct figures *f, unsigned int n, size_t field)
{
	double values[ROUNDS_MAX];

	for (unsigned int i = 0; i < n; i++)
		memcpy(&values[i], (const char *)&f[i] + field, sizeof(double));
	qsort(values, n, sizeof(*values), by_value);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void tell(const struct options *o, struct figures (*f)[ROUNDS_MAX])
{
	struct json_object *top = json_object_new_object(), *ways = json_object_new_array();
	double gb = o->bytes / GB;

	json_object_object_add(top, "place", json_object_new_string(place_name));
	json_object_object_add(top, "bytes", json_object_new_uint64(o->bytes));
	json_object_object_add(top, "rounds", json_object_new_int(o->rounds));
	json_object_object_add(top, "ways", ways);
	printf("%.2f GB, %s: medians of %u\n%-12s %8s %18s %18s\n", gb, place_name, o->rounds, "way",
	       "MB/s", "CPU s/GB, processes", "machine");
	for (enum way w = 0; w < WAYS; w++) {
		if (o->only != WAYS && o->only != (int)w)
			continue;
		struct json_object *way = json_object_new_object();
		double rate = gb * 1000 / median(f[w], o->rounds, offsetof(struct figures, seconds));
		double cpu = median(f[w], o->rounds, offsetof(struct figures, cpu)) / gb;
		double all = median(f[w], o->rounds, offsetof(struct figures, machine_cpu)) / gb;

		json_object_object_add(way, "way", json_object_new_string(way_names[w]));
		json_object_object_add(way, "mb_per_s", json_object_new_double(rate));
		json_object_object_add(way, "cpu_s_per_gb", json_object_new_double(cpu));
		json_object_object_add(way, "machine_cpu_s_per_gb", json_object_new_double(all));
		json_object_array_add(ways, way);
		printf("%-12s %8.0f %19.4f %18.3f\n", way_names[w], rate, cpu, all);
	}
	if (o->json && json_object_to_file_ext(o->json, top, JSON_C_TO_STRING_PRETTY))
		die(o->json, errno);
	json_object_put(top);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	char *end = "";

	switch (key) {
	case 'r':
		o->rounds = strtoul(arg, &end, 10);
		if (*end || !o->rounds || o->rounds > ROUNDS_MAX)
			argp_error(state, "--rounds takes a number from 1 to %d", ROUNDS_MAX);
		return 0;
	case 'b':
		o->bytes = strtoull(arg, &end, 10) * 1000000;
		if (*end || !o->bytes)
			argp_error(state, "--mbytes takes a number");
		return 0;
	case 'a':
		o->ahead = strtoul(arg, &end, 10);
		return 0;
	case 'j':
		o->json = arg;
		return 0;
	case 'w':
		for (o->only = 0; o->only < WAYS && strcmp(way_names[o->only], arg);)
			o->only++;
		if (o->only == WAYS)
			argp_error(state, "--way %s: it is direct, read-write or cp", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (o->folder)
			argp_error(state, "%s: one folder is enough", arg);
		o->folder = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "in which folder? it takes two files of --mbytes");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option keys[] = {
		{ "rounds", 'r', "N", 0, "copies each way (3)", 0 },
		{ "mbytes", 'b', "N", 0, "size of the file (1100)", 0 },
		{ "ahead", 'a', "N", 0, "reads in flight (8)", 0 },
		{ "way", 'w', "NAME", 0, "only direct, read-write or cp", 0 },
		{ "json", 'j', "FILE", 0, "all figures as JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = keys, .parser = parse, .args_doc = "FOLDER",
		.doc = "Measures a file through FileSource and FileSink, beside cp.",
	};
	static struct figures figures[WAYS][ROUNDS_MAX];
	struct options o = { .rounds = 3, .bytes = 1100000000, .ahead = 8, .only = WAYS };
	double *shared;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	snprintf(o.in, sizeof(o.in), "%s/mqshm-bench-in", o.folder);
	snprintf(o.out, sizeof(o.out), "%s/mqshm-bench-out", o.folder);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	file_make(&o);
	place_start();
	for (unsigned int r = 0; r < o.rounds; r++) {
		for (enum way w = 0; w < WAYS; w++) {
			if (o.only != WAYS && o.only != (int)w)
				continue;
			copy(&o, w, shared, &figures[w][r]);
			if (!r)
				files_compare(&o);
		}
	}
	tell(&o, figures);
	unlink(o.in);
	unlink(o.out);
	return 0;
}
