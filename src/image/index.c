/* SPDX-License-Identifier: Apache-2.0 */
/* index.json in memory: images with their names, where the file has one descriptor for each name. It is small and is read and written as
 * a whole; what it points to is read when it is asked for. */
#include "image/index.h"

#include "base/str.h"
#include "image/children.h"
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

static bool name_in_repository(const char *name, const char *repository)
{
	const char *rest = str_after(name, repository);

	return rest && (*rest == ':' || *rest == '@');
}

/* True if the digest is the image's own, or one of its manifests': then that one is chosen. */
static bool has_digest(const struct image_store *store, struct index_image *image, const char *digest)
{
	_image_children_ struct image_children children = {0};

	if (strcmp(image->digest, digest) == 0)
		return true;
	if (media_kind(image->media_type) != MEDIA_INDEX ||
	    image_children_read(store, image, &children, NULL) < 0)
		return false;
	for (size_t i = 0; i < children.count; i++) {
		if (children.items[i].state == CHILD_ABSENT || strcmp(children.items[i].digest, digest) != 0)
			continue;
		strcpy(image->chosen, digest);
		return true;
	}
	return false;
}

static const char *name_of(const struct index_image *image, const struct reference *ref, const char *wanted,
			   const char *repository)
{
	const char *name;

	strv_foreach (&image->names, i, name)
		if (ref->digest ? name_in_repository(name, repository) : strcmp(name, wanted) == 0)
			return name;
	return NULL;
}

/* By name, or by a name with a digest. */
static bool find_name(const struct image_store *store, struct index *index, const struct reference *ref,
		      size_t *ret_position, const char **ret_name)
{
	_free_ char *wanted = reference_name(ref), *repository = reference_repository(ref);

	for (size_t i = 0; i < index->count; i++) {
		struct index_image *image = &index->items[i];
		const char *name = name_of(image, ref, wanted, repository);

		if (!name || (ref->digest && !has_digest(store, image, ref->digest)))
			continue;
		*ret_position = i;
		*ret_name = (ref->digest && strcmp(name, wanted) != 0) || *image->chosen ? NULL : name;
		return true;
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
	return cor_fail(err, COR_NOT_FOUND, ENOENT,
			"there is no image '%.200s': 'coracle pull' or 'coracle load' brings one, 'coracle "
			"image ls' shows those that are here",
			ref);
}

struct digits {
	const char *text;
	size_t position;
	char found[DIGEST_SIZE]; /* the id that fits; "": none does */
};

/* -ENOTUNIQ when another id fits as well. */
static int take_match(struct digits *digits, size_t position, const char *id)
{
	if (*digits->found)
		return strcmp(digits->found, id) == 0 ? 0 : -ENOTUNIQ;
	digits->position = position;
	memcpy(digits->found, id, DIGEST_SIZE);
	return 0;
}

/* Which manifest of an index is meant must be said, but for the one that stands for it anyway. */
static int match_children(const struct image_store *store, struct index_image *image, size_t position,
			  struct digits *digits)
{
	_image_children_ struct image_children children = {0};
	struct image_child *usual = NULL;
	int r = 0;

	/* A damaged image must not keep others from being found. */
	if (image_children_read(store, image, &children, NULL) < 0)
		return str_after(digest_hex(image->digest), digits->text)
			       ? take_match(digits, position, image->digest)
			       : 0;
	image_child_choose(store, image, &children, NULL, &usual, NULL);
	for (size_t i = 0; r == 0 && i < children.count; i++) {
		const struct image_child *child = &children.items[i];
		bool readable = child->state == CHILD_COMPLETE || child->state == CHILD_INCOMPLETE;
		const char *id = readable ? child->manifest.config.digest : child->digest;
		bool first = !*digits->found;

		if (children.is_index && (child->state == CHILD_ABSENT || !child->is_image))
			continue;
		if (!str_after(digest_hex(id), digits->text) &&
		    strcmp(digest_hex(child->digest), digits->text) != 0)
			continue;
		r = take_match(digits, position, id);
		if (first && children.is_index && child != usual)
			strcpy(image->chosen, child->digest);
	}
	return r;
}

/* By the digits of an id, or of a digest if they are all there. Images that differ in their manifests only have one id: the first of them is as
 * good as another. */
static int find_digits(const struct image_store *store, struct index *index, const char *text,
		       const char *ref, size_t *ret_position, struct cor_error *err)
{
	struct digits digits = {.text = text};
	int r = 0;

	for (size_t i = 0; r == 0 && i < index->count; i++) {
		struct index_image *image = &index->items[i];

		if (strcmp(digest_hex(image->digest), text) == 0) {
			*ret_position = i;
			return 0;
		}
		r = match_children(store, image, i, &digits);
	}
	if (r < 0)
		return cor_fail(err, COR_INVALID, ENOTUNIQ,
				"several images have ids that begin with '%s': give more digits", text);
	if (!*digits.found)
		return not_found(err, ref);
	*ret_position = digits.position;
	return 0;
}

int index_find(const struct image_store *store, struct index *index, const char *ref, size_t *ret_position,
	       const char **ret_name, struct cor_error *err)
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
	if (find_name(store, index, &parsed, ret_position, ret_name))
		return 0;
	return hex_prefix(ref) ? find_digits(store, index, ref, ref, ret_position, err) : not_found(err, ref);
}
