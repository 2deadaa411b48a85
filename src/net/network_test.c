/* SPDX-License-Identifier: Apache-2.0 */
/* Records, in a folder of the test's own. The host's routes are only read. */
#include "net/network.h"

#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static int make_folder(void **state)
{
	static char path[] = "/tmp/cor-network-test.XXXXXX";
	int *fd = xmalloc(sizeof(*fd));

	*fd = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	*state = fd;
	return *fd < 0;
}

static int remove_folder(void **state)
{
	_free_ int *fd = *state;
	char link[32], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", *fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	close(*fd);
	return n < 0 || tree_remove(AT_FDCWD, path) < 0;
}

static void test_records(void **state)
{
	static const char *const labels[] = {"a=b", NULL};
	int dir = *(int *)*state;
	struct network_wish wish = {
		.name = "blue", .subnet = "203.0.113.0/24", .labels = labels, .internal = true};
	_cleanup_(network_release) struct network made = {0}, read = {0}, usual = {0}, other = {0};
	_strv_ struct strv names = {0};
	char text[NET_TEXT_SIZE];
	struct cor_error err;

	assert_int_equal(network_create(dir, &wish, &made, &err), 0);
	assert_int_equal(network_read(dir, "blue", &read, &err), 0);
	assert_string_equal(net_prefix_format(&read.v4, text), "203.0.113.0/24");
	assert_int_equal(read.v6.bytes[0], 0xfd);
	assert_int_equal(read.v6.length, 64);
	assert_true(read.internal);
	assert_string_equal(read.domain, NETWORK_DOMAIN);
	assert_string_equal(read.labels.items[0], "a=b");
	assert_int_equal(network_create(dir, &wish, &other, &err), -EEXIST);
	assert_int_equal(err.status, COR_EXISTS);
	wish = (struct network_wish){.name = "green", .subnet = "203.0.113.128/25"};
	assert_int_equal(network_create(dir, &wish, &other, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "another network"));
	assert_int_equal(network_read(dir, "default", &other, &err), -ENOENT);
	assert_int_equal(network_need(dir, "default", &usual, &err), 0);
	assert_int_equal(network_read(dir, "default", &other, &err), 0);
	assert_true(net_address_equal(&usual.v4, &other.v4));
	assert_int_equal(network_names(dir, &names, &err), 0);
	assert_int_equal(names.count, 2);
	assert_string_equal(names.items[0], "blue");
	assert_int_equal(network_forget(dir, "blue", &err), 0);
	assert_int_equal(network_forget(dir, "blue", &err), -ENOENT);
	assert_int_equal(network_need(dir, "green", &read, &err), -ENOENT);
}

static void test_refused(void **state)
{
	static const char *const subnets[] = {"10.0.0.1/24", "10.0.0.0/31", "10.0.0.0",
					      "10.0.0.0/7",  "fd00::/64",   "x"};
	static const char *const subnets_v6[] = {"fd00::1/64", "fd00::/63", "fd00::/96", "10.0.0.0/24"};
	static const char *const allowed[] = {"", "ALL", "0", "65536", "80/sctp", "8080:80", "::1"};
	static const char *const names[] = {"", "none", "a/b", "..", "-a", "a\n"};
	struct network network = {0};
	int dir = *(int *)*state;

	for (size_t i = 0; i < ARRAY_SIZE(subnets); i++)
		assert_int_equal(network_create(dir,
						&(struct network_wish){.name = "x", .subnet = subnets[i]},
						&network, NULL),
				 -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(subnets_v6); i++)
		assert_int_equal(
			network_create(dir, &(struct network_wish){.name = "x", .subnet_v6 = subnets_v6[i]},
				       &network, NULL),
			-EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(
			network_create(dir, &(struct network_wish){.name = names[i]}, &network, NULL),
			-EINVAL);
	assert_int_equal(
		network_create(dir, &(struct network_wish){.name = "x", .domain = "a b"}, &network, NULL),
		-EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		assert_int_equal(
			network_create(dir,
				       &(struct network_wish){
					       .name = "x",
					       .allow_host = (const char *const[]){"80", allowed[i], NULL}},
				       &network, NULL),
			-EINVAL);
}

/* What the host allows; and records of before say nothing of it. */
static void test_allowed(void **state)
{
	static const char old[] = "{\"name\": \"x\", \"subnet\": \"10.0.0.0/24\"}";
	static const char broken[] =
		"{\"name\": \"x\", \"subnet\": \"10.0.0.0/24\", \"allowHost\": [\"80:80\"]}";
	const struct network_wish wish = {
		.name = "tools", .allow_host = (const char *const[]){"5432", "53-54/udp", "all", NULL}};
	_cleanup_(network_release) struct network made = {0}, read = {0}, before = {0}, bad = {0};
	_json_ json_t *old_record = json_loads(old, 0, NULL), *bad_record = json_loads(broken, 0, NULL);
	int dir = *(int *)*state;

	assert_int_equal(network_create(dir, &wish, &made, NULL), 0);
	assert_int_equal(network_read(dir, "tools", &read, NULL), 0);
	assert_int_equal(read.allow_host.count, 3);
	assert_string_equal(read.allow_host.items[1], "53-54/udp");
	assert_int_equal(network_parse(old_record, &before), 0);
	assert_int_equal(before.allow_host.count, 0);
	assert_int_equal(network_parse(bad_record, &bad), -EINVAL);
	assert_int_equal(network_forget(dir, "tools", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_records), cmocka_unit_test(test_refused),
					   cmocka_unit_test(test_allowed)};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
