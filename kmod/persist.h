/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_PERSIST_H
#define MQSHM_PERSIST_H

#include <linux/types.h>

struct mqshm_block;
struct mqshm_client;
struct mqshm_conn;
struct mqshm_port;
struct mqshm_runtime;
struct mqshm_wakes;

bool mqshm_persist_may_wait(const struct mqshm_conn *conn, unsigned int dir, bool for_good);
void mqshm_persist_reader(struct mqshm_conn *conn, bool for_good);
bool mqshm_persist_is_for(struct mqshm_conn *conn, struct mqshm_port *out);
u64 mqshm_persist_wait(struct mqshm_conn *conn, unsigned int dir, struct mqshm_wakes *wakes);
void mqshm_persist_block_came(struct mqshm_block *block, struct mqshm_wakes *wakes);
void mqshm_persist_block_leaves(const struct mqshm_block *block);
void mqshm_persist_client_leaves(const struct mqshm_client *c);
void mqshm_persist_idle(struct mqshm_conn *conn, unsigned int dir, struct mqshm_wakes *wakes);
void mqshm_persist_give_up(struct mqshm_conn *conn, struct mqshm_wakes *wakes);
bool mqshm_persist_holds_messages(struct mqshm_runtime *rt);
void mqshm_persist_drop_all(struct mqshm_runtime *rt, struct mqshm_wakes *wakes);
void mqshm_persist_init(struct mqshm_runtime *rt);
void mqshm_persist_end(struct mqshm_runtime *rt);

#endif /* MQSHM_PERSIST_H */
