/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of nft; that it does what it should is shown by tests/net. */
#include "net/firewall.h"

#include "base/json.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

/* How often a text is in the commands. */
static size_t count(const json_t *commands, const char *text)
{
	_free_ char *all = json_dumps(commands, JSON_COMPACT | JSON_SORT_KEYS);
	size_t n = 0;

	assert_non_null(all);
	for (const char *p = all; (p = strstr(p, text)); p++)
		n++;
	return n;
}

static struct network example(const char *name, const char *v4, const char *v6)
{
	struct network network = {.domain = "coracle"};

	snprintf(network.name, sizeof(network.name), "%s", name);
	assert_int_equal(net_prefix_parse(v4, &network.v4), 0);
	if (v6)
		assert_int_equal(net_prefix_parse(v6, &network.v6), 0);
	return network;
}

static void test_port(void **state)
{
	_json_ json_t *commands = json_array(), *v4_only = json_array();
	struct firewall_port port = {.device = "cor0", .mac = {2, 0, 0, 0, 0, 1}};

	assert_int_equal(net_prefix_parse("10.0.0.2/24", &port.v4), 0);
	firewall_add_port(v4_only, "coracle_t", &port);
	assert_int_equal(count(v4_only, "nd-neighbor"), 0);
	assert_int_equal(count(v4_only, "ip6"), 0);
	assert_int_equal(net_prefix_parse("fd00::2/64", &port.v6), 0);
	firewall_add_port(commands, "coracle_t", &port);
	/* None of them was dropped by a mistake in its making. */
	assert_int_equal(count(commands, "null,null"), 0);
	assert_int_equal(count(commands, "\"target\":\"cor0\""), 1);
	assert_true(count(commands, "0xfd000000000000000000000000000002") == 2);
	assert_true(count(commands, "0x0201020000000001") == 2);
	/* Questions for names are limited before they are let through. */
	assert_int_equal(count(commands, "\"limit\""), 0);
	port.gateway4 = net_prefix_host(&port.v4, 1);
	firewall_add_port(v4_only, "coracle_t", &port);
	assert_int_equal(count(v4_only, "\"limit\":{\"burst\":150,\"inv\":true"), 1);
	/* The last rule of the chain drops: what is not named does not pass. */
	json_t *last = json_array_get(commands, json_array_size(commands) - 2);
	_free_ char *text = json_dumps(last, JSON_COMPACT);
	assert_non_null(strstr(text, "\"expr\":[{\"drop\":null}]"));
}

static void test_remove(void **state)
{
	_json_ json_t *commands = json_array();

	firewall_remove_port(commands, "coracle_t", "cor0");
	/* Added first, so that what is not there can be deleted. */
	assert_int_equal(count(commands, "\"add\":{\"element\""), 1);
	assert_int_equal(count(commands, "\"delete\":{\"element\""), 1);
	assert_int_equal(count(commands, "\"delete\":{\"chain\""), 1);
}

static void test_networks(void **state)
{
	struct network a = example("a", "10.1.0.0/24", "fd01::/64"), b = example("b", "10.2.0.0/24", NULL);
	struct firewall_network both[] = {{&a, "corba"}, {&b, "corbb"}};
	_json_ json_t *commands = json_array(), *none = json_array(), *allowing = json_array(),
		      *everything = json_array();

	b.internal = true;
	firewall_set_networks(commands, "coracle_t", both, 2);
	/* None of them was dropped by a mistake in its making. */
	assert_int_equal(count(commands, "null,null"), 0);
	/* Two families of the one that leads out, none of the other. */
	assert_int_equal(count(commands, "masquerade"), 2);
	assert_int_equal(count(commands, "\"addr\":\"10.1.0.0\",\"len\":24"), 2);
	assert_int_equal(count(commands, "\"addr\":\"10.2.0.0\""), 0);
	/* Names: each network's own address, from within and against all others; there and back untracked, and with a limit to connections. */
	assert_int_equal(count(commands, "\"right\":\"10.1.0.1\""), 6);
	assert_int_equal(count(commands, "\"right\":\"10.2.0.1\""), 6);
	assert_int_equal(count(commands, "\"right\":\"fd01::1\""), 6);
	assert_int_equal(count(commands, "\"notrack\""), 6);
	assert_int_equal(count(commands, "\"ct count\""), 3);
	assert_int_equal(count(commands, "null,null"), 0);
	/* What the one allows of the host's services is nothing to the other. */
	strv_add(&a.allow_host, "5432");
	strv_add(&a.allow_host, "53-54/udp");
	firewall_set_networks(allowing, "coracle_t", both, 2);
	assert_int_equal(count(allowing, "null,null"), 0);
	assert_int_equal(count(allowing, "{\"set\":[5432]}"), 1);
	assert_int_equal(count(allowing, "{\"set\":[53,54]}"), 1);
	assert_int_equal(json_array_size(allowing), json_array_size(commands) + 2);
	strv_add(&a.allow_host, NETWORK_ALLOW_ALL);
	firewall_set_networks(everything, "coracle_t", both, 2);
	assert_int_equal(json_array_size(everything), json_array_size(commands) + 1);
	strv_release(&a.allow_host);
	firewall_set_networks(none, "coracle_t", NULL, 0);
	assert_int_equal(json_array_size(none), 2);
	assert_int_equal(count(none, "\"delete\":{\"table\""), 1);
}

static struct firewall_target target(const char *address, uint16_t host_port, const char *to)
{
	struct firewall_target target = {.host_port = host_port, .container_port = 80, .protocol = 6};

	assert_int_equal(net_prefix_parse(address, &target.address), 0);
	assert_int_equal(net_prefix_parse(to, &target.to), 0);
	return target;
}

static void test_published(void **state)
{
	const struct firewall_target targets[] = {
		target("0.0.0.0", 8080, "10.1.0.2"), target("192.0.2.1", 81, "10.1.0.2"),
		target("::", 8080, "fd01::2"),       target("127.0.0.1", 82, "10.1.0.2"),
		target("::1", 82, "fd01::2"),        target("fe80::1", 83, "fd01::2"),
		target("127.9.9.9", 84, "10.1.0.2"),
	};
	_json_ json_t *commands = json_array(), *none = json_array();

	firewall_set_published(commands, "coracle_t", targets, ARRAY_SIZE(targets));
	assert_int_equal(count(commands, "\"flush\":{\"map\""), 8);
	assert_int_equal(count(commands, "\"flush\":{\"set\""), 4);
	assert_int_equal(count(commands, "\"add\":{\"element\""), 9);
	assert_int_equal(count(commands, "[{\"concat\":[\"tcp\",8080]},\"10.1.0.2\"]"), 1);
	assert_int_equal(count(commands, "[{\"concat\":[\"tcp\",8080]},\"fd01::2\"]"), 1);
	assert_int_equal(count(commands, "[{\"concat\":[\"192.0.2.1\",\"tcp\",81]},80]"), 1);
	/* Nothing of the loopback's, which would be open to the neighbours. */
	assert_int_equal(count(commands, "127."), 0);
	assert_int_equal(count(commands, "::1\""), 0);
	assert_int_equal(count(commands, "82"), 0);
	firewall_set_published(none, "coracle_t", NULL, 0);
	assert_int_equal(json_array_size(none), 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_port), cmocka_unit_test(test_remove),
					   cmocka_unit_test(test_networks), cmocka_unit_test(test_published)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
