/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages that Generator counts and Verify checks. */
#ifndef MQSHM_COUNTER_H
#define MQSHM_COUNTER_H

#include <stdint.h>

/**
 * struct counter_message - how each of them begins; the bytes behind go on counting
 * @crc: CRC-32 of all that follows, as of gzip
 * @reserved: 0
 * @source: number of the Generator, another one for each run
 * @number: 0, 1, 2, ...
 *
 * Of this machine's byte order: it is not meant for others.
 */
struct counter_message {
	uint32_t crc;
	uint32_t reserved;
	uint64_t source;
	uint64_t number;
};

#endif /* MQSHM_COUNTER_H */
