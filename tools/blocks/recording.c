// SPDX-License-Identifier: GPL-2.0-only
/* Files of recorded messages: writing them in large pieces, reading them with care. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "recording.h"

static size_t padding(size_t length)
{
	return -length & 7;
}

/* -- writing ---------------------------------------------------------------------- */

/* Room for @bytes behind what is pending. */
static uint8_t *writer_reserve(struct recording_writer *w, size_t bytes)
{
	size_t room = w->room ? w->room : 2 * RECORDING_PIECE;
	uint8_t *grown;

	while (room - w->used < bytes)
		room *= 2;
	if (room != w->room) {
		grown = realloc(w->pending, room);
		if (!grown)
			return NULL;
		w->pending = grown;
		w->room = room;
	}
	return w->pending + w->used;
}

int recording_flush(struct recording_writer *w)
{
	size_t done = 0;
	ssize_t n;
	int error = 0;

	while (done < w->used && !error) {
		n = write(w->fd, w->pending + done, w->used - done);
		if (n >= 0)
			done += n;
		else if (errno != EINTR)
			error = -errno;
	}
	w->used -= done;
	memmove(w->pending, w->pending + done, w->used);
	return error;
}

static int entry_put(struct recording_writer *w, const struct recording_entry *e,
		     const void *payload)
{
	size_t pad = padding(e->length);
	const struct recording_entry file = {
		.kind = htole32(e->kind), .length = htole32(e->length),
		.number = htole64(e->number), .at_ns = htole64(e->at_ns),
		.data_ns = htole64(e->data_ns),
	};
	uint8_t *p = writer_reserve(w, sizeof(file) + e->length + pad);

	if (!p)
		return -ENOMEM;
	p = mempcpy(p, &file, sizeof(file));
	p = mempcpy(p, payload, e->length);
	memset(p, 0, pad);
	w->used += sizeof(file) + e->length + pad;
	return 0;
}

int recording_begin(struct recording_writer *w, uint64_t began_ns, const char *source)
{
	struct recording_head head = {
		.magic = htole64(RECORDING_MAGIC), .version = htole32(RECORDING_VERSION),
		.bytes = htole32(sizeof(head)), .began_ns = htole64(began_ns),
	};
	struct timespec now;
	uint8_t *p = writer_reserve(w, sizeof(head));

	if (!p)
		return -ENOMEM;
	clock_gettime(CLOCK_REALTIME, &now);
	head.date_ns = htole64(now.tv_sec * 1000000000ULL + now.tv_nsec);
	strncpy(head.source, source, sizeof(head.source) - 1);
	memcpy(p, &head, sizeof(head));
	w->used += sizeof(head);
	return 0;
}

int recording_add(struct recording_writer *w, const struct recording_entry *message,
		  const void *payload)
{
	w->totals.messages++;
	w->totals.bytes += message->length;
	w->totals.dropped = message->number + 1 - w->totals.messages;
	return entry_put(w, message, payload);
}

int recording_end(struct recording_writer *w, uint64_t at_ns, uint64_t dropped)
{
	const struct recording_entry end = {
		.kind = RECORDING_END, .length = sizeof(struct recording_totals),
		.number = w->totals.messages + dropped, .at_ns = at_ns,
	};
	const struct recording_totals totals = {
		.messages = htole64(w->totals.messages), .bytes = htole64(w->totals.bytes),
		.dropped = htole64(dropped),
	};
	int error = entry_put(w, &end, &totals);

	w->totals.dropped = dropped;
	return error ? error : recording_flush(w);
}

/* -- reading ------------------------------------------------------------------------ */

static int reader_wrong(struct recording_reader *r, const char *what)
{
	r->wrong = what;
	return -EINVAL;
}

int recording_open(struct recording_reader *r, FILE *file)
{
	struct recording_head *h = &r->head;

	*r = (struct recording_reader){ .file = file };
	if (fread(h, 1, sizeof(*h), file) != sizeof(*h) || le64toh(h->magic) != RECORDING_MAGIC)
		return reader_wrong(r, "it is no recording; mqtool dump makes one");
	h->version = le32toh(h->version);
	h->bytes = le32toh(h->bytes);
	h->began_ns = le64toh(h->began_ns);
	h->date_ns = le64toh(h->date_ns);
	if (h->version != RECORDING_VERSION)
		return reader_wrong(r, "it is a recording of another version than this program knows");
	if (h->bytes != sizeof(*h) || !memchr(h->source, '\0', sizeof(h->source)))
		return reader_wrong(r, "its head is damaged");
	r->at = sizeof(*h);
	r->entry.at_ns = h->began_ns;
	return 0;
}

/* What an entry of the file may be, behind those before it. */
static bool entry_valid(const struct recording_reader *r, const struct recording_entry *e)
{
	if (e->number < r->next || e->at_ns < r->entry.at_ns)
		return false;
	if (e->kind == RECORDING_END)
		return e->length == sizeof(struct recording_totals);
	return e->kind == RECORDING_MESSAGE && e->length <= RECORDING_LENGTH_MAX &&
	       e->number < UINT64_MAX;
}

/* The end must say what was read. */
static int end_read(struct recording_reader *r, uint64_t number)
{
	struct recording_totals totals;

	if (fread(&totals, 1, sizeof(totals), r->file) != sizeof(totals))
		return 0;
	if (le64toh(totals.messages) != r->totals.messages ||
	    le64toh(totals.bytes) != r->totals.bytes ||
	    le64toh(totals.dropped) != number - r->totals.messages)
		return reader_wrong(r, "its end does not say what it holds");
	r->totals.dropped = number - r->totals.messages;
	r->complete = true;
	return 0;
}

int recording_next(struct recording_reader *r)
{
	struct recording_entry e;

	if (r->complete || fread(&e, 1, sizeof(e), r->file) != sizeof(e))
		return 0;
	e = (struct recording_entry){
		.kind = le32toh(e.kind), .length = le32toh(e.length), .number = le64toh(e.number),
		.at_ns = le64toh(e.at_ns), .data_ns = le64toh(e.data_ns),
	};
	if (!entry_valid(r, &e))
		return reader_wrong(r, "it is damaged behind the last message that can be read");
	r->entry = e;
	return e.kind == RECORDING_END ? end_read(r, e.number) : 1;
}

int recording_payload(struct recording_reader *r, void *to)
{
	size_t left = r->entry.length, pad = padding(left), n;
	uint8_t passed[4096];

	while (left) {
		n = to || left < sizeof(passed) ? left : sizeof(passed);
		if (fread(to ? to : passed, 1, n, r->file) != n)
			return 0;
		left -= n;
	}
	if (fread(passed, 1, pad, r->file) != pad)
		return 0;
	r->at += sizeof(r->entry) + r->entry.length + pad;
	r->next = r->entry.number + 1;
	r->totals.messages++;
	r->totals.bytes += r->entry.length;
	r->totals.dropped = r->next - r->totals.messages;
	return 1;
}

int recording_rewind(struct recording_reader *r)
{
	if (fseek(r->file, sizeof(r->head), SEEK_SET))
		return -errno;
	*r = (struct recording_reader){
		.file = r->file, .head = r->head, .at = sizeof(r->head),
		.entry.at_ns = r->head.began_ns,
	};
	return 0;
}
