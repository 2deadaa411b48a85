/* SPDX-License-Identifier: Apache-2.0 */
/* commit: a container becomes an image. */
#include "cli/arguments.h"
#include "cli/context.h"

#include <stdio.h>

static int commit_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	const struct cor_commit_options options = {
		.name = args->operand_count > 1 ? args->operands[1] : NULL,
		.author = arguments_text(args, "author"),
		.message = arguments_text(args, "message"),
		.changes = words_list(arguments_words(args, "change")),
		.no_pause = !arguments_flag(args, "pause", true),
	};
	_context_ struct cor_context *ctx = NULL;
	_returned_ char *id = NULL;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_container_commit(ctx, args->operands[0], &options, &id, err);
	if (r == 0)
		puts(id);
	return r;
}

static const struct option commit_options[] = {
	{"author", 'a', "TEXT", "who made the image"},
	{"change", 'c', "INSTRUCTION",
	 "change the image's configuration: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, "
	 "VOLUME or "
	 "WORKDIR, as in a Dockerfile",
	 .repeats = true},
	{"message", 'm', "TEXT", "what was changed"},
	{"pause", 'p', NULL, "let the container's processes stand still meanwhile (the default)"},
	{0},
};
static const struct option_group commit_group = {"Options", commit_options};
const struct command command_commit = {
	.name = "commit",
	.operands = "CONTAINER [IMAGE]",
	.min = 1,
	.max = 2,
	.summary = "make an image of a container",
	.text = "The container's image with one layer more, which holds what 'coracle diff' lists. Prints "
		"the new image's id. What is mounted in the container is not in it.",
	.examples = "coracle commit web web:patched\n"
		    "coracle commit -c 'CMD [\"httpd\", \"-f\"]' -m 'as it ran' web web:live",
	.groups = (const struct option_group *const[]){&commit_group, NULL},
	.offer = OFFER_CONTAINERS,
	.run = commit_run,
};
