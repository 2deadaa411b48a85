/* SPDX-License-Identifier: Apache-2.0 */
/* coracle: finds the command that is meant, takes its arguments apart, runs it, and turns how it ended into an exit status. Exit statuses are those of
 * docker: a process's own, or 125 for our failure. */
#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/report.h"
#include "coracle/context.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 0, 1 and 2 are open, so that no file of ours gets one of these numbers and is taken for a stream. */
static void open_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* What was printed must have arrived; a full disk is an error, a reader that went is not worth a word. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno != EPIPE)
		report_note("standard output: %s", strerror(errno));
	return status ? status : 125;
}

static int fail(const struct cor_error *err)
{
	report_error(err);
	return finish(cor_status_exit_code(err->status));
}

static int run(const char *path, const struct command *command, char *const *argv)
{
	struct arguments args;
	struct cor_error err = {0};
	int status = 0;
	int r = arguments_parse(&args, command, argv, &err);

	if (r == 0 && args.help)
		help_print(path, command, stdout);
	else if (r == 0)
		r = command->run(&args, &status, &err);
	arguments_release(&args);
	return r < 0 ? fail(&err) : finish(status);
}

/* "coracle help image ls" is "coracle image ls --help". */
static int help(char *const *words)
{
	_text_ char *path = text_copy(command_top.name);
	const struct command *command = &command_top;

	for (; *words && command->commands; words++) {
		const struct command *next = command_find(command, *words);
		char *longer;

		if (!next) {
			report_note("'%s' is no command; '%s --help' lists them", *words, path);
			return 125;
		}
		longer = text_format("%s %s", path, next->name);
		free(path);
		path = longer;
		command = next;
	}
	help_print(path, command, stdout);
	return finish(0);
}

static int dispatch(const char *path, const struct command *family, char *const *argv)
{
	const char *word = argv[0];
	_text_ char *below = NULL;
	const struct command *command;

	if (!word || text_among("--help -h", word)) {
		help_print(path, family, word ? stdout : stderr);
		return finish(word ? 0 : 125);
	}
	if (family == &command_top && text_same(word, "help"))
		return help(argv + 1);
	if (family == &command_top && text_among("--version -v", word)) {
		printf("coracle %s\n", cor_version());
		return finish(0);
	}
	command = command_find(family, word);
	if (!command) {
		report_note("'%s' is no %s; '%s --help' lists them", word,
			    word[0] == '-' ? "option here" : "command", path);
		return 125;
	}
	below = text_format("%s %s", path, word);
	return command->commands ? dispatch(below, command, argv + 1) : run(below, command, argv + 1);
}

int main(int argc, char **argv)
{
	open_streams();
	return argc > 0 ? dispatch(command_top.name, &command_top, argv + 1) : 125;
}
