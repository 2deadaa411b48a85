/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tap.h"

#include "base/cleanup.h"
#include "base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

void tap_init(struct tap *tap)
{
	*tap = (struct tap){0};
	for (unsigned i = 0; i < TAP_QUEUES_MAX; i++)
		tap->queues[i] = tap->vhosts[i] = -1;
}

void tap_close_vhosts(struct tap *tap)
{
	for (unsigned i = 0; i < TAP_QUEUES_MAX; i++)
		close_fd(&tap->vhosts[i]);
}

void tap_close(struct tap *tap)
{
	tap_close_vhosts(tap);
	for (unsigned i = 0; i < TAP_QUEUES_MAX; i++)
		close_fd(&tap->queues[i]);
	tap->count = 0;
}

/* All or none. QEMU falls over when it is given several that turn out to be something else. */
static bool open_vhosts(struct tap *tap, unsigned count)
{
	uint64_t features;

	for (unsigned i = 0; i < count; i++) {
		tap->vhosts[i] = open("/dev/vhost-net", O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (tap->vhosts[i] < 0 || ioctl(tap->vhosts[i], VHOST_GET_FEATURES, &features) < 0) {
			tap_close_vhosts(tap);
			return false;
		}
	}
	return count > 0;
}

static int open_queue(const char *name, int flags)
{
	_fd_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags)};

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0)
		return -errno;
	return steal_fd(&fd);
}

int tap_open(const char *name, unsigned queues, struct tap *ret)
{
	struct tap tap;
	int multi;

	tap_init(&tap);
	tap.count = MIN(queues, (unsigned)TAP_QUEUES_MAX);
	if (!open_vhosts(&tap, tap.count))
		tap.count = 1;
	multi = tap.count > 1 ? IFF_MULTI_QUEUE : 0;
	for (unsigned i = 0; i < tap.count; i++) {
		int r = open_queue(name, multi | (i == 0 ? IFF_TUN_EXCL : 0));

		if (r < 0) {
			tap_close(&tap);
			return r;
		}
		tap.queues[i] = r;
	}
	*ret = tap;
	return 0;
}
