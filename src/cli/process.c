/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a process. The order of variables is that of docker: files first, then what --env says. */
#include "cli/process.h"

#include "cli/variables.h"

static const struct option process_options[] = {
	{"env", 'e', "KEY[=VALUE]", "set a variable; a key alone takes the value it has here",
	 .repeats = true},
	{"env-file", '\0', "FILE", "read variables from a file, one KEY=VALUE or KEY a line", .repeats = true,
	 .offer = OFFER_FILES},
	{"interactive", 'i', NULL, "keep standard input open"},
	{"tty", 't', NULL, "give the process a terminal"},
	{"user", 'u', "USER[:GROUP]", "run as this user, by name or number"},
	{"workdir", 'w', "FOLDER", "working directory inside the container"},
	{0},
};
const struct option_group process_group = {"Process", process_options};

int process_environment(const struct arguments *args, struct words *ret, struct cor_error *err)
{
	const struct words *files = arguments_words(args, "env-file"),
			   *variables = arguments_words(args, "env");
	int r = 0;

	for (size_t i = 0; i < files->count && r == 0; i++)
		r = variables_read(files->items[i], ret, err);
	for (size_t i = 0; i < variables->count && r == 0; i++)
		r = variables_add("--env", variables->items[i], ret, err);
	return r;
}

void process_fill(struct cor_process_options *options, const struct arguments *args, const struct words *env,
		  char *const *command)
{
	*options = (struct cor_process_options){
		.args = *command ? (const char *const *)command : NULL,
		.env = words_list(env),
		.user = arguments_text(args, "user"),
		.working_directory = arguments_text(args, "workdir"),
		.terminal = arguments_flag(args, "tty", false),
		.interactive = arguments_flag(args, "interactive", false),
	};
}
