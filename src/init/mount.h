/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting: options as mount(8) writes them, disks by serial, and targets that are found beneath a root. */
#pragma once

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>

struct mount_options {
	unsigned long flags;       /* MS_RDONLY, MS_NOSUID, … and MS_BIND, MS_REC */
	unsigned long propagation; /* MS_PRIVATE, MS_SLAVE, …, perhaps with MS_REC; 0: not given */
	char *data;                /* what the type reads itself, comma separated; NULL: nothing */
};

/* Sorts the options into flags and data. Nothing is refused here: the kernel refuses data that its type does not know. */
void mount_options_parse(const struct strv *options, struct mount_options *ret);
void mount_options_release(struct mount_options *options);

/* Opens (O_PATH) what path means with root as "/", and makes it where it is missing: directories on the way, and at the end
 * a directory or an empty file. No link leads out of root. A descriptor or -errno. */
int mount_target_open(int root, const char *path, bool directory);

/* Mounts source on path beneath root. source may be "disk:SERIAL" and "share:TAG"; a bind is asked for by an option, and its source is a path of the
 * caller's name space. A type NULL or "none" is a bind's. */
int mount_at(int root, const char *path, const char *source, const char *type, const struct strv *options,
	     struct cor_error *err);

/* The block device whose serial number the host chose: "/dev/vda". -ENODEV, -EINVAL. */
int disk_find(const char *serial, char **ret_path);
/* In a machine that was saved the disk was another one: what was read of it then counts no more. */
void disk_forget(const char *device);
