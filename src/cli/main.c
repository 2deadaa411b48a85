/* SPDX-License-Identifier: Apache-2.0 */
/* coracle: finds the command that is meant, takes its arguments apart, runs it, and turns how it ended into an exit status. Exit statuses are
 * docker's. */
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
	return status ? status : 1;
}

/* 125 and its neighbours tell our failure from a process's own status, where there is one; other commands have 1 for that, and 125 for a
 * command line that makes no sense. A status that the command chose itself, not 0, stands. */
static int fail(const struct command *command, const struct cor_error *err, int status)
{
	report_error(err);
	if (status)
		return finish(status);
	if (command->ends_as_process || err->status == COR_INVALID)
		return finish(cor_status_exit_code(err->status));
	return finish(1);
}

static int run(const char *path, const struct command *command, char *const *argv)
{
	struct arguments args;
	struct cor_error err = {0};
	int status = 0;
	int r = arguments_parse(&args, path, command, argv, &err);

	if (r == 0 && args.help)
		help_print(path, command, stdout);
	else if (r == 0)
		r = command->run(&args, &status, &err);
	arguments_release(&args);
	return r < 0 ? fail(command, &err, status) : finish(status);
}

/* "coracle help image ls" is "coracle image ls --help". */
static int help(char *const *words)
{
	struct cor_error err = {0};
	_text_ char *path = NULL;
	const struct command *command = command_resolve(words, &path, &err);

	if (!command)
		return fail(&command_top, &err, 0);
	help_print(path, command, stdout);
	return finish(0);
}

static int dispatch(const char *path, const struct command *family, char *const *argv)
{
	const char *word = argv[0];
	_text_ char *below = NULL;
	const struct command *command;
	struct cor_error err = {0};

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
		command_unknown(family, path, word, &err);
		return fail(family, &err, 0);
	}
	below = text_format("%s %s", path, word);
	return command->commands ? dispatch(below, command, argv + 1) : run(below, command, argv + 1);
}

int main(int argc, char **argv)
{
	open_streams();
	return argc > 0 ? dispatch(command_top.name, &command_top, argv + 1) : 125;
}
