/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t secret[HANDSHAKE_SECRET_SIZE] = "0123456789abcdef";

/* Feeds in pieces of `step` bytes; returns how many bytes were used up to the end of the hello, 0 for none. */
static size_t feed_guest(struct handshake_guest *guest, const uint8_t *data, size_t size, size_t step,
			 uint8_t *reply)
{
	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step, used;

		if (handshake_guest_feed(guest, data + at, n, &used, reply))
			return at + used;
	}
	return 0;
}

static void test_old_bytes_are_thrown_away(void **state)
{
	for (size_t step = 1; step < 60; step++) {
		struct handshake_guest guest = {0};
		struct handshake_host host;
		uint8_t line[200], reply[HANDSHAKE_REPLY_SIZE], answer[100];
		size_t used = 0;

		assert_int_equal(handshake_host_init(&host, secret), 0);
		feed_guest(&guest, host.hello, sizeof(host.hello), step, reply);
		assert_int_equal(handshake_host_init(&host, secret), 0);
		memset(line, 0xc0, sizeof(line));  /* the worst of old bytes: the pattern's own first one */
		memcpy(line + 90, host.hello, 20); /* a hello that was cut */
		memcpy(line + 110, host.hello, sizeof(host.hello));
		assert_int_equal(feed_guest(&guest, line, sizeof(line), step, reply), 150);
		memset(answer, 0xc1, sizeof(answer));
		memcpy(answer + 31, reply, sizeof(reply));
		assert_true(handshake_host_feed(&host, answer, sizeof(answer), &used));
		assert_int_equal(used, 31 + sizeof(reply));
	}
}

static void test_only_the_first_secret_counts(void **state)
{
	struct handshake_guest guest = {0};
	struct handshake_host owner, stranger;
	uint8_t reply[HANDSHAKE_REPLY_SIZE];

	assert_int_equal(handshake_host_init(&owner, secret), 0);
	assert_int_equal(handshake_host_init(&stranger, (const uint8_t *)"fedcba9876543210"), 0);
	assert_int_equal(feed_guest(&guest, owner.hello, sizeof(owner.hello), 7, reply), sizeof(owner.hello));
	assert_int_equal(feed_guest(&guest, stranger.hello, sizeof(stranger.hello), 7, reply), 0);
	assert_int_equal(feed_guest(&guest, owner.hello, sizeof(owner.hello), 7, reply), sizeof(owner.hello));
}

static void test_a_foreign_reply_is_no_reply(void **state)
{
	struct handshake_guest guest = {0};
	struct handshake_host first, second;
	uint8_t reply[HANDSHAKE_REPLY_SIZE];
	size_t used;

	assert_int_equal(handshake_host_init(&first, secret), 0);
	assert_int_equal(handshake_host_init(&second, secret), 0);
	feed_guest(&guest, first.hello, sizeof(first.hello), 40, reply);
	assert_false(handshake_host_feed(&second, reply, sizeof(reply), &used));
	assert_true(handshake_host_feed(&first, reply, sizeof(reply), &used));
}

/* What follows a hello is given twice, since it belongs to the session: it must not count twice. */
static void test_a_hello_that_is_cut_behind_another(void **state)
{
	struct handshake_guest guest = {0};
	struct handshake_host first, second;
	uint8_t line[2 * HANDSHAKE_HELLO_SIZE], reply[HANDSHAKE_REPLY_SIZE];
	size_t used = 0, cut = HANDSHAKE_HELLO_SIZE - 10;

	assert_int_equal(handshake_host_init(&first, secret), 0);
	assert_int_equal(handshake_host_init(&second, secret), 0);
	memcpy(line, first.hello, sizeof(first.hello));
	memcpy(line + sizeof(first.hello), second.hello, sizeof(second.hello));
	assert_true(handshake_guest_feed(&guest, line, sizeof(first.hello) + cut, &used, reply));
	assert_int_equal(used, sizeof(first.hello));
	assert_false(handshake_guest_feed(&guest, line + used, cut, &used, reply));
	assert_true(handshake_guest_feed(&guest, second.hello + cut, 10, &used, reply));
	assert_int_equal(used, 10);
	assert_true(handshake_host_feed(&second, reply, sizeof(reply), &used));
}

static void test_the_last_of_several_hellos_is_answered(void **state)
{
	struct handshake_guest guest = {0};
	struct handshake_host first, last;
	uint8_t line[2 * HANDSHAKE_HELLO_SIZE + 3] = {0}, reply[HANDSHAKE_REPLY_SIZE];
	size_t used;

	assert_int_equal(handshake_host_init(&first, secret), 0);
	assert_int_equal(handshake_host_init(&last, secret), 0);
	memcpy(line, first.hello, sizeof(first.hello));
	memcpy(line + sizeof(first.hello), last.hello, sizeof(last.hello));
	assert_true(handshake_guest_feed(&guest, line, sizeof(line), &used, reply));
	assert_int_equal(used, 2 * HANDSHAKE_HELLO_SIZE);
	assert_false(handshake_host_feed(&first, reply, sizeof(reply), &used));
	assert_true(handshake_host_feed(&last, reply, sizeof(reply), &used));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_old_bytes_are_thrown_away),
		cmocka_unit_test(test_only_the_first_secret_counts),
		cmocka_unit_test(test_a_foreign_reply_is_no_reply),
		cmocka_unit_test(test_a_hello_that_is_cut_behind_another),
		cmocka_unit_test(test_the_last_of_several_hellos_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
