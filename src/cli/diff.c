/* SPDX-License-Identifier: Apache-2.0 */
/* diff: what a container changed. */
#include "cli/arguments.h"
#include "cli/context.h"

#include <stdio.h>

static int diff_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	struct cor_change_list list = {0};
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_container_diff(ctx, args->operands[0], &list, err);
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		_text_ char *path = text_printable(list.items[i].path);

		printf("%c %s\n", list.items[i].kind, path);
	}
	cor_change_list_release(&list);
	return r;
}

const struct command command_diff = {
	.name = "diff",
	.operands = "CONTAINER",
	.min = 1,
	.max = 1,
	.summary = "list what a container changed in its file system",
	.text = "One line for each file: A was added, C was changed (of a directory: itself, or something in "
		"it), D was "
		"deleted. What is mounted in the container does not count.",
	.examples = "coracle diff web",
	.offer = OFFER_CONTAINERS,
	.run = diff_run,
};
