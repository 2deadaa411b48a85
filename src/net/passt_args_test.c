/* SPDX-License-Identifier: Apache-2.0 */
#include "net/passt_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static char *line(const struct passt_spec *spec)
{
	_strv_ struct strv args = {0};
	struct cor_error err;

	if (passt_args(spec, &args, &err) < 0)
		fail_msg("%s", err.msg);
	return strv_join(&args, " ");
}

static struct passt_spec usual(void)
{
	return (struct passt_spec){.program = "/usr/bin/passt",
				   .line_fd = 7,
				   .ready_fd = 8,
				   .template = "lo",
				   .mtu = PASST_MTU,
				   .uid = (uid_t)-1};
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no '%s' in %s", part, text);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("'%s' in %s", part, text);
}

/* All that it does by itself is off. */
static void test_closed(void **state)
{
	struct passt_spec spec = usual();
	_free_ char *text = line(&spec);

	has(text, "/usr/bin/passt --foreground ");
	has(text, " --fd 7 --pid /proc/self/fd/8 --interface lo --mtu 65520");
	has(text, " --address 192.0.0.2 --netmask 29 --gateway 192.0.0.1 ");
	has(text, " --no-map-gw");
	has(text, " --no-dhcp --no-dhcpv6 --no-ra ");
	has(text, " --tcp-ports none");
	has(text, " --udp-ports none");
	has(text, " --dns none");
	has(text, " --ipv4-only");
	has_not(text, "--runas");
	has_not(text, "--no-ndp");
}

static void test_v6_and_names(void **state)
{
	struct passt_spec spec = usual();

	spec.v6 = spec.dns4 = true;
	spec.uid = 2016777216;
	_free_ char *text = line(&spec);
	has_not(text, "--ipv4-only");
	has(text, " --address fd63:6f72:6163::2 --gateway fe80::1");
	has(text, " --dns-forward 192.0.0.3");
	has_not(text, "--dns-forward fd");
	has_not(text, "--dns none");
	has(text, " --runas 2016777216:2016777216");
	spec.dns6 = true;
	_free_ char *both = line(&spec);
	has(both, " --dns-forward fd63:6f72:6163::3");
}

static struct passt_spec publishing(struct publish_list *list, const char *const *texts)
{
	struct passt_spec spec = usual();

	spec.v6 = true;
	for (; *texts; texts++)
		assert_int_equal(publish_parse(*texts, list, NULL), 0);
	spec.ports = list;
	return spec;
}

static void test_ports(void **state)
{
	_publish_list_ struct publish_list list = {0}, udp = {0}, range = {0}, every = {0};
	struct passt_spec spec = publishing(
		&list, (const char *const[]){"8080:80", "127.0.0.1:2222:22", "[::1]:5000:5001/tcp", NULL});
	_free_ char *text = line(&spec);

	has(text,
	    " --tcp-ports 8080:80 --tcp-ports 127.0.0.1/2222:22 --tcp-ports ::1/5000:5001 --udp-ports none "
	    "--no-map-gw");
	has_not(text, "--tcp-ports none");
	/* What was bound in each family is one for passt. */
	spec = publishing(&every, (const char *const[]){"0.0.0.0:90:9", "[::]:90:9", "0.0.0.0:91:9", NULL});
	_free_ char *both = line(&spec);
	has(both, " --tcp-ports 90:9 --tcp-ports 0.0.0.0/91:9 --udp");
	/* An answer to the host's loopback goes to the gateway. */
	spec = publishing(&udp, (const char *const[]){"5353:53/udp", NULL});
	_free_ char *with_udp = line(&spec);
	has(with_udp, " --udp-ports 5353:53 --tcp-ports none");
	has_not(with_udp, "--no-map-gw");
	/* Of a range it would be content with one. */
	spec = publishing(&range, (const char *const[]){"7000-7001:7000-7001", NULL});
	_free_ char *one_by_one = line(&spec);
	has(one_by_one, " --tcp-ports 7000:7000 --tcp-ports 7001:7001");
}

static void test_two_addresses(void **state)
{
	_publish_list_ struct publish_list list = {0}, other = {0}, v6 = {0};
	struct passt_spec spec =
		publishing(&list, (const char *const[]){"127.0.0.1:80:80", "[::1]:80:80", NULL});
	_strv_ struct strv args = {0};
	struct cor_error err;

	assert_true(passt_args(&spec, &args, &err) < 0);
	assert_int_equal(err.status, COR_UNSUPPORTED);
	has(err.msg, "port 80/tcp is published at two addresses");
	spec = publishing(&v6, (const char *const[]){"[::1]:81:80", NULL});
	spec.v6 = false;
	assert_true(passt_args(&spec, &args, &err) < 0);
	has(err.msg, "port 81/tcp cannot be published at an IPv6 address");
	/* Two protocols are two ports. */
	spec = publishing(&other, (const char *const[]){"127.0.0.1:80:80", "[::1]:80:80/udp", NULL});
	free(line(&spec));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_v6_and_names),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_two_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
