/* SPDX-License-Identifier: Apache-2.0 */
/* A hidden command for shells: the names that completion offers, one a line. It never complains: a person is typing something else. */
#include "cli/context.h"

#include "cli/output.h"

#include <stdio.h>
#include <string.h>

static void print_containers(struct cor_context *ctx, bool all)
{
	struct cor_container_list list = {0};

	if (cor_container_list(ctx, all, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		puts(list.items[i].name);
	cor_container_list_release(&list);
}

/* Without what is taken for granted: "busybox", not "docker.io/library/busybox:latest". */
static void print_familiar(const char *name)
{
	const char *familiar = text_after(name, "docker.io/library/");
	size_t length;

	if (!familiar)
		familiar = text_after(name, "docker.io/");
	familiar = familiar ? familiar : name;
	length = strlen(familiar);
	if (length > 7 && text_same(familiar + length - 7, ":latest"))
		length -= 7;
	printf("%.*s\n", (int)length, familiar);
}

static void print_images(struct cor_context *ctx)
{
	struct cor_image_list list = {0};

	if (cor_image_list(ctx, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		for (size_t j = 0; j < list.items[i].names.count; j++)
			print_familiar(list.items[i].names.items[j]);
	cor_image_list_release(&list);
}

static void print_registries(struct cor_context *ctx)
{
	_json_ json_t *list = NULL;
	char *text = NULL;
	json_t *item;
	size_t i;

	if (cor_registry_list(ctx, NULL, &text, NULL) < 0 || output_parse(text, &list, NULL) < 0)
		return;
	json_array_foreach (list, i, item) {
		const char *name = json_string_value(json_object_get(item, "Registry"));

		if (name)
			puts(name);
	}
}

static void print_volumes(struct cor_context *ctx)
{
	struct cor_volume_list list = {0};

	if (cor_volume_list(ctx, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++)
		puts(list.items[i].name);
	cor_volume_list_release(&list);
}

static int names_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;

	if (cor_open(NULL, &ctx, NULL) < 0)
		return 0;
	if (text_same(args->operands[0], "images"))
		print_images(ctx);
	else if (text_same(args->operands[0], "registries"))
		print_registries(ctx);
	else if (text_same(args->operands[0], "volumes"))
		print_volumes(ctx);
	else
		print_containers(ctx, text_same(args->operands[0], "containers"));
	return 0;
}

const struct command command_names = {
	.name = "__names",
	.operands = "KIND",
	.min = 1,
	.max = 1,
	.hidden = true,
	.summary = "names for completion",
	.run = names_run,
};
