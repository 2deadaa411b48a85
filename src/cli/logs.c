/* SPDX-License-Identifier: Apache-2.0 */
/* logs: what a container wrote, or with --boot what its machine's console showed. */
#include "cli/context.h"

#include "cli/arguments.h"
#include "cli/report.h"
#include "cli/value.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static int moment(const struct arguments *args, const char *option, int64_t *ret_ns, struct cor_error *err)
{
	const char *text = arguments_text(args, option);

	if (!text)
		return 0;
	if (value_moment(text, value_now(), ret_ns) < 0)
		return report_usage(err,
				    "--%s '%s': must be a time (2026-01-31T12:00:00Z), seconds since 1970, "
				    "or a duration (10m)",
				    option, text);
	return 0;
}

static int logs_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	struct cor_log_options options = {
		.follow = arguments_flag(args, "follow", false),
		.boot = arguments_flag(args, "boot", false),
		.timestamps = arguments_flag(args, "timestamps", false),
		.tail = -1,
		.out = STDOUT_FILENO,
		.err = STDERR_FILENO,
	};
	const char *tail = arguments_text(args, "tail");
	_context_ struct cor_context *ctx = NULL;
	int r = 0;

	if (tail && !text_same(tail, "all"))
		r = arguments_number(args, "tail", -1, INT64_MAX, &options.tail, err);
	if (r == 0)
		r = moment(args, "since", &options.since_ns, err);
	if (r == 0)
		r = moment(args, "until", &options.until_ns, err);
	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = cor_container_logs(ctx, args->operands[0], &options, err);
	if (r == -EPIPE) {
		*ret_status = 128 + SIGPIPE;
		r = 0;
	}
	return r;
}

static const struct option logs_options[] = {
	{"follow", 'f', NULL, "go on with what comes until the container ends"},
	{"boot", '\0', NULL, "the console of the container's machine instead"},
	{"tail", 'n', "LINES", "only the last lines; 'all' for all of them"},
	{"timestamps", 't', NULL, "put the time before each line"},
	{"since", '\0', "TIME", "only what came later: a time, or a duration such as 10m"},
	{"until", '\0', "TIME", "only what came before: a time, or a duration such as 10m"},
	{0},
};
static const struct option_group logs_group = {"Options", logs_options};
const struct command command_logs = {
	.name = "logs",
	.operands = "CONTAINER",
	.min = 1,
	.max = 1,
	.summary = "print what a container wrote",
	.text = "What it wrote to its standard error comes out at standard error.",
	.examples = "coracle logs -f --tail 20 web\ncoracle logs --since 10m -t web\ncoracle logs --boot web",
	.groups = (const struct option_group *const[]){&logs_group, NULL},
	.offer = OFFER_CONTAINERS,
	.run = logs_run,
};
