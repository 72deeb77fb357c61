// SPDX-License-Identifier: GPL-2.0-only
/* Which runtime a command means, and why it cannot be used when it cannot. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mqtool.h"

#define DEVICE "/dev/mqshm"

char *runtime_label(const struct mqshm_runtime_record *r)
{
	char *user, *label;

	if (r->uid == geteuid())
		return text("%s", r->name);
	user = show_user(r->uid);
	label = text("%s/%s", user, r->name);
	free(user);
	return label;
}

/* What may go wrong before a runtime is even looked for; false if it is not that. */
static bool device_fail(int error)
{
	if (error == -ENODEV) {
		fail(DEVICE, NULL, "the module is not loaded; load it: sudo modprobe mqshm "
		     "(in the source tree: sudo make load)");
		return true;
	}
	if (error == -EPROTONOSUPPORT) {
		fail(DEVICE, NULL, "the module that is loaded speaks another version than mqtool; "
		     "take both from one source tree, and load the module again");
		return true;
	}
	if (error == -EACCES && access(DEVICE, R_OK | W_OK) != 0) {
		fail(DEVICE, NULL, "you may not open it; it is for the group mqshm: "
		     "sudo adduser $USER mqshm, then log in again");
		return true;
	}
	return false;
}

static void runtime_names(struct names *names)
{
	struct mqshm_snapshot *snap;
	char *label;

	if (mqshm_runtimes_snapshot(&snap))
		return;
	for (size_t i = 0; i < snap->n_runtimes; i++) {
		label = runtime_label(&snap->runtimes[i]);
		names_add(names, label);
		free(label);
	}
	mqshm_snapshot_free(snap);
}

static int runtime_unknown(const char *name)
{
	struct names names = { 0 };
	char *hint;

	runtime_names(&names);
	hint = names_hint(&names, name, "runtimes");
	fail("runtime", name, "there is none of that name%s", hint);
	if (!strchr(name, '/'))
		fprintf(stderr, "        make it: mqtool init --name %s\n", name);
	free(hint);
	names_free(&names);
	return EXIT_FAILED;
}

int runtime_fail(const char *name, int error)
{
	if (device_fail(error))
		return EXIT_FAILED;
	switch (error) {
	case -ENOENT:
		return runtime_unknown(name);
	case -ESRCH:
		return fail("runtime", name, "there is no user %.*s; it is USER/NAME",
			    (int)strcspn(name, "/"), name);
	case -EACCES:
		return fail("runtime", name, "its mode does not let you in (read lists, write "
			    "changes the graph, execute joins); ask its owner");
	case -EINVAL:
		return fail("runtime", name, "this cannot be a name: 1 to %d bytes, or USER/NAME",
			    MQSHM_RUNTIME_NAME_LEN - 1);
	case -ENOSPC:
		return limit_reached("runtime", name, name, "clients");
	default:
		return fail_errno("runtime", name, error);
	}
}

/* The only runtime that may be read. */
static char *only_runtime(int *status)
{
	struct names names = { 0 };
	struct mqshm_snapshot *snap;
	char *name = NULL, *list;
	int error = mqshm_runtimes_snapshot(&snap);

	if (error) {
		*status = runtime_fail("?", error);
		return NULL;
	}
	mqshm_snapshot_free(snap);
	runtime_names(&names);
	if (names.n == 1) {
		name = text("%s", names.name[0]);
	} else if (!names.n) {
		*status = fail("runtime", NULL, "there is none; make one: mqtool init --name NAME");
	} else {
		list = names_join(&names);
		fail("runtime", NULL, "which one? name it by --runtime or $MQSHM_RUNTIME; "
		     "runtimes: %s", list);
		free(list);
		*status = EXIT_USAGE;
	}
	names_free(&names);
	return name;
}

char *runtime_name(const char *option, int *status)
{
	const char *given = option ? option : getenv("MQSHM_RUNTIME");

	if (given && (*given || option))
		return text("%s", given);
	return only_runtime(status);
}

int runtime_open(const char *option, struct mqshm_runtime **rt, char **name)
{
	int status = EXIT_FAILED, error;

	*name = runtime_name(option, &status);
	if (!*name)
		return status;
	error = mqshm_runtime_open(*name, rt);
	if (!error)
		return 0;
	status = runtime_fail(*name, error);
	free(*name);
	*name = NULL;
	return status;
}

int manager_open(const char *option, struct mqshm_manager **manager, char **name)
{
	int status = EXIT_FAILED, error;

	*name = runtime_name(option, &status);
	if (!*name)
		return status;
	error = mqshm_manager_open(*name, NULL, manager);
	if (!error)
		return 0;
	status = runtime_fail(*name, error);
	free(*name);
	*name = NULL;
	return status;
}

int runtime_snapshot(struct mqshm_runtime *rt, const char *name, struct mqshm_snapshot **snap)
{
	int error = mqshm_runtime_snapshot(rt, snap);

	return error ? fail_errno("runtime", name, error) : 0;
}
