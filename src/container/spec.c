/* SPDX-License-Identifier: Apache-2.0 */
/* Builds config.json: what Docker would do on a shared kernel, minus what a machine of its own makes needless (a network namespace, device
 * rules). The process has a file of its own. */
#include "container/spec.h"

#include "base/id.h"
#include "base/size.h"
#include "container/caps.h"
#include "container/process.h"

#include <errno.h>

#define DEFAULT_SHM_SIZE (64 * MIB)
#define HOSTNAME_MAX     63
#define CPU_PERIOD_US    100000

void container_spec_release(struct container_spec *spec)
{
	json_decref(spec->config);
	free(spec->hostname);
	free(spec->seccomp_profile);
	strv_release(&spec->args);
	strv_release(&spec->labels);
	*spec = (struct container_spec){0};
}

/* ---- mounts ---- */

static void add_mount(json_t *mounts, const char *target, const char *type, const char *source,
		      const char *options)
{
	_strv_ struct strv list = strv_split(options, ',');
	json_t *mount = json_pack("{s:s, s:s, s:s}", "destination", target, "type", type, "source", source);

	json_object_set_new(mount, "options", json_from_strv(&list));
	json_array_append_new(mounts, mount);
}

static int add_tmpfs(json_t *mounts, const char *text, struct cor_error *err)
{
	size_t length = strcspn(text, ":");
	_free_ char *target = xstrndup(text, length), *merged = NULL;
	const char *more = text[length] ? text + length + 1 : "";

	if (*target != '/' || strcmp(target, "/") == 0)
		return cor_fail(err, COR_INVALID, EINVAL,
				"tmpfs '%s': an absolute path other than / is needed", text);
	merged = str_format("nosuid,nodev,noexec%s%s", *more ? "," : "", more);
	add_mount(mounts, target, "tmpfs", "tmpfs", merged);
	return 0;
}

static void add_file(json_t *mounts, const char *id, const char *name)
{
	_free_ char *source = str_format("/run/coracle/%s/files/%s", id, name),
		    *target = str_format("/etc/%s", name);

	add_mount(mounts, target, "bind", source, "bind,rprivate");
}

static int build_mounts(const struct cor_container_options *options, const char *id, json_t **ret,
			struct cor_error *err)
{
	_json_ json_t *mounts = json_array();
	_free_ char *shm =
		str_format("nosuid,noexec,nodev,mode=1777,size=%llu",
			   (unsigned long long)(options->shm_size ? options->shm_size : DEFAULT_SHM_SIZE));
	const char *access = options->privileged ? "rw" : "ro";
	_free_ char *sys = str_format("nosuid,noexec,nodev,%s", access);

	add_mount(mounts, "/proc", "proc", "proc", "nosuid,noexec,nodev");
	/* With all rights come all devices of the machine; it has no others than its own. */
	if (options->privileged)
		add_mount(mounts, "/dev", "devtmpfs", "devtmpfs", "nosuid,mode=755");
	else
		add_mount(mounts, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
	add_mount(mounts, "/dev/pts", "devpts", "devpts",
		  "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
	add_mount(mounts, "/sys", "sysfs", "sysfs", sys);
	add_mount(mounts, "/sys/fs/cgroup", "cgroup", "cgroup", sys);
	add_mount(mounts, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	add_mount(mounts, "/dev/shm", "tmpfs", "shm", shm);
	add_file(mounts, id, "hosts");
	add_file(mounts, id, "hostname");
	if (!options->no_dns)
		add_file(mounts, id, "resolv.conf");
	for (const char *const *t = options->tmpfs; t && *t; t++) {
		int r = add_tmpfs(mounts, *t, err);

		if (r < 0)
			return r;
	}
	*ret = steal_ptr(mounts);
	return 0;
}

/* ---- the guest's kernel ---- */

static void set_paths(json_t *linux_part)
{
	static const char *const masked[] = {
		"/proc/asound",     "/proc/acpi",        "/proc/interrupts",
		"/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
		"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
		"/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
	static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
						"/proc/sysrq-trigger"};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(masked); i++)
		json_array_append_new(list, json_string(masked[i]));
	json_object_set_new(linux_part, "maskedPaths", list);
	list = json_array();
	for (size_t i = 0; i < ARRAY_SIZE(read_only); i++)
		json_array_append_new(list, json_string(read_only[i]));
	json_object_set_new(linux_part, "readonlyPaths", list);
}

static int set_sysctls(json_t *linux_part, const char *const *sysctls, struct cor_error *err)
{
	json_t *object = json_object();

	json_object_set_new(linux_part, "sysctl", object);
	for (; sysctls && *sysctls; sysctls++) {
		const char *value = strchr(*sysctls, '=');
		_free_ char *key = value ? xstrndup(*sysctls, (size_t)(value - *sysctls)) : NULL;

		if (!key ||
		    !str_made_of(key, 255,
				 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/") ||
		    strstr(key, ".."))
			return cor_fail(err, COR_INVALID, EINVAL, "'%s' is no sysctl: name=value is needed",
					*sysctls);
		json_object_set_new(object, key, json_string(value + 1));
	}
	return 0;
}

/* Whole CPUs are the machine's; a fraction is a limit inside it. */
static void set_resources(json_t *linux_part, const struct cor_container_options *options)
{
	json_t *resources = json_object();

	json_object_set_new(linux_part, "resources", resources);
	if (options->cpus > 0 && options->cpus != (double)(unsigned)options->cpus)
		json_object_set_new(resources, "cpu",
				    json_pack("{s:I, s:I}", "quota",
					      (json_int_t)(options->cpus * CPU_PERIOD_US), "period",
					      (json_int_t)CPU_PERIOD_US));
}

static int build_linux(const struct cor_container_options *options, json_t **ret, struct cor_error *err)
{
	static const char *const namespaces[] = {"pid", "mount", "uts", "ipc", "cgroup"};
	_json_ json_t *linux_part = json_object();
	json_t *list = json_array();
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		json_array_append_new(list, json_pack("{s:s}", "type", namespaces[i]));
	json_object_set_new(linux_part, "namespaces", list);
	if (!options->privileged)
		set_paths(linux_part);
	set_resources(linux_part, options);
	r = set_sysctls(linux_part, options->sysctls, err);
	if (r == 0)
		*ret = steal_ptr(linux_part);
	return r;
}

/* ---- options around it ---- */

static int parse_security(const struct cor_container_options *options, struct container_spec *spec,
			  bool *no_new_privileges, struct cor_error *err)
{
	spec->seccomp_unconfined = options->privileged;
	for (const char *const *s = options->security; s && *s; s++) {
		const char *value;

		if (strcmp(*s, "no-new-privileges") == 0 || strcmp(*s, "no-new-privileges=true") == 0 ||
		    strcmp(*s, "no-new-privileges:true") == 0) {
			*no_new_privileges = true;
		} else if (strcmp(*s, "no-new-privileges=false") == 0 ||
			   strcmp(*s, "no-new-privileges:false") == 0) {
			*no_new_privileges = false;
		} else if ((value = str_after(*s, "seccomp=")) && *value) {
			spec->seccomp_unconfined = strcmp(value, "unconfined") == 0;
			str_set(&spec->seccomp_profile, spec->seccomp_unconfined ? NULL : value);
		} else if (!str_after(*s, "label=") && !str_after(*s, "apparmor=")) {
			/* Labels and AppArmor profiles belong to a kernel that has them; there is nothing to do in a guest without. */
			return cor_fail(err, COR_INVALID, EINVAL, "unknown security option '%s'", *s);
		}
	}
	return 0;
}

static int choose_hostname(const char *given, const char *id, char **ret, struct cor_error *err)
{
	size_t length;

	if (str_empty(given)) {
		*ret = xstrndup(id, ID_SHORT_SIZE - 1);
		return 0;
	}
	length = strcspn(given, ".");
	if (length == 0 || length > HOSTNAME_MAX || *given == '-' ||
	    strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") !=
		    strlen(given))
		return cor_fail(err, COR_INVALID, EINVAL, "'%s' is no host name", given);
	*ret = xstrndup(given, length);
	return 0;
}

static int choose_labels(const struct cor_container_options *options, const json_t *image,
			 struct strv *labels, struct cor_error *err)
{
	json_t *object = NULL, *value;
	const char *key;

	if (json_get_object(image, "Labels", &object) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "image '%s': Labels is no object", options->image);
	json_object_foreach (object, key, value)
		if (json_is_string(value))
			strv_addf(labels, "%s=%s", key, json_string_value(value));
	for (const char *const *l = options->labels; l && *l; l++) {
		_free_ char *whole = strchr(*l, '=') ? xstrdup(*l) : str_format("%s=", *l);

		if (*whole == '=')
			return cor_fail(err, COR_INVALID, EINVAL, "'%s' is no label: KEY=VALUE is needed",
					*l);
		env_set(labels, whole);
	}
	return 0;
}

static int choose_stop_signal(const struct cor_container_options *options, const json_t *image, int *ret,
			      struct cor_error *err)
{
	const char *text = options->stop_signal ? options->stop_signal : image_string(image, "StopSignal");

	if (cor_signal_parse(text ? text : "TERM", ret) < 0)
		return cor_fail(err, COR_INVALID, EINVAL, "unknown signal '%s'", text);
	return 0;
}

static json_t *build_annotations(const char *const *annotations)
{
	json_t *object = json_object();

	for (; annotations && *annotations; annotations++) {
		size_t length = strcspn(*annotations, "=");
		_free_ char *key = xstrndup(*annotations, length);

		json_object_set_new(object, key,
				    json_string((*annotations)[length] ? *annotations + length + 1 : ""));
	}
	return object;
}

/* JSON holds text, and words of a command line may be any bytes: what would not arrive is refused. */
static int check_texts(const struct cor_container_options *options, struct cor_error *err)
{
	const struct {
		const char *option, *text;
	} texts[] = {
		{"the image's name", options->image},  {"--name", options->name},
		{"--hostname", options->hostname},     {"--stop-signal", options->stop_signal},
		{"--platform", options->platform},     {"--kernel", options->kernel},
		{"--init-image", options->init_image}, {"--accel", options->accelerator},
	};
	const struct {
		const char *option;
		const char *const *list;
	} lists[] = {
		{"--entrypoint", options->entrypoint},
		{"--label", options->labels},
		{"--annotation", options->annotations},
		{"--cap-add", options->cap_add},
		{"--cap-drop", options->cap_drop},
		{"--security-opt", options->security},
		{"--ulimit", options->ulimits},
		{"--sysctl", options->sysctls},
		{"--tmpfs", options->tmpfs},
		{"--add-host", options->add_hosts},
		{"--dns", options->dns},
		{"--dns-search", options->dns_search},
		{"--dns-option", options->dns_options},
		{"--network", options->networks},
		{"--volume", options->volumes},
		{"--mount", options->mounts},
		{"--publish-socket", options->publish_sockets},
		{"--kernel-arg", options->kernel_args},
	};
	int r = process_texts_check(&options->process, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
		r = text_check(texts[i].option, texts[i].text, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(lists); i++)
		r = texts_check(lists[i].option, lists[i].list, err);
	return r;
}

int container_spec_build(const struct cor_container_options *options, const json_t *image_config,
			 const char *id, struct container_spec *ret, struct cor_error *err)
{
	_cleanup_(container_spec_release) struct container_spec spec = {0};
	json_t *image = NULL, *process = NULL, *mounts = NULL, *linux_part = NULL;
	bool no_new_privileges = false;
	int r = check_texts(options, err);

	if (r < 0)
		return r;
	if (json_get_object(image_config, "config", &image) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "image '%s': its configuration is no object",
				options->image);
	r = r ?: parse_security(options, &spec, &no_new_privileges, err);
	r = r ?: caps_choose(options->cap_add, options->cap_drop, options->privileged, &spec.caps, err);
	r = r ?: choose_hostname(options->hostname, id, &spec.hostname, err);
	r = r ?: choose_labels(options, image, &spec.labels, err);
	r = r ?: choose_stop_signal(options, image, &spec.stop_signal, err);
	if (r < 0)
		return r;
	spec.config = json_pack("{s:s, s:s, s:{s:s, s:b}, s:o}", "ociVersion", "1.0.2", "hostname",
				spec.hostname, "root", "path", "rootfs", "readonly", (int)options->read_only,
				"annotations", build_annotations(options->annotations));
	r = container_process_build(options, image, &spec, no_new_privileges, &process, err);
	if (r < 0)
		return r;
	json_object_set_new(spec.config, "process", process);
	r = build_mounts(options, id, &mounts, err);
	if (r < 0)
		return r;
	json_object_set_new(spec.config, "mounts", mounts);
	r = build_linux(options, &linux_part, err);
	if (r < 0)
		return r;
	json_object_set_new(spec.config, "linux", linux_part);
	*ret = spec;
	spec = (struct container_spec){0};
	return 0;
}
