/* SPDX-License-Identifier: Apache-2.0 */
/* Lines are built in one buffer and written by one call, so that lines of several processes do not mix. */
#include "base/log.h"

#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static int current_level = -1;

static int level_from_environment(void)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	const char *wanted = getenv("CORACLE_LOG");

	for (size_t i = 0; wanted && i < ARRAY_SIZE(names); i++)
		if (strcmp(wanted, names[i]) == 0)
			return (int)i;
	return LOG_LEVEL_INFO;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char marks[] = {'E', 'W', 'I', 'D'};
	int saved = errno;
	struct timespec now;
	char line[1024];
	size_t n;
	va_list ap;

	if (current_level < 0)
		current_level = level_from_environment();
	if ((int)level > current_level)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	n = (size_t)snprintf(line, sizeof(line), "%c %lld.%06ld ", marks[level], (long long)now.tv_sec,
			     now.tv_nsec / 1000);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, n);
	errno = saved;
}
