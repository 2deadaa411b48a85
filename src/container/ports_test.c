/* SPDX-License-Identifier: Apache-2.0 */
#include "container/ports.h"

#include "base/json.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static void test_text(void **state)
{
	static const char *const texts[] = {
		"[::]:8080:80",         "0.0.0.0:8080:80",     "127.0.0.1:53:53/udp",
		"0.0.0.0:8000:90",      "0.0.0.0:8001:91",     "0.0.0.0:8002:92",
		"[2001:db8::1]:81:443", "0.0.0.0:8003:94/udp", "0.0.0.0:8004:99"};
	_publish_list_ struct publish_list held = {0}, none = {0};
	_strv_ struct strv exposed = {0}, nothing = {0};
	_free_ char *text = NULL, *bare = NULL, *empty = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(publish_parse(texts[i], &held, NULL), 0);
	strv_add(&exposed, "80/tcp");
	strv_add(&exposed, "9000/tcp");
	text = ports_text(&held, &exposed);
	assert_string_equal(text, "0.0.0.0:8000-8002->90-92/tcp, 0.0.0.0:8004->99/tcp, 0.0.0.0:8080->80/tcp, "
				  "0.0.0.0:8003->94/udp, 127.0.0.1:53->53/udp, [::]:8080->80/tcp, "
				  "[2001:db8::1]:81->443/tcp, 9000/tcp");
	bare = ports_text(&none, &exposed);
	assert_string_equal(bare, "80/tcp, 9000/tcp");
	empty = ports_text(&none, &nothing);
	assert_string_equal(empty, "");
}

/* What `run` would choose in a folder where there is no network of any name. */
static int choose(const struct cor_container_options *options, const char *config,
		  struct container_record *record, struct cor_error *err)
{
	char folder[] = "/tmp/coracle-ports-XXXXXX";
	_json_ json_t *document = json_loads(config, 0, NULL);
	struct roots roots = {.data_fd = -1};
	char networks[64];
	int r;

	assert_non_null(document);
	assert_non_null(mkdtemp(folder));
	roots.data_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(roots.data_fd >= 0);
	r = ports_choose(&roots, options, document, record, err);
	close(roots.data_fd);
	snprintf(networks, sizeof(networks), "%s/networks", folder);
	rmdir(networks);
	assert_int_equal(rmdir(folder), 0);
	return r;
}

static const char image[] =
	"{\"config\": {\"ExposedPorts\": {\"80/tcp\": {}, \"53/udp\": {}, \"nonsense\": {}}}}";
static const char sane[] = "{\"config\": {\"ExposedPorts\": {\"80/tcp\": {}, \"53/udp\": {}}}}";

static void test_choose(void **state)
{
	_cleanup_(container_record_release) struct container_record record = {0}, all = {0}, out = {0};
	struct cor_container_options options = {.publish = (const char *const[]){"8080:80", NULL},
						.expose = (const char *const[]){"9000-9001", NULL}};
	struct cor_error err = {0};

	strv_add(&record.networks, "default");
	assert_int_equal(choose(&options, image, &record, &err), 0);
	assert_int_equal(record.publish.count, 1);
	assert_int_equal(record.exposed.count, 4);
	/* All: but what is published already, and only of what can be read. */
	options.publish_all = true;
	strv_add(&all.networks, "default");
	assert_true(choose(&options, image, &all, &err) < 0);
	assert_non_null(strstr(err.msg, "the image's exposed ports: 'nonsense' is no port"));
	container_record_release(&all);
	strv_add(&all.networks, "default");
	assert_int_equal(choose(&options, sane, &all, &err), 0);
	assert_int_equal(all.publish.count, 4);
	assert_int_equal(all.publish.items[1].host_port, 0);
	/* Without a network. */
	assert_true(choose(&options, sane, &out, &err) < 0);
	assert_int_equal(err.status, COR_INVALID);
}

static void test_json(void **state)
{
	_publish_list_ struct publish_list list = {0};
	_strv_ struct strv exposed = {0};
	_json_ json_t *object = NULL;
	_free_ char *text = NULL;

	assert_int_equal(publish_parse("127.0.0.1::80", &list, NULL), 0);
	assert_int_equal(publish_parse("8000-8010:80", &list, NULL), 0);
	strv_add(&exposed, "443/tcp");
	strv_add(&exposed, "80/tcp");
	object = ports_json(&list, &exposed);
	text = json_dumps(object, JSON_COMPACT);
	assert_string_equal(text,
			    "{\"443/tcp\":null,\"80/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"\"},"
			    "{\"HostIp\":\"\",\"HostPort\":\"8000-8010\"}]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_choose),
					   cmocka_unit_test(test_json)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
