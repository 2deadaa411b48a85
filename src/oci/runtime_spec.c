/* SPDX-License-Identifier: Apache-2.0 */
/* config.json without its process. Strict where a member is read, silent where it is not: the specification grows, and a
 * member that we do not know must not stop a container. */
#include "oci/runtime_spec.h"

#include "base/json.h"
#include "oci/runtime_internal.h"

#include <errno.h>

static void free_mounts(struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		free(spec->mounts[i].target);
		free(spec->mounts[i].type);
		free(spec->mounts[i].source);
		strv_release(&spec->mounts[i].options);
	}
	free(spec->mounts);
}

void oci_spec_free(struct oci_spec *spec)
{
	if (!spec)
		return;
	oci_process_free(spec->process);
	free(spec->root_path);
	free(spec->hostname);
	free(spec->domainname);
	free_mounts(spec);
	for (size_t i = 0; i < spec->device_count; i++)
		free(spec->devices[i].path);
	free(spec->devices);
	for (size_t i = 0; i < spec->sysctl_count; i++) {
		free(spec->sysctls[i].name);
		free(spec->sysctls[i].value);
	}
	free(spec->sysctls);
	free(spec->resources.cpus);
	free(spec->resources.mems);
	strv_release(&spec->masked_paths);
	strv_release(&spec->readonly_paths);
	free(spec);
}

static int get_copy(const json_t *object, const char *key, char **ret)
{
	const char *value = NULL;
	int r = json_get_string(object, key, &value);

	if (r == 0)
		*ret = xstrdup(value);
	return r;
}

/* ---- mounts ---- */

static int parse_mount(const json_t *object, struct oci_mount *mount, struct cor_error *err)
{
	if (!json_is_object(object) || get_copy(object, "destination", &mount->target) < 0 ||
	    !mount->target || *mount->target != '/')
		return spec_invalid(err, "mounts.destination", "an absolute path");
	if (get_copy(object, "type", &mount->type) < 0 || get_copy(object, "source", &mount->source) < 0 ||
	    json_get_strv(object, "options", &mount->options) < 0)
		return cor_fail(err, COR_INVALID, EINVAL,
				"mounts: %.128s: type and source must be strings, options a list of them",
				mount->target);
	return 0;
}

static int parse_mounts(const json_t *document, struct oci_spec *spec, struct cor_error *err)
{
	json_t *array = NULL, *item;
	size_t i;
	int r = 0;

	if (json_get_array(document, "mounts", &array) < 0)
		return spec_invalid(err, "mounts", "a list");
	spec->mounts = xcalloc(json_array_size(array) + 1, sizeof(*spec->mounts));
	json_array_foreach (array, i, item) {
		spec->mount_count++;
		r = parse_mount(item, &spec->mounts[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the Linux part ---- */

static int parse_device(const json_t *object, struct oci_device *device, struct cor_error *err)
{
	const char *type = NULL;

	device->mode = 0666;
	if (!json_is_object(object) || get_copy(object, "path", &device->path) < 0 || !device->path ||
	    *device->path != '/')
		return spec_invalid(err, "linux.devices.path", "an absolute path");
	if (json_get_string(object, "type", &type) < 0 || !type || !strchr("cubp", *type) ||
	    strlen(type) != 1)
		return spec_invalid(err, "linux.devices.type", "c, b, u or p");
	device->type = *type == 'u' ? 'c' : *type;
	if (spec_uint32(object, "major", &device->major) < 0 ||
	    spec_uint32(object, "minor", &device->minor) < 0 ||
	    spec_uint32(object, "fileMode", &device->mode) < 0 ||
	    spec_uint32(object, "uid", &device->uid) < 0 || spec_uint32(object, "gid", &device->gid) < 0)
		return cor_fail(err, COR_INVALID, EINVAL, "linux.devices: %.128s: a member is no number",
				device->path);
	device->mode &= 07777;
	return 0;
}

static int parse_devices(const json_t *linux_part, struct oci_spec *spec, struct cor_error *err)
{
	json_t *array = NULL, *item;
	size_t i;

	if (json_get_array(linux_part, "devices", &array) < 0)
		return spec_invalid(err, "linux.devices", "a list");
	spec->devices = xcalloc(json_array_size(array) + 1, sizeof(*spec->devices));
	json_array_foreach (array, i, item) {
		int r;

		spec->device_count++;
		r = parse_device(item, &spec->devices[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Names become paths below /proc/sys. */
static bool sysctl_name_valid(const char *name)
{
	return str_made_of(name, 255, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") &&
	       *name != '/' && *name != '.' && !strstr(name, "..") && !strstr(name, "//") &&
	       !strstr(name, "./") && !strstr(name, "/.");
}

static int parse_sysctls(const json_t *linux_part, struct oci_spec *spec, struct cor_error *err)
{
	json_t *object = NULL, *value;
	const char *name;

	if (json_get_object(linux_part, "sysctl", &object) < 0)
		return spec_invalid(err, "linux.sysctl", "an object");
	spec->sysctls = xcalloc(json_object_size(object) + 1, sizeof(*spec->sysctls));
	json_object_foreach (object, name, value) {
		const char *text = NULL;

		if (json_get_string(object, name, &text) < 0 || !text || !sysctl_name_valid(name))
			return cor_fail(err, COR_INVALID, EINVAL,
					"linux.sysctl: '%.128s' is no name with a string", name);
		spec->sysctls[spec->sysctl_count++] =
			(struct oci_sysctl){.name = xstrdup(name), .value = xstrdup(text)};
	}
	return 0;
}

static bool is_cpu_list(const char *text)
{
	return !text || !*text || str_made_of(text, 1024, "0123456789,-");
}

static int parse_resources(const json_t *linux_part, struct oci_resources *limits, struct cor_error *err)
{
	json_t *resources = NULL, *memory = NULL, *cpu = NULL, *pids = NULL;
	int64_t shares = 0;

	if (json_get_object(linux_part, "resources", &resources) < 0 ||
	    json_get_object(resources, "memory", &memory) < 0 ||
	    json_get_object(resources, "cpu", &cpu) < 0 || json_get_object(resources, "pids", &pids) < 0)
		return spec_invalid(err, "linux.resources", "an object of objects");
	if (json_get_int(memory, "limit", &limits->memory_limit) < 0 ||
	    json_get_int(memory, "reservation", &limits->memory_reservation) < 0 ||
	    json_get_int(memory, "swap", &limits->memory_swap) < 0)
		return spec_invalid(err, "linux.resources.memory", "a number in each member");
	if (json_get_int(cpu, "quota", &limits->cpu_quota) < 0 ||
	    json_get_int(cpu, "period", &limits->cpu_period) < 0 ||
	    json_get_int(cpu, "shares", &shares) < 0 || shares < 0 ||
	    get_copy(cpu, "cpus", &limits->cpus) < 0 || get_copy(cpu, "mems", &limits->mems) < 0 ||
	    !is_cpu_list(limits->cpus) || !is_cpu_list(limits->mems))
		return spec_invalid(err, "linux.resources.cpu", "numbers, and lists such as \"0-1,3\"");
	limits->cpu_shares = (uint64_t)shares;
	if (json_get_int(pids, "limit", &limits->pids_limit) < 0)
		return spec_invalid(err, "linux.resources.pids.limit", "a number");
	return 0;
}

static int parse_paths(const json_t *linux_part, const char *key, struct strv *paths, struct cor_error *err)
{
	const char *path;

	if (json_get_strv(linux_part, key, paths) < 0)
		return cor_fail(err, COR_INVALID, EINVAL, "linux.%s: a list of strings is needed", key);
	strv_foreach (paths, i, path)
		if (*path != '/')
			return cor_fail(err, COR_INVALID, EINVAL, "linux.%s: '%.128s' is not absolute", key,
					path);
	return 0;
}

static int parse_linux(const json_t *document, struct oci_spec *spec, struct cor_error *err)
{
	json_t *linux_part = NULL;
	int r = 0;

	if (json_get_object(document, "linux", &linux_part) < 0)
		return spec_invalid(err, "linux", "an object");
	r = r ?: parse_devices(linux_part, spec, err);
	r = r ?: parse_sysctls(linux_part, spec, err);
	r = r ?: parse_resources(linux_part, &spec->resources, err);
	r = r ?: parse_paths(linux_part, "maskedPaths", &spec->masked_paths, err);
	return r ?: parse_paths(linux_part, "readonlyPaths", &spec->readonly_paths, err);
}

/* ---- the document ---- */

static int parse_general(const json_t *document, struct oci_spec *spec, struct cor_error *err)
{
	json_t *root = NULL, *process = NULL, *hooks = NULL;
	const char *version = NULL;

	if (json_get_string(document, "ociVersion", &version) < 0 || !version || !str_after(version, "1."))
		return spec_invalid(err, "ociVersion", "version 1");
	if (json_get_object(document, "root", &root) < 0 || get_copy(root, "path", &spec->root_path) < 0 ||
	    json_get_bool(root, "readonly", &spec->root_readonly) < 0)
		return spec_invalid(err, "root", "an object with path and readonly");
	if (get_copy(document, "hostname", &spec->hostname) < 0 ||
	    get_copy(document, "domainname", &spec->domainname) < 0 ||
	    (spec->hostname && strlen(spec->hostname) > 64) ||
	    (spec->domainname && strlen(spec->domainname) > 64))
		return spec_invalid(err, "hostname, domainname", "a string of at most 64 bytes");
	if (json_get_object(document, "hooks", &hooks) < 0 || json_object_size(hooks))
		return cor_fail(err, COR_UNSUPPORTED, ENOTSUP, "hooks: there are none in a guest");
	if (json_get_object(document, "process", &process) < 0)
		return spec_invalid(err, "process", "an object");
	return process ? spec_process(process, &spec->process, err) : 0;
}

int oci_spec_parse(const char *text, size_t size, struct oci_spec **ret, struct cor_error *err)
{
	_cleanup_(oci_spec_freep) struct oci_spec *spec = xcalloc(1, sizeof(*spec));
	_json_ json_t *document = NULL;
	int r;

	if (size > OCI_CONFIG_MAX)
		return cor_fail(err, COR_EXHAUSTED, EFBIG, "config.json is larger than 1 MiB");
	r = json_parse_object(text, size, "config.json", &document, err);
	if (r < 0)
		return r;
	r = parse_general(document, spec, err);
	r = r ?: parse_mounts(document, spec, err);
	r = r ?: parse_linux(document, spec, err);
	if (r < 0)
		return cor_context(err, r, "config.json");
	*ret = steal_ptr(spec);
	return 0;
}
