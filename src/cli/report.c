/* SPDX-License-Identifier: Apache-2.0 */
/* Errors are values until a command ends; here they become lines. Their text may quote an image or a guest, so it is made
 * harmless for terminals first. */
#include "cli/report.h"

#include <errno.h>
#include <stdio.h>

static void PRINTF_LIKE(4, 0)
	fill(struct cor_error *err, enum cor_status status, int errnum, const char *fmt, va_list ap)
{
	if (!err)
		return;
	err->status = status;
	err->err = errnum;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
}

int report_fail(struct cor_error *err, enum cor_status status, int errnum, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, status, errnum, fmt, ap);
	va_end(ap);
	return -errnum;
}

int report_usage(struct cor_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fill(err, COR_INVALID, EINVAL, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static void line(const char *text)
{
	_text_ char *printable = text_printable(text);

	/* Data that was printed already comes first where both streams are one. */
	fflush(stdout);
	fprintf(stderr, "coracle: %s\n", printable);
}

void report_error(const struct cor_error *err)
{
	line(err->msg[0] ? err->msg : cor_status_name(err->status));
}

void report_note(const char *fmt, ...)
{
	_text_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = text_vformat(fmt, ap);
	va_end(ap);
	line(text);
}
