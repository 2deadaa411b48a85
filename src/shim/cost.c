/* SPDX-License-Identifier: Apache-2.0 */
/* All is read from /proc (proc(5)). Whoever is below whom is known from the kernel's list of children: a VMM that fell may start none, and others cannot get below us. */
#include "shim/cost.h"

#include "base/file.h"
#include "base/str.h"

#include <stdio.h>
#include <unistd.h>

#define PROCESSES_MAX 64
#define FILE_MAX      65536

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

static void add_process(int pid, struct cost *cost)
{
	_free_ char *text = read_proc(pid, "smaps_rollup");

	cost->cpu_ns += cpu_ns(pid);
	if (!text)
		return;
	cost->memory += memory_line(text, "\nPss:");
	cost->private += memory_line(text, "\nPrivate_Clean:") + memory_line(text, "\nPrivate_Dirty:");
}

/* Appends the children of pid to a list of so many, which has room for PROCESSES_MAX. */
static size_t add_children(int pid, int *pids, size_t count)
{
	_free_ char *name = str_format("task/%d/children", pid), *text = read_proc(pid, name);

	for (char *p = text; p && count < PROCESSES_MAX;) {
		char *end;
		long child = strtol(p, &end, 10);

		if (end == p)
			break;
		pids[count++] = (int)child;
		p = end;
	}
	return count;
}

void cost_measure(struct cost *ret)
{
	int pids[PROCESSES_MAX] = {getpid()};
	size_t count = 1;

	*ret = (struct cost){0};
	for (size_t i = 0; i < count; i++) {
		add_process(pids[i], ret);
		count = add_children(pids[i], pids, count);
	}
}
