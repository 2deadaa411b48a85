/* SPDX-License-Identifier: Apache-2.0 */
/* container.json, and config.json beside it.
 *
 * A bundle is complete, and the container exists, from the moment that names/NAME holds its id until that name is removed; a bundle that no
 * name holds is what a crash has left. Its maker holds an flock on the bundle's folder meanwhile (see store.c). */
#include "container/record.h"

#include "base/json.h"
#include "base/size.h"
#include "container/folders.h"
#include "volume/volume.h"

#include <errno.h>

#define STORAGE_MAX (INT64_C(1) << 50)

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
	r = json_read_file(dir, "container.json", CONTAINER_FILE_MAX, &document, err);
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
	r = json_read_file(dir, "config.json", CONTAINER_FILE_MAX, ret, err);
	return r < 0 ? cor_context(err, r, "container %.12s", id) : 0;
}
