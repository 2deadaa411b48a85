/* SPDX-License-Identifier: Apache-2.0 */
/* cp: which side is the container's, by docker's rules for "NAME:PATH", and what goes through a pipe. */
#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One side. A path that begins with "/" or "." is the host's, whatever colons are in it. */
struct side {
	char *container; /* NULL: the host */
	const char *path;
};

static struct side parse_side(const char *text)
{
	const char *colon = strchr(text, ':');

	if (!colon || *text == '/' || *text == '.')
		return (struct side){.path = text};
	return (struct side){.container = text_format("%.*s", (int)(colon - text), text), .path = colon + 1};
}

static void side_release(struct side *side)
{
	text_freep(&side->container);
}
#define _side_ _cleanup_(side_release)

static bool is_pipe(const struct side *side)
{
	return !side->container && text_same(side->path, "-");
}

static int check_sides(const struct side *from, const struct side *to, struct cor_error *err)
{
	if (from->container && to->container)
		return report_usage(
			err, "files are not copied between containers: copy them to the host first, or "
			     "pipe them: 'coracle cp ONE:PATH - | coracle cp - OTHER:PATH'");
	if (!from->container && !to->container)
		return report_usage(err, "one side must be a container's: NAME:PATH");
	if ((!from->container && !*from->path) || (!to->container && !*to->path))
		return report_usage(err, "a path is empty");
	if ((from->container && !*from->container) || (to->container && !*to->container))
		return report_usage(err, "a container's name is missing before the colon");
	if (is_pipe(to) && isatty(STDOUT_FILENO))
		return report_usage(err, "an archive is nothing for a terminal: pipe it on");
	return 0;
}

/* To people only. */
static void tell(const struct cor_copied *copied, bool quiet)
{
	if (copied->left_out)
		report_note("%llu device%s left out: they are not copied to the host",
			    (unsigned long long)copied->left_out, copied->left_out == 1 ? " was" : "s were");
	if (!quiet && isatty(STDERR_FILENO))
		report_note("%llu bytes were copied", (unsigned long long)copied->bytes);
}

static int cp_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	const struct cor_copy_options options = {
		.archive = arguments_flag(args, "archive", false),
		.follow_link = arguments_flag(args, "follow-link", false),
	};
	_side_ struct side from = parse_side(args->operands[0]);
	_side_ struct side to = parse_side(args->operands[1]);
	_context_ struct cor_context *ctx = NULL;
	struct cor_copied copied = {0};
	int r = check_sides(&from, &to, err);

	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r < 0)
		return r;
	if (is_pipe(&to))
		return cor_copy_out(ctx, from.container, from.path, STDOUT_FILENO, &options, err);
	if (is_pipe(&from))
		return cor_copy_in(ctx, to.container, STDIN_FILENO, to.path, &options, err);
	if (from.container)
		r = cor_copy_from(ctx, from.container, from.path, to.path, &options, &copied, err);
	else
		r = cor_copy_to(ctx, to.container, from.path, to.path, &options, &copied, err);
	if (r == 0)
		tell(&copied, arguments_flag(args, "quiet", false));
	return r;
}

static const struct option cp_options[] = {
	{"archive", 'a', NULL, "keep owners, and set-user-id bits"},
	{"follow-link", 'L', NULL, "a source that is a symbolic link stands for what it leads to"},
	{"quiet", 'q', NULL, "do not tell how much was copied"},
	{0},
};
static const struct option_group cp_group = {"Options", cp_options};
const struct command command_cp = {
	.name = "cp",
	.aliases = "copy",
	.operands = "CONTAINER:PATH|PATH|- CONTAINER:PATH|PATH|-",
	.min = 2,
	.max = 2,
	.summary = "copy files into or out of a container",
	.text = "Works on containers that run and on those that do not; for the latter their machine is "
		"started for as "
		"long as the copy takes, without their process.\n\n"
		"A destination that is a directory gets the source in it; one that is missing becomes the "
		"copy; a source "
		"that ends in '/.' stands for what is in it. '-' is a tar archive on standard input or "
		"output.\n\n"
		"Without --archive, files belong to root in the container and to you on the host. Devices "
		"are not copied "
		"to the host.",
	.examples = "coracle cp web:/etc/nginx/nginx.conf .\n"
		    "coracle cp site/. web:/srv\n"
		    "coracle cp web:/var/log - | tar t",
	.groups = (const struct option_group *const[]){&cp_group, NULL},
	.offer = OFFER_FILES,
	.run = cp_run,
};
