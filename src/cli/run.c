/* SPDX-License-Identifier: Apache-2.0 */
/* run and create. run is create, start and, in the foreground, a session. With --rm the shim removes the container when it ends; one that never started
 * has no shim, so that is done here. */
#include "cli/container.h"
#include "cli/context.h"
#include "cli/foreground.h"
#include "cli/pull.h"
#include "cli/report.h"

#include <errno.h>
#include <stdio.h>

static const struct option run_options[] = {
	{"detach", 'd', NULL, "print the id and leave the container running"},
	{"timings", '\0', NULL, "print the stages of the start, on standard error, at the end"},
	{"trace", '\0', "FILE", "write what took which time, for chrome://tracing or Perfetto"},
	{0},
};
static const struct option_group run_group = {"Options", run_options};

/* Makes the container, with the image pulled before or when it turns out to be missing, as --pull says. */
static int create(struct cor_context *ctx, const struct container_request *request,
		  const struct arguments *args, char **ret_id, int *ret_status, struct cor_error *err)
{
	const char *cidfile = arguments_text(args, "cidfile");
	int r = pull_before(ctx, args, ret_status, err);

	if (r < 0)
		return r;
	r = container_request_create(ctx, request, cidfile, ret_id, err);
	if (r == 0)
		return 0;
	r = pull_after(ctx, args, r, ret_status, err);
	return r < 0 ? r : container_request_create(ctx, request, cidfile, ret_id, err);
}

static int create_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_request_ struct container_request request;
	_context_ struct cor_context *ctx = NULL;
	_returned_ char *id = NULL;
	int r = container_request_fill(&request, args, err);

	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = create(ctx, &request, args, &id, ret_status, err);
	if (r == 0)
		puts(id);
	return r;
}

/* A start that failed leaves nothing behind where nothing was to stay. */
static int start(struct cor_context *ctx, const char *id, struct container_request *request,
		 const struct cor_streams *streams, struct cor_session **session, struct cor_error *err)
{
	const char *const *words = request->options.process.args;
	int r = cor_container_start(ctx, id, streams, session, err);
	struct cor_error why = *err;

	if (r < 0 && request->options.auto_remove)
		cor_container_remove(ctx, id, true, NULL);
	/* What everybody types once: "run IMAGE -it sh". */
	if (r < 0 && why.status == COR_NO_EXECUTABLE && words && words[0][0] == '-')
		report_fail(err, why.status, why.err, "%s; options of coracle stand before the image",
			    why.msg);
	return r;
}

static int run_detached(struct cor_context *ctx, struct container_request *request,
			const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_returned_ char *id = NULL;
	int r = create(ctx, request, args, &id, ret_status, err);

	if (r == 0)
		r = start(ctx, id, request, NULL, NULL, err);
	if (r == 0)
		puts(id);
	return r;
}

static int run_foreground(struct cor_context *ctx, struct container_request *request,
			  const struct arguments *args, int *ret_status, struct cor_error *err)
{
	struct cor_process_options *process = &request->options.process;
	_foreground_ struct foreground fg = {0};
	struct cor_session *session = NULL;
	_returned_ char *id = NULL;
	_text_ char *short_id = NULL;
	int r = foreground_init(&fg, args, process->interactive, process->terminal, "leave --tty away", err);

	if (r < 0)
		return r;
	process->rows = fg.rows;
	process->columns = fg.columns;
	r = create(ctx, request, args, &id, ret_status, err);
	if (r < 0)
		return r;
	short_id = text_format("%.12s", id);
	fg.name = request->options.name ? request->options.name : short_id;
	fg.timings = arguments_flag(args, "timings", false);
	fg.trace = arguments_text(args, "trace");
	fg.streams.trace = fg.timings || fg.trace;
	fg.starts = true;
	foreground_prepare(&fg);
	r = start(ctx, id, request, &fg.streams, &session, err);
	return r < 0 ? r : foreground_run(&fg, session, ret_status, err);
}

static int run_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_request_ struct container_request request;
	_context_ struct cor_context *ctx = NULL;
	bool detach = arguments_flag(args, "detach", false);
	int r = container_request_fill(&request, args, err);

	if (r < 0)
		return r;
	if (detach && (arguments_flag(args, "timings", false) || arguments_text(args, "trace")))
		return report_usage(err, "--timings and --trace need the foreground; leave --detach away");
	r = cor_open(NULL, &ctx, err);
	if (r < 0)
		return r;
	return detach ? run_detached(ctx, &request, args, ret_status, err)
		      : run_foreground(ctx, &request, args, ret_status, err);
}

static const struct option_group *const run_groups[] = {
	&run_group,      &pull_policy_group, &process_group, &container_group,
	&resource_group, &security_group,    &data_group,    &network_group,
	&machine_group,  &foreground_group,  NULL,
};
const struct command command_run = {
	.name = "run",
	.ends_as_process = true,
	.operands = "IMAGE [COMMAND [ARG...]]",
	.min = 1,
	.max = COMMAND_ANY,
	.operand_ends = true,
	.summary = "run a container in a machine of its own",
	.text = "Makes a container of IMAGE, starts a virtual machine for it, and runs COMMAND, or what the "
		"image says, in it. In the "
		"foreground the exit status is that of the process: 125 when coracle itself failed, 126 when "
		"the program cannot be "
		"executed, 127 when it is not there, 128+N when signal N ended it.\n\n"
		"An image that is not here is pulled first. Options stand before IMAGE; what follows it "
		"belongs "
		"to the command.",
	.examples = "coracle run --rm busybox echo hello\n"
		    "coracle run --rm -it debian:12 bash\n"
		    "coracle run -d --name web --memory 1g --cpus 2 web-server\n"
		    "echo data | coracle run --rm -i busybox wc -c",
	.groups = run_groups,
	.offer = OFFER_IMAGES,
	.run = run_run,
};

static const struct option_group *const create_groups[] = {
	&pull_policy_group, &process_group,  &container_group,
	&resource_group,    &security_group, &data_group,
	&network_group,     &machine_group,  NULL,
};
const struct command command_create = {
	.name = "create",
	.operands = "IMAGE [COMMAND [ARG...]]",
	.min = 1,
	.max = COMMAND_ANY,
	.operand_ends = true,
	.summary = "make a container without starting it",
	.text = "Prints its id. 'coracle start' runs it. An image that is not here is pulled first.",
	.examples =
		"coracle create --name job busybox sh -c 'sleep 5; echo done'\ncoracle start --attach job",
	.groups = create_groups,
	.offer = OFFER_IMAGES,
	.run = create_run,
};
