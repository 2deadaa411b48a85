/* SPDX-License-Identifier: Apache-2.0 */
/* The environment is put together here, on the caller's side, since bare keys and files of variables are the caller's. */
#include "cli/process.h"

#include "cli/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENV_FILE_MAX (1u << 20)

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

/* Adds "KEY=VALUE", or for a key alone the value from our own environment. */
static int add_variable(const char *where, const char *text, struct words *words, struct cor_error *err)
{
	const char *equals = strchr(text, '='), *value;

	if (equals == text || !*text)
		return report_usage(err, "%s: '%s' has no name before '='", where, text);
	if (strcspn(text, " \t") < (equals ? (size_t)(equals - text) : strlen(text)))
		return report_usage(err, "%s: '%s': a variable's name has no blanks", where, text);
	if (equals) {
		words_add(words, text);
		return 0;
	}
	value = getenv(text);
	if (value)
		words_take(words, text_format("%s=%s", text, value));
	return 0;
}

int process_env_lines(const char *name, const char *text, struct words *words, struct cor_error *err)
{
	const char *byte_order_mark = text_after(text, "\xef\xbb\xbf");

	if (byte_order_mark)
		text = byte_order_mark;
	while (*text) {
		size_t length = strcspn(text, "\n");
		_text_ char *line = text_format("%.*s", (int)length, text);
		const char *start = line + strspn(line, " \t");
		int r;

		if (length && line[length - 1] == '\r')
			line[length - 1] = '\0';
		if (*start && *start != '#') {
			r = add_variable(name, start, words, err);
			if (r < 0)
				return r;
		}
		text += length + (text[length] == '\n');
	}
	return 0;
}

/* Reads until the end, so that a pipe does too. */
static int read_file(const char *path, char **ret, struct cor_error *err)
{
	_text_ char *text = memory_new(ENV_FILE_MAX + 1, 1);
	size_t size = 0;
	ssize_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return report_fail(err, errno == ENOENT ? COR_NOT_FOUND : COR_PERMISSION, errno,
				   "--env-file '%s': %s", path, strerror(errno));
	while (size <= ENV_FILE_MAX && n != 0) {
		n = read(fd, text + size, ENV_FILE_MAX + 1 - size);
		if (n < 0 && errno != EINTR)
			break;
		size += n > 0 ? (size_t)n : 0;
	}
	error = errno;
	close(fd);
	if (n < 0)
		return report_fail(err, COR_INVALID, error, "--env-file '%s': %s", path, strerror(error));
	if (size > ENV_FILE_MAX)
		return report_usage(err, "--env-file '%s' is larger than 1 MiB", path);
	if (strlen(text) != size)
		return report_usage(err, "--env-file '%s' holds a NUL byte", path);
	*ret = text;
	text = NULL;
	return 0;
}

int process_environment(const struct arguments *args, struct words *ret, struct cor_error *err)
{
	const struct words *files = arguments_words(args, "env-file"),
			   *variables = arguments_words(args, "env");
	int r = 0;

	for (size_t i = 0; i < files->count && r == 0; i++) {
		_text_ char *text = NULL;

		r = read_file(files->items[i], &text, err);
		if (r == 0)
			r = process_env_lines(files->items[i], text, ret, err);
	}
	for (size_t i = 0; i < variables->count && r == 0; i++)
		r = add_variable("--env", variables->items[i], ret, err);
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
