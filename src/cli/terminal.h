/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's terminal: raw while a session types into it, and itself again whatever way the command ends but SIGKILL. */
#pragma once

#include <stdbool.h>

struct cor_error;

/* fd is put into raw mode until terminal_restore, exit, or a crash. One terminal at a time. */
int terminal_raw(int fd, struct cor_error *err);
/* The same, but what is typed is only not shown, for passwords. */
int terminal_silent(int fd, struct cor_error *err);
void terminal_restore(void); /* may be called from a signal handler, and when nothing is to be restored */

/* The size of the terminal that fd is; false and untouched if it is none. */
bool terminal_size_of(int fd, unsigned *ret_rows, unsigned *ret_columns);
/* The size of the terminal behind one of the standard streams; false and untouched if none has one. May be called from a signal handler. */
bool terminal_size(unsigned *ret_rows, unsigned *ret_columns);
