/* SPDX-License-Identifier: Apache-2.0 */
/* A command is data: its names, operands and options, and a function. Parsing, --help, completion and man pages all read the same
 * tables. */
#pragma once

#include "coracle/error.h"

#include <stdbool.h>

struct arguments;

/* What a shell offers for an argument. */
enum offer {
	OFFER_NOTHING,
	OFFER_FILES,
	OFFER_FOLDERS,
	OFFER_CONTAINERS,
	OFFER_RUNNING,
	OFFER_IMAGES,
	OFFER_REGISTRIES,
	OFFER_VOLUMES,
	OFFER_SIGNALS
};

struct option {
	const char *name;     /* without "--" */
	char letter;          /* '\0': none */
	const char *argument; /* its name in help; NULL: a flag, which also takes =true and =false */
	const char *help;     /* one sentence, no full stop */
	const char *choices;  /* space-separated; anything else is refused. NULL: anything goes */
	bool repeats;         /* may come more than once; otherwise the last one wins */
	enum offer offer;
};

/* Options under one heading; the table ends with an empty name. */
struct option_group {
	const char *title;
	const struct option *options;
};

#define COMMAND_ANY 1000000u

struct command {
	const char *name;
	const char *aliases;  /* space-separated; NULL: none */
	const char *operands; /* as help shows them: "IMAGE [COMMAND [ARG...]]"; NULL: none */
	unsigned min, max;    /* how many operands */
	bool operand_ends; /* options come before the first operand; what follows it belongs to somebody else */
	bool hidden;
	bool ends_as_process; /* its exit status is a process's, so a failure of ours is 125, 126 or 127 */
	const char *summary;  /* one line, no full stop */
	const char *text;     /* paragraphs, parted by an empty line; NULL: none */
	const char *examples; /* command lines, one a line; NULL: none */
	const struct option_group *const *groups; /* NULL-terminated; NULL: no options */
	enum offer offer;                         /* for operands */
	const struct command *const *commands; /* NULL-terminated; not NULL: this is a family, run is NULL */
	/* 0 and *ret_status is the exit status (0 when left alone), or -errno and err; then *ret_status is the exit status where it was set. */
	int (*run)(const struct arguments *args, int *ret_status, struct cor_error *err);
};

/* A word at the top that stands for a command of a family. */
struct shortcut {
	const char *name, *family, *command;
};

/* Everything there is: a family without a name of its own but "coracle". */
extern const struct command command_top;
extern const struct shortcut command_shortcuts[]; /* ends with an empty name */

/* A command of a family by name or alias; with command_top also by shortcut. NULL if there is none. */
const struct command *command_find(const struct command *family, const char *name);

/* The command that words name, NULL-terminated, from the top: {"image", "ls"}, {"images"}. *ret_path is "coracle image ls", the caller's. A word
 * that fits nowhere is COR_INVALID; words behind a command that is no family do not count. */
const struct command *command_resolve(char *const *words, char **ret_path, struct cor_error *err);

/* Fails because word is no command of family, which is called path: says so, and which one may have been meant. */
int command_unknown(const struct command *family, const char *path, const char *word, struct cor_error *err);

/* Calls visit for every command that is not hidden, families first; path is "coracle image ls". */
void command_walk(void (*visit)(const char *path, const struct command *command, void *data), void *data);
