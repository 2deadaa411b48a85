/* SPDX-License-Identifier: Apache-2.0 */
/* How long a byte and its answer take over one TCP connection. Static, since it goes into guests that have nothing else.
 *
 *   roundtrip serve PORT                    answers each byte with itself, for ever
 *   roundtrip ask ADDRESS PORT MILLISECONDS asks for that long, then writes the median in microseconds */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX 1000000

static int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	return fd;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int serve(struct sockaddr_in *address)
{
	int listener = tcp_socket(), fd;
	char byte;

	signal(SIGCHLD, SIG_IGN);
	if (bind(listener, (struct sockaddr *)address, sizeof(*address)) < 0 || listen(listener, 16) < 0)
		return 1;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (fork() == 0) {
			while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
				;
			return 0;
		}
		close(fd);
	}
	return 1;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int ask(const struct sockaddr_in *address, unsigned milliseconds)
{
	static uint32_t samples[SAMPLES_MAX];
	int fd = tcp_socket();
	uint64_t began, end, before, after;
	size_t count = 0;
	char byte = 'x';

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return 1;
	began = before = now_ns();
	end = began + milliseconds * UINT64_C(1000000);
	while (before < end && count < SAMPLES_MAX) {
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			return 1;
		after = now_ns();
		samples[count++] = (uint32_t)(after - before);
		before = after;
	}
	if (!count)
		return 1;
	qsort(samples, count, sizeof(*samples), compare);
	printf("%.1f\n", samples[count / 2] / 1e3);
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET};

	if (argc == 3 && strcmp(argv[1], "serve") == 0) {
		address.sin_port = htons((uint16_t)atoi(argv[2]));
		return serve(&address);
	}
	if (argc != 5 || strcmp(argv[1], "ask") != 0 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
		return 2;
	address.sin_port = htons((uint16_t)atoi(argv[3]));
	return ask(&address, (unsigned)atoi(argv[4]));
}
