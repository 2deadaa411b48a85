/* SPDX-License-Identifier: Apache-2.0 */
/* exec: a further process in a running container. */
#include "cli/context.h"
#include "cli/foreground.h"
#include "cli/process.h"

static const struct option exec_options[] = {
	{"detach", 'd', NULL, "leave the process running and print nothing"},
	{"privileged", '\0', NULL, "give the process all capabilities"},
	{0},
};
static const struct option_group exec_group = {"Options", exec_options};

static int exec_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_words_ struct words env = {0};
	_foreground_ struct foreground fg = {0};
	_context_ struct cor_context *ctx = NULL;
	struct cor_process_options process;
	struct cor_session *session = NULL;
	const char *ref = args->operands[0];
	bool detach = arguments_flag(args, "detach", false);
	int r = process_environment(args, &env, err);

	if (r < 0)
		return r;
	process_fill(&process, args, &env, args->operands + 1);
	process.privileged = arguments_flag(args, "privileged", false);
	if (!detach)
		r = foreground_init(&fg, args, process.interactive, process.terminal, "leave --tty away",
				    err);
	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r < 0)
		return r;
	if (detach)
		return cor_container_exec(ctx, ref, &process, NULL, NULL, err);
	process.rows = fg.rows;
	process.columns = fg.columns;
	fg.name = ref;
	foreground_prepare(&fg);
	r = cor_container_exec(ctx, ref, &process, &fg.streams, &session, err);
	return r < 0 ? r : foreground_run(&fg, session, ret_status, err);
}

static const struct option_group *const exec_groups[] = {&exec_group, &process_group, &foreground_group,
							 NULL};
const struct command command_exec = {
	.name = "exec",
	.ends_as_process = true,
	.operands = "CONTAINER COMMAND [ARG...]",
	.min = 2,
	.max = COMMAND_ANY,
	.operand_ends = true,
	.summary = "run a further process in a running container",
	.text = "The exit status is that of the process, with 125, 126, 127 and 128+N as for 'coracle run'.",
	.examples = "coracle exec -it web sh\ncoracle exec web cat /etc/os-release\n"
		    "coracle exec -i db restore <dump",
	.groups = exec_groups,
	.offer = OFFER_RUNNING,
	.run = exec_run,
};
