/* SPDX-License-Identifier: Apache-2.0 */
/* Small texts: ids, paths of mounts, addresses, lines of /proc/net/dev. */
#include "init/files.h"
#include "init/guest.h"
#include "init/network_text.h"
#include "init/statistics.h"

#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <cmocka.h>

static void test_ids(void **state)
{
	char longest[66];

	memset(longest, 'a', 65);
	longest[65] = '\0';
	assert_false(guest_id_valid(longest));
	longest[64] = '\0';
	assert_true(guest_id_valid(longest));
	assert_true(guest_id_valid("A-z_0.9"));
	assert_false(guest_id_valid(""));
	assert_false(guest_id_valid("."));
	assert_false(guest_id_valid("..x"));
	assert_false(guest_id_valid("a/b"));
	assert_false(guest_id_valid("a b"));
}

static void test_targets(void **state)
{
	assert_true(files_target_valid("/run/coracle/v"));
	assert_true(files_target_valid("/run/coracle/volumes/v.1/..x"));
	assert_false(files_target_valid("/run/coracle"));
	assert_false(files_target_valid("/run/coracle/"));
	assert_false(files_target_valid("/run/coracle/a/../../x"));
	assert_false(files_target_valid("/run/coracle/a//b"));
	assert_false(files_target_valid("/run/coracle/."));
	assert_false(files_target_valid("/run/coraclex/a"));
	assert_false(files_target_valid("run/coracle/a"));
}

static void test_addresses(void **state)
{
	static const char *const wrong[] = {
		"",           "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "10.0.0.1/+1", "10.0.0",
		"fe80::1%lo", "::1/129",     "x",         "1.2.3.4/8/9", "10.0.0.1/ 8"};
	struct network_address address = {.prefix = 99};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(network_parse_address(wrong[i], &address), -EINVAL);
	assert_int_equal(address.prefix, 99);
	assert_int_equal(network_parse_address("10.0.0.2/24", &address), 0);
	assert_int_equal(address.family, AF_INET);
	assert_int_equal(address.size, 4);
	assert_int_equal(address.prefix, 24);
	assert_memory_equal(address.bytes, "\x0a\x00\x00\x02", 4);
	assert_int_equal(network_parse_address("fd00::2", &address), 0);
	assert_int_equal(address.family, AF_INET6);
	assert_int_equal(address.prefix, 128);
	assert_int_equal(network_parse_address("0.0.0.0/0", &address), 0);
	assert_int_equal(address.prefix, 0);
}

static void test_macs(void **state)
{
	static const char *const wrong[] = {"", "52:54:00:12:34:5", "52:54:00:12:34:567", "52-54-00-12-34-56",
					    "g2:54:00:12:34:56"};
	uint8_t mac[6];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(network_parse_mac(wrong[i], mac), -EINVAL);
	assert_int_equal(network_parse_mac("52:54:00:aB:Cd:0f", mac), 0);
	assert_memory_equal(mac, "\x52\x54\x00\xab\xcd\x0f", 6);
}

static void test_interfaces(void **state)
{
	char line[] = "  eth0:1234567      12    0    0    0     0          0         0  7654321     34    0 "
		      "   0    0     0       0          0";
	char alias[] = "eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
	char heading[] = " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets";
	char shortened[] = "  lo: 12 13";
	Coracle__Agent__V1__InterfaceStatistics interface = CORACLE__AGENT__V1__INTERFACE_STATISTICS__INIT;

	assert_true(statistics_parse_interface(line, &interface));
	assert_string_equal(interface.name, "eth0");
	assert_int_equal(interface.received_bytes, 1234567);
	assert_int_equal(interface.sent_bytes, 7654321);
	assert_true(statistics_parse_interface(alias, &interface));
	assert_string_equal(interface.name, "eth0:1");
	assert_int_equal(interface.sent_bytes, 9);
	assert_false(statistics_parse_interface(heading, &interface));
	assert_false(statistics_parse_interface(shortened, &interface));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),        cmocka_unit_test(test_targets),
		cmocka_unit_test(test_addresses),  cmocka_unit_test(test_macs),
		cmocka_unit_test(test_interfaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
