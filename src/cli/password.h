/* SPDX-License-Identifier: Apache-2.0 */
/* What a person types at a prompt, or pipes in, to be known by. */
#pragma once

#include "cli/text.h"

struct cor_error;

/* Asks on the person's own terminal, whatever the standard streams are; what is typed is shown or not. The terminal is as it was afterwards, also when
 * a signal ends us. -EINVAL without a terminal (the error tells of the remedy) and for an empty answer. *ret is the caller's. */
int password_ask(const char *prompt, bool shown, const char *remedy, char **ret, struct cor_error *err);

/* All of standard input, without the end of its last line. */
int password_read(char **ret, struct cor_error *err);

/* Wipes and frees. */
void password_freep(char **password);
#define _password_ _cleanup_(password_freep)
