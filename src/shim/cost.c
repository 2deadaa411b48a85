/* SPDX-License-Identifier: Apache-2.0 */
/* All is read from /proc (proc(5)). */
#include "shim/cost.h"

#include "base/file.h"
#include "base/str.h"
#include "shim/descendants.h"

#include <stdio.h>
#include <unistd.h>

#define FILE_MAX 65536

static char *read_proc(int pid, const char *name)
{
	_free_ char *path = str_format("/proc/%d/%s", pid, name);
	char *text = NULL;

	return file_read(AT_FDCWD, path, FILE_MAX, &text, NULL) < 0 ? NULL : text;
}

/* Clock ticks of user and system time: fields 14 and 15, counted after the name in parentheses. */
static uint64_t cpu_ns(int pid)
{
	_free_ char *text = read_proc(pid, "stat");
	unsigned long long user = 0, system = 0;
	char *name_end = text ? strrchr(text, ')') : NULL;

	if (!name_end || sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
				&system) != 2)
		return 0;
	return (user + system) * (UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* "\nPss:    1234 kB" */
static uint64_t memory_line(const char *text, const char *name)
{
	const char *line = strstr(text, name);
	unsigned long long kib = 0;

	return line && sscanf(line + strlen(name), "%llu", &kib) == 1 ? kib * 1024 : 0;
}

static void add_process(int pid, void *context)
{
	struct cost *cost = context;
	_free_ char *text = read_proc(pid, "smaps_rollup");

	cost->cpu_ns += cpu_ns(pid);
	if (!text)
		return;
	cost->memory += memory_line(text, "\nPss:");
	cost->private += memory_line(text, "\nPrivate_Clean:") + memory_line(text, "\nPrivate_Dirty:");
}

void cost_measure(struct cost *ret)
{
	*ret = (struct cost){0};
	add_process(getpid(), ret);
	descendants_visit(add_process, ret);
}
