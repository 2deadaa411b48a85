/* SPDX-License-Identifier: Apache-2.0 */
/* Commands at once: somebody looks all the time, while containers are made, and while one of a dead shim is started again. */
#include "container/fixture.h"
#include "container/lock.h"

#include "base/file.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

#define LOOKERS 3
#define ROUNDS  60

struct race {
	struct fixture fixture;
	pid_t lookers[LOOKERS];
};

static int set_up(void **state)
{
	struct race *f = xcalloc(1, sizeof(*f));

	fixture_open(&f->fixture);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct race *f = *state;

	for (int i = 0; i < LOOKERS; i++) {
		if (f->lookers[i] <= 0)
			continue;
		kill(f->lookers[i], SIGKILL);
		waitpid(f->lookers[i], NULL, 0);
	}
	fixture_close(&f->fixture);
	free(f);
	return 0;
}

/* Processes that do this again and again. */
static void start_lookers(struct race *f, void (*look)(struct roots *roots, const char *id), const char *id)
{
	for (int i = 0; i < LOOKERS; i++) {
		f->lookers[i] = fork();
		assert_true(f->lookers[i] >= 0);
		while (f->lookers[i] == 0)
			look(&f->fixture.roots, id);
	}
}

/* Fails the test when a looker has ended by itself. */
static void assert_looking(const struct race *f)
{
	for (int i = 0; i < LOOKERS; i++)
		assert_int_equal(waitpid(f->lookers[i], NULL, WNOHANG), 0);
}

static void list(struct roots *roots, const char *id)
{
	_strv_ struct strv ids = {0};

	container_ids(roots, &ids, NULL);
}

/* Whoever looks sweeps leftovers away, and a bundle that has just been begun looks like one. */
static void test_making_while_others_look(void **state)
{
	struct race *f = *state;
	char id[ID_SIZE];

	start_lookers(f, list, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		_free_ char *name = str_format("box-%d", i);

		assert_int_equal(fixture_container(&f->fixture.roots, name, false, id, NULL), 0);
	}
	assert_looking(f);
	_strv_ struct strv ids = {0};
	assert_int_equal(container_ids(&f->fixture.roots, &ids, NULL), 0);
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
	struct race *f = *state;
	struct cor_error err = {0};
	char id[ID_SIZE];

	assert_int_equal(fixture_container(&f->fixture.roots, "box", false, id, NULL), 0);
	assert_int_equal(container_state_write(&f->fixture.roots, id, &running, NULL), 0);
	start_lookers(f, settle, id);
	for (int i = 0; i < ROUNDS; i++) {
		int lock = -1;

		if (container_lock(&f->fixture.roots, id, &lock, &err) < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(container_state_write(&f->fixture.roots, id, &running, NULL), 0);
		assert_int_equal(container_is_locked(&f->fixture.roots, id), 1);
		/* As long as the lock is held, it runs for everybody. */
		for (int j = 0; j < 20; j++) {
			assert_int_equal(container_state_read(&f->fixture.roots, id, &seen, NULL), 0);
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
