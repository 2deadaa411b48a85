/* SPDX-License-Identifier: Apache-2.0 */
/* start and attach: containers that exist already, so whether they have a terminal is asked of them. */
#include "cli/context.h"
#include "cli/foreground.h"
#include "cli/report.h"

#include <stdio.h>

static const struct option start_options[] = {
	{"attach", 'a', NULL, "stay in the foreground with the container's output"},
	{"interactive", 'i', NULL, "also pass on standard input; implies --attach"},
	{"timings", '\0', NULL, "print the stages of the start at the end, with --attach"},
	{"trace", '\0', "FILE", "write what took which time, for chrome://tracing or Perfetto"},
	{0},
};
static const struct option_group start_group = {"Options", start_options};

static int start_attached(struct cor_context *ctx, const struct arguments *args, int *ret_status,
			  struct cor_error *err)
{
	_foreground_ struct foreground fg = {0};
	struct cor_session *session = NULL;
	bool terminal, open;
	int r = context_streams(ctx, args->operands[0], &terminal, &open, err);

	if (r == 0)
		r = foreground_init(&fg, args, open && arguments_flag(args, "interactive", false), terminal,
				    "leave --interactive away", err);
	if (r < 0)
		return r;
	fg.name = args->operands[0];
	fg.timings = arguments_flag(args, "timings", false);
	fg.trace = arguments_text(args, "trace");
	fg.streams.trace = fg.timings || fg.trace;
	fg.starts = true;
	foreground_prepare(&fg);
	r = cor_container_start(ctx, args->operands[0], &fg.streams, &session, err);
	return r < 0 ? r : foreground_run(&fg, session, ret_status, err);
}

static int start_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	bool attach = arguments_flag(args, "attach", false) || arguments_flag(args, "interactive", false);
	int r;

	if (attach && args->operand_count > 1)
		return report_usage(err, "'start --attach' takes one container");
	r = cor_open(NULL, &ctx, err);
	if (r < 0 || attach)
		return r < 0 ? r : start_attached(ctx, args, ret_status, err);
	for (size_t i = 0; i < args->operand_count; i++) {
		struct cor_error one = {0};

		if (cor_container_start(ctx, args->operands[i], NULL, NULL, &one) < 0) {
			report_error(&one);
			*ret_status = 1;
		} else {
			puts(args->operands[i]);
			fflush(stdout);
		}
	}
	return 0;
}

static const struct option_group *const start_groups[] = {&start_group, &foreground_group, NULL};
const struct command command_start = {
	.name = "start",
	.ends_as_process = true,
	.operands = "CONTAINER...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "start containers that were made or have ended",
	.text = "With --attach one container, whose exit status is the command's.",
	.examples = "coracle start web db\ncoracle start -ai shell",
	.groups = start_groups,
	.offer = OFFER_CONTAINERS,
	.run = start_run,
};

static const struct option attach_options[] = {
	{"no-stdin", '\0', NULL, "do not pass on standard input"},
	{0},
};
static const struct option_group attach_group = {"Options", attach_options};

static int attach_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_foreground_ struct foreground fg = {0};
	_context_ struct cor_context *ctx = NULL;
	struct cor_session *session = NULL;
	bool terminal, open;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = context_streams(ctx, args->operands[0], &terminal, &open, err);
	if (r == 0)
		r = foreground_init(&fg, args, open && !arguments_flag(args, "no-stdin", false), terminal,
				    "--no-stdin takes its output alone", err);
	if (r < 0)
		return r;
	fg.name = args->operands[0];
	foreground_prepare(&fg);
	r = cor_container_attach(ctx, args->operands[0], &fg.streams, &session, err);
	return r < 0 ? r : foreground_run(&fg, session, ret_status, err);
}

static const struct option_group *const attach_groups[] = {&attach_group, &foreground_group, NULL};
const struct command command_attach = {
	.name = "attach",
	.ends_as_process = true,
	.operands = "CONTAINER",
	.min = 1,
	.max = 1,
	.summary = "join a running container's streams",
	.text = "The keys ctrl-p ctrl-q leave a container with a terminal running. A reader that is too slow "
		"is let go, so that it does not slow "
		"the container; 'coracle logs -f' misses nothing.",
	.groups = attach_groups,
	.offer = OFFER_RUNNING,
	.run = attach_run,
};
