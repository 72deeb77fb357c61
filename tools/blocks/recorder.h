/* SPDX-License-Identifier: GPL-2.0-only */
/* What a Recorder in this process has done, for mqtool dump. */
#ifndef MQSHM_RECORDER_H
#define MQSHM_RECORDER_H

#include <mqshm_block.h>

#include "recording.h"

/* So far; @error (may be NULL): what came of writing the end, 0 or -errno. */
struct recording_totals recorder_totals(struct mqshm_instance *in, int *error);

#endif /* MQSHM_RECORDER_H */
