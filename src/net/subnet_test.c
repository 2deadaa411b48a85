/* SPDX-License-Identifier: Apache-2.0 */
#include "net/subnet.h"

#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static struct net_prefix parse(const char *text)
{
	struct net_prefix prefix;

	assert_int_equal(net_prefix_parse(text, &prefix), 0);
	return prefix;
}

static void assert_chosen(const struct net_prefix *taken, size_t count, const char *text)
{
	char written[NET_TEXT_SIZE];
	struct net_prefix chosen;

	assert_int_equal(subnet_choose(taken, count, &chosen), 0);
	assert_string_equal(net_prefix_format(&chosen, written), text);
}

static void test_choose(void **state)
{
	struct net_prefix taken[] = {parse("10.209.0.0/24"),  parse("10.209.1.128/25"),
				     parse("10.209.2.7/32"),  parse("fd00::/8"),
				     parse("192.168.0.0/16"), parse("10.208.0.0/15")};

	assert_chosen(NULL, 0, "10.209.0.0/24");
	assert_chosen(taken, 1, "10.209.1.0/24");
	assert_chosen(taken, 5, "10.209.3.0/24");
	/* A VPN's route to half of the world. */
	assert_chosen(taken, 6, "10.210.0.0/24");
}

static void test_full(void **state)
{
	struct net_prefix taken[] = {parse("10.0.0.0/8")}, chosen;

	assert_int_equal(subnet_choose(taken, 1, &chosen), -ENOSPC);
	assert_ptr_equal(subnet_find_overlap(&taken[0], taken, 1), &taken[0]);
	assert_null(subnet_find_overlap(&taken[0], taken, 0));
}

static void test_v6(void **state)
{
	static const uint8_t random[5] = {0x12, 0x34, 0x56, 0x78, 0x9a};
	struct net_prefix taken[] = {parse("fd12:3456::/32")}, chosen;
	char written[NET_TEXT_SIZE];

	assert_int_equal(subnet_make_v6(random, NULL, 0, &chosen), 0);
	assert_string_equal(net_prefix_format(&chosen, written), "fd12:3456:789a::/64");
	assert_int_equal(subnet_make_v6(random, taken, 1, &chosen), -EEXIST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_choose), cmocka_unit_test(test_full),
					   cmocka_unit_test(test_v6)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
