/* SPDX-License-Identifier: Apache-2.0 */
/* The relays between sockets of the loopback: who connects, the relay and who answers are all here, in one loop that is turned by hand. */
#include "shim/publish_udp.h"

#include "base/cleanup.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TURNS 20000

struct fixture {
	uv_loop_t loop;
	struct tcp_relay *tcp;
	struct udp_relay *udp;
	union relay_address entry, target;
	int server; /* at the target */
};

/* Bound to a free port, which is told. */
static int bound(int type, union relay_address *ret)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
	socklen_t size = sizeof(ret->v4);

	*ret = (union relay_address){
		.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &ret->any, size), 0);
	assert_int_equal(getsockname(fd, &ret->any, &size), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 100), 0);
	else
		assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
	return fd;
}

static void begin(struct fixture *f, int type)
{
	int entry;

	*f = (struct fixture){0};
	assert_int_equal(uv_loop_init(&f->loop), 0);
	f->server = bound(type, &f->target);
	entry = bound(type, &f->entry);
	if (type == SOCK_STREAM) {
		f->tcp = tcp_relay_new(&f->loop);
		assert_int_equal(tcp_relay_add(f->tcp, entry, &f->target), 0);
	} else {
		f->udp = udp_relay_new(&f->loop);
		assert_int_equal(udp_relay_add(f->udp, entry, &f->target), 0);
	}
}

/* Nothing of it stays in the loop. */
static void end(struct fixture *f)
{
	tcp_relay_free(f->tcp);
	udp_relay_free(f->udp);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	close_fd(&f->server);
}

/* Turns the loop until fd is ready. */
static void await(struct fixture *f, int fd, short events)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};

	for (int i = 0; i < TURNS; i++) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		if (poll(&poll_fd, 1, 1) == 1)
			return;
	}
	fail_msg("nothing came");
}

static int dial(const struct fixture *f, int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, &f->entry.any, sizeof(f->entry.v4)), 0);
	return fd;
}

static int answer(struct fixture *f)
{
	int fd;

	await(f, f->server, POLLIN);
	fd = accept4(f->server, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void expect(struct fixture *f, int fd, const char *text)
{
	char data[64] = "";

	await(f, fd, POLLIN);
	assert_int_equal(recv(fd, data, sizeof(data) - 1, 0), strlen(text));
	assert_string_equal(data, text);
}

static void test_ends(void **state)
{
	struct fixture f;
	int client, server;

	begin(&f, SOCK_STREAM);
	client = dial(&f, SOCK_STREAM);
	server = answer(&f);
	assert_int_equal(send(client, "there", 5, 0), 5);
	expect(&f, server, "there");
	shutdown(client, SHUT_WR);
	expect(&f, server, "");
	/* The other direction goes on. */
	assert_int_equal(send(server, "back", 4, 0), 4);
	expect(&f, client, "back");
	shutdown(server, SHUT_WR);
	expect(&f, client, "");
	close(client);
	close(server);
	end(&f);
}

static void test_reset(void **state)
{
	struct linger hard = {.l_onoff = 1};
	struct fixture f;
	int client, server;
	char byte;

	begin(&f, SOCK_STREAM);
	client = dial(&f, SOCK_STREAM);
	server = answer(&f);
	setsockopt(server, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(server);
	await(&f, client, POLLIN);
	assert_int_equal(recv(client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(client);
	/* Nobody there. */
	close_fd(&f.server);
	client = dial(&f, SOCK_STREAM);
	await(&f, client, POLLIN);
	assert_int_equal(recv(client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(client);
	end(&f);
}

static void test_slow(void **state)
{
	static char block[1 << 20];
	size_t sent = 0, got = 0;
	struct fixture f;
	int client, server, other, other_server;
	ssize_t n;

	begin(&f, SOCK_STREAM);
	client = dial(&f, SOCK_STREAM);
	server = answer(&f);
	/* As much as kernels and one buffer hold, and no more. */
	for (int idle = 0; idle < 100; idle++) {
		n = send(client, block, sizeof(block), MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle;
		uv_run(&f.loop, UV_RUN_NOWAIT);
		assert_true(sent < 512u << 20);
	}
	other = dial(&f, SOCK_STREAM);
	other_server = answer(&f);
	assert_int_equal(send(other, "still", 5, 0), 5);
	expect(&f, other_server, "still");
	/* All of it is there once it is read. */
	shutdown(client, SHUT_WR);
	do {
		await(&f, server, POLLIN);
		n = recv(server, block, sizeof(block), 0);
		assert_true(n >= 0);
		got += (size_t)n;
	} while (n);
	assert_int_equal(got, sent);
	close(client);
	close(server);
	close(other);
	close(other_server);
	end(&f);
}

/* The one that was silent longest goes; the others go on. */
static void test_flows(void **state)
{
	int clients[UDP_RELAY_MAX + 1];
	union relay_address first = {0}, from = {0};
	struct fixture f;
	char data[16];

	begin(&f, SOCK_DGRAM);
	for (unsigned i = 0; i < UDP_RELAY_MAX + 1; i++) {
		socklen_t size = sizeof(from);

		clients[i] = dial(&f, SOCK_DGRAM);
		assert_int_equal(send(clients[i], "ask", 3, 0), 3);
		await(&f, f.server, POLLIN);
		assert_int_equal(recvfrom(f.server, data, sizeof(data), 0, &from.any, &size), 3);
		first = i ? first : from;
		assert_int_equal(sendto(f.server, "told", 4, 0, &from.any, size), 4);
		expect(&f, clients[i], "told");
	}
	/* Its socket is closed: what is sent there comes to nobody. */
	(void)sendto(f.server, "late", 4, 0, &first.any, sizeof(first.v4));
	assert_int_equal(sendto(f.server, "more", 4, 0, &from.any, sizeof(from.v4)), 4);
	expect(&f, clients[UDP_RELAY_MAX], "more");
	assert_int_equal(recv(clients[0], data, sizeof(data), MSG_DONTWAIT), -1);
	for (unsigned i = 0; i < UDP_RELAY_MAX + 1; i++)
		close(clients[i]);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends), cmocka_unit_test(test_reset),
					   cmocka_unit_test(test_slow), cmocka_unit_test(test_flows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
