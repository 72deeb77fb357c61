/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of parameters while a block runs, by messages. */
#ifndef LIB_BLOCK_CONTROL_H
#define LIB_BLOCK_CONTROL_H

#include "../client.h"
#include "instance.h"

/*
 * A request: topic, and as payload "key=value" texts, a NUL behind each; its target is the
 * block. The answer goes to the subscriber that sent it: type 0 if all were accepted, else
 * an errno; as payload the number of the request and behind it the sentence why not.
 */
#define CONTROL_TOPIC_SET	"mqshm/set"
#define CONTROL_TOPIC_ANSWER	"mqshm/answer"

/**
 * struct control_answer - payload of an answer
 * @request: number of the message that it answers
 * @text: what was wrong, as long as the payload says
 */
struct control_answer {
	uint64_t request;
	char text[];
};

/* The block is registered: listens for requests, if its type takes any. */
void mqshm_control_open(struct mqshm_instance *in);
/* Does what requests ask for. */
void mqshm_control_serve(struct mqshm_instance *in);
void mqshm_control_close(struct mqshm_instance *in);

/* Between two works, and when a wait returns: a look at two words if nothing came. */
static inline void control_check(struct mqshm_instance *in)
{
	if (in->control && __builtin_expect(in->mail_seen != in->client->mail, 0))
		mqshm_control_serve(in);
}

#endif /* LIB_BLOCK_CONTROL_H */
