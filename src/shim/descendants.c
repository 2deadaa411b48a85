/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever is below whom is known from the kernel's lists of children (proc(5)): none of ours has others than those that its first thread made. */
#include "shim/descendants.h"

#include "base/file.h"
#include "base/str.h"

#include <stdlib.h>
#include <unistd.h>

#define PROCESSES_MAX 64
#define LIST_MAX      65536

/* Appends the children of pid to a list of so many. */
static size_t add_children(int pid, int pids[PROCESSES_MAX], size_t count)
{
	_free_ char *path = str_format("/proc/%d/task/%d/children", pid, pid), *text = NULL;
	char *end;

	if (file_read(AT_FDCWD, path, LIST_MAX, &text, NULL) < 0)
		return count;
	for (char *p = text; count < PROCESSES_MAX; p = end) {
		long child = strtol(p, &end, 10);

		if (end == p)
			break;
		pids[count++] = (int)child;
	}
	return count;
}

void descendants_visit(descendant_fn *visit, void *context)
{
	int pids[PROCESSES_MAX];
	size_t count = add_children(getpid(), pids, 0);

	for (size_t i = 0; i < count; i++) {
		visit(pids[i], context);
		count = add_children(pids[i], pids, count);
	}
}
