/* SPDX-License-Identifier: Apache-2.0 */
/* push: progress goes to standard error, the name with the digest that it has now to standard output. */
#include "cli/context.h"
#include "cli/pull.h"

#include <stdio.h>
#include <string.h>

static void tell_result(const char *target, const char *digest)
{
	_text_ char *printable = text_printable(target);

	fprintf(stderr, "Digest: %s\nStatus: Pushed %s\n", digest, printable);
}

static int push_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	enum progress_mode mode =
		progress_mode(arguments_text(args, "progress"), arguments_flag(args, "quiet", false));
	const char *source = args->operands[0], *target = args->operands[1] ? args->operands[1] : source;
	struct progress progress;
	struct cor_image_push_options options = {
		.registry = {.scheme = arguments_text(args, "scheme"),
			     .progress = progress_update,
			     .userdata = &progress},
		.target = args->operands[1],
		.platform = arguments_text(args, "platform"),
	};
	_context_ struct cor_context *ctx = NULL;
	_returned_ char *digest = NULL;
	int64_t concurrent = 0;
	int r = arguments_number(args, "max-concurrent-uploads", 1, CONCURRENT_MOST, &concurrent, err);

	options.registry.concurrent = (unsigned)concurrent;
	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r < 0)
		return r;
	progress_begin(&progress, mode, true);
	r = cor_image_push(ctx, source, &options, &digest, err);
	r = progress_end(&progress, r, ret_status, err);
	if (r < 0)
		return r;
	if (mode != PROGRESS_NONE)
		tell_result(target, digest);
	if (strchr(target, '@'))
		puts(target);
	else
		printf("%s@%s\n", target, digest);
	return 0;
}

static const struct option push_options[] = {
	{"platform", '\0', "OS/ARCHITECTURE", "push only the image of this platform"},
	OPTION_QUIET("print nothing but the name and digest"),
	OPTION_PROGRESS,
	{"max-concurrent-uploads", '\0', "N", "how many blobs at once (default 3)"},
	OPTION_SCHEME,
	{0},
};
static const struct option_group push_group = {"Options", push_options};
const struct command command_image_push = {
	.name = "push",
	.operands = "IMAGE [TARGET]",
	.min = 1,
	.max = 2,
	.summary = "push an image to a registry",
	.text = "Sends what the registry does not have yet, byte for byte as it is stored here, to the "
		"registry "
		"that IMAGE names, or TARGET. Prints the name with the digest that stands under it now: what "
		"'coracle pull' or 'coracle run' takes to get this very image.\n\n"
		"An index goes whole where the images of all its platforms are here, as 'coracle pull "
		"--all-platforms' brings them; otherwise this host's image goes alone, with its own digest.",
	.examples = "coracle push ghcr.io/me/tools:1\n"
		    "coracle push busybox localhost:5000/busybox\n"
		    "pinned=$(coracle push -q app:1 registry.example/app:1)",
	.groups = (const struct option_group *const[]){&push_group, NULL},
	.offer = OFFER_IMAGES,
	.run = push_run,
};
