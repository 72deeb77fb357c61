// SPDX-License-Identifier: GPL-2.0-only
/* churn RUNTIME COUNT: makes and removes a block that often, in a client of its own. */
#include <mqshm.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct mqshm_port_spec port = { .name = "in", .direction = MQSHM_DIR_IN };
	struct mqshm_client *client;
	struct mqshm_block *block;

	if (argc != 3 || mqshm_client_join(argv[1], NULL, &client))
		return 1;
	for (int i = atoi(argv[2]); i > 0; i--) {
		if (mqshm_block_create(client, "churn", "Churn", MQSHM_CLASS_SINK, &port, 1, &block))
			return 1;
		mqshm_block_remove(block);
	}
	mqshm_client_close(client);
	return 0;
}
