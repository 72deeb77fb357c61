// SPDX-License-Identifier: GPL-2.0-only
/* mqtool doctor: whether all is there that mqshm needs, and what to do if not. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "mqtool.h"

#define DEVICE	"/dev/mqshm"
#define MODULE	"/sys/module/mqshm"
#define SECURE_BOOT "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

#define CONFIG_LINE_MAX	256

enum finding { GOOD, NOTE, BAD };

/**
 * struct report - what was found
 * @json: array of findings; NULL: they are printed at once
 * @bad: one of them is bad
 */
struct report {
	struct json_object *json;
	bool bad;
};

/* @what: in a word or two; @advice: what to do, NULL for nothing. Takes over @found, @advice. */
static void tell(struct report *r, enum finding finding, const char *what, char *found,
		 char *advice)
{
	static const char *const words[] = { "ok", "note", "bad" };
	struct json_object *o;

	r->bad = r->bad || finding == BAD;
	if (r->json) {
		o = json_object_new_object();
		json_object_object_add(o, "check", json_object_new_string(what));
		json_object_object_add(o, "finding", json_object_new_string(words[finding]));
		json_object_object_add(o, "found", json_object_new_string(found));
		json_object_object_add(o, "advice", advice ? json_object_new_string(advice) : NULL);
		json_object_array_add(r->json, o);
	} else {
		printf("%-5s %-12s %s\n", words[finding], what, found);
		if (advice)
			printf("%19s%s\n", "", advice);
	}
	free(found);
	free(advice);
}

/* The first bytes of a small file, "" if there is none. */
static size_t file_read(const char *path, char *buffer, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, buffer, bytes - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		n = 0;
	buffer[n] = '\0';
	return n;
}

/* -- the kernel ------------------------------------------------------------------------ */

static void check_kernel(struct report *r, const struct utsname *u)
{
	unsigned int major = 0, minor = 0;

	sscanf(u->release, "%u.%u", &major, &minor);
	if (strcmp(u->machine, "x86_64"))
		tell(r, NOTE, "kernel", text("%s on %s", u->release, u->machine),
		     text("only x86-64 is tested"));
	else if (major < 6 || (major == 6 && minor < 1))
		tell(r, BAD, "kernel", text("%s", u->release), text("the module needs Linux 6.1 or newer"));
	else if (major > 6 || minor > 12)
		tell(r, NOTE, "kernel", text("%s", u->release), text("6.1 to 6.12 are tested"));
	else
		tell(r, GOOD, "kernel", text("%s", u->release), NULL);
}

/* The options of @wanted (ended by NULL) that a kernel's config file has not set, with
 * blanks between; NULL if there is no file. */
static char *config_missing(const char *path, const char *const *wanted)
{
	char line[CONFIG_LINE_MAX], *missing = text("%s", ""), *longer;
	FILE *file = fopen(path, "re");
	bool found[8] = { false };

	if (!file) {
		free(missing);
		return NULL;
	}
	while (fgets(line, sizeof(line), file))
		for (size_t i = 0; wanted[i]; i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i])) &&
			    !strncmp(line + strlen(wanted[i]), "=y", 2))
				found[i] = true;
	fclose(file);
	for (size_t i = 0; wanted[i]; i++) {
		if (found[i])
			continue;
		longer = text("%s%s%s", missing, *missing ? " " : "", wanted[i]);
		free(missing);
		missing = longer;
	}
	return missing;
}

static void check_config(struct report *r, const struct utsname *u)
{
	static const char *const wanted[] = {
		"CONFIG_MODULES", "CONFIG_MMU_NOTIFIER", "CONFIG_SHMEM", "CONFIG_EVENTFD", NULL
	};
	char *path = text("/boot/config-%s", u->release), *missing = config_missing(path, wanted);

	if (!missing)
		tell(r, NOTE, "config", text("%s is not there to be looked at", path), NULL);
	else if (*missing)
		tell(r, BAD, "config", text("this kernel is built without %s", missing),
		     text("take a kernel that has that, such as the distribution's"));
	else
		tell(r, GOOD, "config", text("all that the module needs is built in"), NULL);
	free(missing);
	free(path);
}

/* Whether this kernel takes modules that nobody has signed. */
static void check_signatures(struct report *r)
{
	char secure[8], enforce[8], lockdown[128];
	bool on = file_read(SECURE_BOOT, secure, sizeof(secure)) == 5 && secure[4] == 1;

	file_read("/sys/module/module/parameters/sig_enforce", enforce, sizeof(enforce));
	file_read("/sys/kernel/security/lockdown", lockdown, sizeof(lockdown));
	if (*enforce == 'Y' || strstr(lockdown, "[integrity]") || strstr(lockdown, "[confidentiality]"))
		tell(r, NOTE, "signatures", text("this kernel takes signed modules only (Secure Boot "
		     "is %s)", on ? "on" : "off"),
		     text("sign mqshm.ko with a key that mokutil has enrolled, or turn Secure Boot off"));
	else
		tell(r, GOOD, "signatures", text("modules need no signature"), NULL);
}

/* -- the module --------------------------------------------------------------------------- */

/* Whether modprobe would find the module. */
static bool is_installed(const struct utsname *u)
{
	char *path = text("/lib/modules/%s/modules.dep", u->release), line[4096];
	FILE *file = fopen(path, "re");
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, "/mqshm.ko") && strcspn(line, ":") > strcspn(line, "/");
	if (file)
		fclose(file);
	free(path);
	return found;
}

static bool check_module(struct report *r, const struct utsname *u)
{
	if (!access(MODULE, F_OK)) {
		tell(r, GOOD, "module", text("mqshm is loaded"), NULL);
		return true;
	}
	if (is_installed(u))
		tell(r, BAD, "module", text("it is installed, but not loaded"),
		     text("sudo modprobe mqshm"));
	else
		tell(r, BAD, "module", text("it is neither loaded nor installed for this kernel"),
		     text("in the source tree: make modules && sudo make load"));
	return false;
}

static bool is_member(const struct group *group)
{
	gid_t groups[256];
	int n = getgroups(256, groups);

	for (int i = 0; i < n; i++)
		if (groups[i] == group->gr_gid)
			return true;
	return getegid() == group->gr_gid;
}

static bool is_listed(const struct group *group, const char *user)
{
	for (char **member = group->gr_mem; *member; member++)
		if (!strcmp(*member, user))
			return true;
	return false;
}

static char *permission_advice(void)
{
	const struct group *group = getgrnam("mqshm");
	char *user = show_user(geteuid()), *advice;

	if (!group)
		advice = text("sudo groupadd -f mqshm, install the udev rule (sudo make install), and "
			      "load the module again");
	else if (is_member(group))
		advice = text("the device is not the group's: sudo chgrp mqshm " DEVICE
			      " && sudo chmod 660 " DEVICE);
	else if (is_listed(group, user))
		advice = text("you are in the group mqshm, but not in this session: log in again");
	else
		advice = text("sudo adduser %s mqshm, then log in again", user);
	free(user);
	return advice;
}

static bool check_device(struct report *r)
{
	if (access(DEVICE, F_OK)) {
		tell(r, BAD, "device", text(DEVICE " is not there, though the module is loaded"),
		     text("in a container it must be let in: --device " DEVICE));
		return false;
	}
	if (access(DEVICE, R_OK | W_OK)) {
		tell(r, BAD, "device", text("you may not open " DEVICE), permission_advice());
		return false;
	}
	tell(r, GOOD, "device", text("you may open " DEVICE), NULL);
	return true;
}

static bool check_versions(struct report *r)
{
	struct mqshm_monitor *monitor;
	int error = mqshm_monitor_open(NULL, &monitor);

	if (!error) {
		mqshm_monitor_close(monitor);
		tell(r, GOOD, "versions", text("library %s and the module speak version %d",
					       mqshm_version(), MQSHM_ABI_VERSION), NULL);
		return true;
	}
	if (error == -EPROTONOSUPPORT)
		tell(r, BAD, "versions", text("library %s and the module do not speak the same version",
					      mqshm_version()),
		     text("take both from one source tree, and load the module again"));
	else
		tell(r, BAD, "versions", text("the module does not answer: %s", strerror(-error)), NULL);
	return false;
}

/* -- limits --------------------------------------------------------------------------------- */

static void check_limits(struct report *r)
{
	struct mqshm_snapshot *snap;
	struct rlimit files;
	char runtimes[32];
	size_t mine = 0;
	uint64_t bytes = 0;
	char *memory;

	file_read(MODULE "/parameters/user_runtimes", runtimes, sizeof(runtimes));
	if (!mqshm_runtimes_snapshot(&snap)) {
		for (size_t i = 0; i < snap->n_runtimes; i++) {
			if (snap->runtimes[i].uid != geteuid())
				continue;
			mine++;
			bytes += snap->runtimes[i].memory_bytes;
			if (snap->runtimes[i].state & MQSHM_STATE_TAINTED)
				tell(r, NOTE, "runtime", text("%s is tainted: a client broke the rules, "
							      "and buffers may be out of use",
							      snap->runtimes[i].name),
				     text("make it anew: mqtool remove, mqtool init"));
		}
		mqshm_snapshot_free(snap);
	}
	memory = show_bytes(bytes);
	if (mine && mine >= strtoul(runtimes, NULL, 10) && geteuid())
		tell(r, BAD, "limits", text("you have %zu runtimes, as many as a user may have", mine),
		     text("mqtool remove takes one away; the module's parameter user_runtimes is the limit"));
	else
		tell(r, GOOD, "limits", text("you have %zu runtimes of at most %lu, with %s", mine,
					     strtoul(runtimes, NULL, 10), memory), NULL);
	free(memory);
	if (!getrlimit(RLIMIT_NOFILE, &files) && files.rlim_cur < 1024)
		tell(r, NOTE, "files", text("a process may have %lu open files",
					    (unsigned long)files.rlim_cur),
		     text("that is little for a large graph: ulimit -n 1024"));
}

/* What pools and workers can ask for. */
static void check_places(struct report *r)
{
	const char *no_huge = place_no_huge();
	char *nodes = place_nodes();

	if (no_huge)
		tell(r, NOTE, "huge pages", text("%s", no_huge), NULL);
	else
		tell(r, GOOD, "huge pages", text("pools can be on them: mqtool pool add --huge"), NULL);
	tell(r, GOOD, "NUMA nodes", text("%s %s", nodes, strpbrk(nodes, ",-") ? "have memory" :
					 "is the only one"), NULL);
	free(nodes);
}

/* -- a message -------------------------------------------------------------------------------- */

/* From an output to an input of a client of @name; -errno. */
static int send_message(struct mqshm_runtime *rt, struct mqshm_client *c)
{
	static const struct mqshm_port_spec ports[] = {
		{ .name = "out", .direction = MQSHM_DIR_OUT }, { .name = "in", .direction = MQSHM_DIR_IN },
	};
	struct mqshm_buffer buffer = { .number = MQSHM_NO_BUFFER };
	struct mqshm_block *block;
	int error;

	error = mqshm_block_create(c, "doctor", "doctor", MQSHM_CLASS_PROCESSING, ports, 2, &block);
	error = error ? error : mqshm_connect(rt, "doctor:out", "doctor:in", NULL);
	error = error ? error : mqshm_client_update(c);
	if (error < 0)
		return error;
	error = mqshm_buffer_alloc(c, 64, mqshm_after_ms(1000), &buffer);
	if (error)
		return error;
	buffer.length = 1;
	error = mqshm_port_push(mqshm_block_port(block, "out"), &buffer, 0);
	error = error ? error : mqshm_port_pop(mqshm_block_port(block, "in"), &buffer);
	if (buffer.number != MQSHM_NO_BUFFER)
		mqshm_buffer_release(c, &buffer);
	return error;
}

static int try_message(const char *name)
{
	struct mqshm_client *client;
	struct mqshm_runtime *rt;
	int error = mqshm_runtime_create(name, NULL, &rt);

	if (error)
		return error;
	error = mqshm_pool_create(rt, "doctor", 64, 4);
	error = error ? error : mqshm_client_join(name, NULL, &client);
	if (!error) {
		error = send_message(rt, client);
		mqshm_client_close(client);
	}
	mqshm_runtime_close(rt);
	return error;
}

static void check_message(struct report *r)
{
	char *name = text("doctor-%d", (int)getpid());
	int error = try_message(name);

	if (error)
		tell(r, BAD, "message", text("a message through a runtime of its own fails: %s",
					     strerror(-error)), NULL);
	else
		tell(r, GOOD, "message", text("a message went through a runtime of its own"), NULL);
	free(name);
}

/* -- the command --------------------------------------------------------------------------------- */

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct report *r = state->input;

	switch (key) {
	case 'j':
		r->json = json_object_new_array();
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it takes no words", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int command_doctor(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "json", 'j', NULL, 0, "Findings as JSON", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, NULL, "Looks whether all is there that mqshm needs, and says what to do."
		"\vStatus 1 if something is bad.", NULL, NULL, NULL
	};
	struct report report = { 0 };
	struct json_object *all;
	struct utsname u;

	argp_parse(&argp, argc, argv, 0, NULL, &report);
	uname(&u);
	check_kernel(&report, &u);
	check_config(&report, &u);
	if (access(MODULE, F_OK))
		check_signatures(&report);
	if (check_module(&report, &u) && check_device(&report) && check_versions(&report)) {
		check_limits(&report);
		check_places(&report);
		check_message(&report);
	}
	if (report.json) {
		all = json_object_new_object();
		json_object_object_add(all, "checks", report.json);
		puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
		json_object_put(all);
	}
	return report.bad ? EXIT_FAILED : EXIT_DONE;
}
