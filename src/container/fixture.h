/* SPDX-License-Identifier: Apache-2.0 */
/* What unit tests of this folder begin with: roots in a folder of the test's own, and a container in them. Failures are cmocka's. */
#pragma once

#include "container/store.h"

struct fixture {
	char folder[64];
	struct roots roots;
};

void fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);
/* For tests that need nothing else: *state is a struct fixture. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

/* A container with the least that it must have; its id goes to id. 0, or why its name was refused. */
int fixture_container(struct roots *roots, const char *name, bool auto_remove, char id[ID_SIZE],
		      struct cor_error *err);
