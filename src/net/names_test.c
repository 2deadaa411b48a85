/* SPDX-License-Identifier: Apache-2.0 */
#include "net/names.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static struct network example(void)
{
	struct network network = {.name = "blue", .domain = "blue.test"};

	assert_int_equal(net_prefix_parse("10.1.2.0/24", &network.v4), 0);
	assert_int_equal(net_prefix_parse("fd01:2::/64", &network.v6), 0);
	return network;
}

static void test_hosts(void **state)
{
	static const char *const names[] = {"web", "www", "evil\n10.0.0.1 bank", "", "a b", NULL};
	struct network network = example();
	struct names_host host = {.file = "7", .names = names};
	_free_ char *text = NULL, *none = NULL;

	host.v4 = net_prefix_host(&network.v4, 7);
	host.v6 = net_prefix_host(&network.v6, 7);
	text = names_hosts(&network, &host);
	assert_string_equal(text, "10.1.2.7 web.blue.test web www.blue.test www\n"
				  "fd01:2::7 web.blue.test web www.blue.test www\n");
	host.names = names + 2;
	none = names_hosts(&network, &host);
	assert_string_equal(none, "");
}

static void test_arguments(void **state)
{
	struct network network = example();
	_strv_ struct strv args = {0}, internal = {0};

	names_arguments(&network, "/usr/sbin/dnsmasq", "corb1", "/mnt", &args);
	assert_string_equal(args.items[0], "/usr/sbin/dnsmasq");
	assert_true(strv_contains(&args, "--interface=corb1"));
	assert_true(strv_contains(&args, "--bind-interfaces"));
	assert_true(strv_contains(&args, "--listen-address=10.1.2.1,fd01:2::1"));
	assert_true(strv_contains(&args, "--hostsdir=/mnt"));
	assert_true(strv_contains(&args, "--conf-file=/dev/null"));
	assert_true(strv_contains(&args, "--no-hosts"));
	assert_true(strv_contains(&args, "--local=/blue.test/"));
	assert_true(strv_contains(&args, "--host-record=host.blue.test,10.1.2.1,fd01:2::1"));
	assert_true(strv_contains(&args, "--rev-server=10.1.2.0/24"));
	assert_false(strv_contains(&args, "--no-resolv"));
	network.internal = true;
	network.v6 = (struct net_prefix){0};
	names_arguments(&network, "dnsmasq", "corb1", "/mnt", &internal);
	assert_true(strv_contains(&internal, "--listen-address=10.1.2.1"));
	assert_true(strv_contains(&internal, "--no-resolv"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_hosts), cmocka_unit_test(test_arguments)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
