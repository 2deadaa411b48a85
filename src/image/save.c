/* SPDX-License-Identifier: Apache-2.0 */
/* `image save`. First everything that goes into the archive gets a link in a workspace, with the store's lock held; then the lock goes, and whoever reads the archive may take his time:
 * nothing that happens to the store meanwhile takes anything away. Blobs go as they are, so that digests stay; each is checked on its way.
 *
 * What readers look for: an OCI layout (skopeo, podman, umoci, containerd) has oci-layout, index.json and blobs/; a docker-archive (docker, podman) has manifest.json, which may name the same
 * blobs. Old ones expect layers without compression, in files at the top. */
#include "base/str.h"
#include "image/children.h"
#include "image/layer.h"
#include "image/stream.h"
#include "image/tarwriter.h"
#include "oci/hash.h"

#include <errno.h>
#include <sys/file.h>

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

/* A file of the archive. */
struct member {
	char *path;
	char digest[DIGEST_SIZE]; /* of the blob that it is, or is made of */
	uint64_t size;            /* of that blob */
	char *diff_id; /* its content is the layer without its compression; NULL: the blob as it is */
};

struct save {
	const struct image_store *store;
	enum cor_archive_format format;
	const struct platform *wanted; /* NULL: all */
	struct workspace work;
	struct member *members;
	size_t count;
	json_t *descriptors; /* of index.json */
	json_t *list;        /* manifest.json */
};

static void save_release(struct save *save)
{
	for (size_t i = 0; i < save->count; i++) {
		free(save->members[i].path);
		free(save->members[i].diff_id);
	}
	free(save->members);
	json_decref(save->descriptors);
	json_decref(save->list);
	workspace_release(&save->work);
}

/* ---- collecting: the store's lock is held ---- */

static int hold_blob(struct save *save, const char *digest, uint64_t size, struct cor_error *err)
{
	if (!store_has_blob(save->store, digest, size))
		return cor_fail(err, COR_CORRUPT, ENOENT,
				"the image store lacks %s: pull or load the image again", digest);
	if (linkat(save->store->blobs, digest_hex(digest), save->work.fd, digest_hex(digest), 0) < 0 &&
	    errno != EEXIST)
		return cor_fail_errno(err, errno, "read %s from the image store", digest);
	return 0;
}

static int add_member(struct save *save, char *path, const char *digest, uint64_t size, const char *diff_id,
		      struct cor_error *err)
{
	struct member *member;

	for (size_t i = 0; i < save->count; i++)
		if (strcmp(save->members[i].path, path) == 0) {
			free(path);
			return 0;
		}
	save->members = xreallocarray(save->members, save->count + 1, sizeof(*save->members));
	member = &save->members[save->count++];
	*member = (struct member){.path = path, .size = size, .diff_id = xstrdup(diff_id)};
	memcpy(member->digest, digest, sizeof(member->digest));
	return hold_blob(save, digest, size, err);
}

static int add_blob(struct save *save, const char *digest, uint64_t size, struct cor_error *err)
{
	return add_member(save, str_format("blobs/sha256/%s", digest_hex(digest)), digest, size, NULL, err);
}

static int add_manifest(struct save *save, const struct image_child *child, struct cor_error *err)
{
	const struct manifest *manifest = &child->manifest;
	int r = add_blob(save, child->digest, child->size, err);

	r = r ?: add_blob(save, manifest->config.digest, manifest->config.size, err);
	for (size_t i = 0; r == 0 && i < manifest->layer_count; i++)
		r = add_blob(save, manifest->layers[i].digest, manifest->layers[i].size, err);
	return r;
}

/* What is not here of it is left out; readers look for one platform. */
static int add_index(struct save *save, const struct image_children *children, struct cor_error *err)
{
	const char *digest;
	int r = 0;

	for (size_t i = 0; r == 0 && i < children->count; i++)
		if (children->items[i].state == CHILD_COMPLETE)
			r = add_manifest(save, &children->items[i], err);
	strv_foreach (&children->documents, i, digest) {
		_free_ char *text = NULL;
		size_t size = 0;

		if (r == 0)
			r = file_read(save->store->blobs, digest_hex(digest), MANIFEST_SIZE_MAX, &text,
				      &size);
		r = r ?: add_blob(save, digest, size, err);
	}
	return r;
}

/* An image may be given twice, under several names. */
static void add_descriptor(struct save *save, const char *media_type, const char *digest, uint64_t size,
			   const char *name)
{
	json_t *d = json_pack("{s:s, s:s, s:I}", "mediaType", media_type ? media_type : MEDIA_TYPE_MANIFEST,
			      "digest", digest, "size", (json_int_t)size);

	/* Docker and containerd read the second. */
	if (name)
		json_object_set_new(d, "annotations",
				    json_pack("{s:s, s:s}", "io.containerd.image.name", name,
					      "org.opencontainers.image.ref.name", name));
	json_array_append_new(save->descriptors, d);
}

/* ---- manifest.json ---- */

static char *config_path(const struct save *save, const char *digest)
{
	return save->format == COR_ARCHIVE_DOCKER ? str_format("%s.json", digest_hex(digest))
						  : str_format("blobs/sha256/%s", digest_hex(digest));
}

static json_t *find_listed(const struct save *save, const char *config)
{
	json_t *item;
	size_t i;

	json_array_foreach (save->list, i, item)
		if (str_equal(json_string_value(json_object_get(item, "Config")), config))
			return item;
	return NULL;
}

static int list_layers(struct save *save, const struct image_child *child, json_t *layers,
		       struct cor_error *err)
{
	const struct manifest *manifest = &child->manifest;
	_image_config_ struct image_config config = {0};
	_json_ json_t *document = NULL;
	int r = store_read_json(save->store, manifest->config.digest, IMAGE_CONFIG_SIZE_MAX, &document, err);

	r = r ?: image_config_parse(document, &config, err);
	if (r == 0 && config.diff_ids.count != manifest->layer_count)
		r = cor_fail(err, COR_CORRUPT, EBADMSG,
			     "its manifest and its configuration do not have the same layers");
	for (size_t i = 0; r == 0 && i < manifest->layer_count; i++) {
		const struct descriptor *layer = &manifest->layers[i];
		const char *diff_id = config.diff_ids.items[i];
		_free_ char *path = str_format("%s.tar", digest_hex(diff_id));

		if (save->format == COR_ARCHIVE_DOCKER) {
			r = add_member(save, xstrdup(path), layer->digest, layer->size, diff_id, err);
		} else {
			free(path);
			path = str_format("blobs/sha256/%s", digest_hex(layer->digest));
		}
		json_array_append_new(layers, json_string(path));
	}
	return r;
}

static int list_image(struct save *save, const struct image_child *child, const char *name,
		      struct cor_error *err)
{
	_free_ char *path = config_path(save, child->manifest.config.digest);
	json_t *item = find_listed(save, path);
	int r = 0;

	if (!item) {
		item = json_pack("{s:s, s:[], s:[]}", "Config", path, "RepoTags", "Layers");
		json_array_append_new(save->list, item);
		r = list_layers(save, child, json_object_get(item, "Layers"), err);
	}
	if (r == 0 && save->format == COR_ARCHIVE_DOCKER)
		r = add_member(save, steal_ptr(path), child->manifest.config.digest,
			       child->manifest.config.size, NULL, err);
	/* In full: podman takes short ones for its own. */
	if (name && !strchr(name, '@'))
		json_array_append_new(json_object_get(item, "RepoTags"), json_string(name));
	return r;
}

/* ---- one of the images ---- */

static bool several_here(const struct image_children *children)
{
	size_t n = 0;

	for (size_t i = 0; i < children->count; i++)
		n += children->items[i].is_image && children->items[i].state == CHILD_COMPLETE;
	return n > 1;
}

static int add_child(struct save *save, const struct image_child *child, const char *name,
		     struct cor_error *err)
{
	int r = 0;

	if (save->format != COR_ARCHIVE_DOCKER) {
		add_descriptor(save, child->media_type, child->digest, child->size, name);
		r = add_manifest(save, child, err);
	}
	if (save->format != COR_ARCHIVE_OCI && r == 0)
		r = list_image(save, child, name, err);
	return r;
}

static int add_image(struct save *save, const struct index_image *image, const char *name,
		     struct cor_error *err)
{
	_image_children_ struct image_children children = {0};
	struct image_child *child = NULL;
	bool whole;
	int r = image_children_read(save->store, image, &children, err);

	r = r ?: image_child_choose(save->store, image, &children, save->wanted, &child, err);
	if (r < 0)
		return r;
	whole = children.is_index && !save->wanted && !*image->chosen;
	if (whole && save->format == COR_ARCHIVE_DOCKER && several_here(&children))
		return cor_fail(err, COR_UNSUPPORTED, ENOTSUP,
				"it is for several platforms, and a docker-archive holds one: choose with "
				"--platform");
	/* The index's digest is none of this image's. */
	if (name && strchr(name, '@') && !whole && children.is_index)
		name = NULL;
	if (!whole || save->format == COR_ARCHIVE_DOCKER)
		return add_child(save, child, name, err);
	add_descriptor(save, image->media_type, image->digest, image->size, name);
	r = add_index(save, &children, err);
	/* Other readers see the one that is meant by default. */
	if (r == 0 && save->format == COR_ARCHIVE_BOTH && child->is_image)
		r = list_image(save, child, name, err);
	return r;
}

/* The platform of an image that is no index must fit too. */
static int check_platform(struct save *save, const struct index_image *image, struct cor_error *err)
{
	_image_facts_ struct image_facts facts = {0};

	return save->wanted ? image_facts_read_for(save->store, image, save->wanted, &facts, err) : 0;
}

static int collect(struct save *save, const char *const *refs, size_t count, struct cor_error *err)
{
	_fd_ int fd = -1;
	int r = store_lock(save->store, LOCK_SH, &fd, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		_index_ struct index index = {0};
		const char *name = NULL;
		size_t position = 0;

		r = index_read(save->store, &index, err);
		r = r ?: index_find(save->store, &index, refs[i], &position, &name, err);
		if (r < 0)
			return r;
		r = check_platform(save, &index.items[position], err);
		r = r ?: add_image(save, &index.items[position], name, err);
		if (r < 0)
			cor_context(err, r, "image '%.200s'", refs[i]);
	}
	return r;
}

/* ---- writing ---- */

/* Old readers want to know the size before they see the first byte, so the layer is put aside. */
static int inflate(struct save *save, const struct member *member, int out, uint64_t *ret_size,
		   struct cor_error *err)
{
	_cleanup_(stream_freep) struct stream *stream = NULL;
	const void *data;
	uint64_t room = LAYERS_BUDGET;
	size_t size;
	int r = 0, fd = openat(save->work.fd, digest_hex(member->digest), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return cor_fail_errno(err, errno, "read %s", member->digest);
	r = stream_open(source_fd(fd), &stream, err);
	while (r == 0 && (r = stream_read(stream, &data, &size, err)) == 0 && size) {
		if (size > room)
			return cor_fail(err, COR_CORRUPT, EFBIG, "%s is too large when uncompressed",
					member->digest);
		room -= size;
		r = fd_write_all(out, data, size);
		if (r < 0)
			return cor_fail_errno(err, r, "put a layer aside");
	}
	if (r == 0)
		*ret_size = stream_size(stream);
	return r;
}

static int write_layer(struct save *save, struct tarwriter *writer, const struct member *member,
		       struct cor_error *err)
{
	_fd_ int fd = openat(save->work.fd, "layer", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	uint64_t size = 0;
	int r = fd < 0 ? cor_fail_errno(err, errno, "put a layer aside") : 0;

	r = r ?: inflate(save, member, fd, &size, err);
	return r ?: tarwriter_file(writer, member->path, fd, size, member->diff_id, err);
}

static int write_member(struct save *save, struct tarwriter *writer, const struct member *member,
			struct cor_error *err)
{
	_fd_ int fd = -1;

	if (member->diff_id)
		return write_layer(save, writer, member, err);
	fd = openat(save->work.fd, digest_hex(member->digest), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return cor_fail_errno(err, errno, "read %s", member->digest);
	return tarwriter_file(writer, member->path, fd, member->size, member->digest, err);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->path, ((const struct member *)b)->path);
}

static int write_json(struct tarwriter *writer, const char *path, const json_t *document,
		      struct cor_error *err)
{
	_free_ char *text = json_dumps(document, JSON_COMPACT);

	return tarwriter_text(writer, path, text, strlen(text), err);
}

static int write_archive(struct save *save, int fd, struct cor_error *err)
{
	_json_ json_t *index = json_pack("{s:i, s:s, s:O}", "schemaVersion", 2, "mediaType", MEDIA_TYPE_INDEX,
					 "manifests", save->descriptors);
	_cleanup_(tarwriter_freep) struct tarwriter *writer = NULL;
	bool layout = save->format != COR_ARCHIVE_DOCKER;
	int r = tarwriter_open(fd, &writer, err);

	if (r == 0 && layout)
		r = tarwriter_folder(writer, "blobs/", err) ?: tarwriter_folder(writer, "blobs/sha256/", err);
	qsort(save->members, save->count, sizeof(*save->members), by_path);
	for (size_t i = 0; r == 0 && i < save->count; i++)
		r = write_member(save, writer, &save->members[i], err);
	if (r == 0 && layout)
		r = write_json(writer, "index.json", index, err);
	if (r == 0 && save->format != COR_ARCHIVE_OCI)
		r = write_json(writer, "manifest.json", save->list, err);
	if (r == 0 && layout)
		r = tarwriter_text(writer, "oci-layout", LAYOUT, strlen(LAYOUT), err);
	return r ?: tarwriter_finish(writer, err);
}

int image_save(struct image_store *store, const char *const *refs, size_t count, int fd,
	       const struct cor_image_save_options *options, struct cor_error *err)
{
	_cleanup_(save_release) struct save save = {.store = store,
						    .format = options ? options->format : COR_ARCHIVE_BOTH,
						    .descriptors = json_array(),
						    .list = json_array()};
	struct platform wanted;
	int r = 0;

	if (!count)
		return cor_fail(err, COR_INVALID, EINVAL, "no image was named");
	if (options && options->platform) {
		r = platform_parse(options->platform, &wanted, err);
		save.wanted = &wanted;
	}
	if (r < 0)
		return r;
	store_sweep_tmp(store);
	r = workspace_open(store, &save.work, err);
	r = r ?: collect(&save, refs, count, err);
	return r ?: write_archive(&save, fd, err);
}
