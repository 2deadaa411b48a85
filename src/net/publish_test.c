/* SPDX-License-Identifier: Apache-2.0 */
#include "net/publish.h"

#include "base/json.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

/* "ADDRESS HOST-LAST>CONTAINER/PROTOCOL", all that a list holds, parted by commas. */
static char *tell(const struct publish_list *list)
{
	_strv_ struct strv parts = {0};
	char address[NET_TEXT_SIZE];

	for (size_t i = 0; i < list->count; i++) {
		const struct publish *p = &list->items[i];

		net_address_format(&p->address, address);
		strv_addf(&parts, "%s %u-%u>%u/%s", address, p->host_port, p->host_last, p->container_port,
			  publish_protocol_name(p->protocol));
	}
	return strv_join(&parts, ",");
}

static void expect(const char *text, const char *meaning)
{
	_publish_list_ struct publish_list list = {0};
	struct cor_error err = {0};
	_free_ char *told = NULL;

	if (publish_parse(text, &list, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	told = tell(&list);
	assert_string_equal(told, meaning);
}

static void test_forms(void **state)
{
	expect("80", " 0-0>80/tcp");
	expect(":80", " 0-0>80/tcp");
	expect("8080:80", " 8080-8080>80/tcp");
	expect("8080:80/tcp", " 8080-8080>80/tcp");
	expect("53:53/UDP", " 53-53>53/udp");
	expect(":8080:80", " 8080-8080>80/tcp");
	expect("127.0.0.1:8080:80", "127.0.0.1 8080-8080>80/tcp");
	expect("127.0.0.1::80/udp", "127.0.0.1 0-0>80/udp");
	expect("0.0.0.0:8080:80", "0.0.0.0 8080-8080>80/tcp");
	expect("[::1]:8080:80", "::1 8080-8080>80/tcp");
	expect("[::1]::80", "::1 0-0>80/tcp");
	expect("[::]:65535:1", ":: 65535-65535>1/tcp");
	expect("8000-8002:80-82", " 8000-8000>80/tcp, 8001-8001>81/tcp, 8002-8002>82/tcp");
	expect("[2001:db8::1]:53-54:53-54/udp", "2001:db8::1 53-53>53/udp,2001:db8::1 54-54>54/udp");
	/* Docker's: one that is free of many; and each of a range a free one. */
	expect("8000-8010:80", " 8000-8010>80/tcp");
	expect("80-81", " 0-0>80/tcp, 0-0>81/tcp");
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		"::",
		"0",
		"65536",
		"80:",
		"0:80",
		"80:0",
		"-80",
		"80-",
		"82-80",
		"80 ",
		" 80",
		"+80",
		"0x50",
		"80/",
		"80/sctp",
		"80/tcp/udp",
		"/tcp",
		"localhost:80:80",
		"1.2.3:80:80",
		"1.2.3.4/24:80:80",
		"1.2.3.4:80:80:80",
		"::1:80:80",
		"[::1]",
		"[::1]:80",
		"[::1]80:80",
		"[::1:80:80",
		"[127.0.0.1]:80:80",
		"[fe80::1%eth0]:80:80",
		"[::ffff:1.2.3.4]:80:80",
		"224.0.0.1:80:80",
		"[ff02::1]:80:80",
		"255.255.255.255:80:80",
		"8000-8002:80-81",
		"8000:80-81",
		"1-65535",
		"99999999999999999999:80",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_publish_list_ struct publish_list list = {0};
		struct cor_error err = {0};

		if (publish_parse(bad[i], &list, &err) != -EINVAL && err.err != E2BIG)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(err.status, COR_INVALID);
		assert_int_equal(list.count, 0);
	}
}

static void test_twice(void **state)
{
	_publish_list_ struct publish_list list = {0};
	struct cor_error err = {0};

	assert_int_equal(publish_parse("8080:80", &list, &err), 0);
	assert_int_equal(publish_parse("8080:80", &list, &err), 0);
	assert_int_equal(publish_parse("8080:80/udp", &list, &err), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(publish_parse("127.0.0.1:8080:81", &list, &err), -EINVAL);
	assert_string_equal(err.msg, "port 127.0.0.1:8080/tcp of the host is published twice");
	/* All or none of a range. */
	assert_int_equal(publish_parse("8078-8080:1-3", &list, &err), -EINVAL);
	assert_int_equal(list.count, 2);
	assert_int_equal(publish_parse("127.0.0.1:90:81", &list, &err), 0);
	assert_int_equal(publish_parse("127.0.0.2:90:81", &list, &err), 0);
	assert_int_equal(publish_parse("[::]:90:81", &list, &err), 0);
	assert_int_equal(publish_parse("0.0.0.0:90:81", &list, &err), -EINVAL);
}

static void test_exposed(void **state)
{
	_publish_list_ struct publish_list list = {0};
	struct cor_error err = {0};
	_free_ char *told = NULL;

	assert_int_equal(publish_parse("8080:80", &list, &err), 0);
	assert_int_equal(publish_parse_exposed("80/tcp", &list, &err), 0);
	assert_int_equal(publish_parse_exposed("53/udp", &list, &err), 0);
	assert_int_equal(publish_parse_exposed("79-81", &list, &err), 0);
	told = tell(&list);
	assert_string_equal(told, " 8080-8080>80/tcp, 0-0>53/udp, 0-0>79/tcp, 0-0>81/tcp");
	assert_int_equal(publish_parse_exposed("80:80", &list, &err), -EINVAL);
	assert_int_equal(publish_parse_exposed("", &list, &err), -EINVAL);
}

static void test_record(void **state)
{
	static const char *const broken[] = {
		"{}",
		"[1]",
		"[{}]",
		"[{\"hostPort\": 80, \"containerPort\": 80}]",
		"[{\"hostPort\": -1, \"containerPort\": 80, \"protocol\": \"tcp\"}]",
		"[{\"hostPort\": 80, \"containerPort\": 0, \"protocol\": \"tcp\"}]",
		"[{\"hostPort\": 80, \"hostLast\": 79, \"containerPort\": 1, \"protocol\": \"tcp\"}]",
		"[{\"hostPort\": 80, \"containerPort\": 1, \"protocol\": \"tcp\", \"address\": \"x\"}]",
	};
	_publish_list_ struct publish_list list = {0}, again = {0};
	_free_ char *before = NULL, *after = NULL;
	_json_ json_t *record = NULL;

	assert_int_equal(publish_parse("[::1]:8000-8001:80-81/udp", &list, NULL), 0);
	assert_int_equal(publish_parse("7000-7010:80", &list, NULL), 0);
	record = publish_list_to_json(&list);
	assert_int_equal(publish_list_from_json(record, &again), 0);
	before = tell(&list);
	after = tell(&again);
	assert_string_equal(before, after);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		_json_ json_t *bad = json_loads(broken[i], 0, NULL);

		assert_non_null(bad);
		assert_int_equal(publish_list_from_json(bad, &again), -EINVAL);
	}
	assert_int_equal(again.count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_bad),
					   cmocka_unit_test(test_twice), cmocka_unit_test(test_exposed),
					   cmocka_unit_test(test_record)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
