/* SPDX-License-Identifier: Apache-2.0 */
/* container.json and state.json, and the lock that tells whether a container runs.
 *
 * A bundle is complete, and the container exists, from the moment that names/NAME holds its id until that name is removed; a bundle that no
 * name holds is what a crash has left. Its maker holds an flock on the bundle's folder meanwhile (see store.c). */
#include "container/record.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "container/published.h"
#include "base/size.h"
#include "volume/volume.h"

#include <errno.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#define RECORD_MAX      (4u << 20)
#define STORAGE_MAX     (INT64_C(1) << 50)
#define LOCK_TRIES      1000
#define LOCK_NAP_MS     2
#define MAINTENANCE     " maintenance"      /* in a lock */
#define RUN_PATH_SIZE   (2 + ID_SHORT_SIZE) /* "c/SHORTID" */
#define ASIDE_PATH_SIZE (RUN_PATH_SIZE + sizeof(".dead") - 1)

void container_record_release(struct container_record *record)
{
	free(record->name);
	free(record->image);
	free(record->image_id);
	free(record->rootfs);
	free(record->machine.kernel);
	free(record->machine.initramfs);
	free(record->machine.accelerator);
	strv_release(&record->machine.kernel_args);
	strv_release(&record->args);
	strv_release(&record->labels);
	strv_release(&record->networks);
	container_sockets_release(&record->sockets);
	container_shares_release(&record->shares);
	strv_release(&record->exposed);
	publish_list_release(&record->publish);
	for (size_t i = 0; i < record->volume_count; i++) {
		free(record->volumes[i].name);
		free(record->volumes[i].target);
	}
	free(record->volumes);
	*record = (struct container_record){0};
}

uint64_t storage_limit(uint64_t storage_size)
{
	uint64_t size = (storage_size + MIB - 1) / MIB * MIB;

	return storage_size ? size + size / 4 + 64 * MIB : 0;
}

struct volume_use *container_record_add_volume(struct container_record *record, const char *name,
					       const char *target)
{
	struct volume_use *use;

	record->volumes = xreallocarray(record->volumes, record->volume_count + 1, sizeof(*record->volumes));
	use = &record->volumes[record->volume_count++];
	*use = (struct volume_use){.name = xstrdup(name), .target = xstrdup(target)};
	return use;
}

/* ---- folders ---- */

int container_data_dir(const struct roots *roots, const char *id)
{
	char path[sizeof("containers/") + ID_SIZE];

	if (!id_valid(id))
		return -EINVAL;
	snprintf(path, sizeof(path), "containers/%s", id);
	return open_beneath(roots->data_fd, path, O_RDONLY | O_DIRECTORY, 0);
}

static void run_path(const char *id, char out[static RUN_PATH_SIZE])
{
	snprintf(out, RUN_PATH_SIZE, "c/%.12s", id);
}

int container_run_dir(const struct roots *roots, const char *id)
{
	char path[RUN_PATH_SIZE];
	int fd, r;

	if (!id_valid(id))
		return -EINVAL;
	run_path(id, path);
	r = dir_open_make(roots->run_fd, path, 0700, &fd);
	return r < 0 ? r : fd;
}

/* ---- container.json ---- */

static json_t *string_or_null(const char *s)
{
	return s ? json_string(s) : json_null();
}

static json_t *machine_to_json(const struct machine_config *machine)
{
	return json_pack("{s:i, s:I, s:I, s:o, s:o, s:o, s:o, s:b, s:b}", "cpus", (int)machine->cpus,
			 "nanoCpus", (json_int_t)machine->nano_cpus, "memory", (json_int_t)machine->memory,
			 "kernel", string_or_null(machine->kernel), "kernelArgs",
			 json_from_strv(&machine->kernel_args), "initramfs",
			 string_or_null(machine->initramfs), "accelerator",
			 string_or_null(machine->accelerator), "virtualization", (int)machine->virtualization,
			 "noTemplate", (int)machine->no_template);
}

static json_t *volumes_to_json(const struct container_record *record)
{
	json_t *list = json_array();

	for (size_t i = 0; i < record->volume_count; i++) {
		const struct volume_use *use = &record->volumes[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:b, s:b, s:b}", "name", use->name,
						      "target", use->target, "readOnly", (int)use->read_only,
						      "copy", (int)use->copy, "shared", (int)use->shared));
	}
	return list;
}

int container_record_write(const struct roots *roots, const struct container_record *record,
			   struct cor_error *err)
{
	_fd_ int dir = container_data_dir(roots, record->id);
	_json_ json_t *document = NULL;

	if (dir < 0)
		return cor_fail_errno(err, dir, "container %.12s", record->id);
	document = json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:b, s:b, s:b, s:b, s:b, s:o, s:o, s:o, s:o, s:o, "
		"s:o, s:I}",
		"id", record->id, "name", string_or_null(record->name), "image",
		string_or_null(record->image), "imageId", string_or_null(record->image_id), "rootfs",
		string_or_null(record->rootfs), "machine", machine_to_json(&record->machine), "stopSignal",
		record->stop_signal, "stopTimeout", record->stop_timeout_s, "autoRemove",
		(int)record->auto_remove, "terminal", (int)record->terminal, "interactive",
		(int)record->interactive, "reaper", (int)record->reaper, "readOnly", (int)record->read_only,
		"args", json_from_strv(&record->args), "labels", json_from_strv(&record->labels), "networks",
		json_from_strv(&record->networks), "publish", publish_list_to_json(&record->publish),
		"exposed", json_from_strv(&record->exposed), "sockets",
		container_sockets_to_json(&record->sockets), "created", (json_int_t)record->created_ns);
	if (!document)
		return cor_fail(err, COR_INVALID, EILSEQ, "the options of '%s' hold text that is not UTF-8",
				record->name);
	json_object_set_new(document, "volumes", volumes_to_json(record));
	if (json_array_size(json_object_get(document, "volumes")) != record->volume_count)
		return cor_fail(err, COR_INVALID, EILSEQ, "a volume's place in '%s' is not UTF-8",
				record->name);
	json_object_set_new(document, "storageSize", json_integer((json_int_t)record->storage_size));
	json_object_set_new(document, "shares", container_shares_to_json(&record->shares));
	return json_write_new(dir, "container.json", document, 0600, err);
}

static int read_string(const json_t *object, const char *key, char **ret)
{
	const char *value = NULL;
	int r = json_get_string(object, key, &value);

	if (r == 0)
		*ret = xstrdup(value);
	return r;
}

static int machine_from_json(const json_t *object, struct machine_config *machine)
{
	int64_t cpus = 1, memory = 0;
	int r = 0;

	r = r ?: json_get_int(object, "cpus", &cpus);
	machine->nano_cpus = 0;
	r = r ?: json_get_int(object, "nanoCpus", &machine->nano_cpus);
	r = r ?: json_get_int(object, "memory", &memory);
	r = r ?: read_string(object, "kernel", &machine->kernel);
	r = r ?: json_get_strv(object, "kernelArgs", &machine->kernel_args);
	r = r ?: read_string(object, "initramfs", &machine->initramfs);
	r = r ?: read_string(object, "accelerator", &machine->accelerator);
	r = r ?: json_get_bool(object, "virtualization", &machine->virtualization);
	r = r ?: json_get_bool(object, "noTemplate", &machine->no_template);
	if (cpus < 1 || cpus > 1024 || memory < 0)
		return -EINVAL;
	machine->cpus = (unsigned)cpus;
	/* Records of before have none. */
	if (machine->nano_cpus <= 0)
		machine->nano_cpus = cpus * INT64_C(1000000000);
	machine->memory = (uint64_t)memory;
	return r;
}

static int volumes_from_json(const json_t *document, struct container_record *record)
{
	json_t *list = NULL, *item;
	size_t i;
	int r = json_get_array(document, "volumes", &list);

	json_array_foreach (list, i, item) {
		const char *name = NULL, *target = NULL;
		struct volume_use *use;

		r = r ?: json_get_string(item, "name", &name);
		r = r ?: json_get_string(item, "target", &target);
		if (r < 0 || i >= VOLUMES_MAX || !name || !volume_name_valid(name) || !target ||
		    *target != '/')
			return -EINVAL;
		use = container_record_add_volume(record, name, target);
		r = r ?: json_get_bool(item, "readOnly", &use->read_only);
		r = r ?: json_get_bool(item, "copy", &use->copy);
		r = r ?: json_get_bool(item, "shared", &use->shared);
	}
	return r;
}

int container_record_parse(const json_t *document, struct container_record *record)
{
	int64_t stop_signal = 15, stop_timeout = 10, storage_size = 0;
	json_t *machine = NULL;
	const char *id = NULL;
	int r = json_get_string(document, "id", &id);

	if (r < 0 || !id || !id_valid(id))
		return -EINVAL;
	memcpy(record->id, id, ID_SIZE);
	r = r ?: read_string(document, "name", &record->name);
	r = r ?: read_string(document, "image", &record->image);
	r = r ?: read_string(document, "imageId", &record->image_id);
	r = r ?: read_string(document, "rootfs", &record->rootfs);
	r = r ?: json_get_object(document, "machine", &machine);
	r = r ?: machine_from_json(machine, &record->machine);
	r = r ?: json_get_int(document, "stopSignal", &stop_signal);
	r = r ?: json_get_int(document, "stopTimeout", &stop_timeout);
	r = r ?: json_get_bool(document, "autoRemove", &record->auto_remove);
	r = r ?: json_get_bool(document, "terminal", &record->terminal);
	r = r ?: json_get_bool(document, "interactive", &record->interactive);
	r = r ?: json_get_bool(document, "reaper", &record->reaper);
	r = r ?: json_get_bool(document, "readOnly", &record->read_only);
	r = r ?: json_get_strv(document, "args", &record->args);
	r = r ?: json_get_strv(document, "labels", &record->labels);
	r = r ?: json_get_strv(document, "networks", &record->networks);
	r = r ?: publish_list_from_json(json_object_get(document, "publish"), &record->publish);
	r = r ?: container_sockets_from_json(json_object_get(document, "sockets"), &record->sockets);
	r = r ?: container_shares_from_json(json_object_get(document, "shares"), &record->shares);
	r = r ?: json_get_strv(document, "exposed", &record->exposed);
	r = r ?: volumes_from_json(document, record);
	r = r ?: json_get_int(document, "storageSize", &storage_size);
	r = r ?: json_get_int(document, "created", &record->created_ns);
	if (!record->name || !record->rootfs || stop_signal < 1 || stop_signal > 64 || stop_timeout < -1 ||
	    stop_timeout > INT32_MAX)
		r = -EINVAL;
	if (storage_size < 0 || storage_size > STORAGE_MAX)
		r = -EINVAL;
	record->storage_size = (uint64_t)MAX(storage_size, INT64_C(0));
	record->stop_signal = (int)stop_signal;
	record->stop_timeout_s = (int)stop_timeout;
	return r;
}

int container_record_read(const struct roots *roots, const char *id, struct container_record *ret,
			  struct cor_error *err)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	_fd_ int dir = container_data_dir(roots, id);
	_json_ json_t *document = NULL;
	int r;

	if (dir < 0)
		return cor_fail_errno(err, dir, "container %.12s", id);
	r = json_read_file(dir, "container.json", RECORD_MAX, &document, err);
	if (r < 0)
		return cor_context(err, r, "container %.12s", id);
	if (container_record_parse(document, &record) < 0 || strcmp(record.id, id) != 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"container %.12s: container.json is damaged: remove it with rm -f", id);
	*ret = record;
	record = (struct container_record){0};
	return 0;
}

int container_config_read(const struct roots *roots, const char *id, json_t **ret, struct cor_error *err)
{
	_fd_ int dir = container_data_dir(roots, id);
	int r;

	if (dir < 0)
		return cor_fail_errno(err, dir, "container %.12s", id);
	r = json_read_file(dir, "config.json", RECORD_MAX, ret, err);
	return r < 0 ? cor_context(err, r, "container %.12s", id) : 0;
}

/* ---- state.json ---- */

static const char *const status_words[] = {
	[COR_CREATED] = "created", [COR_RUNNING] = "running", [COR_EXITED] = "exited"};

int container_state_write(const struct roots *roots, const char *id, const struct container_state *state,
			  struct cor_error *err)
{
	_fd_ int dir = container_data_dir(roots, id);
	_json_ json_t *document = NULL;

	if (dir < 0)
		return cor_fail_errno(err, dir, "container %.12s", id);
	document = json_pack(
		"{s:s, s:i, s:i, s:b, s:o, s:I, s:I, s:b}", "status", status_words[state->status], "exitCode",
		state->exit.code, "signal", state->exit.signal, "outOfMemory", (int)state->exit.out_of_memory,
		/* What a guest's kernel printed need not be UTF-8; better no reason than no state. */
		"reason", json_string(state->exit.reason) ?: json_string("unreadable"), "started",
		(json_int_t)state->started_ns, "finished", (json_int_t)state->finished_ns, "saved",
		(int)state->saved);
	return json_write_file(dir, "state.json", document, 0600, err);
}

int container_state_parse(const json_t *document, struct container_state *state)
{
	const char *status = NULL, *reason = NULL;
	int64_t code = 0, signal = 0;
	int r = json_get_string(document, "status", &status);

	r = r ?: json_get_int(document, "exitCode", &code);
	r = r ?: json_get_int(document, "signal", &signal);
	r = r ?: json_get_bool(document, "outOfMemory", &state->exit.out_of_memory);
	r = r ?: json_get_string(document, "reason", &reason);
	r = r ?: json_get_int(document, "started", &state->started_ns);
	r = r ?: json_get_int(document, "finished", &state->finished_ns);
	r = r ?: json_get_bool(document, "saved", &state->saved);
	if (r < 0)
		return r;
	state->exit.code = (int)(code & 255);
	state->exit.signal = (int)(signal & 127);
	snprintf(state->exit.reason, sizeof(state->exit.reason), "%s", reason ? reason : "");
	for (size_t i = 0; i < ARRAY_SIZE(status_words); i++) {
		if (!str_equal(status, status_words[i]))
			continue;
		state->status = (enum cor_container_status)i;
		return 0;
	}
	return -EINVAL;
}

int container_state_read(const struct roots *roots, const char *id, struct container_state *ret,
			 struct cor_error *err)
{
	_fd_ int dir = container_data_dir(roots, id);
	_json_ json_t *document = NULL;
	struct container_state state = {0};
	struct cor_error ignored;
	int r;

	if (dir < 0)
		return cor_fail_errno(err, dir, "container %.12s", id);
	r = json_read_file(dir, "state.json", RECORD_MAX, &document, err ? err : &ignored);
	if (r == -ENOENT) {
		/* It has never run. */
		*ret = state;
		return 0;
	}
	if (r < 0 && r != -EBADMSG)
		return cor_context(err, r, "container %.12s", id);
	if (r < 0 || container_state_parse(document, &state) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"container %.12s: state.json is damaged: remove it with rm -f", id);
	*ret = state;
	return 0;
}

/* ---- the lock ---- */

/* The lock's file may be removed with its folder while somebody waits or opens: what was locked must still be what the path names. */
static bool still_named(const struct roots *roots, const char *id, int fd)
{
	char path[RUN_PATH_SIZE + sizeof("/lock")];
	struct stat held, named;

	run_path(id, path);
	strcat(path, "/lock");
	return fstat(fd, &held) == 0 && fstatat(roots->run_fd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

static int lock_as(const struct roots *roots, const char *id, int operation, int *ret_fd,
		   struct cor_error *err)
{
	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		_fd_ int dir = container_run_dir(roots, id);
		_fd_ int fd = -1;

		if (dir == -ENOENT)
			continue; /* removed between its making and its opening */
		if (dir < 0)
			return cor_fail_errno(err, dir, "container %.12s: run folder", id);
		fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno == ENOENT)
			continue; /* the folder was removed just now */
		if (fd < 0)
			return cor_fail_errno(err, errno, "container %.12s: lock", id);
		if (flock(fd, operation | LOCK_NB) < 0) {
			if (errno == EWOULDBLOCK && flock(fd, LOCK_SH | LOCK_NB) == 0) {
				/* Only somebody who looked, or who records a death. */
				close_fd(&fd);
				poll(NULL, 0, LOCK_NAP_MS);
				continue;
			}
			if (errno == EWOULDBLOCK)
				return cor_fail(err, COR_BUSY, EBUSY, "container %.12s is running", id);
			return cor_fail_errno(err, errno, "container %.12s: lock", id);
		}
		if (still_named(roots, id, fd)) {
			*ret_fd = steal_fd(&fd);
			return 0;
		}
	}
	return cor_fail(err, COR_BUSY, EBUSY, "container %.12s: others keep removing its lock", id);
}

int container_lock(const struct roots *roots, const char *id, int *ret_fd, struct cor_error *err)
{
	int r = lock_as(roots, id, LOCK_EX, ret_fd, err);

	/* Whose pid stood there is dead. */
	if (r == 0)
		(void)!ftruncate(*ret_fd, 0);
	return r;
}

void container_lock_sign(int lock_fd, bool maintenance)
{
	dprintf(lock_fd, "%d%s\n", (int)getpid(), maintenance ? MAINTENANCE : "");
}

static char *read_lock(const struct roots *roots, const char *id)
{
	_fd_ int dir = container_run_dir(roots, id);
	char *text = NULL;

	return dir < 0 || file_read(dir, "lock", 64, &text, NULL) < 0 ? xstrdup("") : text;
}

pid_t container_lock_pid(const struct roots *roots, const char *id)
{
	_free_ char *text = read_lock(roots, id);

	return (pid_t)MAX(strtol(text, NULL, 10), 0L);
}

bool container_lock_is_maintenance(const struct roots *roots, const char *id)
{
	_free_ char *text = NULL;

	if (container_is_locked(roots, id) != 1)
		return false;
	text = read_lock(roots, id);
	return strstr(text, MAINTENANCE) != NULL;
}

/* -EBUSY when a shim lives. */
static int container_lock_shared(const struct roots *roots, const char *id, int *ret_fd,
				 struct cor_error *err)
{
	return lock_as(roots, id, LOCK_SH, ret_fd, err);
}

int container_is_locked(const struct roots *roots, const char *id)
{
	char path[RUN_PATH_SIZE + sizeof("/lock")];
	_fd_ int fd = -1;

	if (!id_valid(id))
		return -EINVAL;
	run_path(id, path);
	strcat(path, "/lock");
	fd = open_beneath(roots->run_fd, path, O_RDONLY, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	/* A shared lock: two who look at once do not take each other for a shim. */
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : -errno;
	return 0;
}

static void aside_path(const char *id, char out[static ASIDE_PATH_SIZE])
{
	snprintf(out, ASIDE_PATH_SIZE, "c/%.12s.dead", id);
}

/* Moved away first: a shim that starts meanwhile makes a folder of its own, and no file of that one may be taken for an old one. */
static void free_run_folder(const struct roots *roots, const char *id)
{
	char path[RUN_PATH_SIZE], aside[ASIDE_PATH_SIZE];
	_fd_ int dir = container_run_dir(roots, id);

	if (dir >= 0)
		published_sockets_remove(dir);
	run_path(id, path);
	aside_path(id, aside);
	tree_remove(roots->run_fd, aside); /* of one who was killed at this */
	if (renameat(roots->run_fd, path, roots->run_fd, aside) == 0)
		tree_remove(roots->run_fd, aside);
}

/* Under a lock that keeps shims out: whoever was running is dead. */
static int record_death(const struct roots *roots, const char *id, struct container_state *state,
			struct cor_error *err)
{
	/* It may have ended properly between the two looks. */
	int r = container_state_read(roots, id, state, err);

	if (r < 0 || state->status != COR_RUNNING)
		return r;
	state->status = COR_EXITED;
	state->exit = (struct cor_exit){.code = 137, .signal = 9, .reason = "the container's shim died"};
	state->finished_ns = clock_realtime_ns();
	r = container_state_write(roots, id, state, err);
	if (r == 0)
		free_run_folder(roots, id);
	return r;
}

/* Those who settle exclude each other by the bundle's own lock and hold the container's only as lookers do, so that nobody takes them for a shim. */
int container_status(const struct roots *roots, const char *id, struct container_state *ret,
		     struct cor_error *err)
{
	struct container_state state;
	_fd_ int settling = -1, lock = -1;
	int r = container_state_read(roots, id, &state, err);

	if (r < 0)
		return r;
	if (state.status != COR_RUNNING || container_is_locked(roots, id) == 1) {
		*ret = state;
		return 0;
	}
	settling = container_data_dir(roots, id);
	if (settling < 0)
		return cor_fail_errno(err, settling, "container %.12s", id);
	while (flock(settling, LOCK_EX) < 0)
		if (errno != EINTR)
			return cor_fail_errno(err, errno, "container %.12s: lock", id);
	r = container_lock_shared(roots, id, &lock, err);
	if (r == -EBUSY) {
		/* Started again meanwhile. */
		*ret = state;
		return 0;
	}
	r = r ?: record_death(roots, id, &state, err);
	if (r == 0)
		*ret = state;
	return r;
}

int container_remove_files(const struct roots *roots, const char *id, const char *name, struct cor_error *err)
{
	char path[sizeof("containers/") + ID_SIZE], run[RUN_PATH_SIZE], aside[ASIDE_PATH_SIZE];
	int r;

	if (!id_valid(id))
		return cor_fail(err, COR_INVALID, EINVAL, "not a container id");
	if (!str_empty(name) && !strchr(name, '/')) {
		_free_ char *file = str_format("names/%s", name), *holder = NULL;

		/* The name may belong to another container by now, when an earlier removal was cut short. */
		if (file_read(roots->data_fd, file, ID_SIZE, &holder, NULL) == 0 && str_after(holder, id) &&
		    unlinkat(roots->data_fd, file, 0) < 0 && errno != ENOENT)
			return cor_fail_errno(err, errno, "remove '%s'", file);
	}
	snprintf(path, sizeof(path), "containers/%s", id);
	run_path(id, run);
	r = tree_remove(roots->data_fd, path);
	if (r < 0)
		return cor_fail_errno(err, r, "remove '%s'", path);
	aside_path(id, aside);
	tree_remove(roots->run_fd, aside); /* of one who was killed while it freed the folder */
	r = tree_remove(roots->run_fd, run);
	return r < 0 ? cor_fail_errno(err, r, "remove '%s'", run) : 0;
}
