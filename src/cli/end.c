/* SPDX-License-Identifier: Apache-2.0 */
/* stop, kill, rm and wait: what ends containers or waits for their end. They print what was named, one line each, when it is done. */
#include "cli/context.h"

#include "cli/arguments.h"
#include "cli/report.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>

/* Lines appear as each is done, not when all are. */
static void done(const char *ref)
{
	puts(ref);
	fflush(stdout);
}

/* ---- stop ---- */

static int stop_one(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err)
{
	int r = cor_container_stop(ctx, ref, *(int *)data, err);

	if (r == 0)
		done(ref);
	return r;
}

static int stop_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	int64_t seconds = 0;
	int timeout = -1;
	int r = arguments_number(args, "timeout", -1, INT_MAX, &seconds, err);

	/* The library's negative number means the container's own time; for ever is as long as it can say. */
	if (arguments_given(args, "timeout"))
		timeout = seconds < 0 ? INT_MAX : (int)seconds;
	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	return r < 0 ? r : context_each(ctx, args, stop_one, &timeout, ret_status, err);
}

static const struct option stop_options[] = {
	{"timeout", 't', "SECONDS",
	 "how long to wait before killing; -1: for ever (default: the container's)"},
	OPTION_ALL("stop every running container"),
	{0},
};
static const struct option_group stop_group = {"Options", stop_options};
const struct command command_stop = {
	.name = "stop",
	.operands = "CONTAINER...",
	.max = COMMAND_ANY,
	.summary = "ask containers to end, kill those that do not",
	.text = "Sends the container's stop signal and waits; then kills. Stopping a container that has "
		"ended is no error.",
	.groups = (const struct option_group *const[]){&stop_group, NULL},
	.offer = OFFER_RUNNING,
	.run = stop_run,
};

/* ---- kill ---- */

static int kill_one(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err)
{
	int r = cor_container_kill(ctx, ref, *(int *)data, err);

	if (r == 0)
		done(ref);
	return r;
}

static int kill_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	const char *name = arguments_text(args, "signal");
	int number = SIGKILL;
	int r;

	if (name && cor_signal_parse(name, &number) < 0)
		return report_usage(
			err, "--signal '%s' is no signal; try KILL, TERM or a number from 1 to 64", name);
	r = cor_open(NULL, &ctx, err);
	return r < 0 ? r : context_each(ctx, args, kill_one, &number, ret_status, err);
}

static const struct option kill_options[] = {
	{"signal", 's', "SIGNAL", "what to send, by name or number (default KILL)", .offer = OFFER_SIGNALS},
	OPTION_ALL("signal every running container"),
	{0},
};
static const struct option_group kill_group = {"Options", kill_options};
const struct command command_kill = {
	.name = "kill",
	.operands = "CONTAINER...",
	.max = COMMAND_ANY,
	.summary = "send a signal to running containers",
	.examples = "coracle kill web\ncoracle kill -s HUP web",
	.groups = (const struct option_group *const[]){&kill_group, NULL},
	.offer = OFFER_RUNNING,
	.run = kill_run,
};

/* ---- rm ---- */

struct removal {
	bool force, volumes;
};

static int rm_one(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err)
{
	const struct removal *removal = data;
	bool force = removal->force;
	int r = removal->volumes ? cor_container_remove_all(ctx, ref, force, err)
				 : cor_container_remove(ctx, ref, force, err);

	if (r == 0)
		done(ref);
	/* --force makes sure that it is gone; a word tells of a name that was mistyped. */
	if (r < 0 && force && err->status == COR_NOT_FOUND) {
		report_error(err);
		return 0;
	}
	return r;
}

static int rm_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	struct removal removal = {arguments_flag(args, "force", false),
				  arguments_flag(args, "volumes", false)};
	int r = cor_open(NULL, &ctx, err);

	return r < 0 ? r : context_each(ctx, args, rm_one, &removal, ret_status, err);
}

static const struct option rm_options[] = {
	{"force", 'f', NULL, "kill those that run; what is not there is no failure"},
	{"volumes", 'v', NULL, "with their anonymous volumes"},
	OPTION_ALL("remove every container"),
	{0},
};
static const struct option_group rm_group = {"Options", rm_options};
const struct command command_rm = {
	.name = "rm",
	.aliases = "delete remove",
	.operands = "CONTAINER...",
	.max = COMMAND_ANY,
	.summary = "remove containers",
	.text = "The names of removed containers are free at once. Images stay, and so do volumes that "
		"somebody named.",
	.examples = "coracle rm web\ncoracle rm -f $(coracle ls -aq)",
	.groups = (const struct option_group *const[]){&rm_group, NULL},
	.offer = OFFER_CONTAINERS,
	.run = rm_run,
};

/* ---- wait ---- */

static int wait_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	int r = cor_open(NULL, &ctx, err);

	for (size_t i = 0; r == 0 && i < args->operand_count; i++) {
		struct cor_error one = {0};
		struct cor_exit end = {0};

		if (cor_container_wait(ctx, args->operands[i], &end, &one) < 0) {
			report_error(&one);
			*ret_status = 1;
			continue;
		}
		printf("%d\n", end.code);
		fflush(stdout);
		if (end.reason[0])
			report_note("'%s': %s", args->operands[i], end.reason);
	}
	return r;
}

const struct command command_wait = {
	.name = "wait",
	.operands = "CONTAINER...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "wait until containers have ended and print their exit statuses",
	.offer = OFFER_CONTAINERS,
	.run = wait_run,
};
