/* SPDX-License-Identifier: Apache-2.0 */
/* The containers of this guest: a control group, a root file system, files from the host, and processes. */
#pragma once

#include "base/str.h"
#include "init/guest.h"
#include "oci/runtime_spec.h"

#include <linux/filter.h>

struct container {
	struct container *next;
	struct guest *guest;
	char *id;
	struct oci_spec *spec;
	struct sock_filter *filter; /* NULL: none */
	size_t filter_count;
	char *folder;        /* GUEST_RUN "/ID" */
	char *root;          /* below it: the root file system is mounted here */
	unsigned mounts;     /* that lie on it */
	struct strv volumes; /* the places where they are mounted, or are to be */
	int cgroup;          /* directory */
	const char *group;   /* its name: the id, or another that was made early */
	int memory_events;   /* file of the group, for the count of OOM kills */
	struct process *processes;
	struct process *
		first; /* its name spaces are the container's; NULL before it is made and after it is forgotten */
	struct rpc_call *deleting; /* waits for the end of the processes */
	unsigned freezers;         /* calls that keep its processes from running */
	bool dying;
};

/* NULL and an error (COR_NOT_FOUND) when there is none, or it is being deleted. */
struct container *container_find(struct guest *guest, const char *id, struct cor_error *err);

/* How often the kernel's OOM killer took a process of it. */
uint64_t container_oom_kills(const struct container *container);

/* One of its processes has ended. May free the container. */
void container_process_ended(struct container *container);

/* Methods of the service; the context is a struct guest. */
int container_create(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		     struct cor_error *err);
int container_delete(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		     struct cor_error *err);
int container_list(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		   struct cor_error *err);
