/* SPDX-License-Identifier: Apache-2.0 */
/* Whole-file operations, relative to a directory descriptor (AT_FDCWD works). All return 0 or -errno; every
 * descriptor they make is close-on-exec. */
#pragma once

#include "base/cleanup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct strv;

/* Reads a regular file of at most max bytes. *ret_data has a NUL after its *ret_size bytes. -EFBIG when it is larger.
 * ret_size may be NULL. */
int file_read(int dir, const char *path, size_t max, char **ret_data, size_t *ret_size);

/* Replaces path by a file that holds data: written beside it, synced, renamed. Readers see the old or the new. */
int file_write_atomic(int dir, const char *path, const void *data, size_t size, mode_t mode);
/* Makes a file that must not be there yet. A crash of the host may lose what it holds, until dir_sync_files. */
int file_write_new(int dir, const char *path, const void *data, size_t size, mode_t mode);

/* All bytes, through short writes and EINTR; -EAGAIN is returned as it comes. */
int fd_write_all(int fd, const void *data, size_t size);
/* Reads exactly size bytes; -ENODATA where the file ends before. */
int fd_read_all(int fd, void *data, size_t size);

int fd_set_nonblocking(int fd, bool nonblocking);

/* Makes path and its parents; what exists is left as it is. */
int dir_make_all(int dir, const char *path, mode_t mode);
/* A stream over a folder's entries, from the first one on, whatever else reads from `dir`. NULL, and errno. */
DIR *dir_list(int dir, const char *path);
/* The next entry but "." and ".."; NULL at the end, and of a NULL stream. */
const struct dirent *dir_next(DIR *stream);
/* Adds the names in a folder that `wanted` takes (NULL: all of them), sorted. -ENOENT. */
int dir_names(int dir, const char *path, bool (*wanted)(const char *name), struct strv *ret);
/* DT_REG and its like, also where the file system does not tell while it is read. */
unsigned char dir_entry_type(int dir, const struct dirent *entry);
/* What the files in a directory and its subdirectories hold survives a crash of the host from here on. */
int dir_sync_files(int dir);
/* Opens a directory, making it and its parents first. *ret_fd is O_DIRECTORY. */
int dir_open_make(int dir, const char *path, mode_t mode, int *ret_fd);

/* Removes a file or a whole tree, however deep, never through a symbolic link. What is not there is no error. Where that fails, folders may have changed their places in what is left of it. */
int tree_remove(int dir, const char *path);

/* openat2 with RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS: the path is resolved as if root were "/", so that neither ".."
 * nor any link leads out. Returns a descriptor or -errno. */
int open_in_root(int root, const char *path, int flags, mode_t mode);
/* openat2 with RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS: for our own trees, where a link has no business. */
int open_beneath(int dir, const char *path, int flags, mode_t mode);

/* A memfd that holds data, sealed against every change, at offset 0. Returns a descriptor or -errno. */
int memfd_with(const char *name, const void *data, size_t size);
