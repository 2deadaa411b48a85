/* SPDX-License-Identifier: Apache-2.0 */
/* A thread for each connection, which takes the next step of the script when a request has come. */
#include "registry/test_server.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#define STEPS_MAX       64
#define CONNECTIONS_MAX 64
#define REQUEST_MAX     (1u << 20)

enum after { AFTER_KEEP, AFTER_RESET, AFTER_REPEAT, AFTER_SILENCE };

struct step {
	const char *text, *more; /* of its own */
	enum after after;
};

struct test_server {
	pthread_mutex_t lock;
	pthread_t thread, connections[CONNECTIONS_MAX];
	int fds[CONNECTIONS_MAX];
	size_t connection_count;
	int listener;
	char place[32];
	struct step steps[STEPS_MAX];
	size_t step_count, taken;
	struct test_server *first; /* whose turn is before ours, until it has been asked so often */
	size_t first_count;
	char *requests[STEPS_MAX];
};

struct connection {
	struct test_server *server;
	int fd;
};

/* Reads until what has come holds a whole request. False at the end, and for what is none. */
static bool read_request(int fd, struct buffer *in)
{
	char *text, *end, *length;
	ssize_t n;

	for (;;) {
		buffer_reserve(in, 65536)[0] = 0;
		n = read(fd, in->data + in->end, 65535);
		if (n <= 0)
			return false;
		buffer_commit(in, (size_t)n);
		in->data[in->end] = 0;
		text = (char *)buffer_bytes(in);
		if (*text < 'A' || *text > 'Z' || buffer_size(in) > REQUEST_MAX)
			return false;
		end = strstr(text, "\r\n\r\n");
		length = end ? strcasestr(text, "Content-Length:") : NULL;
		if (end && buffer_size(in) >=
				   (size_t)(end + 4 - text) + (length ? strtoul(length + 15, NULL, 10) : 0))
			return true;
	}
}

static void reset(int fd)
{
	struct linger linger = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static bool send_text(int fd, const char *text)
{
	size_t size = strlen(text), done = 0;
	ssize_t n = 0;

	for (; done < size; done += (size_t)n) {
		n = send(fd, text + done, size - done, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

/* False when the connection is over. */
static bool take_step(int fd, const struct step *step)
{
	char byte;

	if (!send_text(fd, step->text))
		return false;
	switch (step->after) {
	case AFTER_KEEP:
		return true;
	case AFTER_RESET:
		usleep(20000); /* what was sent shall arrive before the reset overtakes it */
		reset(fd);
		return false;
	case AFTER_REPEAT:
		while (send_text(fd, step->more))
			;
		return false;
	case AFTER_SILENCE:
		while (read(fd, &byte, 1) > 0)
			;
		return false;
	}
	return false;
}

static const struct step *next_step(struct test_server *server, struct buffer *in)
{
	static const struct step none = {"HTTP/1.1 599 Beyond The Script\r\nContent-Length: 0\r\n\r\n", NULL,
					 AFTER_KEEP};
	const struct step *step = &none;

	pthread_mutex_lock(&server->lock);
	if (server->taken < STEPS_MAX)
		server->requests[server->taken] = xstrdup((char *)buffer_bytes(in));
	if (server->taken < server->step_count)
		step = &server->steps[server->taken];
	server->taken++;
	pthread_mutex_unlock(&server->lock);
	buffer_clear(in);
	return step;
}

/* Not for ever: a test that waits for what does not come shall fail. */
static void wait_for_turn(const struct test_server *server)
{
	for (int ms = 0;
	     server->first && test_server_count(server->first) < server->first_count && ms < 10000; ms++)
		usleep(1000);
}

static bool answer(const struct connection *connection, struct buffer *in)
{
	const struct step *step = next_step(connection->server, in);

	wait_for_turn(connection->server);
	return take_step(connection->fd, step);
}

static void *serve(void *argument)
{
	struct connection connection = *(struct connection *)argument;
	_buffer_ struct buffer in = {0};

	free(argument);
	while (read_request(connection.fd, &in) && answer(&connection, &in))
		;
	shutdown(connection.fd, SHUT_RDWR);
	return NULL;
}

static void *listen_for(void *argument)
{
	struct test_server *server = argument;
	struct connection *connection;
	int fd;

	while ((fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0 &&
	       server->connection_count < CONNECTIONS_MAX) {
		connection = xmalloc(sizeof(*connection));
		*connection = (struct connection){server, fd};
		pthread_mutex_lock(&server->lock);
		server->fds[server->connection_count] = fd;
		pthread_create(&server->connections[server->connection_count++], NULL, serve, connection);
		pthread_mutex_unlock(&server->lock);
	}
	return NULL;
}

struct test_server *test_server_new(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct test_server *server = xcalloc(1, sizeof(*server));
	socklen_t size = sizeof(address);

	pthread_mutex_init(&server->lock, NULL);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(server->listener, 16) < 0 ||
	    getsockname(server->listener, (struct sockaddr *)&address, &size) < 0)
		abort();
	snprintf(server->place, sizeof(server->place), "127.0.0.1:%u", ntohs(address.sin_port));
	pthread_create(&server->thread, NULL, listen_for, server);
	return server;
}

void test_server_free(struct test_server *server)
{
	if (!server)
		return;
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	for (size_t i = 0; i < server->connection_count; i++) {
		shutdown(server->fds[i], SHUT_RDWR);
		pthread_join(server->connections[i], NULL);
		close(server->fds[i]);
	}
	close(server->listener);
	for (size_t i = 0; i < STEPS_MAX; i++) {
		free((char *)server->steps[i].text);
		free((char *)server->steps[i].more);
		free(server->requests[i]);
	}
	free(server);
}

const char *test_server_place(const struct test_server *server)
{
	return server->place;
}

static void add(struct test_server *server, enum after after, char *text, char *more)
{
	pthread_mutex_lock(&server->lock);
	if (server->step_count == STEPS_MAX)
		abort();
	server->steps[server->step_count++] = (struct step){text, more, after};
	pthread_mutex_unlock(&server->lock);
}

#define FORMATTED(text)                                                                                      \
	va_list ap;                                                                                          \
	char *text;                                                                                          \
	va_start(ap, fmt);                                                                                   \
	text = str_vformat(fmt, ap);                                                                         \
	va_end(ap)

void test_server_answer(struct test_server *server, const char *fmt, ...)
{
	FORMATTED(text);
	add(server, AFTER_KEEP, text, NULL);
}

void test_server_body(struct test_server *server, const char *status, const char *headers, const char *body)
{
	add(server, AFTER_KEEP,
	    str_format("HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body),
	    NULL);
}

void test_server_reset(struct test_server *server, const char *fmt, ...)
{
	FORMATTED(text);
	add(server, AFTER_RESET, text, NULL);
}

void test_server_endless(struct test_server *server, const char *head, const char *more)
{
	add(server, AFTER_REPEAT, xstrdup(head), xstrdup(more));
}

void test_server_silence(struct test_server *server, const char *fmt, ...)
{
	FORMATTED(text);
	add(server, AFTER_SILENCE, text, NULL);
}

void test_server_after(struct test_server *server, struct test_server *first, size_t count)
{
	server->first = first;
	server->first_count = count;
}

size_t test_server_count(struct test_server *server)
{
	size_t count;

	pthread_mutex_lock(&server->lock);
	count = server->taken;
	pthread_mutex_unlock(&server->lock);
	return count;
}

const char *test_server_request(struct test_server *server, size_t index)
{
	const char *request;

	pthread_mutex_lock(&server->lock);
	request = index < STEPS_MAX && server->requests[index] ? server->requests[index] : "";
	pthread_mutex_unlock(&server->lock);
	return request;
}
