/* SPDX-License-Identifier: Apache-2.0 */
#include "container/template.h"

#include "base/file.h"
#include "base/str.h"
#include "container/fixture.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#define SHAPE  "host\ncpus=2"
#define MEMORY ((size_t)1 << 20)

static int save(const struct roots *roots, const char *shape, struct cor_error *err)
{
	_fd_ int memory = memfd_create("memory", MFD_CLOEXEC), saved = memfd_create("state", MFD_CLOEXEC);
	struct template_maker maker;
	int r;

	assert_int_equal(ftruncate(memory, MEMORY), 0);
	assert_int_equal(pwrite(memory, "first", 5, 8192), 5);
	assert_int_equal(pwrite(memory, "last", 4, MEMORY - 4), 4);
	assert_int_equal(pwrite(saved, "devices", 7, 0), 7);
	r = template_begin(roots, shape, &maker, err);
	r = r ?: template_publish(roots, &maker, shape, memory, saved, err);
	template_maker_release(roots, &maker);
	return r;
}

/* Overwrites a byte of a file of the template that a shape has. */
static void damage(const struct fixture *f, const char *name, off_t at)
{
	_cleanup_(template_release) struct template template;
	_free_ char *path = NULL;
	_fd_ int fd = -1;

	assert_int_equal(template_open(&f->roots, SHAPE, &template, NULL), 0);
	path = str_format("%s/data/templates/%s/%s", f->folder, template.id, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "!", 1, at), 1);
}

static void test_what_was_saved_is_found(void **state)
{
	struct fixture *f = *state;
	_cleanup_(template_release) struct template template;
	_fd_ int copy = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct cor_error err;
	char text[6] = "";

	assert_int_equal(template_open(&f->roots, SHAPE, &template, &err), -ENOENT);
	assert_int_equal(save(&f->roots, SHAPE, &err), 0);
	assert_int_equal(save(&f->roots, SHAPE, &err), -EEXIST);
	assert_int_equal(template_open(&f->roots, SHAPE, &template, &err), 0);
	assert_int_equal(template.memory_size, MEMORY);
	assert_int_equal(template.state_size, 7);
	assert_memory_equal(template.state, "devices", 7);
	assert_int_equal(ftruncate(copy, MEMORY), 0);
	assert_int_equal(template_copy_memory(&template, copy, &err), 0);
	assert_int_equal(pread(copy, text, 5, 8192), 5);
	assert_string_equal(text, "first");
	/* Nobody can change it any more: neither write, nor punch a hole, nor shrink. */
	assert_int_equal(pwrite(copy, "x", 1, 0), -1);
	assert_int_equal(fallocate(copy, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 4096), -1);
	assert_int_equal(ftruncate(copy, 4096), -1);
}

static void test_one_maker_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct template_maker one, two;
	struct cor_error err;

	assert_int_equal(template_begin(&f->roots, SHAPE, &one, &err), 0);
	assert_int_equal(template_begin(&f->roots, SHAPE, &two, &err), -EBUSY);
	template_maker_release(&f->roots, &one);
	assert_int_equal(save(&f->roots, SHAPE, &err), 0);
}

static void test_a_damaged_one_is_removed(void **state)
{
	static const char *const files[] = {"state", "template.json"};
	struct fixture *f = *state;
	struct template template;
	struct cor_error err;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		assert_int_equal(save(&f->roots, SHAPE, &err), 0);
		damage(f, files[i], 2);
		assert_int_equal(template_open(&f->roots, SHAPE, &template, &err), -ENOENT);
		assert_non_null(strstr(err.msg, "damaged"));
		assert_int_equal(template_open(&f->roots, SHAPE, &template, &err), -ENOENT);
		assert_null(strstr(err.msg, "damaged"));
	}
}

static void count(const char *id, const char *problem, void *context)
{
	assert_non_null(strstr(problem, "memory"));
	++*(unsigned *)context;
}

static void test_check_looks_at_the_memory(void **state)
{
	struct fixture *f = *state;
	struct template template;
	struct cor_error err;
	unsigned problems = 0;

	assert_int_equal(save(&f->roots, SHAPE, &err), 0);
	assert_int_equal(template_check(&f->roots, false, count, &problems, &err), 0);
	assert_int_equal(problems, 0);
	damage(f, "memory", 8193);
	assert_int_equal(template_check(&f->roots, true, count, &problems, &err), 0);
	assert_int_equal(problems, 1);
	assert_int_equal(template_open(&f->roots, SHAPE, &template, &err), -ENOENT);
}

static void test_another_environment_replaces(void **state)
{
	struct fixture *f = *state;
	struct template template;
	struct cor_error err;
	unsigned removed;
	uint64_t bytes;

	assert_int_equal(save(&f->roots, SHAPE, &err), 0);
	assert_int_equal(save(&f->roots, "host\ncpus=4", &err), 0);
	assert_int_equal(template_open(&f->roots, SHAPE, &template, &err), 0);
	template_release(&template);
	assert_int_equal(save(&f->roots, "host of tomorrow\ncpus=2", &err), 0);
	assert_int_equal(template_open(&f->roots, SHAPE, &template, &err), -ENOENT);
	assert_int_equal(template_prune(&f->roots, &removed, &bytes, &err), 0);
	assert_int_equal(removed, 1);
	assert_true(bytes >= 8192);
}

static void test_others_must_not_write_there(void **state)
{
	struct fixture *f = *state;
	struct template template;
	struct cor_error err;

	assert_int_equal(save(&f->roots, SHAPE, &err), 0);
	assert_int_equal(fchmodat(f->roots.data_fd, "templates", 0770, 0), 0);
	assert_int_equal(template_open(&f->roots, SHAPE, &template, &err), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_was_saved_is_found, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_one_maker_at_a_time, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_a_damaged_one_is_removed, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_check_looks_at_the_memory, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_another_environment_replaces, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_others_must_not_write_there, fixture_set_up,
						fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
