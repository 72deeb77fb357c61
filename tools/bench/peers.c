// SPDX-License-Identifier: GPL-2.0-only
/* The peers that this program was built with; the Makefile says which libraries are there. */
#include "bench.h"

extern const struct bench_peer bench_mqshm, bench_mqshm_huge, bench_ring, bench_line, bench_two_lines,
	bench_futex, bench_eventfd, bench_pipe, bench_socket, bench_posix_mq, bench_zeromq,
	bench_boost_mq, bench_boost_queue, bench_iceoryx, bench_share, bench_adds;

const struct bench_peer *const bench_peers[] = {
	&bench_mqshm, &bench_mqshm_huge, &bench_line, &bench_two_lines, &bench_ring, &bench_futex,
	&bench_eventfd,
#ifdef BENCH_ICEORYX
	&bench_iceoryx,
#endif
#ifdef BENCH_BOOST
	&bench_boost_queue, &bench_boost_mq,
#endif
#ifdef BENCH_ZEROMQ
	&bench_zeromq,
#endif
	&bench_posix_mq, &bench_pipe, &bench_socket,
	NULL,
};

const struct bench_peer *const bench_peers_growth[] = { &bench_mqshm, NULL };
const struct bench_peer *const bench_peers_pairs[] = { &bench_mqshm, &bench_ring, &bench_pipe, NULL };
const struct bench_peer *const bench_peers_share[] = { &bench_share, &bench_adds, NULL };
