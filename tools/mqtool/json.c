// SPDX-License-Identifier: GPL-2.0-only
/* JSON objects: putting in what the commands show, and printing them. */
#include <json-c/json.h>
#include <stdlib.h>
#include <unistd.h>

#include "mqtool.h"

void json_add(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

void json_add_text(struct json_object *o, const char *key, const char *value)
{
	char *shown = show_utf8(value);

	json_object_object_add(o, key, json_object_new_string(shown));
	free(shown);
}

void json_add_flag(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

void json_add_real(struct json_object *o, const char *key, double value)
{
	/* three places: what is behind them is noise */
	char *shown = text("%.3f", value);

	json_object_object_add(o, key, json_object_new_double_s(value, shown));
	free(shown);
}

struct json_object *json_add_array(struct json_object *o, const char *key)
{
	struct json_object *array = json_object_new_array();

	json_object_object_add(o, key, array);
	return array;
}

struct json_object *json_add_object(struct json_object *o, const char *key)
{
	struct json_object *inner = json_object_new_object();

	json_object_object_add(o, key, inner);
	return inner;
}

static bool put(struct json_object *o, int flags)
{
	const char *s = json_object_to_json_string_ext(o, flags | JSON_C_TO_STRING_NOSLASHESCAPE);
	bool good = s && puts(s) >= 0;

	json_object_put(o);
	return good;
}

int json_print(struct json_object *o)
{
	bool good = put(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED);

	return good && fflush(stdout) != EOF ? EXIT_DONE : fail("output", NULL, "cannot be written");
}

int json_print_line(struct json_object *o)
{
	put(o, 0);
	return ends_flush();
}
