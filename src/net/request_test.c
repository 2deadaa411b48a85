/* SPDX-License-Identifier: Apache-2.0 */
#include "net/request.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static void test_good(void **state)
{
	_cleanup_(net_request_release) struct net_request plain = {0}, full = {0};
	char text[NET_TEXT_SIZE];

	assert_int_equal(net_request_parse("default", &plain, NULL), 0);
	assert_string_equal(plain.network, "default");
	assert_int_equal(plain.v4.family, 0);
	assert_false(plain.has_mac);
	assert_int_equal(
		net_request_parse(
			"back,ip=10.0.0.7,ip6=fd00::7,mac=02:00:00:00:00:07,mtu=9000,alias=db,alias=db.two",
			&full, NULL),
		0);
	assert_string_equal(net_address_format(&full.v4, text), "10.0.0.7");
	assert_string_equal(net_address_format(&full.v6, text), "fd00::7");
	assert_true(full.has_mac);
	assert_int_equal(full.mac[5], 7);
	assert_int_equal(full.mtu, 9000);
	assert_int_equal(full.aliases.count, 2);
	assert_string_equal(full.aliases.items[1], "db.two");
}

static void test_bad(void **state)
{
	static const char *const bad[] = {"",
					  "none",
					  "../x",
					  ".hidden",
					  "a b",
					  "x,",
					  "x,ip",
					  "x,ip=",
					  "x,ip=10.0.0.1/24",
					  "x,ip=10.0.0",
					  "x,mac=03:00:00:00:00:01",
					  "x,mtu=1279",
					  "x,mtu=65522",
					  "x,mtu=1500x",
					  "x,alias=",
					  "x,alias=a b",
					  "x,alias=.a",
					  "x,alias=a..b",
					  "x,alias=a\n10.0.0.1 google.com",
					  "x,color=red"};
	struct net_request request = {0};
	struct cor_error err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(net_request_parse(bad[i], &request, &err), -EINVAL);
		assert_int_equal(err.status, COR_INVALID);
		assert_null(request.network);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
