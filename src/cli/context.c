/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that take many containers go on after one that fails, as rm and kill do everywhere. */
#include "cli/context.h"

#include "cli/arguments.h"
#include "cli/output.h"
#include "cli/report.h"

void context_freep(struct cor_context **ctx)
{
	if (*ctx)
		cor_close(*ctx);
}

void cor_freep(char **text)
{
	cor_free(*text);
}

/* What is meant: the operands, or with --all every container (running: those alone). */
static int gather(struct cor_context *ctx, const struct arguments *args, struct words *refs,
		  struct cor_error *err)
{
	struct cor_container_list list = {0};
	bool running = args->command->offer == OFFER_RUNNING;
	int r;

	for (size_t i = 0; i < args->operand_count; i++)
		words_add(refs, args->operands[i]);
	if (!arguments_flag(args, "all", false)) {
		if (!refs->count)
			return report_usage(err, "'%s' needs a container, or --all", args->command->name);
		return 0;
	}
	if (refs->count)
		return report_usage(err, "'%s' takes containers or --all, not both", args->command->name);
	r = cor_container_list(ctx, !running, &list, err);
	for (size_t i = 0; r == 0 && i < list.count; i++)
		words_add(refs, list.items[i].id);
	cor_container_list_release(&list);
	return r;
}

static void each(struct cor_context *ctx, char *const *refs, size_t count,
		 int (*act)(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err),
		 void *data, int *ret_status)
{
	for (size_t i = 0; i < count; i++) {
		struct cor_error one = {0};

		if (act(ctx, refs[i], data, &one) < 0) {
			report_error(&one);
			*ret_status = 1;
		}
	}
}

int context_operands(const struct arguments *args,
		     int (*act)(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err),
		     void *data, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		each(ctx, args->operands, args->operand_count, act, data, ret_status);
	return r;
}

int context_each(struct cor_context *ctx, const struct arguments *args,
		 int (*act)(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err),
		 void *data, int *ret_status, struct cor_error *err)
{
	_words_ struct words refs = {0};
	int r = gather(ctx, args, &refs, err);

	if (r == 0)
		each(ctx, refs.items, refs.count, act, data, ret_status);
	return r;
}

int context_streams(struct cor_context *ctx, const char *ref, bool *ret_terminal, bool *ret_interactive,
		    struct cor_error *err)
{
	_json_ json_t *facts = NULL;
	char *text = NULL;
	json_t *config;
	int r = cor_container_inspect(ctx, ref, &text, err);

	if (r == 0)
		r = output_parse(text, &facts, err);
	if (r < 0)
		return r;
	config = json_object_get(facts, "Config");
	*ret_terminal = json_is_true(json_object_get(config, "Tty"));
	*ret_interactive = json_is_true(json_object_get(config, "OpenStdin"));
	return 0;
}
