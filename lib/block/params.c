// SPDX-License-Identifier: LGPL-2.1-or-later
/* Parameters of a block: texts, checked and parsed as the type's specs say. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "instance.h"

static int parse_number(const char *text, double *out)
{
	char *end;

	errno = 0;
	*out = strtod(text, &end);
	if (end == text || *end || errno == ERANGE || !isfinite(*out))
		return -EINVAL;
	return 0;
}

static int parse_integer(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 0);
	return end == text || *end || errno ? -EINVAL : 0;
}

/* Bytes, or with K, M or G times 1024 each; a B or iB after it changes nothing. */
static int parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "KMG";
	unsigned int shift = 0;
	const char *unit;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	unit = *end ? strchr(units, *end >= 'a' && *end <= 'z' ? *end - 32 : *end) : NULL;
	if (unit) {
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
		if (*end == 'i' && end[1] == 'B')
			end++;
	}
	if (*end == 'B')
		end++;
	if (*end || *out > UINT64_MAX >> shift)
		return -EINVAL;
	*out <<= shift;
	return 0;
}

static int parse_bool(const char *text, bool *out)
{
	static const char *const yes[] = { "1", "true", "yes", "on" };
	static const char *const no[] = { "0", "false", "no", "off" };
	size_t i;

	for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		*out = !strcasecmp(text, yes[i]);
		if (*out || !strcasecmp(text, no[i]))
			return 0;
	}
	return -EINVAL;
}

static const struct mqshm_param_spec *spec_find(const struct mqshm_block_ops *ops,
						const char *key)
{
	const struct mqshm_param_spec *spec = ops->params;

	for (; spec && spec->key; spec++) {
		if (!strcmp(spec->key, key))
			return spec;
	}
	return NULL;
}

static const char *given_find(const struct mqshm_instance *in, const char *key)
{
	size_t i;

	for (i = 0; i < in->n_params; i++) {
		if (!strcmp(in->params[i].key, key))
			return in->params[i].value;
	}
	return NULL;
}

const char *mqshm_instance_param(const struct mqshm_instance *in, const char *key)
{
	const char *given = given_find(in, key);
	const struct mqshm_param_spec *spec = given ? NULL : spec_find(in->ops, key);

	return spec ? spec->fallback : given;
}

/* Says which parameter is wrong and how; returns -EINVAL. */
static int wrong(struct mqshm_instance *in, const char *key, const char *what)
{
	const char *text = mqshm_instance_param(in, key);

	if (!text)
		return mqshm_instance_fail(in, -EINVAL, "parameter %s is missing", key);
	return mqshm_instance_fail(in, -EINVAL, "%s=%s: %s", key, text, what);
}

int mqshm_instance_number(struct mqshm_instance *in, const char *key, double *out)
{
	const char *text = mqshm_instance_param(in, key);

	if (!text || parse_number(text, out))
		return wrong(in, key, "this is no number, such as 2.5");
	return 0;
}

int mqshm_instance_integer(struct mqshm_instance *in, const char *key, int64_t min,
			   int64_t max, int64_t *out)
{
	const char *text = mqshm_instance_param(in, key);
	int64_t value;

	if (!text || parse_integer(text, &value))
		return wrong(in, key, "this is no integer, such as 3");
	if (value < min || value > max)
		return mqshm_instance_fail(in, -EINVAL, "%s=%s: must be %lld to %lld", key,
					   text, (long long)min, (long long)max);
	*out = value;
	return 0;
}

int mqshm_instance_size(struct mqshm_instance *in, const char *key, uint64_t *bytes)
{
	const char *text = mqshm_instance_param(in, key);

	if (!text || parse_size(text, bytes))
		return wrong(in, key, "this is no size, such as 4096, 64K or 1M");
	return 0;
}

int mqshm_instance_bool(struct mqshm_instance *in, const char *key, bool *out)
{
	const char *text = mqshm_instance_param(in, key);

	if (!text || parse_bool(text, out))
		return wrong(in, key, "this is neither 1 (yes, on, true) nor 0 (no, off, false)");
	return 0;
}

/* Place of @text in words with blanks between; -EINVAL if it is none of them. */
static int choice_find(const char *choices, const char *text, size_t *out)
{
	size_t length;

	for (*out = 0; *choices; (*out)++) {
		length = strcspn(choices, " ");
		if (length && strlen(text) == length && !strncmp(choices, text, length))
			return 0;
		choices += length;
		choices += strspn(choices, " ");
	}
	return -EINVAL;
}

int mqshm_instance_choice(struct mqshm_instance *in, const char *key, size_t *out)
{
	const struct mqshm_param_spec *spec = spec_find(in->ops, key);
	const char *text = mqshm_instance_param(in, key);

	if (!text)
		return wrong(in, key, NULL);
	if (!spec->choices || choice_find(spec->choices, text, out))
		return mqshm_instance_fail(in, -EINVAL, "%s=%s: it is one of: %s", key, text,
					   spec->choices ? spec->choices : "nothing");
	return 0;
}

int mqshm_params_count(struct mqshm_instance *in, const char *key, int64_t *n, bool *numbered)
{
	const struct mqshm_param_spec *spec = key ? spec_find(in->ops, key) : NULL;
	bool there = true;
	int r = 0;

	*numbered = spec && !strcmp(spec->kind, "integer");
	if (*numbered)
		return mqshm_instance_integer(in, key, 0, MQSHM_BATCH_MAX, n);
	if (key)
		r = mqshm_instance_bool(in, key, &there);
	*n = there;
	return r;
}

/* A word besides values of its kind. */
static bool is_choice(const struct mqshm_instance *in, const struct mqshm_param_spec *spec)
{
	const char *text = mqshm_instance_param(in, spec->key);
	size_t choice;

	return text && spec->choices && !choice_find(spec->choices, text, &choice);
}

static int range_check(struct mqshm_instance *in, const struct mqshm_param_spec *spec,
		       double value)
{
	if (spec->max <= spec->min || (value >= spec->min && value <= spec->max))
		return 0;
	return mqshm_instance_fail(in, -EINVAL, "%s=%s: must be %.15g to %.15g%s%s", spec->key,
				   mqshm_instance_param(in, spec->key), spec->min, spec->max,
				   spec->unit ? " " : "", spec->unit ? spec->unit : "");
}

/* A value that can be told to be wrong without the type's help. */
static int param_check(struct mqshm_instance *in, const struct mqshm_param_spec *spec)
{
	double number = spec->min;
	uint64_t bytes;
	int64_t integer;
	size_t choice;
	bool yes;
	int r;

	if (strcmp(spec->kind, "string") && is_choice(in, spec))
		return 0;
	if (!strcmp(spec->kind, "number")) {
		r = mqshm_instance_number(in, spec->key, &number);
	} else if (!strcmp(spec->kind, "integer")) {
		r = mqshm_instance_integer(in, spec->key, INT64_MIN, INT64_MAX, &integer);
		number = r ? 0 : (double)integer;
	} else if (!strcmp(spec->kind, "size")) {
		r = mqshm_instance_size(in, spec->key, &bytes);
		number = r ? 0 : (double)bytes;
	} else if (!strcmp(spec->kind, "bool")) {
		r = mqshm_instance_bool(in, spec->key, &yes);
	} else if (spec->choices) {
		r = mqshm_instance_choice(in, spec->key, &choice);
	} else {
		r = mqshm_instance_param(in, spec->key) ? 0 : wrong(in, spec->key, NULL);
	}
	return r ? r : range_check(in, spec, number);
}

int mqshm_param_check(const struct mqshm_block_ops *ops, const struct mqshm_param *param,
		      char **error)
{
	struct mqshm_param copy = *param;
	struct mqshm_instance in = { .ops = ops, .params = &copy, .n_params = 1 };
	const struct mqshm_param_spec *spec = spec_find(ops, param->key);
	int r;

	if (spec)
		r = param_check(&in, spec);
	else
		r = mqshm_instance_fail(&in, -EINVAL, "%s takes no parameter %s", ops->type,
					param->key);
	if (error)
		*error = in.message;
	else
		free(in.message);
	return r;
}

static int param_add(struct mqshm_instance *in, const struct mqshm_param *param)
{
	struct mqshm_param *copy = &in->params[in->n_params];

	if (!param->key || !param->value)
		return mqshm_instance_fail(in, -EINVAL, "a parameter needs key=value");
	if (!spec_find(in->ops, param->key))
		return mqshm_instance_fail(in, -EINVAL, "%s takes no parameter %s",
					   in->ops->type, param->key);
	if (given_find(in, param->key))
		return mqshm_instance_fail(in, -EINVAL, "parameter %s is given twice",
					   param->key);
	copy->key = strdup(param->key);
	copy->value = strdup(param->value);
	in->n_params++;
	return copy->key && copy->value ? 0 : -ENOMEM;
}

int mqshm_params_set(struct mqshm_instance *in, const struct mqshm_param *params, size_t n)
{
	const struct mqshm_param_spec *spec;
	size_t i;
	int r = 0;

	in->params = calloc(n + 1, sizeof(*in->params));
	if (!in->params)
		return -ENOMEM;
	for (i = 0; i < n && !r; i++)
		r = param_add(in, &params[i]);
	for (spec = in->ops->params; !r && spec && spec->key; spec++) {
		if (given_find(in, spec->key) || !spec->fallback)
			r = param_check(in, spec);
	}
	return r;
}

static bool param_is_live(const struct mqshm_block_ops *ops, const char *key)
{
	const char *const *live = ops->live;

	while (live && *live && strcmp(*live, key))
		live++;
	return live && *live;
}

/* Whether the @i-th of a change may be changed at all. */
static int change_check(struct mqshm_instance *in, const struct mqshm_param *params, size_t i)
{
	size_t k;

	if (!spec_find(in->ops, params[i].key))
		return mqshm_instance_fail(in, -EINVAL, "%s takes no parameter %s",
					   in->ops->type, params[i].key);
	if (!param_is_live(in->ops, params[i].key))
		return mqshm_instance_fail(in, -EINVAL, "%s cannot be changed while the block runs",
					   params[i].key);
	for (k = 0; k < i; k++) {
		if (!strcmp(params[k].key, params[i].key))
			return mqshm_instance_fail(in, -EINVAL, "parameter %s is given twice",
						   params[i].key);
	}
	return 0;
}

/* In place of a value that was given, or behind those. */
static int param_replace(struct mqshm_instance *in, const struct mqshm_param *param)
{
	struct mqshm_param copy = { strdup(param->key), strdup(param->value) };
	size_t i = 0;

	if (!copy.key || !copy.value) {
		free((char *)copy.key);
		free((char *)copy.value);
		return -ENOMEM;
	}
	while (i < in->n_params && strcmp(in->params[i].key, param->key))
		i++;
	in->params[i] = copy;
	in->n_params += i == in->n_params;
	return 0;
}

/* Frees an array, and those of its texts that the other does not have. */
static void params_drop(struct mqshm_param *params, size_t n,
			const struct mqshm_param *kept, size_t n_kept)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (i < n_kept && params[i].key == kept[i].key)
			continue;
		free((char *)params[i].key);
		free((char *)params[i].value);
	}
	free(params);
}

int mqshm_params_change(struct mqshm_instance *in, const struct mqshm_param *params, size_t n)
{
	struct mqshm_param *before = in->params, *after;
	size_t n_before = in->n_params, n_after, i;
	int r = 0;

	for (i = 0; i < n && !r; i++)
		r = change_check(in, params, i);
	if (r)
		return r;
	after = calloc(n_before + n + 1, sizeof(*after));
	if (!after)
		return -ENOMEM;
	memcpy(after, before, n_before * sizeof(*after));
	in->params = after;
	for (i = 0; i < n && !r; i++)
		r = param_replace(in, &params[i]);
	for (i = 0; i < n && !r; i++)
		r = param_check(in, spec_find(in->ops, params[i].key));
	if (!r)
		r = in->ops->change(in);
	n_after = in->n_params;
	if (r) {
		in->params = before;
		in->n_params = n_before;
		params_drop(after, n_after, before, n_before);
	} else {
		params_drop(before, n_before, after, n_after);
	}
	return r;
}

void mqshm_params_free(struct mqshm_instance *in)
{
	size_t i;

	for (i = 0; i < in->n_params; i++) {
		free((char *)in->params[i].key);
		free((char *)in->params[i].value);
	}
	free(in->params);
}
