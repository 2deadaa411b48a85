/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the fake libcoracle that knows volumes: "data", which container "db" has, and "old", which nobody has. */
#include "fake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cor_volume_create(struct cor_context *ctx, const struct cor_volume_options *options, char **ret_name,
		      struct cor_error *err)
{
	const char *name = options->name ? options->name : ID;

	fake_call("volume create %s size=%llu", name, (unsigned long long)options->size);
	for (const char *const *label = options->labels; label && *label; label++)
		fake_call("label=%s", *label);
	for (const char *const *option = options->options; option && *option; option++)
		fake_call("opt=%s", *option);
	if (strcmp(name, "data") == 0)
		return fake_fail(err, COR_EXISTS, EEXIST, "there is a volume 'data' already");
	*ret_name = strdup(name);
	return 0;
}

int cor_volume_list(struct cor_context *ctx, struct cor_volume_list *ret, struct cor_error *err)
{
	ret->items = calloc(2, sizeof(*ret->items));
	ret->count = 2;
	ret->items[0] = (struct cor_volume_info){.name = strdup("data"),
						 .size = UINT64_C(20000000000),
						 .used = 1500000,
						 .journal = true,
						 .created_ns = 1700000000000000000};
	ret->items[1] = (struct cor_volume_info){
		.name = strdup("old"), .size = UINT64_C(1000000000), .anonymous = true, .created_ns = 1};
	fake_add(&ret->items[0].labels, "team=a");
	fake_add(&ret->items[0].containers, "db");
	return 0;
}

void cor_volume_list_release(struct cor_volume_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].name);
		cor_strings_release(&list->items[i].labels);
		cor_strings_release(&list->items[i].containers);
	}
	free(list->items);
}

int cor_volume_inspect(struct cor_context *ctx, const char *name, char **ret_json, struct cor_error *err)
{
	if (strcmp(name, "data") != 0)
		return fake_fail(err, COR_NOT_FOUND, ENOENT, "there is no volume '%s'", name);
	*ret_json = strdup("{\"Name\": \"data\"}");
	return 0;
}

int cor_volume_remove(struct cor_context *ctx, const char *name, struct cor_error *err)
{
	fake_call("volume rm %s", name);
	if (strcmp(name, "data") == 0)
		return fake_fail(err, COR_BUSY, EBUSY, "container 'db' has volume 'data'");
	return strcmp(name, "old") == 0
		       ? 0
		       : fake_fail(err, COR_NOT_FOUND, ENOENT, "there is no volume '%s'", name);
}

int cor_volume_prune(struct cor_context *ctx, const struct cor_volume_prune_options *options,
		     struct cor_strings *ret_removed, uint64_t *ret_reclaimed, struct cor_error *err)
{
	fake_call("volume prune all=%d", options->all);
	for (const char *const *label = options->labels; label && *label; label++)
		fake_call("label=%s", *label);
	fake_add(ret_removed, "old");
	*ret_reclaimed = 1000;
	return 0;
}

int cor_volume_check(struct cor_context *ctx, const char *name, bool repair, bool *ret_repaired,
		     struct cor_error *err)
{
	fake_call("volume check %s repair=%d", name, repair);
	*ret_repaired = repair;
	return strcmp(name, "old") == 0 && !repair
		       ? fake_fail(err, COR_CORRUPT, EUCLEAN, "volume 'old': its file system is damaged")
		       : 0;
}
