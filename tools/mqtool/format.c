// SPDX-License-Identifier: GPL-2.0-only
/* Sizes, times and names, as people write and read them. */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mqtool.h"

bool parse_number(const char *s, uint64_t max, uint64_t *number)
{
	char *end;
	unsigned long long value;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	value = strtoull(s, &end, 10);
	if (*end || errno || value > max)
		return false;
	*number = value;
	return true;
}

bool parse_bytes(const char *s, uint64_t *bytes)
{
	static const char units[] = "KMG";
	char *end;
	unsigned long long value;
	const char *unit;
	unsigned int shift = 0;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	value = strtoull(s, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit)
			return false;
		shift = 10 * (unit - units + 1);
		/* "4K", "4KB" and "4KiB" are the same */
		if (end[1] && strcmp(end + 1, "B") && strcmp(end + 1, "iB"))
			return false;
	}
	if (value > UINT64_MAX >> shift)
		return false;
	*bytes = value << shift;
	return true;
}

char *show_bytes(uint64_t bytes)
{
	static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
	double value = bytes / 1000.0;
	size_t u = 0;

	if (bytes < 1000)
		return text("%lluB", (unsigned long long)bytes);
	/* what would round to 1000.0 goes into the next unit */
	while (value >= 999.95 && u + 1 < sizeof(units) / sizeof(*units)) {
		value /= 1000;
		u++;
	}
	return text("%.1f%s", value, units[u]);
}

char *show_buffer_bytes(uint64_t bytes)
{
	if (bytes && bytes % (1 << 20) == 0)
		return text("%lluM", (unsigned long long)bytes >> 20);
	if (bytes && bytes % (1 << 10) == 0)
		return text("%lluK", (unsigned long long)bytes >> 10);
	return text("%llu", (unsigned long long)bytes);
}

char *show_duration(uint64_t ns)
{
	if (ns < 1000)
		return text("%llu ns", (unsigned long long)ns);
	if (ns < 1000000)
		return text("%.1f us", ns / 1e3);
	if (ns < 1000000000)
		return text("%.1f ms", ns / 1e6);
	if (ns < 60 * 1000000000ULL)
		return text("%.1f s", ns / 1e9);
	if (ns < 3600 * 1000000000ULL)
		return text("%.0f min", ns / 60e9);
	return text("%.1f h", ns / 3600e9);
}

char *show_time_of_day(uint64_t at_ns)
{
	struct timespec now;
	struct tm tm;
	uint64_t ns;
	time_t s;
	char hms[16];

	clock_gettime(CLOCK_REALTIME, &now);
	ns = now.tv_sec * 1000000000ULL + now.tv_nsec - mqshm_now_ns() + at_ns;
	s = (time_t)(ns / 1000000000);
	localtime_r(&s, &tm);
	strftime(hms, sizeof(hms), "%H:%M:%S", &tm);
	return text("%s.%03u", hms, (unsigned int)(ns / 1000000 % 1000));
}

/* Bytes of the character at @s, 0 if it is none of UTF-8. */
static size_t utf8_bytes(const unsigned char *s)
{
	/* of the second byte: what is below has a shorter form, or no character */
	unsigned char low = 0x80, high = 0xbf;
	size_t n = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;

	if (*s == 0xe0)
		low = 0xa0;
	if (*s == 0xed)
		high = 0x9f;
	if (*s == 0xf0)
		low = 0x90;
	if (*s == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf)
		if (s[i] < low || s[i] > high)
			return 0;
	return n;
}

/* @s with @other in the place of each byte that is not UTF-8. */
static char *utf8_copy(const char *s, const char *other)
{
	char *copy = grow(NULL, strlen(s) * strlen(other) + 1, 1), *to = copy;

	while (*s) {
		size_t n = utf8_bytes((const unsigned char *)s);

		if (n) {
			to = mempcpy(to, s, n);
			s += n;
		} else {
			to = stpcpy(to, other);
			s++;
		}
	}
	*to = '\0';
	return copy;
}

char *show_utf8(const char *s)
{
	return utf8_copy(s, "\uFFFD");
}

char *show_name(const char *name)
{
	char *shown = utf8_copy(name, "?");

	for (unsigned char *c = (unsigned char *)shown; *c; c++) {
		if (iscntrl(*c))
			*c = '?';
		/* the upper control characters are commands of a terminal too */
		if (c[0] == 0xc2 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
	return shown;
}

char *show_title(const char *word)
{
	char *title = text("%s", word);

	*title = (char)toupper((unsigned char)*title);
	return title;
}

char *show_user(uint32_t uid)
{
	const struct passwd *user = getpwuid(uid);

	return user ? text("%s", user->pw_name) : text("%u", uid);
}

char *show_group(uint32_t gid)
{
	const struct group *group = getgrgid(gid);

	return group ? text("%s", group->gr_name) : text("%u", gid);
}

const char *word_of(const char *const names[], size_t n, uint32_t value)
{
	return value < n ? names[value] : "unknown";
}
