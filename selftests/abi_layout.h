/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layout of the ABI, written down a second time: size of every struct, offset
 * and size of every field, the same for 32-bit and 64-bit programs. These numbers
 * never change; a struct may grow a field at its end.
 *
 * STRUCT(type, bytes) and FIELD(type, field, offset, bytes) are given by who
 * includes this; by default they become static assertions.
 */
#include <assert.h>
#include <stddef.h>
#include <linux/mqshm.h>

#ifndef ABI_LAYOUT_H
#define ABI_LAYOUT_H

#define ABI_LAYOUT \
	STRUCT(mqshm_block_stats, 88) \
	FIELD(mqshm_block_stats, block, 0, 8) \
	FIELD(mqshm_block_stats, work_count, 8, 8) \
	FIELD(mqshm_block_stats, work_ns, 16, 8) \
	FIELD(mqshm_block_stats, last_work_ns, 24, 8) \
	FIELD(mqshm_block_stats, p99_work_ns, 32, 8) \
	FIELD(mqshm_block_stats, input_ns, 40, 8) \
	FIELD(mqshm_block_stats, space_ns, 48, 8) \
	FIELD(mqshm_block_stats, buffer_ns, 56, 8) \
	FIELD(mqshm_block_stats, since_ns, 64, 8) \
	FIELD(mqshm_block_stats, waits, 72, 4) \
	FIELD(mqshm_block_stats, copies, 76, 4) \
	FIELD(mqshm_block_stats, time_ns, 80, 8) \
	STRUCT(mqshm_control, 128) \
	FIELD(mqshm_control, intent, 0, 8) \
	FIELD(mqshm_control, busy, 8, 4) \
	FIELD(mqshm_control, reserved0, 12, 52) \
	FIELD(mqshm_control, progress, 64, 8) \
	FIELD(mqshm_control, allocated, 72, 8) \
	FIELD(mqshm_control, freed, 80, 8) \
	FIELD(mqshm_control, reserved1, 88, 40) \
	STRUCT(mqshm_ring_producer, 128) \
	FIELD(mqshm_ring_producer, tail, 0, 8) \
	FIELD(mqshm_ring_producer, bytes, 8, 8) \
	FIELD(mqshm_ring_producer, dropped, 16, 8) \
	FIELD(mqshm_ring_producer, reserved, 24, 104) \
	STRUCT(mqshm_ring_consumer, 256) \
	FIELD(mqshm_ring_consumer, phead, 0, 8) \
	FIELD(mqshm_ring_consumer, reserved0, 8, 120) \
	FIELD(mqshm_ring_consumer, head, 128, 8) \
	FIELD(mqshm_ring_consumer, reserved1, 136, 120) \
	STRUCT(mqshm_status, 2304) \
	FIELD(mqshm_status, magic, 0, 8) \
	FIELD(mqshm_status, version, 8, 4) \
	FIELD(mqshm_status, reserved0, 12, 52) \
	FIELD(mqshm_status, wanted, 64, 128) \
	FIELD(mqshm_status, reserved1, 192, 64) \
	FIELD(mqshm_status, gen, 256, 2048) \
	STRUCT(mqshm_meta, 16) \
	FIELD(mqshm_meta, alloc_ns, 0, 8) \
	FIELD(mqshm_meta, data_ns, 8, 8) \
	STRUCT(mqshm_info_args, 24) \
	FIELD(mqshm_info_args, size, 0, 4) \
	FIELD(mqshm_info_args, out_version, 4, 4) \
	FIELD(mqshm_info_args, out_magic, 8, 8) \
	FIELD(mqshm_info_args, out_features, 16, 8) \
	STRUCT(mqshm_limits, 24) \
	FIELD(mqshm_limits, clients, 0, 4) \
	FIELD(mqshm_limits, blocks, 4, 4) \
	FIELD(mqshm_limits, ports, 8, 4) \
	FIELD(mqshm_limits, connections, 12, 4) \
	FIELD(mqshm_limits, pools, 16, 4) \
	FIELD(mqshm_limits, buffers, 20, 4) \
	STRUCT(mqshm_runtime_create_args, 88) \
	FIELD(mqshm_runtime_create_args, size, 0, 4) \
	FIELD(mqshm_runtime_create_args, flags, 4, 4) \
	FIELD(mqshm_runtime_create_args, name, 8, 32) \
	FIELD(mqshm_runtime_create_args, mode, 40, 4) \
	FIELD(mqshm_runtime_create_args, gid, 44, 4) \
	FIELD(mqshm_runtime_create_args, limits, 48, 24) \
	FIELD(mqshm_runtime_create_args, out_id, 72, 8) \
	FIELD(mqshm_runtime_create_args, out_created, 80, 4) \
	FIELD(mqshm_runtime_create_args, reserved, 84, 4) \
	STRUCT(mqshm_runtime_open_args, 56) \
	FIELD(mqshm_runtime_open_args, size, 0, 4) \
	FIELD(mqshm_runtime_open_args, flags, 4, 4) \
	FIELD(mqshm_runtime_open_args, name, 8, 32) \
	FIELD(mqshm_runtime_open_args, uid, 40, 4) \
	FIELD(mqshm_runtime_open_args, reserved, 44, 4) \
	FIELD(mqshm_runtime_open_args, out_id, 48, 8) \
	STRUCT(mqshm_runtime_remove_args, 16) \
	FIELD(mqshm_runtime_remove_args, size, 0, 4) \
	FIELD(mqshm_runtime_remove_args, flags, 4, 4) \
	FIELD(mqshm_runtime_remove_args, out_clients, 8, 4) \
	FIELD(mqshm_runtime_remove_args, reserved, 12, 4) \
	STRUCT(mqshm_runtime_wait_args, 32) \
	FIELD(mqshm_runtime_wait_args, size, 0, 4) \
	FIELD(mqshm_runtime_wait_args, flags, 4, 4) \
	FIELD(mqshm_runtime_wait_args, changes, 8, 8) \
	FIELD(mqshm_runtime_wait_args, deadline_ns, 16, 8) \
	FIELD(mqshm_runtime_wait_args, out_changes, 24, 8) \
	STRUCT(mqshm_query_args, 48) \
	FIELD(mqshm_query_args, size, 0, 4) \
	FIELD(mqshm_query_args, what, 4, 4) \
	FIELD(mqshm_query_args, buffer, 8, 8) \
	FIELD(mqshm_query_args, buffer_bytes, 16, 8) \
	FIELD(mqshm_query_args, out_bytes, 24, 8) \
	FIELD(mqshm_query_args, out_now_ns, 32, 8) \
	FIELD(mqshm_query_args, out_changes, 40, 8) \
	STRUCT(mqshm_holders_args, 80) \
	FIELD(mqshm_holders_args, size, 0, 4) \
	FIELD(mqshm_holders_args, flags, 4, 4) \
	FIELD(mqshm_holders_args, what, 8, 4) \
	FIELD(mqshm_holders_args, reserved, 12, 4) \
	FIELD(mqshm_holders_args, buffer, 16, 8) \
	FIELD(mqshm_holders_args, buffer_bytes, 24, 8) \
	FIELD(mqshm_holders_args, id, 32, 8) \
	FIELD(mqshm_holders_args, position, 40, 8) \
	FIELD(mqshm_holders_args, out_bytes, 48, 8) \
	FIELD(mqshm_holders_args, out_id, 56, 8) \
	FIELD(mqshm_holders_args, out_position, 64, 8) \
	FIELD(mqshm_holders_args, out_now_ns, 72, 8) \
	STRUCT(mqshm_holder_record, 64) \
	FIELD(mqshm_holder_record, head, 0, 8) \
	FIELD(mqshm_holder_record, holder, 8, 8) \
	FIELD(mqshm_holder_record, what, 16, 4) \
	FIELD(mqshm_holder_record, buffer, 20, 4) \
	FIELD(mqshm_holder_record, pool, 24, 4) \
	FIELD(mqshm_holder_record, refs, 28, 4) \
	FIELD(mqshm_holder_record, length, 32, 4) \
	FIELD(mqshm_holder_record, reserved, 36, 4) \
	FIELD(mqshm_holder_record, alloc_ns, 40, 8) \
	FIELD(mqshm_holder_record, data_ns, 48, 8) \
	FIELD(mqshm_holder_record, serial, 56, 8) \
	STRUCT(mqshm_pool_create_args, 64) \
	FIELD(mqshm_pool_create_args, size, 0, 4) \
	FIELD(mqshm_pool_create_args, flags, 4, 4) \
	FIELD(mqshm_pool_create_args, name, 8, 32) \
	FIELD(mqshm_pool_create_args, buffer_bytes, 40, 4) \
	FIELD(mqshm_pool_create_args, buffers, 44, 4) \
	FIELD(mqshm_pool_create_args, out_pool, 48, 4) \
	FIELD(mqshm_pool_create_args, out_first, 52, 4) \
	FIELD(mqshm_pool_create_args, node, 56, 4) \
	FIELD(mqshm_pool_create_args, reserved, 60, 4) \
	STRUCT(mqshm_connect_args, 224) \
	FIELD(mqshm_connect_args, size, 0, 4) \
	FIELD(mqshm_connect_args, flags, 4, 4) \
	FIELD(mqshm_connect_args, from_block, 8, 64) \
	FIELD(mqshm_connect_args, from_port, 72, 32) \
	FIELD(mqshm_connect_args, to_block, 104, 64) \
	FIELD(mqshm_connect_args, to_port, 168, 32) \
	FIELD(mqshm_connect_args, out_id, 200, 8) \
	FIELD(mqshm_connect_args, out_which, 208, 4) \
	FIELD(mqshm_connect_args, policy, 212, 4) \
	FIELD(mqshm_connect_args, keep_ns, 216, 8) \
	STRUCT(mqshm_id_args, 16) \
	FIELD(mqshm_id_args, size, 0, 4) \
	FIELD(mqshm_id_args, flags, 4, 4) \
	FIELD(mqshm_id_args, id, 8, 8) \
	STRUCT(mqshm_client_join_args, 104) \
	FIELD(mqshm_client_join_args, size, 0, 4) \
	FIELD(mqshm_client_join_args, flags, 4, 4) \
	FIELD(mqshm_client_join_args, role, 8, 4) \
	FIELD(mqshm_client_join_args, reserved, 12, 4) \
	FIELD(mqshm_client_join_args, name, 16, 64) \
	FIELD(mqshm_client_join_args, out_id, 80, 8) \
	FIELD(mqshm_client_join_args, out_index, 88, 4) \
	FIELD(mqshm_client_join_args, out_rings, 92, 4) \
	FIELD(mqshm_client_join_args, out_buffers, 96, 4) \
	FIELD(mqshm_client_join_args, out_stats, 100, 4) \
	STRUCT(mqshm_event, 40) \
	FIELD(mqshm_event, kind, 0, 4) \
	FIELD(mqshm_event, ring, 4, 4) \
	FIELD(mqshm_event, port, 8, 4) \
	FIELD(mqshm_event, direction, 12, 4) \
	FIELD(mqshm_event, depth, 16, 4) \
	FIELD(mqshm_event, shift, 20, 4) \
	FIELD(mqshm_event, id, 24, 8) \
	FIELD(mqshm_event, peer, 32, 8) \
	STRUCT(mqshm_client_sync_args, 504) \
	FIELD(mqshm_client_sync_args, size, 0, 4) \
	FIELD(mqshm_client_sync_args, flags, 4, 4) \
	FIELD(mqshm_client_sync_args, out_count, 8, 4) \
	FIELD(mqshm_client_sync_args, out_more, 12, 4) \
	FIELD(mqshm_client_sync_args, out_gen, 16, 8) \
	FIELD(mqshm_client_sync_args, events, 24, 480) \
	STRUCT(mqshm_port_desc, 48) \
	FIELD(mqshm_port_desc, name, 0, 32) \
	FIELD(mqshm_port_desc, direction, 32, 4) \
	FIELD(mqshm_port_desc, depth, 36, 4) \
	FIELD(mqshm_port_desc, out_port, 40, 4) \
	FIELD(mqshm_port_desc, reserved, 44, 4) \
	STRUCT(mqshm_block_create_args, 136) \
	FIELD(mqshm_block_create_args, size, 0, 4) \
	FIELD(mqshm_block_create_args, flags, 4, 4) \
	FIELD(mqshm_block_create_args, name, 8, 64) \
	FIELD(mqshm_block_create_args, type, 72, 32) \
	FIELD(mqshm_block_create_args, class_, 104, 4) \
	FIELD(mqshm_block_create_args, ports, 108, 4) \
	FIELD(mqshm_block_create_args, port_array, 112, 8) \
	FIELD(mqshm_block_create_args, out_id, 120, 8) \
	FIELD(mqshm_block_create_args, out_slot, 128, 4) \
	FIELD(mqshm_block_create_args, out_reserved, 132, 4) \
	STRUCT(mqshm_port_eventfd_args, 16) \
	FIELD(mqshm_port_eventfd_args, size, 0, 4) \
	FIELD(mqshm_port_eventfd_args, flags, 4, 4) \
	FIELD(mqshm_port_eventfd_args, port, 8, 4) \
	FIELD(mqshm_port_eventfd_args, eventfd, 12, 4) \
	STRUCT(mqshm_lease_args, 552) \
	FIELD(mqshm_lease_args, size, 0, 4) \
	FIELD(mqshm_lease_args, flags, 4, 4) \
	FIELD(mqshm_lease_args, pool, 8, 4) \
	FIELD(mqshm_lease_args, count, 12, 4) \
	FIELD(mqshm_lease_args, gen, 16, 8) \
	FIELD(mqshm_lease_args, deadline_ns, 24, 8) \
	FIELD(mqshm_lease_args, out_count, 32, 4) \
	FIELD(mqshm_lease_args, reserved, 36, 4) \
	FIELD(mqshm_lease_args, buffers, 40, 512) \
	STRUCT(mqshm_return_args, 528) \
	FIELD(mqshm_return_args, size, 0, 4) \
	FIELD(mqshm_return_args, flags, 4, 4) \
	FIELD(mqshm_return_args, count, 8, 4) \
	FIELD(mqshm_return_args, out_done, 12, 4) \
	FIELD(mqshm_return_args, buffers, 16, 512) \
	STRUCT(mqshm_ref, 8) \
	FIELD(mqshm_ref, buffer, 0, 4) \
	FIELD(mqshm_ref, delta, 4, 4) \
	STRUCT(mqshm_ref_args, 528) \
	FIELD(mqshm_ref_args, size, 0, 4) \
	FIELD(mqshm_ref_args, flags, 4, 4) \
	FIELD(mqshm_ref_args, count, 8, 4) \
	FIELD(mqshm_ref_args, out_done, 12, 4) \
	FIELD(mqshm_ref_args, refs, 16, 512) \
	STRUCT(mqshm_kick_args, 272) \
	FIELD(mqshm_kick_args, size, 0, 4) \
	FIELD(mqshm_kick_args, flags, 4, 4) \
	FIELD(mqshm_kick_args, count, 8, 4) \
	FIELD(mqshm_kick_args, reserved, 12, 4) \
	FIELD(mqshm_kick_args, rings, 16, 256) \
	STRUCT(mqshm_wait_port, 8) \
	FIELD(mqshm_wait_port, port, 0, 4) \
	FIELD(mqshm_wait_port, known, 4, 4) \
	STRUCT(mqshm_wait_args, 600) \
	FIELD(mqshm_wait_args, size, 0, 4) \
	FIELD(mqshm_wait_args, flags, 4, 4) \
	FIELD(mqshm_wait_args, gen, 8, 8) \
	FIELD(mqshm_wait_args, deadline_ns, 16, 8) \
	FIELD(mqshm_wait_args, ports, 24, 4) \
	FIELD(mqshm_wait_args, count, 28, 4) \
	FIELD(mqshm_wait_args, out_events, 32, 4) \
	FIELD(mqshm_wait_args, out_done, 36, 4) \
	FIELD(mqshm_wait_args, out_ready, 40, 8) \
	FIELD(mqshm_wait_args, port_array, 48, 256) \
	FIELD(mqshm_wait_args, buffers, 304, 256) \
	FIELD(mqshm_wait_args, list, 560, 8) \
	FIELD(mqshm_wait_args, list_count, 568, 4) \
	FIELD(mqshm_wait_args, pools, 572, 4) \
	FIELD(mqshm_wait_args, out_leased, 576, 4) \
	FIELD(mqshm_wait_args, out_pool, 580, 4) \
	FIELD(mqshm_wait_args, fds, 584, 8) \
	FIELD(mqshm_wait_args, fds_count, 592, 4) \
	FIELD(mqshm_wait_args, reserved, 596, 4) \
	STRUCT(mqshm_record, 8) \
	FIELD(mqshm_record, kind, 0, 4) \
	FIELD(mqshm_record, bytes, 4, 4) \
	STRUCT(mqshm_runtime_record, 192) \
	FIELD(mqshm_runtime_record, head, 0, 8) \
	FIELD(mqshm_runtime_record, id, 8, 8) \
	FIELD(mqshm_runtime_record, magic, 16, 8) \
	FIELD(mqshm_runtime_record, version, 24, 4) \
	FIELD(mqshm_runtime_record, state, 28, 4) \
	FIELD(mqshm_runtime_record, uid, 32, 4) \
	FIELD(mqshm_runtime_record, gid, 36, 4) \
	FIELD(mqshm_runtime_record, mode, 40, 4) \
	FIELD(mqshm_runtime_record, clients, 44, 4) \
	FIELD(mqshm_runtime_record, blocks, 48, 4) \
	FIELD(mqshm_runtime_record, connections, 52, 4) \
	FIELD(mqshm_runtime_record, pools, 56, 4) \
	FIELD(mqshm_runtime_record, buffers, 60, 4) \
	FIELD(mqshm_runtime_record, limits, 64, 24) \
	FIELD(mqshm_runtime_record, created_ns, 88, 8) \
	FIELD(mqshm_runtime_record, memory_bytes, 96, 8) \
	FIELD(mqshm_runtime_record, allocated, 104, 8) \
	FIELD(mqshm_runtime_record, freed, 112, 8) \
	FIELD(mqshm_runtime_record, messages, 120, 8) \
	FIELD(mqshm_runtime_record, bytes, 128, 8) \
	FIELD(mqshm_runtime_record, settled, 136, 8) \
	FIELD(mqshm_runtime_record, ioctls, 144, 8) \
	FIELD(mqshm_runtime_record, name, 152, 32) \
	FIELD(mqshm_runtime_record, dropped, 184, 8) \
	STRUCT(mqshm_pool_record, 104) \
	FIELD(mqshm_pool_record, head, 0, 8) \
	FIELD(mqshm_pool_record, pool, 8, 4) \
	FIELD(mqshm_pool_record, uid, 12, 4) \
	FIELD(mqshm_pool_record, buffer_bytes, 16, 4) \
	FIELD(mqshm_pool_record, stride_bytes, 20, 4) \
	FIELD(mqshm_pool_record, first, 24, 4) \
	FIELD(mqshm_pool_record, buffers, 28, 4) \
	FIELD(mqshm_pool_record, free, 32, 4) \
	FIELD(mqshm_pool_record, quarantined, 36, 4) \
	FIELD(mqshm_pool_record, waiting, 40, 4) \
	FIELD(mqshm_pool_record, flags, 44, 4) \
	FIELD(mqshm_pool_record, payload_bytes, 48, 8) \
	FIELD(mqshm_pool_record, name, 56, 32) \
	FIELD(mqshm_pool_record, node, 88, 4) \
	FIELD(mqshm_pool_record, reserved, 92, 4) \
	FIELD(mqshm_pool_record, huge_bytes, 96, 8) \
	STRUCT(mqshm_client_record, 160) \
	FIELD(mqshm_client_record, head, 0, 8) \
	FIELD(mqshm_client_record, id, 8, 8) \
	FIELD(mqshm_client_record, pid, 16, 4) \
	FIELD(mqshm_client_record, tid, 20, 4) \
	FIELD(mqshm_client_record, uid, 24, 4) \
	FIELD(mqshm_client_record, role, 28, 4) \
	FIELD(mqshm_client_record, state, 32, 4) \
	FIELD(mqshm_client_record, index, 36, 4) \
	FIELD(mqshm_client_record, joined_ns, 40, 8) \
	FIELD(mqshm_client_record, started_ns, 48, 8) \
	FIELD(mqshm_client_record, held_refs, 56, 8) \
	FIELD(mqshm_client_record, held_buffers, 64, 8) \
	FIELD(mqshm_client_record, ioctls, 72, 8) \
	FIELD(mqshm_client_record, sleeps, 80, 8) \
	FIELD(mqshm_client_record, name, 88, 64) \
	FIELD(mqshm_client_record, seen_ns, 152, 8) \
	STRUCT(mqshm_block_record, 224) \
	FIELD(mqshm_block_record, head, 0, 8) \
	FIELD(mqshm_block_record, id, 8, 8) \
	FIELD(mqshm_block_record, client, 16, 8) \
	FIELD(mqshm_block_record, class_, 24, 4) \
	FIELD(mqshm_block_record, stopping, 28, 4) \
	FIELD(mqshm_block_record, created_ns, 32, 8) \
	FIELD(mqshm_block_record, name, 40, 64) \
	FIELD(mqshm_block_record, type, 104, 32) \
	FIELD(mqshm_block_record, stats, 136, 88) \
	STRUCT(mqshm_port_record, 64) \
	FIELD(mqshm_port_record, head, 0, 8) \
	FIELD(mqshm_port_record, block, 8, 8) \
	FIELD(mqshm_port_record, port, 16, 4) \
	FIELD(mqshm_port_record, direction, 20, 4) \
	FIELD(mqshm_port_record, depth, 24, 4) \
	FIELD(mqshm_port_record, ended, 28, 4) \
	FIELD(mqshm_port_record, name, 32, 32) \
	STRUCT(mqshm_connection_record, 296) \
	FIELD(mqshm_connection_record, head, 0, 8) \
	FIELD(mqshm_connection_record, id, 8, 8) \
	FIELD(mqshm_connection_record, from_block, 16, 8) \
	FIELD(mqshm_connection_record, to_block, 24, 8) \
	FIELD(mqshm_connection_record, from_port, 32, 4) \
	FIELD(mqshm_connection_record, to_port, 36, 4) \
	FIELD(mqshm_connection_record, ring, 40, 4) \
	FIELD(mqshm_connection_record, flags, 44, 4) \
	FIELD(mqshm_connection_record, depth, 48, 4) \
	FIELD(mqshm_connection_record, queued, 52, 4) \
	FIELD(mqshm_connection_record, messages, 56, 8) \
	FIELD(mqshm_connection_record, bytes, 64, 8) \
	FIELD(mqshm_connection_record, created_ns, 72, 8) \
	FIELD(mqshm_connection_record, dropped, 80, 8) \
	FIELD(mqshm_connection_record, keep_until_ns, 88, 8) \
	FIELD(mqshm_connection_record, from, 96, 96) \
	FIELD(mqshm_connection_record, to, 192, 96) \
	FIELD(mqshm_connection_record, expired, 288, 8) \
	STRUCT(mqshm_departed_record, 152) \
	FIELD(mqshm_departed_record, head, 0, 8) \
	FIELD(mqshm_departed_record, id, 8, 8) \
	FIELD(mqshm_departed_record, pid, 16, 4) \
	FIELD(mqshm_departed_record, how, 20, 4) \
	FIELD(mqshm_departed_record, refs, 24, 8) \
	FIELD(mqshm_departed_record, drained, 32, 8) \
	FIELD(mqshm_departed_record, settle_ns, 40, 8) \
	FIELD(mqshm_departed_record, at_ns, 48, 8) \
	FIELD(mqshm_departed_record, op, 56, 4) \
	FIELD(mqshm_departed_record, committed, 60, 4) \
	FIELD(mqshm_departed_record, name, 64, 64) \
	FIELD(mqshm_departed_record, kept, 128, 8) \
	FIELD(mqshm_departed_record, lost, 136, 8) \
	FIELD(mqshm_departed_record, lost_buffers, 144, 8) \
	STRUCT(mqshm_monitor_args, 16) \
	FIELD(mqshm_monitor_args, size, 0, 4) \
	FIELD(mqshm_monitor_args, flags, 4, 4) \
	FIELD(mqshm_monitor_args, out_depth, 8, 4) \
	FIELD(mqshm_monitor_args, reserved, 12, 4) \
	STRUCT(mqshm_bus_open_args, 40) \
	FIELD(mqshm_bus_open_args, size, 0, 4) \
	FIELD(mqshm_bus_open_args, flags, 4, 4) \
	FIELD(mqshm_bus_open_args, owner, 8, 8) \
	FIELD(mqshm_bus_open_args, depth, 16, 4) \
	FIELD(mqshm_bus_open_args, reserved, 20, 4) \
	FIELD(mqshm_bus_open_args, out_id, 24, 8) \
	FIELD(mqshm_bus_open_args, out_depth, 32, 4) \
	FIELD(mqshm_bus_open_args, out_reserved, 36, 4) \
	STRUCT(mqshm_bus_subscribe_args, 72) \
	FIELD(mqshm_bus_subscribe_args, size, 0, 4) \
	FIELD(mqshm_bus_subscribe_args, flags, 4, 4) \
	FIELD(mqshm_bus_subscribe_args, prefix, 8, 64) \
	STRUCT(mqshm_bus_publish_args, 128) \
	FIELD(mqshm_bus_publish_args, size, 0, 4) \
	FIELD(mqshm_bus_publish_args, flags, 4, 4) \
	FIELD(mqshm_bus_publish_args, type, 8, 4) \
	FIELD(mqshm_bus_publish_args, payload_bytes, 12, 4) \
	FIELD(mqshm_bus_publish_args, payload, 16, 8) \
	FIELD(mqshm_bus_publish_args, sender_block, 24, 8) \
	FIELD(mqshm_bus_publish_args, target, 32, 8) \
	FIELD(mqshm_bus_publish_args, target_pid, 40, 4) \
	FIELD(mqshm_bus_publish_args, reserved, 44, 4) \
	FIELD(mqshm_bus_publish_args, out_number, 48, 8) \
	FIELD(mqshm_bus_publish_args, out_receivers, 56, 4) \
	FIELD(mqshm_bus_publish_args, out_reserved, 60, 4) \
	FIELD(mqshm_bus_publish_args, topic, 64, 64) \
	STRUCT(mqshm_bus_message, 144) \
	FIELD(mqshm_bus_message, bytes, 0, 4) \
	FIELD(mqshm_bus_message, flags, 4, 4) \
	FIELD(mqshm_bus_message, type, 8, 4) \
	FIELD(mqshm_bus_message, payload_bytes, 12, 4) \
	FIELD(mqshm_bus_message, number, 16, 8) \
	FIELD(mqshm_bus_message, at_ns, 24, 8) \
	FIELD(mqshm_bus_message, sender, 32, 8) \
	FIELD(mqshm_bus_message, sender_block, 40, 8) \
	FIELD(mqshm_bus_message, target, 48, 8) \
	FIELD(mqshm_bus_message, lost, 56, 8) \
	FIELD(mqshm_bus_message, sender_pid, 64, 4) \
	FIELD(mqshm_bus_message, sender_uid, 68, 4) \
	FIELD(mqshm_bus_message, target_pid, 72, 4) \
	FIELD(mqshm_bus_message, reserved, 76, 4) \
	FIELD(mqshm_bus_message, topic, 80, 64) \
	STRUCT(mqshm_notice, 264) \
	FIELD(mqshm_notice, subject, 0, 4) \
	FIELD(mqshm_notice, change, 4, 4) \
	FIELD(mqshm_notice, number, 8, 8) \
	FIELD(mqshm_notice, at_ns, 16, 8) \
	FIELD(mqshm_notice, runtime, 24, 8) \
	FIELD(mqshm_notice, id, 32, 8) \
	FIELD(mqshm_notice, owner, 40, 8) \
	FIELD(mqshm_notice, refs, 48, 8) \
	FIELD(mqshm_notice, settle_ns, 56, 8) \
	FIELD(mqshm_notice, pid, 64, 4) \
	FIELD(mqshm_notice, reserved, 68, 4) \
	FIELD(mqshm_notice, name, 72, 96) \
	FIELD(mqshm_notice, to, 168, 96)

#define STRUCT(type, bytes) \
	static_assert(sizeof(struct type) == (bytes), #type " has " #bytes " bytes");
#define FIELD(type, field, at, bytes) \
	static_assert(offsetof(struct type, field) == (at), #type "." #field " is at " #at); \
	static_assert(sizeof(((struct type *)0)->field) == (bytes), #type "." #field " has " #bytes " bytes");
ABI_LAYOUT
#undef STRUCT
#undef FIELD

static_assert(offsetof(struct mqshm_ring_producer, slots) == 128, "slots start the second line");

/* Numbers of commands are never reused. */
#define ABI_COMMAND(name, number) \
	static_assert(MQSHM_IOC_##name == (0xBD00 | (number)), #name " is command " #number)
ABI_COMMAND(INFO, 0x00);
ABI_COMMAND(RUNTIME_CREATE, 0x01);
ABI_COMMAND(RUNTIME_OPEN, 0x02);
ABI_COMMAND(RUNTIME_REMOVE, 0x03);
ABI_COMMAND(RUNTIME_WAIT, 0x04);
ABI_COMMAND(QUERY, 0x05);
ABI_COMMAND(MONITOR, 0x06);
ABI_COMMAND(POOL_CREATE, 0x10);
ABI_COMMAND(CLIENT_JOIN, 0x20);
ABI_COMMAND(CLIENT_SYNC, 0x21);
ABI_COMMAND(CLIENT_DETACH, 0x22);
ABI_COMMAND(CLIENT_RECOVER, 0x23);
ABI_COMMAND(CLIENT_WAKE, 0x24);
ABI_COMMAND(BLOCK_CREATE, 0x30);
ABI_COMMAND(BLOCK_REMOVE, 0x31);
ABI_COMMAND(BLOCK_STOP, 0x32);
ABI_COMMAND(PORT_END, 0x33);
ABI_COMMAND(PORT_EVENTFD, 0x34);
ABI_COMMAND(PORT_ARM, 0x35);
ABI_COMMAND(CONNECT, 0x40);
ABI_COMMAND(DISCONNECT, 0x41);
ABI_COMMAND(RING_DETACH, 0x42);
ABI_COMMAND(LEASE, 0x50);
ABI_COMMAND(RETURN, 0x51);
ABI_COMMAND(REF, 0x52);
ABI_COMMAND(KICK, 0x53);
ABI_COMMAND(WAIT, 0x54);
ABI_COMMAND(BUS_OPEN, 0x60);
ABI_COMMAND(BUS_SUBSCRIBE, 0x61);
ABI_COMMAND(BUS_PUBLISH, 0x62);

#endif /* ABI_LAYOUT_H */
