/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities by name. The table is ours and not the host's, because the kernel that grants them is the guest's. */
#include "container/caps.h"

#include "base/macro.h"

#include <errno.h>
#include <strings.h>

/* By the kernel's number; `usual` marks what a container has by default. */
static const struct {
	const char *name;
	bool usual;
} capabilities[] = {
	{"CAP_CHOWN", true},
	{"CAP_DAC_OVERRIDE", true},
	{"CAP_DAC_READ_SEARCH", false},
	{"CAP_FOWNER", true},
	{"CAP_FSETID", true},
	{"CAP_KILL", true},
	{"CAP_SETGID", true},
	{"CAP_SETUID", true},
	{"CAP_SETPCAP", true},
	{"CAP_LINUX_IMMUTABLE", false},
	{"CAP_NET_BIND_SERVICE", true},
	{"CAP_NET_BROADCAST", false},
	{"CAP_NET_ADMIN", false},
	{"CAP_NET_RAW", true},
	{"CAP_IPC_LOCK", false},
	{"CAP_IPC_OWNER", false},
	{"CAP_SYS_MODULE", false},
	{"CAP_SYS_RAWIO", false},
	{"CAP_SYS_CHROOT", true},
	{"CAP_SYS_PTRACE", false},
	{"CAP_SYS_PACCT", false},
	{"CAP_SYS_ADMIN", false},
	{"CAP_SYS_BOOT", false},
	{"CAP_SYS_NICE", false},
	{"CAP_SYS_RESOURCE", false},
	{"CAP_SYS_TIME", false},
	{"CAP_SYS_TTY_CONFIG", false},
	{"CAP_MKNOD", true},
	{"CAP_LEASE", false},
	{"CAP_AUDIT_WRITE", true},
	{"CAP_AUDIT_CONTROL", false},
	{"CAP_SETFCAP", true},
	{"CAP_MAC_OVERRIDE", false},
	{"CAP_MAC_ADMIN", false},
	{"CAP_SYSLOG", false},
	{"CAP_WAKE_ALARM", false},
	{"CAP_BLOCK_SUSPEND", false},
	{"CAP_AUDIT_READ", false},
	{"CAP_PERFMON", false},
	{"CAP_BPF", false},
	{"CAP_CHECKPOINT_RESTORE", false},
};

#define ALL ((UINT64_C(1) << ARRAY_SIZE(capabilities)) - 1)

static uint64_t usual_set(void)
{
	uint64_t set = CAPS_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
		if (capabilities[i].usual)
			set |= UINT64_C(1) << i;
	return set;
}

static int parse(const char *name, uint64_t *ret)
{
	if (strcasecmp(name, "ALL") == 0) {
		*ret = ALL;
		return 0;
	}
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++) {
		if (strcasecmp(name, capabilities[i].name + 4) != 0)
			continue;
		*ret = UINT64_C(1) << i;
		return 0;
	}
	return -EINVAL;
}

static int parse_list(const char *const *names, uint64_t *set, struct cor_error *err)
{
	for (; names && *names; names++) {
		uint64_t one;

		if (parse(*names, &one) < 0)
			return cor_fail(err, COR_INVALID, EINVAL, "unknown capability '%s'", *names);
		*set |= one;
	}
	return 0;
}

int caps_choose(const char *const *add, const char *const *drop, bool privileged, uint64_t *ret,
		struct cor_error *err)
{
	uint64_t added = CAPS_NONE, dropped = CAPS_NONE;
	int r = parse_list(add, &added, err);

	if (r == 0)
		r = parse_list(drop, &dropped, err);
	if (r < 0)
		return r;
	/* "--cap-add ALL --cap-drop X" means all but X; between single names the adds win. */
	if (added == ALL && dropped != ALL)
		*ret = ALL & ~dropped;
	else
		*ret = ((privileged ? ALL : usual_set()) & ~dropped) | added;
	return 0;
}

bool caps_has(uint64_t set, const char *name)
{
	uint64_t one;

	return parse(name, &one) == 0 && (set & one) == one;
}

json_t *caps_to_json(uint64_t set)
{
	json_t *array = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
		if (set & (UINT64_C(1) << i))
			json_array_append_new(array, json_string(capabilities[i].name));
	return array;
}
