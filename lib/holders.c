// SPDX-License-Identifier: LGPL-2.1-or-later
/* Who holds which buffers: the kernel's records of all pages, sorted by age. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"
#include "sys.h"

#define PAGE_RECORDS	(MQSHM_HOLDERS_BYTES_MAX / sizeof(struct mqshm_holder_record))

/**
 * struct holders - what is known so far
 * @list: to be given away; NULL once it is
 * @room: room in its array
 */
struct holders {
	struct mqshm_holders *list;
	size_t room;
};

static struct mqshm_holder_record *holders_reserve(struct holders *h)
{
	size_t room = h->room ? 2 * h->room : PAGE_RECORDS;
	struct mqshm_holder_record *grown;

	if (h->room - h->list->n_holders < PAGE_RECORDS) {
		grown = realloc(h->list->holders, room * sizeof(*grown));
		if (!grown)
			return NULL;
		h->list->holders = grown;
		h->room = room;
	}
	return h->list->holders + h->list->n_holders;
}

/* Those of a later module may be larger: what is known of each, one behind the other. */
static int records_take(struct holders *h, const char *data, size_t bytes)
{
	struct mqshm_holder_record *to = h->list->holders + h->list->n_holders;
	struct mqshm_record head;
	size_t n;

	while (bytes) {
		memcpy(&head, data, bytes < sizeof(head) ? bytes : sizeof(head));
		if (bytes < sizeof(head) || head.bytes < sizeof(*to) || head.bytes > bytes)
			return -EPROTO;
		n = head.bytes;
		if (head.kind == MQSHM_RECORD_HOLDER) {
			memmove(to++, data, sizeof(*to));
			h->list->n_holders++;
		}
		data += n;
		bytes -= n;
	}
	return 0;
}

static int holders_read(struct holders *h, int fd, uint32_t what)
{
	struct mqshm_holders_args args = { .size = sizeof(args), .what = what };
	struct mqshm_holder_record *to;
	int r;

	do {
		to = holders_reserve(h);
		if (!to)
			return -ENOMEM;
		args.buffer = (uintptr_t)to;
		args.buffer_bytes = PAGE_RECORDS * sizeof(*to);
		r = mqshm_sys_ioctl(fd, MQSHM_IOC_HOLDERS, &args);
		if (!r)
			r = records_take(h, (const char *)to, args.out_bytes);
		h->list->now_ns = args.out_now_ns;
		args.id = args.out_id;
		args.position = args.out_position;
	} while (!r && args.id);
	return r;
}

/* One in reserve has no age; a time to come is some client's mistake, and so is younger. */
static int by_age(const void *a, const void *b)
{
	const struct mqshm_holder_record *x = a, *y = b;
	uint64_t left = x->alloc_ns ? x->alloc_ns : UINT64_MAX;
	uint64_t right = y->alloc_ns ? y->alloc_ns : UINT64_MAX;

	if (left != right)
		return left < right ? -1 : 1;
	return x->buffer < y->buffer ? -1 : x->buffer > y->buffer;
}

int mqshm_runtime_holders(struct mqshm_runtime *rt, struct mqshm_holders **out)
{
	struct holders h = { .list = calloc(1, sizeof(*h.list)) };
	int r = h.list ? 0 : -ENOMEM;

	/* what is queued goes into hands, and is seen there too, rather than at neither place */
	if (!r)
		r = holders_read(&h, rt->fd, MQSHM_HOLDERS_QUEUES);
	if (!r)
		r = holders_read(&h, rt->fd, MQSHM_HOLDERS_CLIENTS);
	if (r) {
		mqshm_holders_free(h.list);
		return r;
	}
	if (h.list->n_holders)
		qsort(h.list->holders, h.list->n_holders, sizeof(*h.list->holders), by_age);
	*out = h.list;
	return 0;
}

void mqshm_holders_free(struct mqshm_holders *list)
{
	if (!list)
		return;
	free(list->holders);
	free(list);
}
