/* SPDX-License-Identifier: Apache-2.0 */
/* The QEMU Machine Protocol: JSON lines over a socket (docs/interop/qmp-spec.txt of QEMU). */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

#define QMP_LINE_MAX (1u << 20)

struct qmp {
	int fd;        /* the owner's */
	bool answered; /* a command was, once: QEMU's main loop runs */
	struct buffer in;
	unsigned last_id;
	void (*on_event)(const char *name, const json_t *data, void *user); /* data may be NULL */
	void *user;
};

/* The mode in which commands are taken is asked for at once, before anybody listens. 0 or -errno. */
int qmp_init(struct qmp *qmp, int fd, void (*on_event)(const char *name, const json_t *data, void *user),
	     void *user);
void qmp_release(struct qmp *qmp);

/* Reads what there is, up to a bound, and tells of events; never blocks. -ECONNRESET when QEMU has gone, -EPROTO when it talks nonsense. */
int qmp_process(struct qmp *qmp);

/* Gives QEMU a descriptor, which it knows by this name from then on. Waits. */
int qmp_give(struct qmp *qmp, const char *name, int fd, int timeout_ms, struct cor_error *err);

/* Sends a command and does not wait: its answer is thrown away, but a refusal is told of as if it were an event named QMP_REFUSED. 0 or -errno. */
#define QMP_REFUSED "COMMAND_REFUSED"
int qmp_post(struct qmp *qmp, const char *command, json_t *arguments);
/* The same, with a descriptor for QEMU. */
int qmp_post_with(struct qmp *qmp, const char *command, json_t *arguments, int fd);
/* What stands in a comma separated option of the command line ("driver=raw,file.driver=file,file.locking=off") as the object that commands take; the caller's. Words
 * "on" and "off" are truth values, digits alone numbers. */
json_t *qmp_options(const char *text);

/* Sends a command (arguments may be NULL and are borrowed) and waits for its answer, telling of events meanwhile. *ret_value (ret_value may be NULL) is what
 * it returns, an object; the caller's. */
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, json_t **ret_value, int timeout_ms,
		struct cor_error *err);
