/* SPDX-License-Identifier: Apache-2.0 */
/* Small things around libcoracle that several commands need. */
#pragma once

#include "cli/text.h"
#include "coracle/coracle.h"

void context_freep(struct cor_context **ctx);
#define _context_ _cleanup_(context_freep)
void cor_freep(char **text);
#define _returned_ _cleanup_(cor_freep)

struct arguments;

/* The option "--all" of commands that take containers. */
#define OPTION_ALL(what)                                                                                     \
	{                                                                                                    \
		"all", 'a', NULL, what                                                                       \
	}

/* Does something to each operand; prints errors as they come and goes on. *ret_status is 1 after a failure. */
int context_each(struct cor_context *ctx, const struct arguments *args,
		 int (*act)(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err),
		 void *data, int *ret_status, struct cor_error *err);

/* The same for each operand of a command that has no --all, with a context of its own. */
int context_operands(const struct arguments *args,
		     int (*act)(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err),
		     void *data, int *ret_status, struct cor_error *err);

/* Whether a container's process has a terminal and an open standard input. */
int context_streams(struct cor_context *ctx, const char *ref, bool *ret_terminal, bool *ret_interactive,
		    struct cor_error *err);
