/* SPDX-License-Identifier: Apache-2.0 */
/* Names, bundles, records and the lock, over roots in a folder of the test's own. */
#include "container/fixture.h"
#include "container/folders.h"
#include "container/lock.h"

#include "base/file.h"
#include "container/context.h"

#include <errno.h>
#include <setjmp.h>
#include <sys/wait.h>
#include <cmocka.h>

static size_t bundle_count(struct roots *roots)
{
	_strv_ struct strv ids = {0};

	assert_int_equal(container_ids(roots, &ids, NULL), 0);
	return ids.count;
}

static void test_a_name_is_taken_once(void **state)
{
	struct fixture *fixture = *state;
	char first[ID_SIZE], second[ID_SIZE], found[ID_SIZE];
	struct cor_error err = {0};

	assert_int_equal(fixture_container(&fixture->roots, "box", false, first, NULL), 0);
	assert_true(fixture_container(&fixture->roots, "box", false, second, &err) < 0);
	assert_int_equal(err.status, COR_EXISTS);
	assert_int_equal(bundle_count(&fixture->roots), 1);
	assert_int_equal(container_data_dir(&fixture->roots, second), -ENOENT);
	assert_int_equal(container_find(&fixture->roots, "box", found, NULL), 0);
	assert_string_equal(found, first);
	assert_true(container_name_check(&fixture->roots, "box", &err) < 0);
	assert_int_equal(err.status, COR_EXISTS);
	assert_int_equal(container_remove_files(&fixture->roots, first, "box", NULL), 0);
	assert_int_equal(container_name_check(&fixture->roots, "box", NULL), 0);
}

static void test_finding_by_prefix(void **state)
{
	struct fixture *fixture = *state;
	char id[ID_SIZE], found[ID_SIZE], prefix[ID_SIZE] = "";
	struct cor_error err = {0};

	assert_int_equal(fixture_container(&fixture->roots, "box", false, id, NULL), 0);
	for (size_t length = 1; length < ID_SIZE; length++) {
		memcpy(prefix, id, length);
		assert_int_equal(container_find(&fixture->roots, prefix, found, NULL), 0);
		assert_string_equal(found, id);
	}
	/* 17 ids begin with 16 digits: two of them with the same. */
	for (int i = 0; i < 16; i++) {
		_free_ char *name = str_format("box%d", i);

		assert_int_equal(fixture_container(&fixture->roots, name, false, id, NULL), 0);
	}
	for (int i = 0, ambiguous = 0; i < 16; i++) {
		char digit[2] = {"0123456789abcdef"[i], '\0'};

		ambiguous |= container_find(&fixture->roots, digit, found, &err) == -EINVAL;
		if (i == 15)
			assert_true(ambiguous);
	}
	assert_true(container_find(&fixture->roots, "nobody", found, &err) < 0);
	assert_int_equal(err.status, COR_NOT_FOUND);
	assert_true(container_find(&fixture->roots, "../box", found, &err) < 0);
	assert_int_equal(err.status, COR_NOT_FOUND);
}

static void test_what_a_crash_leaves_is_swept(void **state)
{
	struct fixture *fixture = *state;
	struct bundle bundle;

	assert_int_equal(bundle_begin(&fixture->roots, &bundle, NULL), 0);
	assert_int_equal(bundle_count(&fixture->roots), 0);
	/* It is being made: it stays. */
	close(container_data_dir(&fixture->roots, bundle.id));
	assert_true(faccessat(bundle.dir, ".", F_OK, 0) == 0);
	/* Its maker is dead. */
	close_fd(&bundle.dir);
	assert_int_equal(bundle_count(&fixture->roots), 0);
	assert_int_equal(container_data_dir(&fixture->roots, bundle.id), -ENOENT);
}

static void test_names(void **state)
{
	static const char *const bad[] = {
		"",    ".x",  "-x", "_x",
		"a/b", "a b", "ä",  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
	struct fixture *fixture = *state;
	_free_ char *made_up = container_name_invent(&fixture->roots);

	assert_true(container_name_valid("a"));
	assert_true(container_name_valid("web_1.x-y"));
	assert_true(container_name_valid(made_up));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(container_name_valid(bad[i]));
}

static void test_the_lock_tells(void **state)
{
	struct fixture *fixture = *state;
	char id[ID_SIZE];
	struct cor_error err = {0};
	int fd = -1, other = -1;

	assert_int_equal(fixture_container(&fixture->roots, "box", false, id, NULL), 0);
	assert_int_equal(container_is_locked(&fixture->roots, id), 0);
	assert_int_equal(container_lock(&fixture->roots, id, &fd, NULL), 0);
	assert_int_equal(container_is_locked(&fixture->roots, id), 1);
	assert_true(container_lock(&fixture->roots, id, &other, &err) < 0);
	assert_int_equal(err.status, COR_BUSY);
	close(fd);
	assert_int_equal(container_is_locked(&fixture->roots, id), 0);
}

/* A process that takes the lock, writes "running" and dies, as a shim that was killed. */
static void die_running(struct roots *roots, const char *id)
{
	struct container_state running = {.status = COR_RUNNING, .started_ns = 1};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd;

		if (container_lock(roots, id, &fd, NULL) < 0 ||
		    container_state_write(roots, id, &running, NULL) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_a_dead_shim_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	struct container_state seen;
	char id[ID_SIZE];

	assert_int_equal(fixture_container(&fixture->roots, "box", false, id, NULL), 0);
	assert_int_equal(container_status(&fixture->roots, id, &seen, NULL), 0);
	assert_int_equal(seen.status, COR_CREATED);
	die_running(&fixture->roots, id);
	assert_int_equal(container_status(&fixture->roots, id, &seen, NULL), 0);
	assert_int_equal(seen.status, COR_EXITED);
	assert_int_equal(seen.exit.code, 137);
	assert_true(seen.exit.reason[0]);
	/* And it is written down. */
	assert_int_equal(container_state_read(&fixture->roots, id, &seen, NULL), 0);
	assert_int_equal(seen.exit.code, 137);
	assert_int_equal(seen.started_ns, 1);
}

static void test_rm_of_a_dead_shim(void **state)
{
	struct fixture *fixture = *state;
	char id[ID_SIZE];

	assert_int_equal(fixture_container(&fixture->roots, "box", true, id, NULL), 0);
	die_running(&fixture->roots, id);
	assert_int_equal(container_name_check(&fixture->roots, "box", NULL), 0);
	assert_int_equal(container_data_dir(&fixture->roots, id), -ENOENT);
}

static void test_a_running_one_stays_running(void **state)
{
	struct fixture *fixture = *state;
	struct container_state running = {.status = COR_RUNNING}, seen;
	char id[ID_SIZE];
	_fd_ int fd = -1;

	assert_int_equal(fixture_container(&fixture->roots, "box", true, id, NULL), 0);
	assert_int_equal(container_lock(&fixture->roots, id, &fd, NULL), 0);
	assert_int_equal(container_state_write(&fixture->roots, id, &running, NULL), 0);
	assert_int_equal(container_status(&fixture->roots, id, &seen, NULL), 0);
	assert_int_equal(seen.status, COR_RUNNING);
	assert_true(container_name_check(&fixture->roots, "box", NULL) < 0);
}

static void test_a_record_comes_back(void **state)
{
	_cleanup_(container_record_release) struct container_record read_back = {0};
	struct fixture *fixture = *state;
	char id[ID_SIZE];

	assert_int_equal(fixture_container(&fixture->roots, "box", true, id, NULL), 0);
	assert_int_equal(container_record_read(&fixture->roots, id, &read_back, NULL), 0);
	assert_string_equal(read_back.id, id);
	assert_string_equal(read_back.name, "box");
	assert_true(read_back.auto_remove);
	assert_null(read_back.machine.kernel);
	/* It was not written: as of a record of before. */
	assert_int_equal(read_back.machine.nano_cpus, 1000000000);
	assert_string_equal(read_back.args.items[0], "sh");
}

static void test_a_damaged_record(void **state)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	struct fixture *fixture = *state;
	struct cor_error err = {0};
	char id[ID_SIZE];
	_fd_ int dir = -1;

	assert_int_equal(fixture_container(&fixture->roots, "box", false, id, NULL), 0);
	dir = container_data_dir(&fixture->roots, id);
	assert_int_equal(file_write_atomic(dir, "container.json", "{\"id\": 1}", 9, 0600), 0);
	assert_true(container_record_read(&fixture->roots, id, &record, &err) < 0);
	assert_int_equal(err.status, COR_CORRUPT);
	/* It is not swept: only its owner may remove it, and its name is free then. */
	assert_int_equal(bundle_count(&fixture->roots), 1);
	assert_int_equal(container_remove_files(&fixture->roots, id, NULL, NULL), 0);
	assert_int_equal(container_name_check(&fixture->roots, "box", NULL), 0);
}

/* As one leaves it who is killed while it clears up after a shim. */
static void leave_run_folder(const struct roots *roots, const char *id)
{
	_free_ char *path = str_format("c/%.12s.dead", id);
	_fd_ int dir = -1;

	assert_int_equal(dir_open_make(roots->run_fd, path, 0700, &dir), 0);
	assert_int_equal(file_write_new(dir, "lock", "1\n", 2, 0600), 0);
}

static bool run_folder_left(const struct roots *roots, const char *id)
{
	_free_ char *path = str_format("c/%.12s.dead", id);

	return faccessat(roots->run_fd, path, F_OK, 0) == 0;
}

static void test_what_is_damaged_is_listed(void **state)
{
	struct fixture *fixture = *state;
	struct cor_context ctx = {.roots = fixture->roots};
	struct cor_container_list list;
	struct container_state seen;
	struct cor_error err = {0};
	char id[ID_SIZE];
	_fd_ int dir = -1;

	assert_int_equal(fixture_container(&fixture->roots, "box", false, id, NULL), 0);
	leave_run_folder(&fixture->roots, id);
	dir = container_data_dir(&fixture->roots, id);
	for (int i = 0; i < 2; i++) {
		const char *text = i ? "{\"status\": 1}" : "";

		assert_int_equal(file_write_atomic(dir, "state.json", text, strlen(text), 0600), 0);
		assert_true(container_status(&fixture->roots, id, &seen, &err) < 0);
		assert_int_equal(err.status, COR_CORRUPT);
		assert_non_null(strstr(err.msg, "rm -f"));
		assert_int_equal(cor_container_list(&ctx, true, &list, NULL), 0);
		assert_int_equal(list.count, 1);
		assert_int_equal(list.items[0].status, COR_DAMAGED);
		assert_string_equal(list.items[0].name, "box");
		cor_container_list_release(&list);
	}
	assert_int_equal(cor_container_remove(&ctx, "box", true, NULL), 0);
	assert_int_equal(bundle_count(&fixture->roots), 0);
	assert_false(run_folder_left(&fixture->roots, id));
}

static void test_a_newer_format_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct roots again;
	struct cor_error err = {0};

	assert_int_equal(file_write_atomic(fixture->roots.data_fd, "format", "2\n", 2, 0600), 0);
	assert_true(roots_open(fixture->roots.data, fixture->roots.run, &again, &err) < 0);
	assert_int_equal(err.status, COR_UNSUPPORTED);
	assert_int_equal(file_write_atomic(fixture->roots.data_fd, "format", "x\n", 2, 0600), 0);
	assert_true(roots_open(fixture->roots.data, fixture->roots.run, &again, &err) < 0);
	assert_int_equal(err.status, COR_CORRUPT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_name_is_taken_once),
		TEST(test_finding_by_prefix),
		TEST(test_what_a_crash_leaves_is_swept),
		TEST(test_names),
		TEST(test_the_lock_tells),
		TEST(test_a_dead_shim_is_noticed),
		TEST(test_rm_of_a_dead_shim),
		TEST(test_a_running_one_stays_running),
		TEST(test_a_record_comes_back),
		TEST(test_a_damaged_record),
		TEST(test_what_is_damaged_is_listed),
		TEST(test_a_newer_format_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
