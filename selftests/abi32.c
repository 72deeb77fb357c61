// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 32-bit program: the same layout, management works, a native client does not.
 * Run by abi_test.
 */

#include "abi_layout.h"

#include <errno.h>
#include <unistd.h>

#include "mqshm_test.h"

int main(void)
{
	struct mqshm_info_args info = ARGS(info);
	struct mqshm_client_join_args join;
	struct snapshot s;
	int fd = device_open();

	must(sizeof(long) == 4);
	must(fd >= 0);
	must(command(fd, MQSHM_IOC_INFO, &info) == 0);
	must(info.out_magic == MQSHM_MAGIC);
	must(runtime_create(fd, runtime_name(), 0) == 0);
	must(pool_create(fd, "pool", 64, 8, NULL) == 0);
	must(snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s) == 0);
	must(snapshot_count(&s, MQSHM_RECORD_POOL) == 1);
	snapshot_free(&s);
	must(client_join(fd, 0, &join) == -EOPNOTSUPP);
	must(join.out_id == POISON64);
	return 0;
}
