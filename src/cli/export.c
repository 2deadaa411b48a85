/* SPDX-License-Identifier: Apache-2.0 */
/* export: a container's file system as an archive. */
#include "cli/archive.h"
#include "cli/arguments.h"
#include "cli/context.h"

static int export_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	_archive_ struct archive output = {.fd = -1};
	int r = archive_open(&output, arguments_text(args, "output"), err);

	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = cor_container_export(ctx, args->operands[0], output.fd, err);
	return r < 0 ? r : archive_complete(&output, err);
}

static const struct option export_options[] = {
	{"output", 'o', "FILE", "the archive; standard output otherwise", .offer = OFFER_FILES},
	{0},
};
static const struct option_group export_group = {"Options", export_options};
const struct command command_export = {
	.name = "export",
	.operands = "CONTAINER",
	.min = 1,
	.max = 1,
	.summary = "write a container's file system into an archive",
	.text = "A tar archive of the root file system, without what is mounted in it. The processes of a "
		"running "
		"container stand still meanwhile, so that the archive is of one moment.",
	.examples = "coracle export -o web.tar web\n"
		    "coracle export web | tar t",
	.groups = (const struct option_group *const[]){&export_group, NULL},
	.offer = OFFER_CONTAINERS,
	.run = export_run,
};
