/* SPDX-License-Identifier: Apache-2.0 */
/* The child's side of child.h. */
#pragma once

#include "init/child.h"

/* Runs in the new process, with all signals blocked, and never returns. */
_Noreturn void child_main(const struct child *child, int socket);

/* Runs the executable in a process of its own below this one, hands on signals, reaps what is orphaned, and ends as the executable ended. run
 * is called in the new process and returns only when it failed; done in this one. */
_Noreturn void reaper_run(bool terminal, void (*run)(void *context), void (*done)(void *context),
			  void *context);
