/* SPDX-License-Identifier: Apache-2.0 */
/* The QEMU Machine Protocol: JSON lines over a socket (docs/interop/qmp-spec.txt of QEMU). */
#pragma once

#include "base/buffer.h"
#include "base/error.h"

#include <jansson.h>

#define QMP_LINE_MAX (1u << 20)

struct qmp {
	int fd; /* the owner's */
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

/* Sends a command (arguments may be NULL and are borrowed) and waits for its answer, telling of events meanwhile. */
int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int timeout_ms,
		struct cor_error *err);
