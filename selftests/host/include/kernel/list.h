/* SPDX-License-Identifier: GPL-2.0-only */
/* Circular doubly linked lists; readers under RCU follow @next only. */
#ifndef HOST_LIST_H
#define HOST_LIST_H

#include "atomic.h"

struct list_head {
	struct list_head *next;
	struct list_head *prev;
};

#define LIST_HEAD_INIT(name)	{ &(name), &(name) }
#define LIST_HEAD(name)		struct list_head name = LIST_HEAD_INIT(name)

/* What a removed node points to: a second removal, or a use, is found. */
#define LIST_POISON	((struct list_head *)0x100)

static inline void INIT_LIST_HEAD(struct list_head *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool list_empty(const struct list_head *list)
{
	return READ_ONCE(list->next) == list;
}

static inline void host_list_insert(struct list_head *node, struct list_head *prev,
				    struct list_head *next)
{
	if (prev->next != next || next->prev != prev)
		host_bug("list is corrupt where a node is added");
	node->next = next;
	node->prev = prev;
	smp_store_release(&prev->next, node);
	next->prev = node;
}

static inline void list_add(struct list_head *node, struct list_head *list)
{
	host_list_insert(node, list, list->next);
}

static inline void list_add_tail(struct list_head *node, struct list_head *list)
{
	host_list_insert(node, list->prev, list);
}

static inline void host_list_unlink(struct list_head *node)
{
	if (node->prev == LIST_POISON || node->prev->next != node ||
	    node->next->prev != node)
		host_bug("list is corrupt where a node is removed");
	node->next->prev = node->prev;
	WRITE_ONCE(node->prev->next, node->next);
}

static inline void list_del(struct list_head *node)
{
	host_list_unlink(node);
	node->next = LIST_POISON;
	node->prev = LIST_POISON;
}

static inline void list_del_init(struct list_head *node)
{
	host_list_unlink(node);
	INIT_LIST_HEAD(node);
}

static inline void list_move_tail(struct list_head *node, struct list_head *list)
{
	host_list_unlink(node);
	list_add_tail(node, list);
}

/* Readers may stand on it and go on. */
static inline void list_del_rcu(struct list_head *node)
{
	host_list_unlink(node);
	node->prev = LIST_POISON;
}

#define list_add_tail_rcu(node, list)	list_add_tail(node, list)

#define list_entry(ptr, type, member)	container_of(ptr, type, member)
#define list_first_entry_or_null(list, type, member) \
	(list_empty(list) ? NULL : list_entry((list)->next, type, member))

#define list_first_entry(list, type, member) \
	list_entry((list)->next, type, member)

#define host_list_item(pos, ptr, member) \
	list_entry(ptr, __typeof__(*(pos)), member)

#define list_for_each_entry(pos, list, member)					\
	for (pos = host_list_item(pos, (list)->next, member);			\
	     &(pos)->member != (list);						\
	     pos = host_list_item(pos, (pos)->member.next, member))

#define list_for_each_entry_from(pos, list, member)				\
	for (; &(pos)->member != (list);					\
	     pos = host_list_item(pos, (pos)->member.next, member))

#define list_for_each_entry_safe(pos, after, list, member)			\
	for (pos = host_list_item(pos, (list)->next, member),			\
	     after = host_list_item(pos, (pos)->member.next, member);		\
	     &(pos)->member != (list);						\
	     pos = after, after = host_list_item(pos, (pos)->member.next, member))

#define list_for_each_entry_rcu(pos, list, member)				\
	for (pos = host_list_item(pos, smp_load_acquire(&(list)->next), member);	\
	     &(pos)->member != (list);						\
	     pos = host_list_item(pos, smp_load_acquire(&(pos)->member.next), member))

#endif /* HOST_LIST_H */
