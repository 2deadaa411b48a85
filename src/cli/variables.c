/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of a process is put together here, on the caller's side, since bare keys and files of variables are the caller's. */
#include "cli/variables.h"

#include "cli/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LARGEST_FILE (1u << 20)

int variables_add(const char *where, const char *text, struct words *words, struct cor_error *err)
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

int variables_parse(const char *where, const char *text, struct words *words, struct cor_error *err)
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
			r = variables_add(where, start, words, err);
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
	_text_ char *text = memory_new(LARGEST_FILE + 1, 1);
	size_t size = 0;
	ssize_t n = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return report_fail(err, errno == ENOENT ? COR_NOT_FOUND : COR_PERMISSION, errno,
				   "--env-file '%s': %s", path, strerror(errno));
	while (size <= LARGEST_FILE && n != 0) {
		n = read(fd, text + size, LARGEST_FILE + 1 - size);
		if (n < 0 && errno != EINTR)
			break;
		size += n > 0 ? (size_t)n : 0;
	}
	error = errno;
	close(fd);
	if (n < 0)
		return report_fail(err, COR_INVALID, error, "--env-file '%s': %s", path, strerror(error));
	if (size > LARGEST_FILE)
		return report_usage(err, "--env-file '%s' is larger than 1 MiB", path);
	if (strlen(text) != size)
		return report_usage(err, "--env-file '%s' holds a NUL byte", path);
	*ret = text;
	text = NULL;
	return 0;
}

int variables_read(const char *path, struct words *words, struct cor_error *err)
{
	_text_ char *text = NULL;
	int r = read_file(path, &text, err);

	return r < 0 ? r : variables_parse(path, text, words, err);
}
