/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's links in /proc/self/fd stand for the descriptors: what they lead to is not looked up again, so that nothing can be exchanged meanwhile. */
#include "base/unix_socket.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static int make_address(int fd, const char *name, struct sockaddr_un *address)
{
	int n;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d%s%s", fd,
		     name ? "/" : "", name ? name : "");
	return n < (int)sizeof(address->sun_path) ? 0 : -ENAMETOOLONG;
}

int unix_listen_at(int dir, const char *name, int backlog, int *ret_fd)
{
	_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	int r = fd < 0 ? -errno : make_address(dir, name, &address);
	mode_t mask;

	if (r < 0)
		return r;
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(fd, backlog) < 0) {
		r = -errno;
		unlinkat(dir, name, 0);
	}
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

static int connect_type(int file, int type, int *ret_fd)
{
	_fd_ int fd = -1;
	struct sockaddr_un address;
	struct stat st;

	if (fstat(file, &st) < 0 || !S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	make_address(file, NULL, &address);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int unix_connect(int file, int *ret_fd)
{
	return connect_type(file, SOCK_STREAM, ret_fd);
}

/* Another type is refused by who listens (EPROTOTYPE), and by nobody otherwise. */
bool unix_is_dead(int file)
{
	_fd_ int fd = -1;

	return connect_type(file, SOCK_DGRAM, &fd) == -ECONNREFUSED;
}
