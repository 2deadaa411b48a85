/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI runtime specification's config.json (github.com/opencontainers/runtime-spec, config.md and config-linux.md), as far as it means something inside a
 * virtual machine: the process, the root, the mounts, and of the Linux part the resources, devices, sysctls and hidden paths. What a
 * machine of its own makes needless (namespaces to choose, paths of cgroups, labels of security modules) is not read. Hooks would be lost
 * without a word, so they are refused. Pure parsing: no file is looked at. */
#pragma once

#include "base/error.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define OCI_CONFIG_MAX ((size_t)1 << 20) /* bytes of a document */

struct oci_rlimit {
	int resource;        /* RLIMIT_NOFILE, … */
	uint64_t soft, hard; /* UINT64_MAX: no limit; the largest signed number of JSON says that too */
};

/* Sets of capabilities; bit n is the kernel's number n. */
struct oci_capabilities {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

struct oci_process {
	bool terminal;
	uint16_t rows, columns; /* 0: not given */
	struct strv args;       /* one at least */
	struct strv env;        /* each with a '=' */
	char *cwd;              /* absolute */
	uint32_t uid, gid;
	uint32_t *groups; /* additional ones */
	size_t group_count;
	int umask;      /* -1: not given */
	char *username; /* "name|uid[:group|gid]", to be looked up; replaces uid and gid. NULL: not given */
	struct oci_capabilities capabilities;
	bool no_new_privileges;
	struct oci_rlimit *rlimits;
	size_t rlimit_count;
	bool has_oom_score_adj;
	int oom_score_adj; /* -1000 to 1000 */
};

struct oci_mount {
	char *target; /* absolute */
	char *type;   /* NULL: a bind */
	char *source; /* NULL: none */
	struct strv options;
};

struct oci_device {
	char *path; /* absolute */
	char type;  /* 'c', 'b' or 'p' */
	uint32_t major, minor;
	uint32_t mode; /* permission bits */
	uint32_t uid, gid;
};

/* Limits of a control group; -1 is none, 0 not given where 0 makes no sense. */
struct oci_resources {
	int64_t memory_limit, memory_reservation, memory_swap; /* bytes; swap: memory and swap together */
	int64_t cpu_quota, cpu_period;                         /* microseconds */
	uint64_t cpu_shares;
	char *cpus, *mems; /* lists such as "0-1,3"; NULL: all */
	int64_t pids_limit;
};

struct oci_sysctl {
	char *name; /* "net.ipv4.ip_forward" */
	char *value;
};

struct oci_spec {
	struct oci_process *process; /* NULL: not given */
	char *root_path;             /* NULL: not given */
	bool root_readonly;
	char *hostname, *domainname; /* NULL: not given */
	struct oci_mount *mounts;
	size_t mount_count;
	struct oci_device *devices;
	size_t device_count;
	struct oci_sysctl *sysctls;
	size_t sysctl_count;
	struct oci_resources resources;
	struct strv masked_paths, readonly_paths; /* absolute */
};

/* Reads a whole config.json. COR_CORRUPT for what is no JSON, COR_INVALID for what is no config.json, COR_EXHAUSTED when it is too large; the text
 * names the member. */
int oci_spec_parse(const char *text, size_t size, struct oci_spec **ret, struct cor_error *err);
void oci_spec_free(struct oci_spec *spec);
DEFINE_CLEANUP(struct oci_spec *, oci_spec_free)

/* Reads a document that is a process object alone. */
int oci_process_parse(const char *text, size_t size, struct oci_process **ret, struct cor_error *err);
void oci_process_free(struct oci_process *process);
DEFINE_CLEANUP(struct oci_process *, oci_process_free)

/* "RLIMIT_NOFILE" of its number; "?" for one that has no name. */
const char *oci_rlimit_name(int resource);
/* The kernel's number of "CAP_NET_RAW", or -ENOENT. */
int oci_capability_number(const char *name);
