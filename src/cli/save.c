/* SPDX-License-Identifier: Apache-2.0 */
/* image save. */
#include "cli/archive.h"
#include "cli/arguments.h"
#include "cli/context.h"

static enum cor_archive_format format_of(const struct arguments *args)
{
	const char *format = arguments_text(args, "format");

	return text_same(format, "oci-archive")      ? COR_ARCHIVE_OCI
	       : text_same(format, "docker-archive") ? COR_ARCHIVE_DOCKER
						     : COR_ARCHIVE_BOTH;
}

static int save_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	struct cor_image_save_options options = {
		.format = format_of(args),
		.platform = arguments_text(args, "platform"),
	};
	_context_ struct cor_context *ctx = NULL;
	_archive_ struct archive output = {.fd = -1};
	int r = archive_open(&output, arguments_text(args, "output"), err);

	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = cor_image_save(ctx, (const char *const *)args->operands, args->operand_count, output.fd,
				   &options, err);
	return r < 0 ? r : archive_complete(&output, err);
}

static const struct option save_options[] = {
	{"output", 'o', "FILE", "the archive; standard output otherwise", .offer = OFFER_FILES},
	{"format", '\0', "FORMAT",
	 "both (an OCI layout that is a docker archive too, the default), oci-archive or docker-archive",
	 .choices = "both oci-archive docker-archive"},
	{"platform", '\0', "OS/ARCHITECTURE", "only the image of this platform (default: all that are here)"},
	{0},
};
static const struct option_group save_group = {"Options", save_options};
const struct command command_image_save = {
	.name = "save",
	.operands = "IMAGE...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "write images into an archive",
	.text = "A tar archive that docker, podman, skopeo and 'coracle load' read. Several images may be in "
		"one; "
		"layers that they share are in it once.",
	.examples = "coracle image save -o busybox.tar busybox\n"
		    "coracle save debian:12 | zstd >debian.tar.zst\n"
		    "coracle save busybox | ssh host coracle load",
	.groups = (const struct option_group *const[]){&save_group, NULL},
	.offer = OFFER_IMAGES,
	.run = save_run,
};
