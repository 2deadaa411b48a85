/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of sockets put at both ends; static, so that it runs in any image.
 *
 *   socket_peer connect PATH             standard input goes to the socket, which is half-closed at its end; what comes back goes to standard output
 *   socket_peer listen PATH COMMAND...   runs the command for each connection, with it as standard input and output
 *   socket_peer many PATH COUNT          opens so many connections, and only then sends on each and waits for the echo */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(const char *path, struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (fd < 0 || snprintf(address->sun_path, sizeof(address->sun_path), "%s", path) >=
			      (int)sizeof(address->sun_path))
		fail("socket");
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address;
	int fd = open_socket(path, &address);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("connect");
	return fd;
}

/* One read, all of it written; false at the end. */
static int copy(int from, int to)
{
	static char data[65536];
	ssize_t n = read(from, data, sizeof(data)), done = 0;

	if (n < 0)
		fail("read");
	while (done < n) {
		ssize_t w = write(to, data + done, (size_t)(n - done));

		if (w < 0)
			fail("write");
		done += w;
	}
	return n > 0;
}

static void talk(const char *path)
{
	int fd = connect_to(path);
	struct pollfd polls[] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};

	for (;;) {
		if (poll(polls, 2, -1) < 0)
			fail("poll");
		if (polls[0].revents && !copy(0, fd)) {
			shutdown(fd, SHUT_WR);
			polls[0].fd = -1;
		}
		if (polls[1].revents && !copy(fd, 1))
			return;
	}
}

static void serve(const char *path, char **command)
{
	struct sockaddr_un address;
	int fd = open_socket(path, &address);

	signal(SIGCHLD, SIG_IGN);
	/* So that all can be ended at once. */
	setpgid(0, 0);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
		fail("listen");
	for (;;) {
		int connection = accept(fd, NULL, NULL);

		if (connection < 0)
			fail("accept");
		if (fork() == 0) {
			dup2(connection, 0);
			dup2(connection, 1);
			close(connection);
			close(fd);
			signal(SIGCHLD, SIG_DFL);
			execvp(command[0], command);
			_exit(127);
		}
		close(connection);
	}
}

static void open_many(const char *path, int count)
{
	int *fds = calloc((size_t)count, sizeof(int));
	char text[32], back[32];

	for (int i = 0; i < count; i++)
		fds[i] = connect_to(path);
	for (int i = 0; i < count; i++)
		if (write(fds[i], text, (size_t)snprintf(text, sizeof(text), "%06d\n", i)) != 7)
			fail("write");
	for (int i = count - 1; i >= 0; i--) {
		snprintf(text, sizeof(text), "%06d\n", i);
		if (recv(fds[i], back, 7, MSG_WAITALL) != 7 || memcmp(text, back, 7) != 0)
			fail("echo");
	}
	printf("%d echoes\n", count);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "connect") == 0)
		talk(argv[2]);
	else if (argc > 3 && strcmp(argv[1], "listen") == 0)
		serve(argv[2], argv + 3);
	else if (argc == 4 && strcmp(argv[1], "many") == 0)
		open_many(argv[2], atoi(argv[3]));
	else
		return 2;
	return 0;
}
