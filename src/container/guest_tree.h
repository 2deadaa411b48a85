/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a container, whether it runs or not, as calls to its guest. Its disk was written by a guest, so that nothing here ever looks at it: where no machine
 * runs, the container's own is started without a process, and ended afterwards. */
#pragma once

#include "base/cleanup.h"
#include "container/context.h"
#include "container/guest_mailbox.h"
#include "container/record.h"
#include "container/shim_client.h"
#include "copy/entry.h"

struct guest_tree {
	const struct roots *roots;
	struct container_record record;
	struct shim_client *client;
	struct guest_mailbox mailbox; /* that large contents go through, if it is ours */
	bool disk_alone;
	unsigned refused;         /* how often a machine would not start because something was in use */
	bool running;             /* a process of it may change files meanwhile */
	uint64_t silence_ms;      /* for how long a guest may neither say nor take anything */
	struct rpc_call *freeze;  /* that keeps its processes from running; NULL: none does */
	struct cor_error unfroze; /* why it ended */
};

/* disk_alone: what is mounted in it, volumes too, is not wanted. *tree is to be released in any case. COR_NOT_FOUND; COR_BUSY while somebody else
 * starts or removes it. One who reaches the files of the same stopped container is waited for. */
int guest_tree_open(struct cor_context *ctx, const char *ref, bool disk_alone, struct guest_tree *tree,
		    struct cor_error *err);
/* Where a machine was started for this: ends it and waits until all that was written is on disk. */
int guest_tree_close(struct guest_tree *tree, struct cor_error *err);
/* Without waiting. */
void guest_tree_release(struct guest_tree *tree);
#define _guest_tree_ _cleanup_(guest_tree_release)

/* What a path (absolute) stands for. */
struct guest_file {
	mode_t mode;
	char *target; /* of a symbolic link: the absolute path that it leads to, or, where nothing is there, what it says; the caller's */
};
int guest_tree_stat(struct guest_tree *tree, const char *path, struct guest_file *ret, struct cor_error *err);

/* These end with COR_TIMEOUT when the guest is silent for too long; however long it all takes, and who gives or takes the files on this side, is not counted. */

/* As SendTreeRequest of agent.proto. */
struct guest_request {
	const char *path, *name;
	bool disk, only_metadata, details;
	const uint8_t *wanted;
	size_t wanted_size;
};
/* All that comes goes to the sink, checked for sense but not for where it leads. */
int guest_tree_receive(struct guest_tree *tree, const struct guest_request *request,
		       const struct copy_sink *sink, struct cor_error *err);

/* A tree into the folder `path` of the container; the functions of the sink block while the guest takes no more. */
struct guest_sending;
int guest_tree_send(struct guest_tree *tree, const char *path, bool keep_owners, struct guest_sending **ret,
		    struct cor_error *err);
struct copy_sink guest_sending_sink(struct guest_sending *sending);
/* Waits until all was written. Where the sink failed because the guest did not want more, this tells why. */
int guest_sending_end(struct guest_sending *sending, uint64_t *ret_bytes, struct cor_error *err);
void guest_sending_free(struct guest_sending *sending);
DEFINE_CLEANUP(struct guest_sending *, guest_sending_free)

/* From here until guest_tree_thaw, or the end of this process, no process of the container runs. */
int guest_tree_freeze(struct guest_tree *tree, struct cor_error *err);
/* An error if they have run meanwhile. */
int guest_tree_thaw(struct guest_tree *tree, struct cor_error *err);
