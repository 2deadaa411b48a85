/* SPDX-License-Identifier: Apache-2.0 */
/* index.json in memory: images with their names, where the file has one descriptor for each name. It is small and is read and written as
 * a whole; what it points to is read when it is asked for. */
#include "image/index.h"

#include "base/str.h"
#include "oci/reference.h"

#include <ctype.h>
#include <errno.h>
#include <sys/file.h>

#define INDEX_SIZE_MAX (16u << 20)
#define PREFIX_MIN     4

/* ---- the file ---- */

int index_lock(const struct image_store *store, int *ret_fd, struct cor_error *err)
{
	_fd_ int fd = openat(store->dir, "index.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return cor_fail_errno(err, errno, "lock the index of the image store '%s'", store->path);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return cor_fail_errno(err, errno, "lock the index of the image store '%s'",
					      store->path);
	*ret_fd = steal_fd(&fd);
	return 0;
}

int index_read(const struct image_store *store, struct index *ret, struct cor_error *err)
{
	_manifest_index_ struct manifest_index parsed = {0};
	_json_ json_t *document = NULL;
	struct index index = {0};
	int r;

	if (faccessat(store->dir, "index.json", F_OK, 0) < 0 && errno == ENOENT) {
		*ret = index;
		return 0;
	}
	r = json_read_file(store->dir, "index.json", INDEX_SIZE_MAX, &document, err);
	r = r ?: manifest_index_parse(document, &parsed, err);
	if (r < 0)
		return cor_context(err, r, "image store '%s'", store->path);
	for (size_t i = 0; i < parsed.count; i++) {
		const struct descriptor *d = &parsed.items[i];
		struct index_image *image = index_add(&index, d->media_type, d->digest, d->size);

		if (d->ref_name)
			index_set_name(&index, image, d->ref_name);
	}
	*ret = index;
	return 0;
}

static void append_descriptor(json_t *manifests, const struct index_image *image, const char *name)
{
	json_t *d = json_pack("{s:s, s:s, s:I}", "mediaType",
			      image->media_type ? image->media_type : MEDIA_TYPE_MANIFEST, "digest",
			      image->digest, "size", (json_int_t)image->size);

	if (name)
		json_object_set_new(d, "annotations",
				    json_pack("{s:s}", "org.opencontainers.image.ref.name", name));
	json_array_append_new(manifests, d);
}

int index_write(const struct image_store *store, const struct index *index, struct cor_error *err)
{
	json_t *manifests = json_array();
	_json_ json_t *document = json_pack("{s:i, s:s, s:o}", "schemaVersion", 2, "mediaType",
					    MEDIA_TYPE_INDEX, "manifests", manifests);
	int r;

	for (size_t i = 0; i < index->count; i++) {
		const struct index_image *image = &index->items[i];
		const char *name;

		strv_foreach (&image->names, j, name)
			append_descriptor(manifests, image, name);
		if (!image->names.count)
			append_descriptor(manifests, image, NULL);
	}
	if (json_array_size(manifests) > INDEX_ENTRIES_MAX)
		return cor_fail(err, COR_EXHAUSTED, E2BIG,
				"the image store has %u names of images: remove some", INDEX_ENTRIES_MAX);
	r = json_write_file(store->dir, "index.json", document, 0600, err);
	r = r ?: store_sync_folder(store->dir, err);
	return r < 0 ? cor_context(err, r, "image store '%s'", store->path) : 0;
}

/* ---- in memory ---- */

void index_release(struct index *index)
{
	while (index->count)
		index_remove(index, index->count - 1);
	free(index->items);
	*index = (struct index){0};
}

struct index_image *index_add(struct index *index, const char *media_type, const char *digest, uint64_t size)
{
	struct index_image *image;

	for (size_t i = 0; i < index->count; i++)
		if (strcmp(index->items[i].digest, digest) == 0)
			return &index->items[i];
	index->items = xreallocarray(index->items, index->count + 1, sizeof(*index->items));
	image = &index->items[index->count++];
	*image = (struct index_image){.media_type = xstrdup(media_type), .size = size};
	strcpy(image->digest, digest);
	return image;
}

/* Takes a name away, wherever it is. */
static void drop_name(struct strv *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->items[i], name) != 0)
			continue;
		free(names->items[i]);
		/* With the NULL at the end. */
		memmove(names->items + i, names->items + i + 1, (names->count - i) * sizeof(*names->items));
		names->count--;
		return;
	}
}

void index_set_name(struct index *index, struct index_image *image, const char *name)
{
	_free_ char *copy = xstrdup(name);

	for (size_t i = 0; i < index->count; i++)
		drop_name(&index->items[i].names, copy);
	strv_add(&image->names, copy);
}

void index_remove(struct index *index, size_t position)
{
	struct index_image *image = &index->items[position];

	free(image->media_type);
	strv_release(&image->names);
	memmove(image, image + 1, (--index->count - position) * sizeof(*image));
}

int index_name(const char *text, char **ret, struct cor_error *err)
{
	_reference_ struct reference ref = {0};
	int r = reference_parse(text, &ref, err);

	if (r < 0)
		return r;
	if (ref.digest || str_after(text, "sha256:"))
		return cor_fail(err, COR_INVALID, EINVAL,
				"'%s' cannot be given as a name: a digest is not chosen", text);
	*ret = reference_name(&ref);
	return 0;
}

/* ---- finding ---- */

int image_id_read(const struct image_store *store, const struct index_image *image, char ret[DIGEST_SIZE],
		  struct cor_error *err)
{
	_manifest_ struct manifest manifest = {0};
	_json_ json_t *document = NULL;
	int r = store_read_json(store, image->digest, MANIFEST_SIZE_MAX, &document, err);

	r = r ?: manifest_parse(document, &manifest, err);
	if (r == 0)
		memcpy(ret, manifest.config.digest, DIGEST_SIZE);
	return r;
}

static bool name_in_repository(const char *name, const char *repository)
{
	const char *rest = str_after(name, repository);

	return rest && (*rest == ':' || *rest == '@');
}

/* By name, or by a name with the manifest's digest. */
static bool find_name(const struct index *index, const struct reference *ref, size_t *ret_position,
		      const char **ret_name)
{
	_free_ char *wanted = reference_name(ref), *repository = reference_repository(ref);

	for (size_t i = 0; i < index->count; i++) {
		const struct index_image *image = &index->items[i];
		const char *name;

		if (ref->digest && strcmp(image->digest, ref->digest) != 0)
			continue;
		strv_foreach (&image->names, j, name) {
			if (ref->digest ? !name_in_repository(name, repository) : strcmp(name, wanted) != 0)
				continue;
			*ret_position = i;
			*ret_name = ref->digest && strcmp(name, wanted) != 0 ? NULL : name;
			return true;
		}
	}
	return false;
}

static bool hex_prefix(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return n >= PREFIX_MIN && n < DIGEST_HEX_SIZE && !s[n];
}

static int not_found(struct cor_error *err, const char *ref)
{
	return cor_fail(
		err, COR_NOT_FOUND, ENOENT,
		"there is no image '%.200s': load one with 'coracle image load', see 'coracle image ls'",
		ref);
}

/* By the digits of an id, or of a manifest's digest if they are all there. Images that differ in their manifests only have one id: the first of
 * them is as good as another. */
static int find_digits(const struct image_store *store, const struct index *index, const char *digits,
		       const char *ref, size_t *ret_position, struct cor_error *err)
{
	char first[DIGEST_SIZE] = "", id[DIGEST_SIZE];

	for (size_t i = 0; i < index->count; i++) {
		const struct index_image *image = &index->items[i];

		/* A damaged image must not keep others from being found. */
		if (image_id_read(store, image, id, NULL) < 0)
			memcpy(id, image->digest, DIGEST_SIZE);
		if (!str_after(digest_hex(id), digits) && strcmp(digest_hex(image->digest), digits) != 0)
			continue;
		if (*first && strcmp(first, id) != 0)
			return cor_fail(err, COR_INVALID, ENOTUNIQ,
					"several images have ids that begin with '%s': give more digits",
					digits);
		if (!*first)
			*ret_position = i;
		memcpy(first, id, DIGEST_SIZE);
	}
	return *first ? 0 : not_found(err, ref);
}

int index_find(const struct image_store *store, const struct index *index, const char *ref,
	       size_t *ret_position, const char **ret_name, struct cor_error *err)
{
	_reference_ struct reference parsed = {0};
	const char *digits = ref ? str_after(ref, "sha256:") : NULL;
	int r;

	*ret_name = NULL;
	if (digits)
		return hex_prefix(digits)
			       ? find_digits(store, index, digits, ref, ret_position, err)
			       : cor_fail(err, COR_INVALID, EINVAL,
					  "image '%.100s': sha256: is followed by 4 to 64 hexadecimal digits",
					  ref);
	if (ref && strlen(ref) == DIGEST_HEX_SIZE - 1 && hex_prefix(ref))
		return find_digits(store, index, ref, ref, ret_position, err);
	r = reference_parse(ref, &parsed, err);
	if (r < 0)
		return r;
	if (find_name(index, &parsed, ret_position, ret_name))
		return 0;
	return hex_prefix(ref) ? find_digits(store, index, ref, ref, ret_position, err) : not_found(err, ref);
}

/* ---- what an image says of itself ---- */

int image_facts_read(const struct image_store *store, const struct index_image *image,
		     struct image_facts *ret, struct cor_error *err)
{
	_image_facts_ struct image_facts facts = {0};
	_json_ json_t *document = NULL;
	int r = store_read_json(store, image->digest, MANIFEST_SIZE_MAX, &document, err);

	r = r ?: manifest_parse(document, &facts.manifest, err);
	r = r
		    ?: store_read_json(store, facts.manifest.config.digest, IMAGE_CONFIG_SIZE_MAX,
				       &facts.config, err);
	r = r ?: image_config_parse(facts.config, &facts.parsed, err);
	if (r < 0)
		return r;
	*ret = facts;
	facts = (struct image_facts){0};
	return 0;
}

void image_facts_release(struct image_facts *facts)
{
	manifest_release(&facts->manifest);
	image_config_release(&facts->parsed);
	json_decref(facts->config);
	*facts = (struct image_facts){0};
}

uint64_t image_size(const struct manifest *manifest)
{
	uint64_t size = manifest->config.size;

	/* Each is at most DESCRIPTOR_SIZE_MAX, and they are few. */
	for (size_t i = 0; i < manifest->layer_count; i++)
		size += manifest->layers[i].size;
	return size;
}
