/* SPDX-License-Identifier: Apache-2.0 */
/* What the documents of an image say. */
#include "base/str.h"
#include "image/children.h"

#include <errno.h>

static int check_platform(const struct image_facts *facts, const struct platform *wanted,
			  struct cor_error *err)
{
	char has[PLATFORM_TEXT_SIZE], wants[PLATFORM_TEXT_SIZE];

	/* The configuration's word counts: an index may be wrong. */
	if (wanted && !platform_matches(&facts->parsed.platform, wanted))
		return cor_fail(err, COR_UNSUPPORTED, ENOEXEC, "it is for %s, and %s is wanted",
				platform_format(&facts->parsed.platform, has),
				platform_format(wanted, wants));
	return 0;
}

int image_facts_read_for(const struct image_store *store, const struct index_image *image,
			 const struct platform *wanted, struct image_facts *ret, struct cor_error *err)
{
	_image_children_ struct image_children children = {0};
	_image_facts_ struct image_facts facts = {0};
	struct image_child *child = NULL;
	int r = image_children_read(store, image, &children, err);

	r = r ?: image_child_choose(store, image, &children, wanted, &child, err);
	if (r == 0 && !child->is_image)
		r = cor_fail(err, COR_UNSUPPORTED, ENOTSUP, "%s is no image of a container", child->digest);
	if (r < 0)
		return r;
	facts.manifest = child->manifest;
	child->manifest = (struct manifest){0};
	r = store_read_json(store, facts.manifest.config.digest, IMAGE_CONFIG_SIZE_MAX, &facts.config, err);
	r = r ?: image_config_parse(facts.config, &facts.parsed, err);
	r = r ?: check_platform(&facts, wanted, err);
	if (r < 0)
		return r;
	*ret = facts;
	facts = (struct image_facts){0};
	return 0;
}

int image_facts_read(const struct image_store *store, const struct index_image *image,
		     struct image_facts *ret, struct cor_error *err)
{
	return image_facts_read_for(store, image, NULL, ret, err);
}

void image_facts_release(struct image_facts *facts)
{
	manifest_release(&facts->manifest);
	image_config_release(&facts->parsed);
	json_decref(facts->config);
	*facts = (struct image_facts){0};
}

int image_id_read(const struct image_store *store, const struct index_image *image, char ret[DIGEST_SIZE],
		  struct cor_error *err)
{
	_image_children_ struct image_children children = {0};
	struct image_child *child = NULL;
	int r = image_children_read(store, image, &children, err);

	r = r ?: image_child_choose(store, image, &children, NULL, &child, err);
	if (r == 0)
		memcpy(ret, child->manifest.config.digest, DIGEST_SIZE);
	return r;
}

int image_ids_read(const struct image_store *store, const struct index_image *image, struct strv *ret,
		   struct cor_error *err)
{
	_image_children_ struct image_children children = {0};
	int r = image_children_read(store, image, &children, err);

	for (size_t i = 0; r == 0 && i < children.count; i++) {
		const struct image_child *child = &children.items[i];

		if ((child->state == CHILD_COMPLETE || child->state == CHILD_INCOMPLETE) &&
		    (child->is_image || !children.is_index))
			strv_add(ret, child->manifest.config.digest);
	}
	return r;
}

uint64_t image_size(const struct manifest *manifest)
{
	uint64_t size = manifest->config.size;

	/* Each is at most DESCRIPTOR_SIZE_MAX, and they are few. */
	for (size_t i = 0; i < manifest->layer_count; i++)
		size += manifest->layers[i].size;
	return size;
}
