/* SPDX-License-Identifier: Apache-2.0 */
/* A container's life around its processes. Its root file system is mounted in the guest's own mount name space; the first process takes a
 * copy of that and leaves all else behind (rootfs.c). Deleting waits for the kernel to have ended the processes, then unmounts. */
#include "init/container.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "init/cgroup.h"
#include "init/devices.h"
#include "init/early.h"
#include "init/process.h"
#include "init/relay.h"
#include "init/root.h"
#include "init/volume.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/stat.h>

#define FILES_MAX 1024u

struct container *container_find(struct guest *guest, const char *id, struct cor_error *err)
{
	for (struct container *container = guest->containers; container; container = container->next)
		if (strcmp(container->id, id) == 0 && !container->dying)
			return container;
	cor_fail(err, COR_NOT_FOUND, ENOENT, "this guest has no container '%.64s'", id);
	return NULL;
}

uint64_t container_oom_kills(const struct container *container)
{
	char text[512];
	ssize_t n = pread(container->memory_events, text, sizeof(text) - 1, 0);
	const char *count;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	count = strstr(text, "oom_kill ");
	return count ? strtoull(count + strlen("oom_kill "), NULL, 10) : 0;
}

/* ---- making ---- */

static int take_filter(struct container *container, const ProtobufCBinaryData *bpf, struct cor_error *err)
{
	size_t count = bpf->len / sizeof(struct sock_filter);

	if (bpf->len % sizeof(struct sock_filter) || count > BPF_MAXINSNS)
		return cor_fail(err, COR_INVALID, EINVAL, "seccomp_bpf: %zu bytes are no filter", bpf->len);
	if (count)
		container->filter = xmemdup(bpf->data, bpf->len);
	container->filter_count = count;
	return 0;
}

static int write_files(struct container *container, Coracle__Agent__V1__GuestFile *const *files, size_t count,
		       struct cor_error *err)
{
	_free_ char *path = str_format("%s/files", container->folder);
	_fd_ int dir = -1;

	if (mkdir(path, 0755) < 0 || (dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return cor_fail_errno(err, errno, "%s", path);
	if (count > FILES_MAX)
		return cor_fail(err, COR_INVALID, E2BIG, "a container has at most %u files", FILES_MAX);
	for (size_t i = 0; i < count; i++) {
		const char *name = files[i]->name;
		_fd_ int fd = -1;
		int r;

		if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no name of a file", name);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		r = fd < 0 ? -errno : fd_write_all(fd, files[i]->content.data, files[i]->content.len);
		if (r == 0 && fchmod(fd, files[i]->mode & 07777) < 0)
			r = -errno;
		if (r < 0)
			return cor_fail_errno(err, r, "file '%.64s'", name);
	}
	return 0;
}

/* Whoever has this could take the rules for devices away again. */
static bool may_administer(const struct oci_spec *spec)
{
	return spec->process && spec->process->capabilities.bounding & (UINT64_C(1) << CAP_SYS_ADMIN);
}

static int make_group(struct container *container, struct cor_error *err)
{
	const struct oci_spec *spec = container->spec;
	bool restricted = !may_administer(spec);
	int r;

	container->cgroup = restricted ? early_group_take(container->guest, spec) : -1;
	if (container->cgroup >= 0) {
		container->group = EARLY_GROUP;
		return cgroup_limit(container->cgroup, &spec->resources, err);
	}
	r = cgroup_make(container->group, &spec->resources, &container->cgroup, err);
	return r == 0 && restricted ? devices_restrict(container->cgroup, spec, err) : r;
}

static int container_build(struct container *container,
			   const Coracle__Agent__V1__CreateContainerRequest *request, struct cor_error *err)
{
	int r;

	if (!request->config_json.len)
		return cor_fail(err, COR_INVALID, EINVAL, "config_json is empty");
	r = oci_spec_parse((const char *)request->config_json.data, request->config_json.len,
			   &container->spec, err);

	/* What is no JSON is a request that makes no sense. */
	if (r < 0 && err->status == COR_CORRUPT)
		err->status = COR_INVALID;
	r = r ?: take_filter(container, &request->seccomp_bpf, err);
	r = r ?: make_group(container, err);
	if (r < 0)
		return r;
	container->memory_events = openat(container->cgroup, "memory.events", O_RDONLY | O_CLOEXEC);
	if (mkdir(container->folder, 0755) < 0)
		return cor_fail_errno(err, errno, "%s", container->folder);
	r = write_files(container, request->files, request->n_files, err);
	r = r ?: root_mount(container, request->root, err);
	return r ?: root_limit(container, request->root_capacity, err);
}

/* ---- the end ---- */

/* Takes one that has no process away, however far it was made. */
static void container_free(struct container *container)
{
	static const char *const parts[] = {"files", "sockets", "upper", "work"};
	_fd_ int folder = open(container->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	relay_container_gone(container);
	volumes_unmount(container);
	root_unmount(container);
	/* Never the whole folder: were the root still mounted there, it would be emptied. */
	for (size_t i = 0; folder >= 0 && i < ARRAY_SIZE(parts); i++)
		tree_remove(folder, parts[i]);
	rmdir(container->root);
	rmdir(container->folder);
	close_fd(&container->memory_events);
	if (container->cgroup >= 0 && cgroup_remove(container->group) < 0)
		log_error("the control group of '%s' cannot be removed", container->id);
	close_fd(&container->cgroup);
	oci_spec_free(container->spec);
	free(container->filter);
	free(container->folder);
	free(container->root);
	free(container->id);
	free(container);
}

static bool has_live_process(const struct container *container)
{
	for (const struct process *process = container->processes; process; process = process->next)
		if (process_alive(process))
			return true;
	return false;
}

static void finish_delete(struct container *container)
{
	struct guest *guest = container->guest;
	struct container **link = &guest->containers;
	struct rpc_call *call = container->deleting;
	struct cor_error reason;

	cor_fail(&reason, COR_CANCELLED, ECANCELED, "the container was deleted");
	while (container->processes)
		process_free(container->processes, &reason);
	while (*link != container)
		link = &(*link)->next;
	*link = container->next;
	container_free(container);
	early_renew(guest);
	if (call) {
		rpc_call_listen(call, &(struct rpc_call_events){0}, NULL);
		guest_reply_empty(call);
	}
}

void container_process_ended(struct container *container)
{
	if (container->dying && !has_live_process(container))
		finish_delete(container);
}

/* ---- calls ---- */

int container_create(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		     struct cor_error *err)
{
	const Coracle__Agent__V1__CreateContainerRequest *request = (const void *)message;
	struct guest *guest = service;
	struct container *container;
	int r;

	if (!guest_id_valid(request->container_id))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no container id",
				request->container_id);
	for (container = guest->containers; container; container = container->next)
		if (strcmp(container->id, request->container_id) == 0)
			return cor_fail(err, COR_EXISTS, EEXIST, "container '%s' exists already",
					container->id);
	container = xcalloc(1, sizeof(*container));
	*container = (struct container){
		.next = guest->containers,
		.guest = guest,
		.id = xstrdup(request->container_id),
		.folder = str_format(GUEST_RUN "/%s", request->container_id),
		.root = str_format(GUEST_RUN "/%s/rootfs", request->container_id),
		.cgroup = -1,
		.memory_events = -1,
	};
	container->group = container->id;
	r = container_build(container, request, err);
	if (r < 0) {
		container_free(container);
		return r;
	}
	guest->containers = container;
	guest_reply_empty(call);
	return 0;
}

static void on_delete_call_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	((struct container *)user)->deleting = NULL;
}

int container_delete(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		     struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_end = on_delete_call_end};
	const Coracle__Agent__V1__ContainerRef *request = (const void *)message;
	struct container *container = container_find(service, request->container_id, err);

	if (!container)
		return -ENOENT;
	container->dying = true;
	container->deleting = call;
	rpc_call_listen(call, &events, container);
	cgroup_kill(container->cgroup);
	container_process_ended(container);
	return 0;
}

int container_list(void *service, struct rpc_call *call, const ProtobufCMessage *message,
		   struct cor_error *err)
{
	Coracle__Agent__V1__ListContainersResponse response =
		CORACLE__AGENT__V1__LIST_CONTAINERS_RESPONSE__INIT;
	struct guest *guest = service;
	_free_ Coracle__Agent__V1__ListContainersResponse__Container *items = NULL;
	_free_ Coracle__Agent__V1__ListContainersResponse__Container **pointers = NULL;
	size_t count = 0, i = 0;

	for (struct container *container = guest->containers; container; container = container->next)
		count++;
	items = xcalloc(count + 1, sizeof(*items));
	pointers = xcalloc(count + 1, sizeof(*pointers));
	for (struct container *container = guest->containers; container; container = container->next, i++) {
		coracle__agent__v1__list_containers_response__container__init(&items[i]);
		items[i].container_id = container->id;
		for (struct process *process = container->processes; process; process = process->next)
			items[i].processes += process_alive(process);
		pointers[i] = &items[i];
	}
	response.n_containers = count;
	response.containers = pointers;
	rpc_call_reply(call, &response.base);
	return 0;
}
