/* SPDX-License-Identifier: Apache-2.0 */
/* A command line, taken apart by the tables of command.h. Option names in the getters must be in the command's tables; anything else is a
 * bug of ours and ends the program. */
#pragma once

#include "cli/command.h"
#include "cli/text.h"

#include <stdint.h>

struct argument_value {
	const struct option *option;
	struct words words; /* what was given, in order; flags as "true" and "false" */
};

struct arguments {
	const char *path; /* how the command is called, "coracle image ls"; borrowed */
	const struct command *command;
	struct argument_value *values; /* one for each option of the command */
	size_t value_count;
	char *const *operands; /* borrowed, NULL-terminated */
	size_t operand_count;
	char **moved; /* owns the array of operands, not the words */
	bool help;    /* --help was given; the rest was not checked */
};

/* argv: the words behind the command's name, NULL-terminated, which must outlive the arguments. -EINVAL with the reason in err; arguments
 * must be released in any case. */
int arguments_parse(struct arguments *args, const char *path, const struct command *command,
		    char *const *argv, struct cor_error *err);
void arguments_release(struct arguments *args);

bool arguments_given(const struct arguments *args, const char *option);
bool arguments_flag(const struct arguments *args, const char *option, bool otherwise);
const char *arguments_text(const struct arguments *args, const char *option); /* NULL: not given */
const struct words *arguments_words(const struct arguments *args, const char *option);
/* These leave *value as it is where the option was not given. */
int arguments_number(const struct arguments *args, const char *option, int64_t min, int64_t max,
		     int64_t *value, struct cor_error *err);
int arguments_size(const struct arguments *args, const char *option, uint64_t *value, struct cor_error *err);
