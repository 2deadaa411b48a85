/* SPDX-License-Identifier: Apache-2.0 */
/* pull: what is told goes to standard error, the name of what is here now to standard output. */
#include "cli/pull.h"

#include "cli/context.h"
#include "cli/report.h"

#include <errno.h>
#include <stdio.h>

/* "Digest: …" and "Status: …", in docker's words. */
static void tell_result(const char *ref, const struct cor_image_pulled *pulled)
{
	_text_ char *printable = text_printable(ref);

	fflush(stdout);
	fprintf(stderr, "Digest: %s\nStatus: %s %s\n", pulled->digest,
		pulled->unchanged ? "Image is up to date for" : "Downloaded newer image for", printable);
}

int pull_image(struct cor_context *ctx, const char *ref, struct cor_image_pull_options *options,
	       enum progress_mode mode, struct cor_image_pulled *ret, int *ret_status, struct cor_error *err)
{
	struct progress progress;
	int r;

	progress_begin(&progress, mode, false);
	options->registry.progress = progress_update;
	options->registry.userdata = &progress;
	r = cor_image_pull(ctx, ref, options, ret, err);
	r = progress_end(&progress, r, ret_status, err);
	if (r == 0 && mode != PROGRESS_NONE)
		tell_result(ref, ret);
	return r;
}

static int pull_one(struct cor_context *ctx, const char *ref, const struct arguments *args,
		    struct cor_image_pull_options *options, int *ret_status, struct cor_error *err)
{
	enum progress_mode mode =
		progress_mode(arguments_text(args, "progress"), arguments_flag(args, "quiet", false));
	struct cor_image_pulled pulled = {0};
	int r = pull_image(ctx, ref, options, mode, &pulled, ret_status, err);

	if (r == 0) {
		puts(pulled.name ? pulled.name : ref);
		fflush(stdout);
	}
	cor_image_pulled_release(&pulled);
	return r;
}

/* One that fails does not keep the others from being pulled; ctrl-C does. */
static int pull_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	struct cor_image_pull_options options = {
		.registry.scheme = arguments_text(args, "scheme"),
		.platform = arguments_text(args, "platform"),
		.all_platforms = arguments_flag(args, "all-platforms", false),
	};
	_context_ struct cor_context *ctx = NULL;
	int64_t concurrent = 0;
	int r = arguments_number(args, "max-concurrent-downloads", 1, CONCURRENT_MOST, &concurrent, err);

	options.registry.concurrent = (unsigned)concurrent;
	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	for (size_t i = 0; r == 0 && i < args->operand_count; i++) {
		r = progress_stop(ret_status, err);
		if (r == 0)
			r = pull_one(ctx, args->operands[i], args, &options, ret_status, err);
		if (r == 0 || r == -ECANCELED || args->operand_count == 1)
			continue;
		report_error(err);
		*ret_status = 1;
		r = 0;
	}
	return r;
}

static const struct option pull_options[] = {
	{"platform", '\0', "OS/ARCHITECTURE",
	 "which of the image's platforms to pull (default: this host's)"},
	{"all-platforms", '\0', NULL, "pull all of them"},
	OPTION_QUIET("print nothing but the name"),
	OPTION_PROGRESS,
	{"max-concurrent-downloads", '\0', "N", "how many blobs at once (default 3)"},
	OPTION_SCHEME,
	{0},
};
static const struct option_group pull_group = {"Options", pull_options};
const struct command command_image_pull = {
	.name = "pull",
	.operands = "IMAGE...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "pull images from a registry",
	.text = "Fetches what is not here yet, checks every byte of it against its digest, unpacks it and "
		"gives "
		"it its name. Prints that name. 'busybox' is 'docker.io/library/busybox:latest'; a name with "
		"a "
		"digest, 'busybox@sha256:...', is that very image.\n\n"
		"Interrupted by ctrl-C or by a broken line, what came is kept, and the next pull goes on "
		"from "
		"there.\n\n"
		"Passwords are those of 'coracle login' or of docker. 'coracle registry --help' tells of "
		"mirrors, "
		"certificates, registries without TLS, and proxies.",
	.examples = "coracle pull debian:12\n"
		    "coracle pull --platform linux/arm64 alpine\n"
		    "coracle pull --scheme http registry.lan:5000/team/app\n"
		    "coracle run --rm \"$(coracle pull -q busybox)\" true",
	.groups = (const struct option_group *const[]){&pull_group, NULL},
	.offer = OFFER_IMAGES,
	.run = pull_run,
};
