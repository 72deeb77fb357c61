// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who lists or watches all runtimes sees those that he may read, and that there are
 * others is no attempt at them: no capability is asked for, which an audit would tell of.
 */
#include <errno.h>
#include <mqshm_bus.h>

#include "test.h"

/* What somebody sees of the runtimes there are, by a list and by notices. */
static void look(const char *who, bool capable, uid_t uid, bool sees)
{
	struct mqshm_monitor *m;
	struct mqshm_runtime *rt;
	struct mqshm_snapshot *snap;
	struct mqshm_notice notice;
	unsigned int told = 0, denied;

	host_set_user(uid, uid, capable);
	denied = host_denied();
	test_check(mqshm_monitor_open(NULL, &m), "monitor");
	host_set_user(1000, 1000, false);
	rt = runtime_make(64, 1);
	host_set_user(uid, uid, capable);
	test_check(mqshm_runtimes_snapshot(&snap), "snapshot");
	while (!mqshm_monitor_next(m, &notice, MQSHM_NO_WAIT))
		told++;
	test_ok(snap->n_runtimes == sees && told == sees,
		"%s sees %s", who, sees ? "the runtime" : "nothing");
	test_ok(host_denied() == denied, "and was asked for nothing that he has not");
	mqshm_snapshot_free(snap);
	mqshm_monitor_close(m);
	host_set_user(1000, 1000, false);
	mqshm_runtime_close(rt);
}

/* Each call that opens the device asks what it speaks first. */
static void other_version(void)
{
	struct mqshm_snapshot *snap;
	struct mqshm_monitor *m;
	struct mqshm_runtime *rt;
	struct mqshm_client *c;
	struct mqshm_bus *bus;

	sys_version = MQSHM_ABI_VERSION + 1;
	test_ok(mqshm_runtime_create("other", NULL, &rt) == -EPROTONOSUPPORT &&
		mqshm_runtime_open("other", &rt) == -EPROTONOSUPPORT &&
		mqshm_client_join("other", NULL, &c) == -EPROTONOSUPPORT &&
		mqshm_bus_open("other", NULL, &bus) == -EPROTONOSUPPORT &&
		mqshm_monitor_open(NULL, &m) == -EPROTONOSUPPORT &&
		mqshm_runtimes_snapshot(&snap) == -EPROTONOSUPPORT,
		"a module of another version is not talked to");
	sys_version = MQSHM_ABI_VERSION;
}

int main(void)
{
	host_start();
	other_version();
	look("its owner", false, 1000, true);
	look("somebody else", false, 1001, false);
	look("who has the capability", true, 1001, true);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
