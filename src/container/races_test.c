/* SPDX-License-Identifier: Apache-2.0 */
/* Commands at once: somebody looks all the time, while containers are made, and while one of a dead shim is started again. */
#include "container/lock.h"
#include "container/store.h"

#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#define LOOKERS 3
#define ROUNDS  60

struct fixture {
	char folder[64];
	struct roots roots;
	pid_t lookers[LOOKERS];
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	_free_ char *data = NULL, *run = NULL;

	strcpy(f->folder, "/tmp/coracle-races-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	data = str_format("%s/data", f->folder);
	run = str_format("%s/run", f->folder);
	assert_int_equal(roots_open(data, run, &f->roots, NULL), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < LOOKERS; i++) {
		if (f->lookers[i] <= 0)
			continue;
		kill(f->lookers[i], SIGKILL);
		waitpid(f->lookers[i], NULL, 0);
	}
	roots_release(&f->roots);
	tree_remove(AT_FDCWD, f->folder);
	free(f);
	return 0;
}

/* Processes that do this again and again. */
static void start_lookers(struct fixture *f, void (*look)(struct roots *roots, const char *id),
			  const char *id)
{
	for (int i = 0; i < LOOKERS; i++) {
		f->lookers[i] = fork();
		assert_true(f->lookers[i] >= 0);
		while (f->lookers[i] == 0)
			look(&f->roots, id);
	}
}

/* Fails the test when a looker has ended by itself. */
static void assert_looking(const struct fixture *f)
{
	for (int i = 0; i < LOOKERS; i++)
		assert_int_equal(waitpid(f->lookers[i], NULL, WNOHANG), 0);
}

static void make(struct roots *roots, const char *name, char id[ID_SIZE])
{
	_cleanup_(container_record_release) struct container_record record = {
		.name = xstrdup(name), .rootfs = xstrdup("/none"), .stop_signal = 15, .machine.cpus = 1};
	struct cor_error err = {0};
	struct bundle bundle;
	int r = bundle_begin(roots, &bundle, &err);

	if (r < 0)
		fail_msg("%s", err.msg);
	memcpy(record.id, bundle.id, ID_SIZE);
	memcpy(id, bundle.id, ID_SIZE);
	r = container_record_write(roots, &record, &err);
	r = r ?: bundle_publish(roots, &bundle, name, false, &err);
	if (r < 0)
		fail_msg("%s", err.msg);
	bundle_release(roots, &bundle);
}

static void list(struct roots *roots, const char *id)
{
	_strv_ struct strv ids = {0};

	container_ids(roots, &ids, NULL);
}

/* Whoever looks sweeps leftovers away, and a bundle that has just been begun looks like one. */
static void test_making_while_others_look(void **state)
{
	struct fixture *f = *state;
	char id[ID_SIZE];

	start_lookers(f, list, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		_free_ char *name = str_format("box-%d", i);

		make(&f->roots, name, id);
	}
	assert_looking(f);
	_strv_ struct strv ids = {0};
	assert_int_equal(container_ids(&f->roots, &ids, NULL), 0);
	assert_int_equal(ids.count, ROUNDS);
}

static void settle(struct roots *roots, const char *id)
{
	struct container_state state;

	/* "Running" is told of a shim that lives, "exited" of one that died, and nothing else. */
	if (container_status(roots, id, &state, NULL) < 0 || state.status == COR_CREATED)
		_exit(1);
}

/* Recording a death takes a moment in which the container is nobody's: a shim that starts waits, and nothing overwrites what it writes. */
static void test_starting_while_others_settle(void **state)
{
	struct container_state running = {.status = COR_RUNNING, .started_ns = 1}, seen;
	struct fixture *f = *state;
	struct cor_error err = {0};
	char id[ID_SIZE];

	make(&f->roots, "box", id);
	assert_int_equal(container_state_write(&f->roots, id, &running, NULL), 0);
	start_lookers(f, settle, id);
	for (int i = 0; i < ROUNDS; i++) {
		int lock = -1;

		if (container_lock(&f->roots, id, &lock, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(container_state_write(&f->roots, id, &running, NULL), 0);
		assert_int_equal(container_is_locked(&f->roots, id), 1);
		/* As long as the lock is held, it runs for everybody. */
		for (int j = 0; j < 20; j++) {
			assert_int_equal(container_state_read(&f->roots, id, &seen, NULL), 0);
			assert_int_equal(seen.status, COR_RUNNING);
		}
		close_fd(&lock);
	}
	assert_looking(f);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_making_while_others_look),
		TEST(test_starting_while_others_settle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
