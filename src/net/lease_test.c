/* SPDX-License-Identifier: Apache-2.0 */
#include "net/lease.h"

#include "base/file.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#define ID_A "00000000000000000000000000000000000000000000000000000000000000aa"
#define ID_B "00000005000000000000000000000000000000000000000000000000000000bb"

static char folder[] = "/tmp/cor-lease-test.XXXXXX";

static int make_folder(void **state)
{
	return !mkdtemp(folder);
}

static int remove_folder(void **state)
{
	return tree_remove(AT_FDCWD, folder) < 0;
}

struct count {
	unsigned held, dead;
	struct lease last;
};

static void count(const struct lease *lease, bool held, void *context)
{
	struct count *c = context;

	c->held += held;
	c->dead += !held;
	c->last = *lease;
}

static void test_lease(void **state)
{
	_fd_ int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct lease a = {.id = ID_A, .device = "cor0", .mac = {2, 0, 0, 0, 0, 1}};
	struct lease b = {.id = ID_B, .device = "cor1", .mac = {2, 0, 0, 0, 0, 2}}, c = a;
	struct count seen = {0};
	struct cor_error err;
	int fd_a = -1, fd_b = -1, fd_c = -1;

	assert_int_equal(lease_take(dir, 2, 4, 0, &a, &fd_a, &err), 0);
	assert_int_equal(a.number, 2);
	/* From a place on that its id gives: 2 + 5 % 3. */
	assert_int_equal(lease_take(dir, 2, 4, 0, &b, &fd_b, &err), 0);
	assert_int_equal(b.number, 4);
	assert_int_equal(lease_take(dir, 2, 4, 4, &c, &fd_c, &err), -EADDRINUSE);
	assert_int_equal(err.status, COR_EXISTS);
	assert_int_equal(lease_take(dir, 2, 4, 0, &c, &fd_c, &err), 0);
	assert_int_equal(c.number, 3);
	assert_int_equal(lease_take(dir, 2, 4, 0, &(struct lease){.id = ID_A}, &(int){0}, &err), -ENOSPC);
	assert_int_equal(err.status, COR_EXHAUSTED);
	lease_give_back(dir, &c, &fd_c);
	assert_int_equal(fd_c, -1);
	/* As its owner's death would. */
	close_fd(&fd_b);
	assert_int_equal(lease_each(dir, count, &seen), 0);
	assert_int_equal(seen.held, 1);
	assert_int_equal(seen.dead, 1);
	lease_give_back(dir, &a, &fd_a);
	seen = (struct count){0};
	assert_int_equal(lease_each(dir, count, &seen), 0);
	assert_int_equal(seen.dead, 1);
	assert_int_equal(seen.last.number, 4);
	assert_string_equal(seen.last.id, ID_B);
	assert_string_equal(seen.last.device, "cor1");
	assert_int_equal(seen.last.mac[5], 2);
	lease_forget(dir, 4);
	seen = (struct count){0};
	assert_int_equal(lease_each(dir, count, &seen), 0);
	assert_int_equal(seen.dead, 0);
}

/* What nobody could have written is a dead one's with nothing to take away. */
static void test_damaged(void **state)
{
	_fd_ int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct count seen = {0};

	assert_int_equal(file_write_new(dir, "9", "{\"id\":", 6, 0600), 0);
	assert_int_equal(lease_each(dir, count, &seen), 0);
	assert_int_equal(seen.dead, 1);
	assert_int_equal(seen.last.number, 9);
	assert_string_equal(seen.last.device, "");
	lease_forget(dir, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lease), cmocka_unit_test(test_damaged)};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
