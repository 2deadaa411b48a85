/* SPDX-License-Identifier: Apache-2.0 */
/* Shares: from options to the record and back, and what is none. */
#include "container/shares.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static int setup(void **state)
{
	char *path = xstrdup("/tmp/coracle-share-XXXXXX");

	assert_non_null(mkdtemp(path));
	assert_int_equal(chdir(path), 0);
	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(file_write_new(AT_FDCWD, "file", "x", 1, 0644), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(symlink("/", "root"), 0);
	*state = path;
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(chdir("/"), 0);
	tree_remove(AT_FDCWD, *state);
	free(*state);
	return 0;
}

static void options_become_a_list(void **state)
{
	struct cor_container_options options = {
		.volumes = LIST("volume:/v", "./dir:/a//b:ro", "./made/deep:/c"),
		.mounts = LIST("type=bind,src=./file,dst=/etc/one", "type=tmpfs,dst=/t")};
	_cleanup_(container_shares_release) struct container_shares shares = {0}, again = {0};
	_free_ char *host = str_format("%s/./dir", (char *)*state);
	_json_ json_t *json = NULL, *mounts = json_array();
	const char *source = NULL;

	assert_int_equal(container_shares_choose(&options, &shares, NULL), 0);
	assert_int_equal(access("made/deep", F_OK), 0);
	json = container_shares_to_json(&shares);
	assert_int_equal(container_shares_from_json(json, &again), 0);
	assert_int_equal(again.count, 3);
	assert_string_equal(again.items[0].host, host);
	assert_string_equal(again.items[0].container, "/a/b");
	assert_true(again.items[0].read_only);
	assert_false(again.items[0].file);
	assert_false(again.items[1].read_only);
	assert_true(again.items[2].file);
	container_shares_mount(&shares, "ID", mounts);
	assert_int_equal(json_array_size(mounts), 3);
	json_get_string(json_array_get(mounts, 0), "source", &source);
	assert_string_equal(source, "/run/coracle/ID/shares/0");
	json_get_string(json_array_get(mounts, 2), "source", &source);
	assert_string_equal(source, "/run/coracle/ID/shares/2/file");
}

static void refuse(const struct cor_container_options *options, enum cor_status status, const char *word)
{
	struct container_shares shares;
	struct cor_error err = {0};

	assert_true(container_shares_choose(options, &shares, &err) < 0);
	assert_int_equal(err.status, status);
	if (!strstr(err.msg, word))
		fail_msg("'%s' does not say '%s'", err.msg, word);
}

static void what_is_no_share(void **state)
{
	refuse(&(struct cor_container_options){.mounts = LIST("type=bind,src=./none,dst=/x")}, COR_NOT_FOUND,
	       "none");
	refuse(&(struct cor_container_options){.volumes = LIST("/:/x")}, COR_INVALID, "root directory");
	refuse(&(struct cor_container_options){.volumes = LIST("./root:/x")}, COR_INVALID, "root directory");
	refuse(&(struct cor_container_options){.volumes = LIST("./fifo:/x")}, COR_INVALID, "fifo");
	refuse(&(struct cor_container_options){.volumes = LIST("/dev/null:/x")}, COR_INVALID, "device");
	refuse(&(struct cor_container_options){.volumes = LIST("./dir:/x:rslave")}, COR_UNSUPPORTED,
	       "propagate");
	assert_int_equal(access("none", F_OK), -1);
}

static void records_that_are_none(void **state)
{
	static const char *const texts[] = {
		"[1]",
		"[{}]",
		"[{\"host\": \"relative\", \"container\": \"/x\"}]",
		"[{\"host\": \"/x\", \"container\": \"x\"}]",
		"[{\"host\": \"/x\", \"container\": \"/x\", \"file\": 7}]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(container_shares_release) struct container_shares shares = {0};
		_json_ json_t *json = json_loads(texts[i], 0, NULL);

		assert_non_null(json);
		assert_true(container_shares_from_json(json, &shares) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(options_become_a_list, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_share, setup, teardown),
		cmocka_unit_test(records_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
