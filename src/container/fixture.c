/* SPDX-License-Identifier: Apache-2.0 */
#include "container/fixture.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

void fixture_open(struct fixture *fixture)
{
	_free_ char *data = NULL, *run = NULL;

	strcpy(fixture->folder, "/tmp/coracle-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	data = str_format("%s/data", fixture->folder);
	run = str_format("%s/run", fixture->folder);
	assert_int_equal(roots_open(data, run, &fixture->roots, NULL), 0);
}

void fixture_close(struct fixture *fixture)
{
	roots_release(&fixture->roots);
	tree_remove(AT_FDCWD, fixture->folder);
}

int fixture_set_up(void **state)
{
	*state = xcalloc(1, sizeof(struct fixture));
	fixture_open(*state);
	return 0;
}

int fixture_tear_down(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

int fixture_container(struct roots *roots, const char *name, bool auto_remove, char id[ID_SIZE],
		      struct cor_error *err)
{
	_cleanup_(container_record_release) struct container_record record = {.name = xstrdup(name),
									      .rootfs = xstrdup("/none"),
									      .stop_signal = 15,
									      .machine.cpus = 1,
									      .auto_remove = auto_remove};
	struct bundle bundle;
	int r;

	assert_int_equal(bundle_begin(roots, &bundle, err), 0);
	memcpy(record.id, bundle.id, ID_SIZE);
	memcpy(id, bundle.id, ID_SIZE);
	strv_add(&record.args, "sh");
	assert_int_equal(container_record_write(roots, &record, err), 0);
	r = bundle_publish(roots, &bundle, name, false, err);
	bundle_release(roots, &bundle);
	return r;
}
