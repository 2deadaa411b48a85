/* SPDX-License-Identifier: Apache-2.0 */
#include "image/source.h"

#include <errno.h>
#include <stdint.h>
#include <unistd.h>

static int fd_read(void *userdata, void *data, size_t size, size_t *ret_size, struct cor_error *err)
{
	int fd = (int)(intptr_t)userdata;
	ssize_t n;

	do
		n = read(fd, data, size);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return cor_fail_errno(err, errno, "read a layer");
	*ret_size = (size_t)n;
	return 0;
}

static void fd_release(void *userdata)
{
	close((int)(intptr_t)userdata);
}

struct source source_fd(int fd)
{
	return (struct source){.read = fd_read, .release = fd_release, .userdata = (void *)(intptr_t)fd};
}

void source_stop(const struct source *source)
{
	if (source->stop)
		source->stop(source->userdata);
}

void source_release(struct source *source)
{
	if (source->release)
		source->release(source->userdata);
	*source = (struct source){0};
}
