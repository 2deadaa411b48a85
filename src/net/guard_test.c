/* SPDX-License-Identifier: Apache-2.0 */
#include "net/guard.h"

#include "base/macro.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct guard guard;

static struct net_prefix address(const char *text)
{
	struct net_prefix prefix;

	assert_int_equal(net_prefix_parse(text, &prefix), 0);
	return prefix;
}

static int reset(void **state)
{
	guard = (struct guard){.v4 = address("192.0.0.2/29"),
			       .v6 = address("fd63:6f72:6163::2/64"),
			       .gateway4 = address("192.0.0.1"),
			       .gateway6 = address("fe80::1"),
			       .key = 42};
	guard_publish(&guard, 53);
	return 0;
}

/* A frame, with what matters of it. */
struct frame {
	uint8_t bytes[128];
	size_t size;
};

static struct frame frame(const char *from, const char *to, unsigned protocol, unsigned port,
			  unsigned to_port)
{
	struct net_prefix source = address(from), target = address(to);
	bool v4 = source.family == AF_INET;
	size_t header = 14 + (v4 ? 20 : 40);
	struct frame f = {.size = header + 20};
	uint8_t *p = f.bytes + 14;

	f.bytes[12] = v4 ? 0x08 : 0x86;
	f.bytes[13] = v4 ? 0x00 : 0xdd;
	p[0] = v4 ? 0x45 : 0x60;
	p[v4 ? 9 : 6] = (uint8_t)protocol;
	memcpy(p + (v4 ? 12 : 8), source.bytes, v4 ? 4 : 16);
	memcpy(p + (v4 ? 16 : 24), target.bytes, v4 ? 4 : 16);
	p = f.bytes + header;
	p[0] = (uint8_t)(port >> 8);
	p[1] = (uint8_t)port;
	p[2] = (uint8_t)(to_port >> 8);
	p[3] = (uint8_t)to_port;
	if (protocol == 6)
		p[13] = 0x02; /* SYN */
	return f;
}

static bool out(struct frame f)
{
	return guard_out(&guard, f.bytes, f.size);
}

static bool in(struct frame f)
{
	return guard_in(&guard, f.bytes, f.size);
}

static const char own4[] = "192.0.0.2", own6[] = "fd63:6f72:6163::2";
enum { ICMP = 1, TCP = 6, UDP = 17, ICMP6 = 58 };

static void test_way_out(void **state)
{
	assert_true(out(frame(own4, "198.51.100.1", TCP, 40000, 80)));
	assert_true(out(frame(own6, "2001:db8::1", TCP, 40000, 80)));
	assert_true(out(frame(own4, "198.51.100.1", UDP, 40000, 53)));
	assert_true(out(frame(own4, "198.51.100.1", ICMP, 0, 0)));
	assert_true(out(frame(own6, "2001:db8::1", ICMP6, 0, 0)));
	assert_true(out(frame("fe80::1234", "ff02::1:ff00:1", ICMP6, 0, 0)));
	assert_true(out((struct frame){.bytes = {[12] = 8, [13] = 6}, .size = 42}));
}

static void test_not_to_the_host(void **state)
{
	static const char *const forbidden[] = {"127.0.0.1",
						"127.255.255.254",
						"0.0.0.0",
						"0.1.2.3",
						"255.255.255.255",
						"224.0.0.251",
						"::1",
						"::",
						"::127.0.0.1",
						"::ffff:127.0.0.1",
						"::ffff:192.0.2.1",
						"ff02::fb"};

	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++) {
		const char *from = strchr(forbidden[i], ':') ? own6 : own4;

		if (out(frame(from, forbidden[i], TCP, 40000, 80)) ||
		    out(frame(from, forbidden[i], UDP, 40000, 53)))
			fail_msg("%s is reached", forbidden[i]);
	}
}

static void test_only_its_own(void **state)
{
	assert_false(out(frame("192.0.0.3", "198.51.100.1", TCP, 1, 80)));
	assert_false(out(frame("127.0.0.1", "198.51.100.1", TCP, 1, 80)));
	assert_false(out(frame("::", "2001:db8::1", ICMP6, 0, 0)));
	assert_false(out(frame("2001:db8::2", "2001:db8::1", UDP, 1, 80)));
	assert_true(out(frame("fe80::1234", "fe80::1", ICMP6, 0, 0)));
	guard.v6 = (struct net_prefix){0};
	assert_false(out(frame("fe80::1234", "2001:db8::1", TCP, 1, 80)));
	assert_false(out(frame("::", "2001:db8::1", TCP, 1, 80)));
}

static void test_odd_frames(void **state)
{
	struct frame f = frame(own4, "198.51.100.1", TCP, 1, 80);

	for (size_t size = 0; size < f.size; size++)
		assert_false(guard_out(&guard, f.bytes, size));
	f.bytes[14] = 0x4f; /* options that are not there */
	assert_false(out(f));
	f.bytes[14] = 0x44;
	assert_false(out(f));
	f = frame(own4, "198.51.100.1", TCP, 1, 80);
	f.bytes[20] = 0x20; /* more fragments */
	assert_false(out(f));
	f.bytes[20] = 0x40; /* none, whatever comes */
	assert_true(out(f));
	f.bytes[21] = 1; /* not the first */
	assert_false(out(f));
	/* VLANs, other protocols, hop-by-hop options. */
	f = frame(own4, "198.51.100.1", TCP, 1, 80);
	f.bytes[12] = 0x81;
	assert_false(out(f));
	assert_false(out(frame(own4, "198.51.100.1", 47, 1, 80)));
	assert_false(out(frame(own6, "2001:db8::1", 0, 1, 80)));
	assert_false(out(frame(own6, "2001:db8::1", ICMP, 1, 80)));
}

/* The gateway stands for the host's loopback. */
static void test_gateway(void **state)
{
	static const char *const gateways[] = {"192.0.0.1", "fe80::1"};

	for (size_t i = 0; i < ARRAY_SIZE(gateways); i++) {
		const char *gateway = gateways[i], *own = i ? own6 : own4;
		struct frame answer = frame(own, gateway, TCP, 80, 50000);

		assert_false(out(frame(own, gateway, TCP, 40000, 22)));
		answer.bytes[14 + (i ? 40 : 20) + 13] = 0x12; /* SYN and ACK */
		assert_true(out(answer));
		assert_false(out(frame(own, gateway, UDP, 53, 50000)));
		assert_false(out(frame(own, gateway, UDP, 40000, 53)));
		assert_true(in(frame(gateway, own, UDP, 50000, 53)));
		assert_true(out(frame(own, gateway, UDP, 53, 50000)));
		assert_false(out(frame(own, gateway, UDP, 53, 50001)));
		assert_false(out(frame(own, gateway, UDP, 54, 50000)));
	}
}

static void test_way_in(void **state)
{
	assert_true(in(frame("198.51.100.1", own4, TCP, 80, 40000)));
	assert_true(in(frame("198.51.100.1", own4, ICMP, 0, 0)));
	assert_true(in((struct frame){.bytes = {[12] = 8, [13] = 6}, .size = 42}));
	assert_false(in(frame("198.51.100.1", own4, UDP, 53, 40000)));
	assert_true(out(frame(own4, "198.51.100.1", UDP, 40000, 53)));
	assert_true(in(frame("198.51.100.1", own4, UDP, 53, 40000)));
	assert_false(in(frame("198.51.100.2", own4, UDP, 53, 40000)));
	assert_false(in(frame("198.51.100.1", own4, UDP, 54, 40000)));
	assert_false(in(frame("198.51.100.1", own4, UDP, 53, 40001)));
	assert_false(in(frame("2001:db8::1", own6, UDP, 53, 40000)));
	assert_true(out(frame(own6, "2001:db8::1", UDP, 40000, 53)));
	assert_true(in(frame("2001:db8::1", own6, UDP, 53, 40000)));
	/* What is published is open to all. */
	assert_true(in(frame("203.0.113.7", own4, UDP, 1, 53)));
	assert_true(in(frame("2001:db8::7", own6, UDP, 1, 53)));
}

static void test_announcement(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};
	uint8_t line[GUARD_ANNOUNCE_SIZE];
	size_t size = guard_announce(&guard, mac, line);
	struct guard_take take;

	/* It is what a guest may say. */
	assert_int_equal(size, 4 + 42 + 4 + 78);
	assert_int_equal(guard_take(&guard, guard_out, line, size, 1000, &take), 0);
	assert_int_equal(take.passed, size);
	assert_memory_equal(line + 4 + 6, mac, 6);
	assert_memory_equal(line + 4 + 14 + 14, guard.v4.bytes, 4);
	guard.v6.family = 0;
	assert_int_equal(guard_announce(&guard, mac, line), 4 + 42);
}

static bool pass_all_but_a(struct guard *g, const uint8_t *bytes, size_t size)
{
	return size == 0 || *bytes != 'a';
}

static void test_line(void **state)
{
	uint8_t data[] = "\0\0\0\1a\0\0\0\2bb\0\0\0\0\0\0\0\3ccc\0\0\0\5dd";
	struct guard_take take;

	assert_int_equal(guard_take(&guard, pass_all_but_a, data, sizeof(data) - 1, 1000, &take), 0);
	assert_int_equal(take.used, 5 + 6 + 4 + 7);
	assert_int_equal(take.passed, 6 + 4 + 7);
	assert_memory_equal(data, "\0\0\0\2bb\0\0\0\0\0\0\0\3ccc", 17);
}

static void test_line_limit(void **state)
{
	uint8_t data[] = "\0\0\0\2bb\0\0\0\2cc\0\0\0\2dd";
	struct guard_take take;

	assert_int_equal(guard_take(&guard, pass_all_but_a, data, 18, 12, &take), 0);
	assert_int_equal(take.passed, 12);
	/* One that is larger passes alone. */
	assert_int_equal(guard_take(&guard, pass_all_but_a, data, 18, 1, &take), 0);
	assert_int_equal(take.passed, 6);
	data[0] = 1;
	assert_int_equal(guard_take(&guard, pass_all_but_a, data, 18, 12, &take), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_way_out, reset),
		cmocka_unit_test_setup(test_not_to_the_host, reset),
		cmocka_unit_test_setup(test_only_its_own, reset),
		cmocka_unit_test_setup(test_odd_frames, reset),
		cmocka_unit_test_setup(test_gateway, reset),
		cmocka_unit_test_setup(test_way_in, reset),
		cmocka_unit_test_setup(test_announcement, reset),
		cmocka_unit_test_setup(test_line, reset),
		cmocka_unit_test_setup(test_line_limit, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
