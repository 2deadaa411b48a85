/* SPDX-License-Identifier: Apache-2.0 */
/* What OCI layouts and docker-archives have in common once their images are found. */
#include "image/incoming.h"

#include "base/str.h"
#include "oci/reference.h"

#include <errno.h>

static void image_release(struct incoming_image *image)
{
	free(image->media_type);
	strv_release(&image->names);
	manifest_release(&image->manifest);
	image_config_release(&image->config);
	free(image->blobs);
}

void incoming_release(struct incoming *incoming)
{
	while (incoming->count)
		incoming_drop_last(incoming);
	free(incoming->items);
	*incoming = (struct incoming){0};
}

struct incoming_image *incoming_add(struct incoming *incoming)
{
	struct incoming_image *image;

	incoming->items = xreallocarray(incoming->items, incoming->count + 1, sizeof(*incoming->items));
	image = &incoming->items[incoming->count++];
	*image = (struct incoming_image){0};
	return image;
}

void incoming_drop_last(struct incoming *incoming)
{
	image_release(&incoming->items[--incoming->count]);
}

size_t incoming_places(const struct incoming *incoming)
{
	size_t places = 0;

	for (size_t i = 0; i < incoming->count; i++)
		places += !incoming->items[i].inside;
	return places;
}

void incoming_add_blob(struct incoming_image *image, const struct tarball_member *member)
{
	struct incoming_blob *blob;

	image->blobs = xreallocarray(image->blobs, image->blob_count + 1, sizeof(*image->blobs));
	blob = &image->blobs[image->blob_count++];
	*blob = (struct incoming_blob){.size = member->size};
	memcpy(blob->digest, member->digest, sizeof(blob->digest));
	memcpy(blob->file, member->file, sizeof(blob->file));
}

int incoming_name(struct incoming_image *image, struct cor_error *err)
{
	_strv_ struct strv given = image->names;
	const char *name;

	image->names = (struct strv){0};
	strv_foreach (&given, i, name) {
		_reference_ struct reference ref = {0};
		_free_ char *normalised = NULL;

		if (reference_parse(name, &ref, NULL) < 0)
			return cor_fail(err, COR_CORRUPT, EBADMSG,
					"the archive calls an image '%.100s', which is no name: give it one "
					"with --tag",
					name);
		normalised = reference_name(&ref);
		if (!strv_contains(&image->names, normalised))
			strv_take(&image->names, steal_ptr(normalised));
	}
	return 0;
}

int incoming_check(const struct incoming_image *image, struct cor_error *err)
{
	if (image->config.diff_ids.count != image->manifest.layer_count)
		return cor_fail(err, COR_CORRUPT, EBADMSG,
				"image %.12s: its manifest has %zu layers, its configuration %zu",
				digest_hex(image->manifest.config.digest), image->manifest.layer_count,
				image->config.diff_ids.count);
	return 0;
}

void incoming_note_platform(struct strv *seen, const struct platform *platform)
{
	char text[PLATFORM_TEXT_SIZE];

	platform_format(platform, text);
	if (platform->os[0] && strcmp(platform->os, "unknown") != 0 && !strv_contains(seen, text))
		strv_add(seen, text);
}

int incoming_no_platform(const struct platform *wanted, const struct strv *seen, struct cor_error *err)
{
	_free_ char *others = strv_join(seen, ", ");
	char text[PLATFORM_TEXT_SIZE];

	platform_format(wanted, text);
	if (!seen->count)
		return cor_fail(err, COR_UNSUPPORTED, ENOEXEC, "there is no image");
	return cor_fail(err, COR_UNSUPPORTED, ENOEXEC,
			"there is no image for %s, but for %.200s: choose with --platform", text, others);
}
