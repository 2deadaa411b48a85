/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

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

static void assert_text(const struct net_prefix *prefix, const char *text)
{
	char written[NET_TEXT_SIZE];

	assert_string_equal(net_prefix_format(prefix, written), text);
}

static void test_text(void **state)
{
	static const char *const good[] = {"10.0.0.2/24", "0.0.0.0/0", "fd00::/64", "::/0",
					   "fd12:3456:789a:bcde:f012:3456:789a:bcde/128"};
	static const char *const bad[] = {
		"",           "10.0.0/24", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "10.0.0.1/x",
		"fd00::/129", "fd00::g",   "1.2.3.4 ",    "/24",       "fe80::1%eth0"};
	char written[NET_TEXT_SIZE];
	struct net_prefix prefix;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		prefix = parse(good[i]);
		assert_text(&prefix, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(net_prefix_parse(bad[i], &prefix), -EINVAL);
	prefix = parse("192.0.2.1");
	assert_text(&prefix, "192.0.2.1/32");
	assert_string_equal(net_address_format(&(struct net_prefix){0}, written), "");
}

static void test_subnets(void **state)
{
	struct net_prefix a = parse("10.20.0.0/16"), b = parse("10.20.255.0/24"), c = parse("10.21.0.0/24"),
			  d = parse("10.20.0.1/16"), odd = parse("10.20.64.0/18"), all = parse("0.0.0.0/0"),
			  six = parse("::/0");

	assert_true(net_prefix_is_subnet(&a));
	assert_false(net_prefix_is_subnet(&d));
	assert_true(net_prefix_overlap(&a, &b));
	assert_true(net_prefix_overlap(&b, &a));
	assert_false(net_prefix_overlap(&b, &c));
	assert_false(net_prefix_overlap(&odd, &b));
	assert_true(net_prefix_overlap(&all, &c));
	assert_false(net_prefix_overlap(&six, &c));
	assert_false(net_prefix_overlap(&(struct net_prefix){0}, &(struct net_prefix){0}));
}

static void test_hosts(void **state)
{
	struct net_prefix subnet = parse("10.20.0.0/16"), host = net_prefix_host(&subnet, 300), other;
	uint32_t number = 0;

	assert_text(&host, "10.20.1.44/16");
	assert_int_equal(net_prefix_number(&subnet, &host, &number), 0);
	assert_int_equal(number, 300);
	other = parse("10.21.0.1");
	assert_int_equal(net_prefix_number(&subnet, &other, &number), -ERANGE);
	subnet = parse("fd00:1:2:3::/64");
	host = net_prefix_host(&subnet, 65534);
	assert_text(&host, "fd00:1:2:3::fffe/64");
	assert_int_equal(net_prefix_number(&subnet, &host, &number), 0);
	assert_int_equal(number, 65534);
	other = parse("fd00:1:2:3:1::1");
	assert_int_equal(net_prefix_number(&subnet, &other, &number), -ERANGE);
	assert_int_equal(net_prefix_last(&subnet), NET_HOSTS_MAX);
	subnet = parse("10.0.0.0/24");
	assert_int_equal(net_prefix_last(&subnet), 254);
	subnet = parse("10.0.0.0/30");
	assert_int_equal(net_prefix_last(&subnet), 2);
	subnet = parse("10.0.0.0/31");
	assert_int_equal(net_prefix_last(&subnet), 0);
}

static void test_mac(void **state)
{
	static const char *const bad[] = {"",
					  "02:00:00:00:00",
					  "02:00:00:00:00:0g",
					  "02-00-00-00-00-01",
					  "03:00:00:00:00:01",
					  "00:00:00:00:00:00",
					  "02:00:00:00:00:011"};
	char text[MAC_TEXT_SIZE];
	struct net_prefix local;
	uint8_t mac[6];

	assert_int_equal(mac_parse("02:Ab:00:12:34:56", mac), 0);
	assert_string_equal(mac_format(mac, text), "02:ab:00:12:34:56");
	local = mac_link_local(mac);
	assert_text(&local, "fe80::ab:ff:fe12:3456/64");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mac_parse(bad[i], mac), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_subnets),
					   cmocka_unit_test(test_hosts), cmocka_unit_test(test_mac)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
