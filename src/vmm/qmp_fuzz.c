/* SPDX-License-Identifier: Apache-2.0 */
/* What a QEMU says that its guest has taken over: events, and the answer to a command. */
#include "vmm/qmp.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/macro.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_event(const char *name, const json_t *data, void *user)
{
	assert(name && (!data || json_is_object(data)));
	++*(size_t *)user;
}

/* A line opened and all of the input said on it. */
static void hear(struct qmp *qmp, int pair[2], const uint8_t *data, size_t size, size_t *events)
{
	int r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);

	assert(r == 0);
	r = qmp_init(qmp, pair[0], on_event, events);
	assert(r == 0);
	r = fd_write_all(pair[1], data, size);
	assert(r == 0);
}

static void release(struct qmp *qmp, int pair[2])
{
	qmp_release(qmp);
	close_fd(&pair[0]);
	close_fd(&pair[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t events = 0, lines = 1;
	struct cor_error err = {0};
	struct qmp qmp;
	int pair[2], r;

	if (size > 65536)
		return 0;
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	hear(&qmp, pair, data, size, &events);
	r = qmp_process(&qmp);
	assert(r <= 0 && events <= lines && buffer_size(&qmp.in) <= size);
	release(&qmp, pair);

	hear(&qmp, pair, data, size, &events);
	close_fd(&pair[1]);
	r = qmp_execute(&qmp, "stop", NULL, NULL, 0, &err);
	assert(r <= 0 && (r == 0) == (err.status == COR_OK) && memchr(err.msg, '\0', sizeof(err.msg)));
	release(&qmp, pair);
	return 0;
}
