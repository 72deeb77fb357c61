// SPDX-License-Identifier: GPL-2.0-only
/* What several commands take on their lines, and the words for what is wrong with it. */
#include <string.h>

#include "mqtool.h"

const char *line_block_name(const char *arg, struct argp_state *state)
{
	if (!*arg || strlen(arg) >= MQSHM_BLOCK_NAME_LEN || strchr(arg, ':'))
		argp_error(state, "--name %s: 1 to %d bytes, without :", arg,
			   MQSHM_BLOCK_NAME_LEN - 1);
	return arg;
}

const char *line_process_name(const char *arg, struct argp_state *state)
{
	if (!*arg || strlen(arg) >= MQSHM_PROCESS_NAME_LEN)
		argp_error(state, "--process %s: 1 to %d bytes", arg, MQSHM_PROCESS_NAME_LEN - 1);
	return arg;
}

void line_add_param(struct mqshm_param **params, size_t *n, char *arg, const char *option,
		    struct argp_state *state)
{
	char *equals = strchr(arg, '=');

	if (!equals || equals == arg) {
		argp_error(state, "%s%s: it is KEY=VALUE", option, arg);
		return;
	}
	*equals = '\0';
	*params = grow(*params, *n + 1, sizeof(**params));
	(*params)[(*n)++] = (struct mqshm_param){ .key = arg, .value = equals + 1 };
}

uint64_t line_timeout_s(const char *arg, struct argp_state *state)
{
	uint64_t seconds = 0;

	if (!parse_number(arg, 1000000, &seconds))
		argp_error(state, "--timeout %s: it is a number of seconds", arg);
	return seconds;
}
