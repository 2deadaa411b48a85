/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a program that outlives its caller. */
#pragma once

#include "base/error.h"

/* Runs args[0] as a grandchild in a session of its own: standard input is /dev/null, standard output and error are log_fd; descriptor 3 is
 * kept_fd. Signals are as in a fresh process. Returns when execve has succeeded or failed. */
int process_detach(const char *const *args, int log_fd, int kept_fd, struct cor_error *err);
