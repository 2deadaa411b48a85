/* SPDX-License-Identifier: Apache-2.0 */
/* What is in the store: the list, and one image in the shape of `docker image inspect`. */
#include "base/clock.h"
#include "base/str.h"
#include "image/children.h"
#include "oci/reference.h"

#include <errno.h>
#include <sys/file.h>

/* ---- ls ---- */

static struct cor_strings take_strings(struct strv *v)
{
	struct cor_strings strings = {.items = v->items, .count = v->count};

	*v = (struct strv){0};
	return strings;
}

/* A blob of an image: a configuration or a layer. */
struct part {
	char digest[DIGEST_SIZE];
	uint64_t size;
	size_t image; /* its position in the list */
};

struct parts {
	struct part *items;
	size_t count, capacity;
};

static void add_part(struct parts *parts, const struct descriptor *d, size_t image)
{
	if (parts->count == parts->capacity) {
		parts->capacity = parts->capacity ? parts->capacity * 2 : 64;
		parts->items = xreallocarray(parts->items, parts->capacity, sizeof(*parts->items));
	}
	parts->items[parts->count] = (struct part){.size = d->size, .image = image};
	memcpy(parts->items[parts->count++].digest, d->digest, DIGEST_SIZE);
}

static void add_parts(const struct image_store *store, const struct index_image *image, size_t position,
		      struct parts *parts)
{
	_image_children_ struct image_children children = {0};

	if (image_children_read(store, image, &children, NULL) < 0)
		return;
	for (size_t i = 0; i < children.count; i++) {
		const struct manifest *manifest = &children.items[i].manifest;

		if (children.items[i].state == CHILD_ABSENT || children.items[i].state == CHILD_DAMAGED)
			continue;
		add_part(parts, &manifest->config, position);
		for (size_t j = 0; j < manifest->layer_count; j++)
			add_part(parts, &manifest->layers[j], position);
	}
}

static int by_digest(const void *a, const void *b)
{
	const struct part *one = a, *other = b;
	int order = strcmp(one->digest, other->digest);

	return order ? order : (one->image > other->image) - (one->image < other->image);
}

/* Each blob counts once for an image, however often it has it. */
static void add_sizes(struct parts *parts, struct cor_image_list *list)
{
	if (parts->count)
		qsort(parts->items, parts->count, sizeof(*parts->items), by_digest);
	for (size_t i = 0, end; i < parts->count; i = end) {
		const struct part *first = &parts->items[i];
		bool shared = false;

		for (end = i + 1; end < parts->count && strcmp(parts->items[end].digest, first->digest) == 0;
		     end++)
			shared |= parts->items[end].image != first->image;
		for (size_t j = i; j < end; j++) {
			struct cor_image_info *info = &list->items[parts->items[j].image];

			if (j > i && parts->items[j].image == parts->items[j - 1].image)
				continue;
			info->size += first->size;
			info->shared += shared ? first->size : 0;
		}
	}
}

/* An image whose documents are damaged is listed with what the index knows, so that it can be seen and removed. */
static void fill_info(const struct image_store *store, struct index_image *image, struct cor_image_info *info)
{
	_image_facts_ struct image_facts facts = {0};

	info->digest = xstrdup(image->digest);
	info->names = take_strings(&image->names);
	if (image_facts_read(store, image, &facts, NULL) < 0) {
		info->id = xstrdup(image->digest);
		info->architecture = xstrdup("");
		info->os = xstrdup("");
		return;
	}
	info->id = xstrdup(facts.manifest.config.digest);
	info->architecture = xstrdup(facts.parsed.platform.architecture);
	info->os = xstrdup(facts.parsed.platform.os);
	info->created_ns = facts.parsed.created_ns;
}

int image_list(struct image_store *store, struct cor_image_list *ret, struct cor_error *err)
{
	_index_ struct index index = {0};
	struct cor_image_list list = {0};
	struct parts parts = {0};
	_fd_ int fd = -1;
	int r = store_lock(store, LOCK_SH, &fd, err);

	r = r ?: index_read(store, &index, err);
	if (r < 0)
		return r;
	list.items = xcalloc(index.count, sizeof(*list.items));
	for (; list.count < index.count; list.count++) {
		add_parts(store, &index.items[list.count], list.count, &parts);
		fill_info(store, &index.items[list.count], &list.items[list.count]);
	}
	add_sizes(&parts, &list);
	free(parts.items);
	*ret = list;
	return 0;
}

void image_list_release(struct cor_image_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct cor_image_info *info = &list->items[i];
		struct strv names = {.items = info->names.items, .count = info->names.count};

		free(info->id);
		free(info->digest);
		free(info->architecture);
		free(info->os);
		strv_release(&names);
	}
	free(list->items);
	*list = (struct cor_image_list){0};
}

/* ---- inspect ---- */

static json_t *tags(const struct strv *names)
{
	json_t *array = json_array();
	const char *name;

	strv_foreach (names, i, name) {
		_free_ char *familiar = reference_familiar(name);

		if (!strchr(name, '@'))
			json_array_append_new(array, json_string(familiar));
	}
	return array;
}

/* "busybox@sha256:…", once for each repository. */
static json_t *digests(const struct index_image *image)
{
	_strv_ struct strv seen = {0};
	const char *name;

	strv_foreach (&image->names, i, name) {
		_reference_ struct reference ref = {0};
		_free_ char *repository = NULL, *familiar = NULL, *text = NULL;

		if (reference_parse(name, &ref, NULL) < 0)
			continue;
		repository = reference_repository(&ref);
		familiar = reference_familiar(repository);
		text = str_format("%s@%s", familiar, image->digest);
		if (!strv_contains(&seen, text))
			strv_take(&seen, steal_ptr(text));
	}
	return json_from_strv(&seen);
}

static json_t *copy_member(const json_t *object, const char *key, json_t *otherwise)
{
	json_t *value = json_object_get(object, key);

	if (!value || json_is_null(value))
		return otherwise;
	json_decref(otherwise);
	return json_incref(value);
}

static json_t *describe(const struct index_image *image, const struct image_facts *facts)
{
	json_t *o = json_object();

	json_object_set_new(o, "Id", json_string(facts->manifest.config.digest));
	json_object_set_new(o, "RepoTags", tags(&image->names));
	json_object_set_new(o, "RepoDigests", digests(image));
	json_object_set_new(o, "Comment", copy_member(facts->config, "comment", json_string("")));
	json_object_set_new(o, "Created", copy_member(facts->config, "created", json_string("")));
	json_object_set_new(o, "Author", copy_member(facts->config, "author", json_string("")));
	json_object_set_new(o, "Config", copy_member(facts->config, "config", json_object()));
	json_object_set_new(o, "Architecture", json_string(facts->parsed.platform.architecture));
	if (facts->parsed.platform.variant[0])
		json_object_set_new(o, "Variant", json_string(facts->parsed.platform.variant));
	json_object_set_new(o, "Os", json_string(facts->parsed.platform.os));
	json_object_set_new(o, "Size", json_integer((json_int_t)image_size(&facts->manifest)));
	json_object_set_new(
		o, "RootFS",
		json_pack("{s:s, s:o}", "Type", "layers", "Layers", json_from_strv(&facts->parsed.diff_ids)));
	json_object_set_new(o, "Descriptor",
			    json_pack("{s:s, s:s, s:I}", "mediaType",
				      image->media_type ? image->media_type : MEDIA_TYPE_MANIFEST, "digest",
				      image->digest, "size", (json_int_t)image->size));
	return o;
}

int image_inspect(struct image_store *store, const char *ref, char **ret_json, struct cor_error *err)
{
	_image_facts_ struct image_facts facts = {0};
	_index_ struct index index = {0};
	_json_ json_t *document = NULL;
	const char *name;
	size_t position;
	_fd_ int fd = -1;
	int r = store_lock(store, LOCK_SH, &fd, err);

	r = r ?: index_read(store, &index, err);
	r = r ?: index_find(store, &index, ref, &position, &name, err);
	if (r < 0)
		return r;
	r = image_facts_read(store, &index.items[position], &facts, err);
	if (r < 0)
		return cor_context(err, r, "image '%s'", ref);
	document = describe(&index.items[position], &facts);
	*ret_json = json_dumps(document, JSON_INDENT(4));
	return *ret_json ? 0 : cor_fail(err, COR_INTERNAL, EINVAL, "image '%s': it cannot be described", ref);
}
