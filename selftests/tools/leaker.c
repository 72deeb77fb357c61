// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program with a bug: "leaker RUNTIME NAME" takes messages at NAME:in and forgets to give
 * each third one back.
 */
#include <errno.h>
#include <mqshm.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	static const struct mqshm_port_spec in = { .name = "in", .direction = MQSHM_DIR_IN };
	struct mqshm_client *client;
	struct mqshm_block *block;
	struct mqshm_port *port;
	struct mqshm_buffer buf;
	unsigned int n = 0;
	int r;

	if (argc != 3 || mqshm_client_join(argv[1], NULL, &client) ||
	    mqshm_block_create(client, argv[2], "Leaker", MQSHM_CLASS_SINK, &in, 1, &block))
		return 1;
	port = mqshm_block_port(block, "in");
	while (!mqshm_block_stop_requested(block)) {
		r = mqshm_port_pop(port, &buf);
		if (r == -EAGAIN || r == -ENODATA) {
			r = mqshm_wait(client, &port, 1, MQSHM_FOREVER, NULL);
			if (r < 0 && r != -EINTR)
				return 1;
		} else if (r) {
			return 1;
		} else if (++n % 3) {
			mqshm_buffer_release(client, &buf);
		}
	}
	mqshm_client_close(client);
	return 0;
}
