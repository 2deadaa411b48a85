/* SPDX-License-Identifier: Apache-2.0 */
/* `ls` and `inspect`: what records, states and locks tell together. */
#include "base/clock.h"
#include "base/json.h"
#include "container/context.h"
#include "container/inspect.h"
#include "container/ports.h"
#include "container/store.h"
#include "net/network.h"

#include <errno.h>

static void strings_from(struct cor_strings *to, const struct strv *from)
{
	to->items = from->count ? xcalloc(from->count, sizeof(*to->items)) : NULL;
	for (to->count = 0; to->count < from->count; to->count++)
		to->items[to->count] = xstrdup(from->items[to->count]);
}

static char *first_address(const struct roots *roots, const struct container_record *record,
			   const struct container_state *state)
{
	_json_ json_t *networks = record->networks.count ? inspect_networks(roots, record, state) : NULL;
	_free_ char *first = NULL;
	const char *address = NULL;

	if (networks) {
		first = xstrndup(record->networks.items[0], strcspn(record->networks.items[0], ","));
		/* That of a user-mode network is nothing that anybody could reach. */
		if (strcmp(first, NETWORK_USER) != 0)
			(void)json_get_string(json_object_get(networks, first), "IPAddress", &address);
	}
	return xstrdup(address ?: "");
}

static char *shown_ports(const struct roots *roots, const struct container_record *record,
			 const struct container_state *state)
{
	_publish_list_ struct publish_list held = {0};

	if (state->status != COR_RUNNING)
		return xstrdup("");
	ports_held(roots, record, state, &held);
	return ports_text(&held, &record->exposed);
}

static void info_from(const struct roots *roots, const struct container_record *record,
		      const struct container_state *state, struct cor_container_info *info)
{
	*info = (struct cor_container_info){
		.id = xstrdup(record->id),
		.name = xstrdup(record->name),
		.image = xstrdup(record->image),
		.image_id = xstrdup(record->image_id),
		.command = strv_join(&record->args, " "),
		.status = state->status,
		.exit_code = state->exit.code,
		.created_ns = record->created_ns,
		.started_ns = state->started_ns,
		.finished_ns = state->finished_ns,
		.auto_remove = record->auto_remove,
		.address = first_address(roots, record, state),
		.ports = shown_ports(roots, record, state),
	};
	strings_from(&info->labels, &record->labels);
}

static void list_add(const struct roots *roots, struct cor_container_list *list,
		     const struct container_record *record, const struct container_state *state)
{
	list->items = xreallocarray(list->items, list->count + 1, sizeof(*list->items));
	info_from(roots, record, state, &list->items[list->count++]);
}

static int newest_first(const void *a, const void *b)
{
	const struct cor_container_info *x = a, *y = b;

	return x->created_ns < y->created_ns ? 1 : x->created_ns > y->created_ns ? -1 : strcmp(x->id, y->id);
}

int cor_container_list(struct cor_context *ctx, bool all, struct cor_container_list *ret,
		       struct cor_error *err)
{
	struct cor_container_list list = {0};
	_strv_ struct strv ids = {0};
	const char *id;
	int r = container_ids(&ctx->roots, &ids, err);

	if (r < 0)
		return r;
	strv_foreach (&ids, i, id) {
		_cleanup_(container_record_release) struct container_record record = {0};
		struct container_state state = {0};

		r = container_record_read(&ctx->roots, id, &record, NULL);
		if (r < 0 && r != -ENOENT) {
			/* It must be seen to be removed. */
			memcpy(record.id, id, ID_SIZE);
			record.name = xstrdup("(damaged)");
			record.image = xstrdup("");
		} else if (r == 0) {
			r = container_settle(&ctx->roots, &record, &state, NULL);
		}
		if (r == -ENOENT)
			continue; /* removed meanwhile */
		if (r < 0)
			state = (struct container_state){.status = COR_DAMAGED, .exit.code = 125};
		if (all || state.status == COR_RUNNING)
			list_add(&ctx->roots, &list, &record, &state);
	}
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), newest_first);
	*ret = list;
	return 0;
}

void cor_container_list_release(struct cor_container_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct cor_container_info *info = &list->items[i];

		free(info->id);
		free(info->name);
		free(info->image);
		free(info->image_id);
		free(info->command);
		free(info->address);
		free(info->ports);
		cor_strings_release(&info->labels);
	}
	free(list->items);
	*list = (struct cor_container_list){0};
}

int cor_container_inspect(struct cor_context *ctx, const char *ref, char **ret_json, struct cor_error *err)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	_json_ json_t *config = NULL, *document = NULL;
	struct container_state state;
	char id[ID_SIZE];
	int r = container_find(&ctx->roots, ref, id, err);

	r = r ?: container_record_read(&ctx->roots, id, &record, err);
	r = r ?: container_settle(&ctx->roots, &record, &state, err);
	r = r ?: container_config_read(&ctx->roots, id, &config, err);
	if (r < 0)
		return r;
	document = inspect_document(&ctx->roots, &record, &state, config);
	*ret_json = json_dumps(document, JSON_INDENT(2));
	return *ret_json ? 0 : cor_fail(err, COR_INTERNAL, EINVAL, "inspect '%s': no document", ref);
}
