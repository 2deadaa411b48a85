/* SPDX-License-Identifier: Apache-2.0 */
/* `image prune`: which images go, and then all that is left without one. With the store's lock held exclusively, so that no container and no pull comes to rely on what goes. */
#include "base/str.h"
#include "image/children.h"
#include "image/sweep.h"
#include "oci/reference.h"

#include <errno.h>
#include <sys/file.h>

/* "KEY" is there with any value, "KEY=VALUE" as it stands. */
static bool has_label(const json_t *labels, const char *wanted)
{
	const char *equals = strchr(wanted, '=');
	_free_ char *key = xstrndup(wanted, equals ? (size_t)(equals - wanted) : strlen(wanted));
	const json_t *value = json_object_get(labels, key);

	return value && (!equals || str_equal(json_string_value(value), equals + 1));
}

/* One whose documents are damaged is only meant where nothing is asked of them. */
static bool is_meant(const struct image_store *store, const struct index_image *image,
		     const struct cor_image_prune_options *options)
{
	_image_facts_ struct image_facts facts = {0};
	const json_t *labels;

	if (image->names.count && !options->all)
		return false;
	if (!options->before_ns && !options->labels)
		return true;
	if (image_facts_read(store, image, &facts, NULL) < 0 ||
	    (options->before_ns && facts.parsed.created_ns >= options->before_ns))
		return false;
	labels = json_object_get(json_object_get(facts.config, "config"), "Labels");
	for (const char *const *label = options->labels; label && *label; label++)
		if (!has_label(labels, *label))
			return false;
	return true;
}

static void tell(const struct image_store *store, const struct index_image *image, struct strv *told)
{
	char id[DIGEST_SIZE];
	const char *name;

	strv_foreach (&image->names, i, name) {
		_free_ char *familiar = reference_familiar(name);

		strv_addf(told, "untagged: %s", familiar);
	}
	strv_addf(told, "deleted: %s", image_id_read(store, image, id, NULL) < 0 ? image->digest : id);
}

static int prune_index(struct image_store *store, const struct cor_image_prune_options *options,
		       image_used_fn *used, void *userdata, struct strv *told, struct index *index,
		       struct cor_error *err)
{
	_fd_ int fd = -1;
	size_t before;
	int r = index_lock(store, &fd, err);

	r = r ?: index_read(store, index, err);
	if (r < 0)
		return r;
	before = index->count;
	for (size_t i = index->count; i-- > 0;) {
		_free_ char *user = NULL;

		if (!is_meant(store, &index->items[i], options) ||
		    image_is_used(store, &index->items[i], used, userdata, &user))
			continue;
		tell(store, &index->items[i], told);
		index_remove(index, i);
	}
	return index->count < before ? index_write(store, index, err) : 0;
}

int image_prune(struct image_store *store, const struct cor_image_prune_options *options, image_used_fn *used,
		void *userdata, struct cor_strings *ret_removed, uint64_t *ret_reclaimed,
		struct cor_error *err)
{
	static const struct cor_image_prune_options none;
	_index_ struct index index = {0};
	_strv_ struct strv told = {0};
	uint64_t freed;
	_fd_ int fd = -1;
	int r = store_lock(store, LOCK_EX, &fd, err);

	r = r ?: prune_index(store, options ? options : &none, used, userdata, &told, &index, err);
	if (r < 0)
		return r;
	/* Parts first: one that was complete may have a second name among the blobs, and counts when the last of them goes. */
	freed = sweep_parts(store, 0);
	freed += sweep_unneeded(store, &index, used, userdata);
	*ret_reclaimed = freed;
	*ret_removed = (struct cor_strings){.items = told.items, .count = told.count};
	told = (struct strv){0};
	return 0;
}
