/* SPDX-License-Identifier: Apache-2.0 */
/* Errors are carried to the top in a buffer that the caller owns: no allocation can fail on the way, and the text
 * that a person reads is built where the facts are known. Texts are cut, never overrun, when they grow too long. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int exit_code;
} statuses[] = {
	[COR_OK] = {"ok", 0},
	[COR_INVALID] = {"invalid", 125},
	[COR_NOT_FOUND] = {"not found", 125},
	[COR_EXISTS] = {"exists", 125},
	[COR_BUSY] = {"busy", 125},
	[COR_PERMISSION] = {"permission denied", 125},
	[COR_UNSUPPORTED] = {"unsupported", 125},
	[COR_EXHAUSTED] = {"exhausted", 125},
	[COR_CORRUPT] = {"corrupt", 125},
	[COR_TIMEOUT] = {"timed out", 125},
	[COR_CANCELLED] = {"cancelled", 125},
	[COR_UNAVAILABLE] = {"unavailable", 125},
	[COR_CANNOT_EXECUTE] = {"cannot execute", 126},
	[COR_NO_EXECUTABLE] = {"no such executable", 127},
	[COR_INTERNAL] = {"internal error", 125},
};

const char *cor_status_name(enum cor_status status)
{
	return (unsigned)status < ARRAY_SIZE(statuses) ? statuses[status].name : "unknown";
}

int cor_status_exit_code(enum cor_status status)
{
	return (unsigned)status < ARRAY_SIZE(statuses) ? statuses[status].exit_code : 125;
}

enum cor_status cor_status_from_errno(int errnum)
{
	switch (errnum < 0 ? -errnum : errnum) {
	case 0:
		return COR_OK;
	case ENOENT:
	case ESRCH:
	case ENODEV:
	case ENXIO:
		return COR_NOT_FOUND;
	case EEXIST:
		return COR_EXISTS;
	case EACCES:
	case EPERM:
	case EROFS:
		return COR_PERMISSION;
	case EINVAL:
	case ENAMETOOLONG:
	case ELOOP:
	case ENOTDIR:
	case EISDIR:
	case ERANGE:
	case EOVERFLOW:
		return COR_INVALID;
	case ENOMEM:
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	case EFBIG:
		return COR_EXHAUSTED;
	case EBUSY:
	case EAGAIN:
	case ETXTBSY:
		return COR_BUSY;
	case ENOSYS:
	case EOPNOTSUPP:
	case EPROTONOSUPPORT:
		return COR_UNSUPPORTED;
	case EBADMSG:
	case EPROTO:
	case EILSEQ:
		return COR_CORRUPT;
	case ETIMEDOUT:
		return COR_TIMEOUT;
	case ECANCELED:
	case EINTR:
		return COR_CANCELLED;
	case ECONNREFUSED:
	case ECONNRESET:
	case ENOTCONN:
	case EPIPE:
		return COR_UNAVAILABLE;
	default:
		return COR_INTERNAL;
	}
}

static int negative(int errnum)
{
	if (errnum == 0)
		return -EIO;
	return errnum < 0 ? errnum : -errnum;
}

int cor_fail(struct cor_error *err, enum cor_status status, int errnum, const char *fmt, ...)
{
	va_list ap;

	errnum = negative(errnum);
	if (err) {
		err->status = status;
		err->err = -errnum;
		va_start(ap, fmt);
		vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
	}
	return errnum;
}

int cor_fail_errno(struct cor_error *err, int errnum, const char *fmt, ...)
{
	va_list ap;
	size_t used;

	errnum = negative(errnum);
	if (err) {
		err->status = cor_status_from_errno(errnum);
		err->err = -errnum;
		va_start(ap, fmt);
		vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
		used = strlen(err->msg);
		snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", strerror(-errnum));
	}
	return errnum;
}

int cor_context(struct cor_error *err, int ret, const char *fmt, ...)
{
	char text[sizeof(err->msg)];
	va_list ap;
	size_t used;

	if (!err)
		return ret;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	used = strlen(text);
	snprintf(text + used, sizeof(text) - used, ": %s", err->msg);
	memcpy(err->msg, text, sizeof(text));
	return ret;
}
