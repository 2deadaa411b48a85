/* SPDX-License-Identifier: Apache-2.0 */
/* Release at the end of scope: a variable says once who frees it, and every way out of a function obeys. */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Defines fn##p, which calls fn on a variable of pointer type; fn must take NULL. */
#define DEFINE_CLEANUP(type, fn)                                                                             \
	static inline __attribute__((unused)) void fn##p(type *p)                                            \
	{                                                                                                    \
		fn(*p);                                                                                      \
	}

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

static inline void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define _free_ _cleanup_(cleanup_free)
#define _fd_   _cleanup_(cleanup_fd)
#define _file_ _cleanup_(cleanup_file)
#define _dir_  _cleanup_(cleanup_dir)

/* Takes the value out of a variable that would be released, and leaves the variable empty. */
#define steal_ptr(p)                                                                                         \
	({                                                                                                   \
		__typeof__(p) *steal_from_ = &(p);                                                           \
		__typeof__(p) stolen_ = *steal_from_;                                                        \
		*steal_from_ = NULL;                                                                         \
		stolen_;                                                                                     \
	})

static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/* Closes what is open and leaves -1, so that it can be called twice. */
static inline void close_fd(int *fd)
{
	cleanup_fd(fd);
	*fd = -1;
}
