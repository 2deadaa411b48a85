/* SPDX-License-Identifier: Apache-2.0 */
/* As docker asks, so that `yes | coracle image prune` does what hands and scripts expect. A standard input that is at its end (cron, CI) has no answer:
 * that is a failure, which must not look as if there had been nothing to do. */
#include "cli/confirm.h"

#include "cli/arguments.h"
#include "cli/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int confirm(const struct arguments *args, const char *what, struct cor_error *err)
{
	_text_ char *line = NULL;
	size_t room = 0;
	ssize_t size;

	if (arguments_flag(args, "force", false))
		return 0;
	fflush(stdout);
	fprintf(stderr, "WARNING! This will remove:\n%sAre you sure you want to continue? [y/N] ", what);
	size = getline(&line, &room, stdin);
	if (size <= 0 || !isatty(STDIN_FILENO))
		putc('\n', stderr);
	if (size <= 0)
		return report_fail(err, COR_CANCELLED, ECANCELED,
				   "no answer on standard input, nothing was removed; --force does not ask");
	if (line[size - 1] == '\n')
		line[size - 1] = '\0';
	if (!text_among("y Y yes Yes YES", line))
		return report_fail(err, COR_CANCELLED, ECANCELED, "nothing was removed");
	return 0;
}
