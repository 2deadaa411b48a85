/* SPDX-License-Identifier: Apache-2.0 */
/* How calls of libcoracle fail: an int that is 0 or -errno, and a cor_error that says what to tell a person. */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#define COR_EXPORT __attribute__((visibility("default")))

/* What kind of failure it was, chosen on purpose by the code that failed. */
enum cor_status {
	COR_OK = 0,
	COR_INVALID,        /* the request makes no sense, whatever the state */
	COR_NOT_FOUND,      /* the thing that was named does not exist */
	COR_EXISTS,         /* the name is taken */
	COR_BUSY,           /* not in this state: running, in use, locked */
	COR_PERMISSION,     /* the caller may not */
	COR_UNSUPPORTED,    /* this host, build or guest cannot */
	COR_EXHAUSTED,      /* out of memory, disk, descriptors, addresses */
	COR_CORRUPT,        /* bytes that do not hold what they must: digest, format, truncated */
	COR_TIMEOUT,        /* a deadline passed */
	COR_CANCELLED,      /* the caller gave up */
	COR_UNAVAILABLE,    /* the other side is gone: shim, guest, registry */
	COR_CANNOT_EXECUTE, /* the process's file is there and cannot be executed */
	COR_NO_EXECUTABLE,  /* the process's file is not there */
	COR_INTERNAL,       /* our own fault */
};

/* Owned by the caller, no allocation; "{0}" is empty. Every function that takes one accepts NULL. */
struct cor_error {
	enum cor_status status;
	int err;       /* positive errno, 0 if none fits */
	char msg[512]; /* one line, no newline at its end: the thing's name, what is wrong, the remedy */
};

/* The status as a word, e.g. "not found". */
COR_EXPORT const char *cor_status_name(enum cor_status status);

/* The exit status of a command that failed so: 125, or 126 and 127 for a process that cannot be executed. */
COR_EXPORT int cor_status_exit_code(enum cor_status status);

#ifdef __cplusplus
}
#endif
