/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolvers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void check(const char *text, const char *servers, bool forward4, bool forward6, const char *search)
{
	_cleanup_(resolvers_release) struct resolvers resolvers;

	resolvers_parse(text, &resolvers);
	_free_ char *all = strv_join(&resolvers.servers, " "), *domains = strv_join(&resolvers.search, " ");
	assert_string_equal(all, servers);
	assert_string_equal(domains, search);
	assert_int_equal(resolvers.forward4, forward4);
	assert_int_equal(resolvers.forward6, forward6);
}

static void test_usual(void **state)
{
	check("# a comment\nsearch example.org example.net\nnameserver "
	      "192.0.2.1\nnameserver\t2001:db8::1\noptions "
	      "rotate\n",
	      "192.0.2.1 2001:db8::1", false, false, "example.org example.net");
	check("", "", false, false, "");
}

static void test_loopback(void **state)
{
	check("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n", "", true, false, ".");
	check("nameserver ::1\nnameserver 127.0.0.1\n", "", true, true, "");
	/* passt would ask the first of its family. */
	check("nameserver 192.0.2.1\nnameserver 127.0.0.1\n", "192.0.2.1", false, false, "");
	check("nameserver 127.0.0.1\nnameserver 192.0.2.1\n", "192.0.2.1", true, false, "");
}

static void test_odd(void **state)
{
	check("nameserver fe80::1%eth0\nnameserver 192.0.2.0/24\nnameserver x\nnameserver\nnameserver "
	      "192.0.2.9\r\n",
	      "192.0.2.9", false, false, "");
	check("nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4",
	      "192.0.2.1 192.0.2.2 192.0.2.3", false, false, "");
	check("domain a.example\nsearch b.example\nsearch c.example evil;name d.example", "", false, false,
	      "c.example d.example");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
