/* SPDX-License-Identifier: Apache-2.0 */
/* Whose the files are that a user's guests make: a user namespace in which root is the user and, where the
 * host gives him ids of his own (/etc/subuid, /etc/subgid, and newuidmap from the
 * package uidmap), its other users are these. Without them there are no others. */
#pragma once

#include <sys/types.h>

struct share_owners {
	uid_t uid;
	gid_t gid;
	unsigned first_uid, uids, first_gid, gids; /* his ids; none: 0 */
};

/* The first range of a user in the text of /etc/subuid or /etc/subgid: lines "NAME:FIRST:COUNT", with the
 * number of the user in place of the name too. -ENOENT without one. */
int share_owners_range(const char *text, const char *name, uid_t uid, unsigned *ret_first,
		       unsigned *ret_count);

/* Of the calling process's user. */
void share_owners_find(struct share_owners *ret);

/* Enters the namespace. Between fork and exec: async-signal-safe. What a tool says of a failure goes to
 * standard error, as -EPERM. */
int share_owners_enter(const struct share_owners *owners);
