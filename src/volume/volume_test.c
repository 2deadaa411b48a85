/* SPDX-License-Identifier: Apache-2.0 */
/* Records, names, wishes and locks, in a folder of the test's own. Disks are mounted in tests/data. */
#include "volume/disk.h"
#include "volume/volume.h"

#include "base/file.h"
#include "base/size.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <cmocka.h>

struct fixture {
	char path[64];
	int dir;
};

static int set_up(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	strcpy(fixture->path, "/tmp/coracle-volume-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	fixture->dir = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->dir);
	tree_remove(AT_FDCWD, fixture->path);
	free(fixture);
	return 0;
}

static int create(struct fixture *fixture, const struct volume_wish *wish, struct cor_error *err)
{
	_volume_ struct volume volume = {0};
	bool made;
	int r = volume_create(fixture->dir, wish, &volume, &made, err);

	return r < 0 ? r : made;
}

static void test_made_whole_and_once(void **state)
{
	static const char *const labels[] = {"a=b", "c", NULL};
	struct fixture *fixture = *state;
	struct volume_wish wish = {.name = "v", .size = 100 * MIB + 1, .labels = labels};
	_volume_ struct volume volume = {0};
	_strv_ struct strv names = {0};
	struct stat st;

	assert_int_equal(create(fixture, &wish, NULL), 1);
	assert_int_equal(create(fixture, &wish, NULL), 0);
	assert_int_equal(create(fixture, &(struct volume_wish){.name = "v"}, NULL), 0);
	assert_int_equal(create(fixture, &(struct volume_wish){.name = "v", .size = GIB}, NULL), -EEXIST);
	assert_int_equal(volume_read(fixture->dir, "v", &volume, NULL), 0);
	assert_int_equal(volume.size, 101 * MIB);
	assert_true(volume.journal && !volume.shared && !volume.anonymous);
	assert_string_equal(volume.labels.items[1], "c=");
	assert_int_equal(fstatat(fixture->dir, "volumes/v/disk", &st, 0), 0);
	assert_int_equal(st.st_size, 101 * MIB);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(volume_names(fixture->dir, &names, NULL), 0);
	assert_int_equal(names.count, 1);
}

static void test_large_ones_are_small(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(create(fixture, &(struct volume_wish){.name = "large"}, NULL), 1);
	assert_true(volume_usage(fixture->dir, "large") < 4 * MIB);
}

static void test_wishes_that_make_no_sense(void **state)
{
	static const char *const bad_names[] = {"", ".a", "a/b", "-a", "..", "a b", "\xc3\xa4", NULL};
	static const char *const bad_options[] = {"journal=maybe", "size=", "size=20q", "size=-1",
						  "x=y",           "size",  NULL};
	struct fixture *fixture = *state;

	for (size_t i = 0; bad_names[i]; i++)
		assert_int_equal(create(fixture, &(struct volume_wish){.name = bad_names[i]}, NULL), -EINVAL);
	for (size_t i = 0; bad_options[i]; i++) {
		const char *const options[] = {bad_options[i], NULL};

		assert_int_equal(
			create(fixture, &(struct volume_wish){.name = "v", .options = options}, NULL),
			-EINVAL);
	}
	assert_int_equal(create(fixture, &(struct volume_wish){.name = "v", .size = 1}, NULL), -ERANGE);
	assert_int_equal(create(fixture, &(struct volume_wish){.name = "v", .size = UINT64_MAX}, NULL),
			 -ERANGE);
}

static void test_one_writer_or_many_readers(void **state)
{
	struct fixture *fixture = *state;
	int writer = -1, reader = -1, other = -1;

	assert_int_equal(create(fixture, &(struct volume_wish){.name = "v", .size = GIB}, NULL), 1);
	assert_int_equal(volume_disk_open(fixture->dir, "v", false, &writer, NULL), 0);
	assert_int_equal(volume_disk_open(fixture->dir, "v", true, &reader, NULL), -EBUSY);
	assert_int_equal(volume_remove(fixture->dir, "v", NULL), -EBUSY);
	/* A copy of the descriptor holds it too: a machine's. */
	other = dup(writer);
	close(writer);
	assert_int_equal(volume_disk_open(fixture->dir, "v", false, &writer, NULL), -EBUSY);
	close(other);
	assert_int_equal(volume_disk_open(fixture->dir, "v", true, &reader, NULL), 0);
	assert_int_equal(volume_disk_open(fixture->dir, "v", true, &other, NULL), 0);
	assert_int_equal(volume_disk_open(fixture->dir, "v", false, &writer, NULL), -EBUSY);
	close(reader);
	close(other);
	assert_int_equal(volume_remove(fixture->dir, "v", NULL), 0);
	assert_int_equal(volume_remove(fixture->dir, "v", NULL), -ENOENT);
	assert_int_equal(volume_disk_open(fixture->dir, "v", true, &reader, NULL), -ENOENT);
}

static void test_a_disk_has_its_size(void **state)
{
	struct fixture *fixture = *state;
	const char *path = "volumes/v/disk";
	struct cor_error err = {0};
	_fd_ int disk = -1, fd = -1;

	assert_int_equal(create(fixture, &(struct volume_wish){.name = "v", .size = GIB}, NULL), 1);
	disk = openat(fixture->dir, path, O_RDWR | O_CLOEXEC);
	for (int more = -1; more <= 1; more += 2) {
		assert_int_equal(ftruncate(disk, (off_t)GIB + more), 0);
		assert_int_equal(volume_disk_open(fixture->dir, "v", true, &fd, &err), -EUCLEAN);
		assert_int_equal(err.status, COR_CORRUPT);
		assert_non_null(strstr(err.msg, "1073741824"));
	}
	assert_int_equal(volume_remove(fixture->dir, "v", NULL), 0);
}

static void test_leftovers_go_but_not_those_of_the_living(void **state)
{
	struct fixture *fixture = *state;
	_strv_ struct strv names = {0};
	_fd_ int living = -1;

	assert_int_equal(create(fixture, &(struct volume_wish){.name = "v", .size = GIB}, NULL), 1);
	assert_int_equal(dir_make_all(fixture->dir, "volumes/.new-dead/data", 0700), 0);
	assert_int_equal(dir_open_make(fixture->dir, "volumes/.new-living", 0700, &living), 0);
	assert_int_equal(flock(living, LOCK_EX), 0);
	assert_int_equal(volume_names(fixture->dir, &names, NULL), 0);
	assert_int_equal(names.count, 1);
	assert_int_equal(faccessat(fixture->dir, "volumes/.new-dead", F_OK, 0), -1);
	assert_int_equal(faccessat(fixture->dir, "volumes/.new-living", F_OK, 0), 0);
}

static void test_anonymous_and_shared(void **state)
{
	static const char *const options[] = {"shared=true", NULL};
	struct fixture *fixture = *state;
	_volume_ struct volume volume = {0};
	bool made;
	struct stat st;

	assert_int_equal(
		volume_create(fixture->dir, &(struct volume_wish){.size = GIB}, &volume, &made, NULL), 0);
	assert_true(made && volume.anonymous && volume_name_valid(volume.name));
	assert_int_equal(strlen(volume.name), 64);
	assert_int_equal(create(fixture, &(struct volume_wish){.name = "s", .options = options}, NULL), 1);
	assert_int_equal(fstatat(fixture->dir, "volumes/s/data", &st, 0), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(fstatat(fixture->dir, "volumes/s/disk", &st, 0), -1);
}

/* A guest makes them. */
static void test_deep_folders(void **state)
{
	static const char *const options[] = {"shared=true", NULL};
	struct fixture *fixture = *state;
	struct rlimit limit;
	int fd;

	assert_int_equal(create(fixture, &(struct volume_wish){.name = "s", .options = options}, NULL), 1);
	fd = openat(fixture->dir, "volumes/s/data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 5000; i++) {
		int next = -1;

		assert_int_equal(dir_open_make(fd, "a", 0700, &next), 0);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){512, limit.rlim_max}), 0);
	assert_true(volume_usage(fixture->dir, "s") > 0);
	assert_int_equal(volume_remove(fixture->dir, "s", NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_made_whole_and_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_large_ones_are_small, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_wishes_that_make_no_sense, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_writer_or_many_readers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_disk_has_its_size, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_leftovers_go_but_not_those_of_the_living, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_anonymous_and_shared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_deep_folders, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
