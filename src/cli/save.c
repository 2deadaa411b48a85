/* SPDX-License-Identifier: Apache-2.0 */
/* image save. A file gets its name when it is whole: what was there before stays until then, and a save that fails or is killed leaves nothing. */
#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct output {
	int fd;
	const char *path; /* what it is to be called; NULL: written in place */
	char *temporary;  /* what it is called until then; NULL: nothing yet */
};

static int cannot(const char *path, struct cor_error *err)
{
	int error = errno;
	enum cor_status status = error == ENOENT   ? COR_NOT_FOUND
				 : error == ENOSPC ? COR_EXHAUSTED
						   : COR_PERMISSION;

	return report_fail(err, status, error, "--output '%s': %s", path, strerror(error));
}

static int open_stdout(struct output *output, struct cor_error *err)
{
	if (isatty(STDOUT_FILENO))
		return report_usage(
			err, "an archive is nothing for a terminal: give --output FILE, or pipe it on");
	*output = (struct output){.fd = STDOUT_FILENO};
	return 0;
}

/* A file without a name vanishes with us; where the file system has none of these, it has a name of its own from the start. */
static int open_new(struct output *output, const char *path, struct cor_error *err)
{
	const char *slash = strrchr(path, '/');
	_text_ char *folder = slash ? text_format("%.*s", (int)(slash - path) + 1, path) : text_copy(".");

	output->path = path;
	output->temporary = NULL;
	output->fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	if (output->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return cannot(path, err);
	output->temporary = text_format("%s.%d.part", path, (int)getpid());
	output->fd = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (output->fd >= 0)
		return 0;
	text_freep(&output->temporary);
	return cannot(path, err);
}

/* A pipe or a device that has the name is written to. */
static int open_output(struct output *output, const char *path, struct cor_error *err)
{
	struct stat st;

	if (!path || text_same(path, "-"))
		return open_stdout(output, err);
	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return open_new(output, path, err);
	*output = (struct output){.fd = open(path, O_WRONLY | O_CLOEXEC)};
	return output->fd < 0 ? cannot(path, err) : 0;
}

static int give_name(struct output *output, struct cor_error *err)
{
	if (!output->path)
		return 0;
	/* What takes the place of an older archive is on the disk before. */
	if (fsync(output->fd) < 0)
		return cannot(output->path, err);
	if (!output->temporary) {
		_text_ char *link = text_format("/proc/self/fd/%d", output->fd);
		_text_ char *temporary = text_format("%s.%d.part", output->path, (int)getpid());

		unlink(temporary);
		if (linkat(AT_FDCWD, link, AT_FDCWD, temporary, AT_SYMLINK_FOLLOW) < 0)
			return cannot(output->path, err);
		output->temporary = text_copy(temporary);
	}
	if (rename(output->temporary, output->path) < 0)
		return cannot(output->path, err);
	text_freep(&output->temporary);
	output->temporary = NULL;
	return 0;
}

static void output_release(struct output *output)
{
	if (output->temporary)
		unlink(output->temporary);
	text_freep(&output->temporary);
	if (output->fd > STDERR_FILENO)
		close(output->fd);
}

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
	__attribute__((cleanup(output_release))) struct output output = {.fd = -1};
	int r = open_output(&output, arguments_text(args, "output"), err);

	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = cor_image_save(ctx, (const char *const *)args->operands, args->operand_count, output.fd,
				   &options, err);
	return r < 0 ? r : give_name(&output, err);
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
