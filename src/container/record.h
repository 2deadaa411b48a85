/* SPDX-License-Identifier: Apache-2.0 */
/* What is written about a container when it is made: container.json, which never changes. */
#pragma once

#include "base/id.h"
#include "base/str.h"
#include "container/roots.h"
#include "container/shares.h"
#include "container/sockets.h"
#include "coracle/container.h"
#include "net/publish.h"

#include <jansson.h>
#include <stdint.h>

/* The machine that runs it. */
struct machine_config {
	unsigned cpus;
	int64_t nano_cpus; /* as asked for: less than the CPUs is a limit inside the machine */
	uint64_t memory;   /* bytes */
	char *kernel;      /* absolute path; NULL: the installation's at start */
	struct strv kernel_args;
	char *initramfs;   /* absolute path; NULL: the installation's */
	char *accelerator; /* "auto", "kvm", "tcg" */
	bool virtualization;
	bool no_template; /* boots, and is not saved */
};

#define CONTAINER_FILE_MAX (4u << 20) /* bytes of container.json, config.json or state.json */
#define NETWORKS_MAX       8

#define VOLUMES_MAX 16

/* A volume that a container has. Its number is its place in the record. */
struct volume_use {
	char *name;
	char *target;   /* absolute path in the container */
	bool read_only; /* by its device */
	bool shared;    /* a folder, which is among the shares too; it has no disk */
	bool copy;      /* what the image has there goes into it, while it is empty */
};

struct container_record {
	char id[ID_SIZE];
	char *name;
	char *image;    /* as the user wrote it */
	char *image_id; /* sha256:… */
	char *rootfs;   /* absolute path of the image's ext4 file: never written */
	struct machine_config machine;
	int stop_signal;
	int stop_timeout_s; /* -1: for ever */
	bool auto_remove, terminal, interactive, reaper;
	bool read_only;     /* the root's disk has no overlay: the machine cannot write to it */
	struct strv args;   /* of the first process, for `ls` */
	struct strv labels; /* KEY=VALUE */
	/* as net/request.h takes them; none: a loopback alone */
	struct strv networks;
	struct container_sockets sockets;
	struct container_shares shares;
	struct publish_list publish; /* ports of the host, of which some may still be to be chosen */
	struct strv exposed;         /* "80/tcp": the image's and the user's */
	uint64_t
		storage_size; /* bytes by which the root's file system may grow; 0: as far as its disk goes */
	struct volume_use *volumes;
	size_t volume_count;
	int64_t created_ns;
};

/* The bytes beyond which the file of a root's overlay does not grow. More than storage_size, since qcow2 keeps clusters of 64 KiB, of which a file may use little; a guest that
 * wants to use them up can, and no more. */
uint64_t storage_limit(uint64_t storage_size);
void container_record_release(struct container_record *record);
/* Adds one, zero but for what is given: copies. */
struct volume_use *container_record_add_volume(struct container_record *record, const char *name,
					       const char *target);
int container_record_read(const struct roots *roots, const char *id, struct container_record *ret,
			  struct cor_error *err);
int container_record_write(const struct roots *roots, const struct container_record *record,
			   struct cor_error *err);

/* The bundle's OCI config.json; the caller's. */
int container_config_read(const struct roots *roots, const char *id, json_t **ret, struct cor_error *err);

/* Public for its fuzz target. 0 or -EINVAL; what was filled is to be released either way. */
int container_record_parse(const json_t *document, struct container_record *record);
