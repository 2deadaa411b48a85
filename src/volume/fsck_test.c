/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps e2fsck in, and what ends it. Its disk is a fifo that nobody writes to where it is to hang: opening that never ends. */
#include "volume/fsck.h"

#include "base/file.h"
#include "base/size.h"
#include "volume/disk.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>

#define TRIES  500
#define NAP_MS 20

struct fixture {
	char path[64];
	int fd; /* of the disk, which is locked */
};

static int set_up(void **state)
{
	struct fixture *fixture = xcalloc(1, sizeof(*fixture));

	strcpy(fixture->path, "/tmp/coracle-fsck-XXXXXX");
	assert_non_null(mkdtemp(fixture->path));
	fixture->fd = -1;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close_fd(&fixture->fd);
	tree_remove(AT_FDCWD, fixture->path);
	free(fixture);
	return 0;
}

static void open_disk(struct fixture *fixture, int flags)
{
	_free_ char *path = str_format("%s/disk", fixture->path);

	fixture->fd = open(path, flags | O_CLOEXEC, 0600);
	assert_true(fixture->fd >= 0);
	assert_int_equal(flock(fixture->fd, LOCK_EX), 0);
}

static void make_disk(struct fixture *fixture)
{
	open_disk(fixture, O_RDWR | O_CREAT);
	assert_int_equal(
		volume_disk_make(fixture->fd, &(struct volume){.size = 64 * MIB, .journal = true}, NULL), 0);
}

static void make_endless(struct fixture *fixture)
{
	_free_ char *path = str_format("%s/disk", fixture->path);

	assert_int_equal(mkfifo(path, 0600), 0);
	open_disk(fixture, O_RDONLY | O_NONBLOCK);
}

static bool is_lock_free(const struct fixture *fixture)
{
	_free_ char *path = str_format("%s/disk", fixture->path);
	_fd_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	for (int i = 0; i < TRIES; i++, poll(NULL, 0, NAP_MS))
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
	return false;
}

static void test_a_whole_one(void **state)
{
	struct fixture *fixture = *state;
	struct cor_error err = {0};
	bool repaired = true;

	make_disk(fixture);
	assert_int_equal(volume_fsck(fixture->fd, FSCK_LOOK, 100, &repaired, &err), 0);
	assert_false(repaired);
	assert_int_equal(pwrite(fixture->fd, "none", 4, 1024 + 0x38), 4);
	assert_int_equal(volume_fsck(fixture->fd, FSCK_LOOK, 100, NULL, &err), -EUCLEAN);
	assert_int_equal(err.status, COR_CORRUPT);
}

/* Whoever we are: as on a host that forbids them. */
static void test_not_without_namespaces(void **state)
{
	struct fixture *fixture = *state;
	int status;
	pid_t pid;

	make_disk(fixture);
	pid = fork();
	if (pid == 0) {
		scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
		struct cor_error err = {0};

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 0) < 0 ||
		    seccomp_load(ctx) < 0)
			_exit(2);
		volume_fsck(fixture->fd, FSCK_REPAIR, 100, NULL, &err);
		_exit(err.status == COR_UNSUPPORTED && strstr(err.msg, "namespaces") ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_ends_in_time(void **state)
{
	struct fixture *fixture = *state;
	struct cor_error err = {0};

	make_endless(fixture);
	assert_int_equal(volume_fsck(fixture->fd, FSCK_LOOK, 1, NULL, &err), -ETIMEDOUT);
	assert_int_equal(err.status, COR_TIMEOUT);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	close_fd(&fixture->fd);
	assert_true(is_lock_free(fixture));
}

/* The only child of a process, once there is one; 0. */
static pid_t child_of(pid_t pid)
{
	_free_ char *path = str_format("/proc/%d/task/%d/children", pid, pid);
	_free_ char *text = NULL;

	return file_read(AT_FDCWD, path, 4096, &text, NULL) == 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static bool is_checked_by(pid_t pid)
{
	for (int i = 0; i < TRIES; i++, poll(NULL, 0, NAP_MS)) {
		pid_t keeper = child_of(pid), checker = keeper ? child_of(keeper) : 0;
		_free_ char *path = str_format("/proc/%d/comm", checker);
		_free_ char *name = NULL;

		if (checker && file_read(AT_FDCWD, path, 64, &name, NULL) == 0 &&
		    strcmp(name, "e2fsck\n") == 0)
			return true;
	}
	return false;
}

static void test_ends_with_who_wanted_it(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid;

	make_endless(fixture);
	pid = fork();
	if (pid == 0) {
		volume_fsck(fixture->fd, FSCK_LOOK, 100, NULL, NULL);
		_exit(1);
	}
	close_fd(&fixture->fd);
	assert_true(is_checked_by(pid));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(is_lock_free(fixture));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_whole_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_without_namespaces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ends_in_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ends_with_who_wanted_it, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
