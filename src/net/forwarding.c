/* SPDX-License-Identifier: Apache-2.0 */
/* By way of /proc/sys/net, which shows the network namespace of who looks. */
#include "net/forwarding.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>

#define CONF6 "/proc/sys/net/ipv6/conf"

static int set(const char *path, const char *value)
{
	_fd_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd_write_all(fd, value, strlen(value));
}

static bool is(const char *path, char value)
{
	_free_ char *text = NULL;

	return file_read(AT_FDCWD, path, 64, &text, NULL) == 0 && text[0] == value;
}

static void set_on(const char *bridge, const char *family, const char *key, const char *value)
{
	_free_ char *path = str_format("/proc/sys/net/%s/conf/%s/%s", family, bridge, key);

	(void)set(path, value);
}

void forwarding_prepare_bridge(const char *bridge, bool v6)
{
	set_on(bridge, "ipv4", "accept_redirects", "0");
	set_on(bridge, "ipv4", "route_localnet", "0");
	if (!v6)
		return;
	set_on(bridge, "ipv6", "disable_ipv6", "0");
	set_on(bridge, "ipv6", "accept_ra", "0");
	set_on(bridge, "ipv6", "accept_redirects", "0");
}

/* With 1, advertisements count only as long as the device's host is no router; with 2 they always do (Documentation/networking/ip-sysctl.rst). */
static void keep_learned_routes(void)
{
	_dir_ DIR *dir = opendir(CONF6);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		_free_ char *path = str_format(CONF6 "/%s/accept_ra", entry->d_name);

		if (entry->d_name[0] != '.' && is(path, '1'))
			(void)set(path, "2");
	}
}

int forwarding_enable(bool v6)
{
	int r = 0;

	if (!is("/proc/sys/net/ipv4/ip_forward", '1'))
		r = set("/proc/sys/net/ipv4/ip_forward", "1");
	if (r == 0 && v6 && !is(CONF6 "/all/forwarding", '1')) {
		keep_learned_routes();
		r = set(CONF6 "/all/forwarding", "1");
	}
	return r;
}
