/* SPDX-License-Identifier: Apache-2.0 */
/* inspect and image inspect. */
#include "cli/inspect.h"

#include "cli/output.h"

/* A name may be a container's or an image's; containers come first. The error is the container's: it is what most people mean. */
static int inspect_any(struct cor_context *ctx, const char *ref, char **ret_json, struct cor_error *err)
{
	int r = cor_container_inspect(ctx, ref, ret_json, err);
	struct cor_error other;

	if (r < 0 && (err->status == COR_NOT_FOUND || err->status == COR_INVALID)) {
		int found = cor_image_inspect(ctx, ref, ret_json, &other);

		r = found == 0 ? 0 : r;
	}
	return r;
}

struct inspection {
	inspect_fn *inspect;
	json_t *array;
};

static int inspect_one(struct cor_context *ctx, const char *ref, void *data, struct cor_error *err)
{
	struct inspection *inspection = data;
	json_t *object = NULL;
	char *text = NULL;
	int r = inspection->inspect(ctx, ref, &text, err);

	if (r == 0)
		r = output_parse(text, &object, err);
	if (r == 0)
		json_array_append_new(inspection->array, object);
	return r;
}

int inspect_all(const struct arguments *args, inspect_fn *inspect, int *ret_status, struct cor_error *err)
{
	_json_ json_t *array = json_array();
	struct inspection inspection = {.inspect = inspect, .array = array};
	int r = context_operands(args, inspect_one, &inspection, ret_status, err);

	if (r == 0)
		output_document(output_format(args, OUTPUT_JSON), array);
	return r;
}

static int inspect_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	const char *type = arguments_text(args, "type");
	inspect_fn *inspect = text_same(type, "image") ? cor_image_inspect
			      : type                   ? cor_container_inspect
						       : inspect_any;

	return inspect_all(args, inspect, ret_status, err);
}

static const struct option inspect_options[] = {
	{"type", '\0', "TYPE", "what is meant where a name is both: container or image",
	 .choices = "container image"},
	{0},
};
static const struct option_group inspect_group = {"Options", inspect_options};
const struct command command_inspect = {
	.name = "inspect",
	.operands = "NAME...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "print all about containers or images, as a JSON array",
	.examples = "coracle inspect web | jq '.[0].State'\ncoracle inspect --format yaml web",
	.groups = (const struct option_group *const[]){&inspect_group, &output_inspect_group, NULL},
	.offer = OFFER_CONTAINERS,
	.run = inspect_run,
};

static int image_inspect_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	return inspect_all(args, cor_image_inspect, ret_status, err);
}

const struct command command_image_inspect = {
	.name = "inspect",
	.operands = "IMAGE...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "print all about images, as a JSON array",
	.groups = (const struct option_group *const[]){&output_inspect_group, NULL},
	.offer = OFFER_IMAGES,
	.run = image_inspect_run,
};
