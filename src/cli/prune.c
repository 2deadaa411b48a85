/* SPDX-License-Identifier: Apache-2.0 */
/* prune (containers), image prune and system prune (both). What went is told on standard output, a line each; how much room that made on standard
 * error. */
#include "cli/prune.h"

#include "cli/confirm.h"
#include "cli/context.h"
#include "cli/labels.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/value.h"

#include <stdio.h>
#include <string.h>

/* What --all and --filter say. */
struct pruning {
	bool all;
	int64_t before_ns;
	struct words labels; /* borrowed by the options of libcoracle */
};

static void pruning_release(struct pruning *pruning)
{
	words_release(&pruning->labels);
}
#define _pruning_ _cleanup_(pruning_release)

/* ---- filters ---- */

static int take_filter(struct pruning *pruning, const char *filter, bool images, struct cor_error *err)
{
	const char *until = text_after(filter, "until="), *label = text_after(filter, "label=");

	if (label && *label) {
		words_add(&pruning->labels, label);
		return 0;
	}
	if (until) {
		if (value_moment(until, value_now(), &pruning->before_ns) == 0 && pruning->before_ns > 0)
			return 0;
		return report_usage(
			err, "--filter '%s': must be a time (2026-01-31T12:00:00Z) or a duration (24h)",
			filter);
	}
	if (images && text_among("dangling=true dangling=false", filter)) {
		pruning->all = text_same(filter, "dangling=false");
		return 0;
	}
	return report_usage(err, "--filter '%s': there is until=TIME, label=KEY[=VALUE]%s", filter,
			    images ? ", dangling=false" : "");
}

static int pruning_fill(struct pruning *pruning, const struct arguments *args, bool images,
			struct cor_error *err)
{
	const struct words *filters = arguments_words(args, "filter");
	int r = 0;

	*pruning = (struct pruning){.all = images && arguments_flag(args, "all", false)};
	for (size_t i = 0; r == 0 && i < filters->count; i++)
		r = take_filter(pruning, filters->items[i], images, err);
	return r;
}

/* ---- containers ---- */

static bool is_meant(const struct cor_container_info *info, const struct pruning *pruning)
{
	if (info->status == COR_RUNNING || (pruning->before_ns && info->created_ns >= pruning->before_ns))
		return false;
	for (size_t i = 0; i < pruning->labels.count; i++)
		if (!labels_have(&info->labels, pruning->labels.items[i]))
			return false;
	return true;
}

/* What containers take of the disk by now; 0 where that cannot be said. */
static uint64_t containers_size(struct cor_context *ctx)
{
	_json_ json_t *facts = NULL;
	char *text = NULL;
	json_int_t size = 0;

	if (cor_system_df(ctx, &text, NULL) < 0 || output_parse(text, &facts, NULL) < 0)
		return 0;
	size = json_integer_value(json_object_get(json_object_get(facts, "Containers"), "Size"));
	return size > 0 ? (uint64_t)size : 0;
}

/* Adds to *reclaimed. One that has been started meanwhile, or removed, is left alone. */
static int prune_containers(struct cor_context *ctx, const struct pruning *pruning, uint64_t *reclaimed,
			    int *ret_status, struct cor_error *err)
{
	struct cor_container_list list = {0};
	uint64_t before = 0, after;
	bool any = false;
	int r = cor_container_list(ctx, true, &list, err);

	for (size_t i = 0; r == 0 && i < list.count; i++) {
		struct cor_error one = {0};

		if (!is_meant(&list.items[i], pruning))
			continue;
		before = any ? before : containers_size(ctx);
		any = true;
		if (cor_container_remove(ctx, list.items[i].id, false, &one) == 0) {
			printf("removed: container %.12s\n", list.items[i].id);
		} else if (one.status != COR_BUSY && one.status != COR_NOT_FOUND) {
			report_error(&one);
			*ret_status = 1;
		}
	}
	cor_container_list_release(&list);
	after = any ? containers_size(ctx) : 0;
	*reclaimed += before > after ? before - after : 0;
	return r;
}

/* ---- images ---- */

static int prune_images(struct cor_context *ctx, const struct pruning *pruning, uint64_t *reclaimed,
			struct cor_error *err)
{
	struct cor_image_prune_options options = {
		.all = pruning->all,
		.before_ns = pruning->before_ns,
		.labels = words_list(&pruning->labels),
	};
	struct cor_strings removed = {0};
	uint64_t bytes = 0;
	int r = cor_image_prune(ctx, &options, &removed, &bytes, err);

	for (size_t i = 0; i < removed.count; i++)
		puts(removed.items[i]);
	cor_strings_release(&removed);
	*reclaimed += r == 0 ? bytes : 0;
	return r;
}

/* ---- volumes ---- */

static int prune_volumes(struct cor_context *ctx, const struct pruning *pruning, uint64_t *reclaimed,
			 struct cor_error *err)
{
	struct cor_volume_prune_options options = {.labels = words_list(&pruning->labels)};
	struct cor_strings removed = {0};
	uint64_t bytes = 0;
	int r = cor_volume_prune(ctx, &options, &removed, &bytes, err);

	for (size_t i = 0; i < removed.count; i++)
		printf("removed: volume %s\n", removed.items[i]);
	cor_strings_release(&removed);
	*reclaimed += r == 0 ? bytes : 0;
	return r;
}

/* ---- the commands ---- */

static int prune_templates(struct cor_context *ctx, uint64_t *reclaimed, struct cor_error *err)
{
	uint64_t bytes = 0;
	unsigned count;
	int r = cor_template_prune(ctx, &count, &bytes, err);

	*reclaimed += bytes;
	return r;
}

void prune_total(uint64_t bytes)
{
	_text_ char *size = table_size(bytes);

	fflush(stdout);
	fprintf(stderr, "Total reclaimed space: %s\n", size);
}

static int prune(const struct arguments *args, bool containers, bool images, bool volumes, int *ret_status,
		 struct cor_error *err)
{
	bool templates = containers && images;

	_pruning_ struct pruning pruning = {0};
	_context_ struct cor_context *ctx = NULL;
	_text_ char *what = NULL;
	uint64_t reclaimed = 0;
	int r = pruning_fill(&pruning, args, images, err);

	/* A volume has no age that says whether it is wanted. */
	if (r == 0 && volumes && pruning.before_ns)
		r = report_usage(err, "--filter until= does not go with --volumes");
	if (r < 0)
		return r;
	what = text_format(
		"%s%s%s%s%s%s", containers ? "  - all containers that do not run\n" : "",
		!images       ? ""
		: pruning.all ? "  - all images that no container uses\n"
			      : "  - all images without a name that no container uses\n",
		volumes ? "  - all anonymous volumes that no container has, and what they hold\n" : "",
		arguments_given(args, "filter") ? "  of them, those that --filter leaves\n" : "",
		images ? "  - what came of pulls that were interrupted\n" : "",
		templates ? "  - saved machines, which are made again when they are needed\n" : "");
	r = confirm(args, what, err);
	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0 && containers)
		r = prune_containers(ctx, &pruning, &reclaimed, ret_status, err);
	if (r == 0 && images)
		r = prune_images(ctx, &pruning, &reclaimed, err);
	if (r == 0 && volumes)
		r = prune_volumes(ctx, &pruning, &reclaimed, err);
	if (r == 0 && templates)
		r = prune_templates(ctx, &reclaimed, err);
	if (r < 0)
		return r;
	prune_total(reclaimed);
	return 0;
}

static int containers_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	return prune(args, true, false, false, ret_status, err);
}

static int images_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	return prune(args, false, true, false, ret_status, err);
}

static int system_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	return prune(args, true, true, arguments_flag(args, "volumes", false), ret_status, err);
}

#define OPTION_FILTER                                                                                        \
	{                                                                                                    \
		"filter", '\0', "KEY=VALUE",                                                                 \
			"only what is older (until=24h) or has a label (label=KEY[=VALUE])", .repeats = true \
	}

static const struct option containers_options[] = {OPTION_FORCE, OPTION_FILTER, {0}};
static const struct option_group containers_group = {"Options", containers_options};
const struct command command_prune = {
	.name = "prune",
	.summary = "remove all containers that do not run",
	.text = "Asks first. Images stay: 'coracle image prune' and 'coracle system prune' remove those.",
	.examples = "coracle prune\ncoracle prune -f --filter until=24h",
	.groups = (const struct option_group *const[]){&containers_group, NULL},
	.run = containers_run,
};

static const struct option images_options[] = {
	{"all", 'a', NULL, "also images that have a name"},
	OPTION_FORCE,
	OPTION_FILTER,
	{0},
};
static const struct option_group images_group = {"Options", images_options};
const struct command command_image_prune = {
	.name = "prune",
	.summary = "remove images without a name that no container uses",
	.text = "With them goes what no image needs any more: layers, and parts of pulls that nobody goes on "
		"with. Asks first. A pull that is at work is not disturbed.",
	.examples = "coracle image prune\n"
		    "coracle image prune -af --filter until=240h\n"
		    "coracle image prune -f --filter label=stage=build",
	.groups = (const struct option_group *const[]){&images_group, NULL},
	.run = images_run,
};

static const struct option system_options[] = {
	{"all", 'a', NULL, "also images that have a name"},
	{"volumes", '\0', NULL, "also anonymous volumes that no container has"},
	OPTION_FORCE,
	OPTION_FILTER,
	{0},
};
static const struct option_group system_group = {"Options", system_options};
const struct command command_system_prune = {
	.name = "prune",
	.summary = "remove stopped containers, unnamed images, saved machines",
	.text = "'coracle prune' and 'coracle image prune' in one, and the machines that were saved so that "
		"others "
		"begin from them. Asks first, and says what will go.",
	.examples = "coracle system prune\ncoracle system prune -af --volumes",
	.groups = (const struct option_group *const[]){&system_group, NULL},
	.run = system_run,
};
