/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layout of the ABI as this kernel must see it, whatever compiler and options
 * it is built with; selftests/abi_layout.h has it field by field, for programs.
 */
#ifndef MQSHM_ABI_H
#define MQSHM_ABI_H

#include <linux/build_bug.h>
#include <linux/mqshm.h>

static_assert(sizeof(struct mqshm_block_stats) == 88);
static_assert(sizeof(struct mqshm_control) == 128);
static_assert(sizeof(struct mqshm_ring_producer) == 128);
static_assert(sizeof(struct mqshm_ring_consumer) == 256);
static_assert(sizeof(struct mqshm_status) == 2304);
static_assert(sizeof(struct mqshm_meta) == 16);
static_assert(sizeof(struct mqshm_info_args) == 24);
static_assert(sizeof(struct mqshm_limits) == 24);
static_assert(sizeof(struct mqshm_runtime_create_args) == 88);
static_assert(sizeof(struct mqshm_runtime_open_args) == 56);
static_assert(sizeof(struct mqshm_runtime_remove_args) == 16);
static_assert(sizeof(struct mqshm_runtime_wait_args) == 32);
static_assert(sizeof(struct mqshm_query_args) == 48);
static_assert(sizeof(struct mqshm_monitor_args) == 16);
static_assert(sizeof(struct mqshm_pool_create_args) == 64);
static_assert(sizeof(struct mqshm_connect_args) == 224);
static_assert(sizeof(struct mqshm_id_args) == 16);
static_assert(sizeof(struct mqshm_client_join_args) == 104);
static_assert(sizeof(struct mqshm_event) == 40);
static_assert(sizeof(struct mqshm_client_sync_args) == 504);
static_assert(sizeof(struct mqshm_port_desc) == 48);
static_assert(sizeof(struct mqshm_block_create_args) == 136);
static_assert(sizeof(struct mqshm_port_eventfd_args) == 16);
static_assert(sizeof(struct mqshm_lease_args) == 552);
static_assert(sizeof(struct mqshm_return_args) == 528);
static_assert(sizeof(struct mqshm_ref) == 8);
static_assert(sizeof(struct mqshm_ref_args) == 528);
static_assert(sizeof(struct mqshm_kick_args) == 272);
static_assert(sizeof(struct mqshm_wait_args) == 600);
static_assert(sizeof(struct mqshm_wait_port) == 8);
static_assert(sizeof(struct mqshm_record) == 8);
static_assert(sizeof(struct mqshm_runtime_record) == 192);
static_assert(sizeof(struct mqshm_pool_record) == 104);
static_assert(sizeof(struct mqshm_client_record) == 160);
static_assert(sizeof(struct mqshm_block_record) == 224);
static_assert(sizeof(struct mqshm_port_record) == 64);
static_assert(sizeof(struct mqshm_connection_record) == 296);
static_assert(sizeof(struct mqshm_departed_record) == 152);
static_assert(sizeof(struct mqshm_holders_args) == 80);
static_assert(sizeof(struct mqshm_holder_record) == 64);
static_assert(sizeof(struct mqshm_notice) == 264);
static_assert(sizeof(struct mqshm_bus_open_args) == 40);
static_assert(sizeof(struct mqshm_bus_subscribe_args) == 72);
static_assert(sizeof(struct mqshm_bus_publish_args) == 128);
static_assert(sizeof(struct mqshm_bus_message) == 144);

/* What a peer's cache lines depend on. */
static_assert(offsetof(struct mqshm_control, progress) == 64);
static_assert(offsetof(struct mqshm_ring_producer, slots) == 128);
static_assert(offsetof(struct mqshm_ring_consumer, head) == 128);
static_assert(sizeof(struct mqshm_status) <= MQSHM_STATUS_RING(0));

#endif /* MQSHM_ABI_H */
