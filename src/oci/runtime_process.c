/* SPDX-License-Identifier: Apache-2.0 */
/* The process object of the runtime specification. It comes apart from the rest because exec sends one alone. */
#include "oci/runtime_internal.h"

#include "base/json.h"

#include <errno.h>
#include <sys/resource.h>

/* By the kernel's number (linux/capability.h). The guest's kernel is ours, so names that it does not have are errors. */
static const char *const capability_names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

static const struct {
	const char *name;
	int resource;
} rlimit_names[] = {
	{"RLIMIT_AS", RLIMIT_AS},
	{"RLIMIT_CORE", RLIMIT_CORE},
	{"RLIMIT_CPU", RLIMIT_CPU},
	{"RLIMIT_DATA", RLIMIT_DATA},
	{"RLIMIT_FSIZE", RLIMIT_FSIZE},
	{"RLIMIT_LOCKS", RLIMIT_LOCKS},
	{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
	{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
	{"RLIMIT_NICE", RLIMIT_NICE},
	{"RLIMIT_NOFILE", RLIMIT_NOFILE},
	{"RLIMIT_NPROC", RLIMIT_NPROC},
	{"RLIMIT_RSS", RLIMIT_RSS},
	{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", RLIMIT_RTTIME},
	{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
	{"RLIMIT_STACK", RLIMIT_STACK},
};

int oci_capability_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(capability_names); i++)
		if (strcmp(capability_names[i], name) == 0)
			return (int)i;
	return -ENOENT;
}

void oci_process_free(struct oci_process *process)
{
	if (!process)
		return;
	strv_release(&process->args);
	strv_release(&process->env);
	free(process->cwd);
	free(process->groups);
	free(process->username);
	free(process->rlimits);
	free(process);
}

int spec_invalid(struct cor_error *err, const char *member, const char *wanted)
{
	return cor_fail(err, COR_INVALID, EINVAL, "%s: %s is needed", member, wanted);
}

int spec_uint32(const json_t *object, const char *key, uint32_t *value)
{
	int64_t n = *value;

	if (json_get_int(object, key, &n) < 0 || n < 0 || n > UINT32_MAX)
		return -EINVAL;
	*value = (uint32_t)n;
	return 0;
}

/* ---- who ---- */

static int parse_groups(const json_t *user, struct oci_process *process, struct cor_error *err)
{
	json_t *array = NULL, *item;
	size_t i;

	if (json_get_array(user, "additionalGids", &array) < 0)
		return spec_invalid(err, "process.user.additionalGids", "a list of numbers");
	process->groups = xcalloc(json_array_size(array) + 1, sizeof(*process->groups));
	json_array_foreach (array, i, item) {
		json_int_t gid = json_integer_value(item);

		/* The kernel takes no more than NGROUPS_MAX. */
		if (!json_is_integer(item) || gid < 0 || gid >= UINT32_MAX || i >= 65536)
			return spec_invalid(err, "process.user.additionalGids", "a list of group numbers");
		process->groups[process->group_count++] = (uint32_t)gid;
	}
	return 0;
}

static int parse_user(const json_t *object, struct oci_process *process, struct cor_error *err)
{
	json_t *user = NULL;
	const char *name = NULL;
	int64_t umask = -1;

	if (json_get_object(object, "user", &user) < 0)
		return spec_invalid(err, "process.user", "an object");
	if (spec_uint32(user, "uid", &process->uid) < 0 || spec_uint32(user, "gid", &process->gid) < 0 ||
	    process->uid == UINT32_MAX || process->gid == UINT32_MAX)
		return spec_invalid(err, "process.user", "a number below 4294967295 for uid and gid");
	if (json_get_int(user, "umask", &umask) < 0 || umask < -1 || umask > 0777)
		return spec_invalid(err, "process.user.umask", "a number from 0 to 511");
	if (json_get_string(user, "username", &name) < 0)
		return spec_invalid(err, "process.user.username", "a string");
	process->umask = (int)umask;
	process->username = str_empty(name) ? NULL : xstrdup(name);
	return parse_groups(user, process, err);
}

/* ---- what it may ---- */

static int parse_capability_set(const json_t *object, const char *key, uint64_t *ret, struct cor_error *err)
{
	_strv_ struct strv names = {0};
	const char *name;

	if (json_get_strv(object, key, &names) < 0)
		return cor_fail(err, COR_INVALID, EINVAL,
				"process.capabilities.%s: a list of names is needed", key);
	strv_foreach (&names, i, name) {
		int number = oci_capability_number(name);

		if (number < 0)
			return cor_fail(err, COR_INVALID, EINVAL,
					"process.capabilities.%s: there is no capability '%.64s'", key, name);
		*ret |= UINT64_C(1) << number;
	}
	return 0;
}

static int parse_capabilities(const json_t *object, struct oci_capabilities *sets, struct cor_error *err)
{
	json_t *capabilities = NULL;
	int r = 0;

	if (json_get_object(object, "capabilities", &capabilities) < 0)
		return spec_invalid(err, "process.capabilities", "an object");
	r = r ?: parse_capability_set(capabilities, "bounding", &sets->bounding, err);
	r = r ?: parse_capability_set(capabilities, "effective", &sets->effective, err);
	r = r ?: parse_capability_set(capabilities, "permitted", &sets->permitted, err);
	r = r ?: parse_capability_set(capabilities, "inheritable", &sets->inheritable, err);
	return r ?: parse_capability_set(capabilities, "ambient", &sets->ambient, err);
}

static int find_resource(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(rlimit_names); i++)
		if (strcmp(name, rlimit_names[i].name) == 0)
			return rlimit_names[i].resource;
	return -1;
}

const char *oci_rlimit_name(int resource)
{
	for (size_t i = 0; i < ARRAY_SIZE(rlimit_names); i++)
		if (rlimit_names[i].resource == resource)
			return rlimit_names[i].name;
	return "?";
}

static int parse_rlimits(const json_t *object, struct oci_process *process, struct cor_error *err)
{
	json_t *array = NULL, *item;
	size_t i;

	if (json_get_array(object, "rlimits", &array) < 0)
		return spec_invalid(err, "process.rlimits", "a list");
	process->rlimits = xcalloc(json_array_size(array) + 1, sizeof(*process->rlimits));
	json_array_foreach (array, i, item) {
		struct oci_rlimit *limit = &process->rlimits[i];
		const char *type = NULL;
		int64_t soft = -1, hard = -1;

		if (json_get_string(item, "type", &type) < 0 || (limit->resource = find_resource(type)) < 0)
			return spec_invalid(err, "process.rlimits.type", "the name of a limit");
		if (json_get_int(item, "soft", &soft) < 0 || json_get_int(item, "hard", &hard) < 0 ||
		    soft < 0 || hard < soft)
			return cor_fail(err, COR_INVALID, EINVAL,
					"process.rlimits: %s: 0 <= soft <= hard is needed", type);
		limit->soft = soft == INT64_MAX ? UINT64_MAX : (uint64_t)soft;
		limit->hard = hard == INT64_MAX ? UINT64_MAX : (uint64_t)hard;
		process->rlimit_count++;
	}
	return 0;
}

/* ---- what it is ---- */

static int parse_strings(const json_t *object, struct oci_process *process, struct cor_error *err)
{
	const char *cwd = NULL, *variable;

	if (json_get_strv(object, "args", &process->args) < 0 || !process->args.count ||
	    !*process->args.items[0])
		return spec_invalid(err, "process.args", "a list of at least one string");
	if (json_get_strv(object, "env", &process->env) < 0)
		return spec_invalid(err, "process.env", "a list of strings");
	strv_foreach (&process->env, i, variable)
		if (!strchr(variable, '=') || *variable == '=')
			return cor_fail(err, COR_INVALID, EINVAL, "process.env: '%.64s' is no NAME=VALUE",
					variable);
	if (json_get_string(object, "cwd", &cwd) < 0 || !cwd || *cwd != '/')
		return spec_invalid(err, "process.cwd", "an absolute path");
	process->cwd = xstrdup(cwd);
	return 0;
}

static int parse_console(const json_t *object, struct oci_process *process, struct cor_error *err)
{
	json_t *size = NULL;
	uint32_t rows = 0, columns = 0;

	if (json_get_bool(object, "terminal", &process->terminal) < 0)
		return spec_invalid(err, "process.terminal", "true or false");
	if (json_get_object(object, "consoleSize", &size) < 0 || spec_uint32(size, "height", &rows) < 0 ||
	    spec_uint32(size, "width", &columns) < 0 || rows > UINT16_MAX || columns > UINT16_MAX)
		return spec_invalid(err, "process.consoleSize", "an object with height and width");
	process->rows = (uint16_t)rows;
	process->columns = (uint16_t)columns;
	return 0;
}

int spec_process(const json_t *object, struct oci_process **ret, struct cor_error *err)
{
	_cleanup_(oci_process_freep) struct oci_process *process = xcalloc(1, sizeof(*process));
	int64_t adjustment = INT64_MIN;
	int r = parse_strings(object, process, err);

	r = r ?: parse_console(object, process, err);
	r = r ?: parse_user(object, process, err);
	r = r ?: parse_capabilities(object, &process->capabilities, err);
	r = r ?: parse_rlimits(object, process, err);
	if (r < 0)
		return r;
	if (json_get_bool(object, "noNewPrivileges", &process->no_new_privileges) < 0)
		return spec_invalid(err, "process.noNewPrivileges", "true or false");
	if (json_get_int(object, "oomScoreAdj", &adjustment) < 0 ||
	    (adjustment != INT64_MIN && (adjustment < -1000 || adjustment > 1000)))
		return spec_invalid(err, "process.oomScoreAdj", "a number from -1000 to 1000");
	process->has_oom_score_adj = adjustment != INT64_MIN;
	process->oom_score_adj = process->has_oom_score_adj ? (int)adjustment : 0;
	*ret = steal_ptr(process);
	return 0;
}

int oci_process_parse(const char *text, size_t size, struct oci_process **ret, struct cor_error *err)
{
	_json_ json_t *document = NULL;
	int r;

	if (size > OCI_CONFIG_MAX)
		return cor_fail(err, COR_EXHAUSTED, EFBIG, "the process object is larger than 1 MiB");
	r = json_parse_object(text, size, "process", &document, err);
	return r < 0 ? r : spec_process(document, ret, err);
}
