/* SPDX-License-Identifier: Apache-2.0 */
/* `image load`: receive the archive, choose its images, unpack them, and only then make blobs, disks and names part of the store. So a bad
 * layer is found here and not when a container is to start, and a failure at any point leaves the store as it was. No lock is held while
 * bytes come in or are unpacked. */
#include "base/str.h"
#include "image/incoming.h"
#include "image/index.h"
#include "image/rootfs.h"
#include "image/store.h"
#include "oci/reference.h"

#include <errno.h>
#include <stdio.h>
#include <sys/file.h>

struct load {
	struct image_store *store;
	struct workspace work;
	struct tarball tarball;
	struct incoming incoming;
};

static void load_release(struct load *load)
{
	incoming_release(&load->incoming);
	tarball_release(&load->tarball);
	workspace_release(&load->work);
}

static int choose_images(struct load *load, const struct platform *wanted, bool all_platforms,
			 struct cor_error *err)
{
	if (tarball_find_file(&load->tarball, "index.json") ||
	    tarball_find_file(&load->tarball, "oci-layout"))
		return incoming_from_layout(&load->tarball, wanted, all_platforms, &load->incoming, err);
	return incoming_from_docker(&load->tarball, wanted, &load->incoming, err);
}

/* In place of the names that the archive has. */
static int rename_image(struct incoming *incoming, const char *text, struct cor_error *err)
{
	_free_ char *name = NULL;
	int r = index_name(text, &name, err);

	if (r < 0)
		return r;
	if (incoming_places(incoming) != 1)
		return cor_fail(err, COR_INVALID, EINVAL,
				"the archive holds %zu images, and --tag names one: load them without it",
				incoming_places(incoming));
	for (size_t i = 0; i < incoming->count; i++)
		strv_release(&incoming->items[i].names);
	for (size_t i = 0; i < incoming->count; i++)
		if (!incoming->items[i].inside)
			strv_add(&incoming->items[i].names, name);
	return 0;
}

static int settle_names(struct incoming *incoming, const char *name, struct cor_error *err)
{
	int r = name ? rename_image(incoming, name, err) : 0;

	for (size_t i = 0; r == 0 && i < incoming->count; i++)
		r = incoming_name(&incoming->items[i], err);
	return r;
}

/* ---- unpacking ---- */

static int open_received(void *userdata, const struct descriptor *layer, struct source *ret,
			 struct cor_error *err)
{
	const struct load *load = userdata;
	int fd;

	for (size_t i = 0; i < load->incoming.count; i++) {
		const struct incoming_image *image = &load->incoming.items[i];

		for (size_t j = 0; j < image->blob_count; j++) {
			if (strcmp(image->blobs[j].digest, layer->digest) != 0)
				continue;
			fd = openat(load->work.fd, image->blobs[j].file, O_RDONLY | O_CLOEXEC);
			if (fd < 0)
				return cor_fail_errno(err, errno, "read a layer");
			*ret = source_fd(fd);
			return 0;
		}
	}
	return cor_fail(err, COR_INTERNAL, ENOENT, "a layer got lost");
}

static bool is_stored(const struct index *index, const char *digest)
{
	for (size_t i = 0; i < index->count; i++)
		if (strcmp(index->items[i].digest, digest) == 0)
			return true;
	return false;
}

static void disk_file(size_t position, char out[32])
{
	snprintf(out, 32, "disk-%zu", position);
}

static int unpack_image(struct load *load, size_t position, const struct index *index, struct cor_error *err)
{
	const struct incoming_image *image = &load->incoming.items[position];
	char name[ROOTFS_NAME_SIZE], file[32];

	rootfs_name(&image->config, name);
	disk_file(position, file);
	if (!rootfs_exists(load->store, name))
		return rootfs_build(&image->manifest, &image->config, open_received, load, load->work.fd,
				    file, err);
	return is_stored(index, image->digest)
		       ? 0
		       : rootfs_verify(&image->manifest, &image->config, open_received, load, err);
}

static int unpack_images(struct load *load, struct cor_error *err)
{
	_index_ struct index index = {0};
	int r = index_read(load->store, &index, err);

	for (size_t i = 0; r == 0 && i < load->incoming.count; i++) {
		const struct incoming_image *image = &load->incoming.items[i];
		_free_ char *name = image->names.count ? reference_familiar(image->names.items[0])
						       : xstrdup(image->manifest.config.digest);

		if (image->is_index)
			continue;
		r = unpack_image(load, i, &index, err);
		if (r < 0)
			cor_context(err, r, "image '%s'", name);
	}
	return r;
}

/* ---- publishing: the store's lock is held ---- */

static int publish_files(struct load *load, struct cor_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < load->incoming.count; i++) {
		const struct incoming_image *image = &load->incoming.items[i];
		char name[ROOTFS_NAME_SIZE], file[32];

		/* Manifests after what they name: whoever finds one in an index takes it for whole. */
		for (size_t j = image->blob_count; r == 0 && j-- > 0;)
			r = store_publish_blob(load->store, load->work.fd, image->blobs[j].file,
					       image->blobs[j].digest, image->blobs[j].size, err);
		if (image->is_index)
			continue;
		rootfs_name(&image->config, name);
		disk_file(i, file);
		if (r == 0 && faccessat(load->work.fd, file, F_OK, 0) == 0)
			r = rootfs_publish(load->store, load->work.fd, file, name, err);
	}
	return r ?: store_sync_folder(load->store->blobs, err);
}

static int publish_names(struct load *load, struct cor_error *err)
{
	_index_ struct index index = {0};
	_fd_ int fd = -1;
	int r = index_lock(load->store, &fd, err);

	r = r ?: index_read(load->store, &index, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < load->incoming.count; i++) {
		const struct incoming_image *image = &load->incoming.items[i];
		struct index_image *stored;
		const char *name;

		if (image->inside)
			continue;
		stored = index_add(&index, image->media_type, image->digest, image->size);
		strv_foreach (&image->names, j, name)
			index_set_name(&index, stored, name);
	}
	return index_write(load->store, &index, err);
}

static int publish(struct load *load, struct cor_error *err)
{
	_fd_ int fd = -1;
	int r = store_lock(load->store, LOCK_SH, &fd, err);

	r = r ?: publish_files(load, err);
	return r ?: publish_names(load, err);
}

/* ---- */

static void tell_names(const struct incoming *incoming, struct cor_strings *ret)
{
	struct strv names = {0};

	for (size_t i = 0; i < incoming->count; i++) {
		const struct incoming_image *image = &incoming->items[i];

		strv_add_all(&names, &image->names);
		if (!image->names.count && !image->inside)
			strv_add(&names, image->is_index ? image->digest : image->manifest.config.digest);
	}
	*ret = (struct cor_strings){.items = names.items, .count = names.count};
}

int image_load(struct image_store *store, int fd, const struct cor_image_load_options *options,
	       struct cor_strings *ret_names, struct cor_error *err)
{
	_cleanup_(load_release) struct load load = {.store = store};
	struct platform wanted = platform_host();
	int r = options && options->platform ? platform_parse(options->platform, &wanted, err) : 0;

	if (r < 0)
		return r;
	store_sweep_tmp(store);
	r = workspace_open(store, &load.work, err);
	r = r ?: tarball_receive(fd, load.work.fd, &load.tarball, err);
	r = r ?: choose_images(&load, &wanted, options && options->all_platforms, err);
	r = r ?: settle_names(&load.incoming, options ? options->name : NULL, err);
	r = r ?: unpack_images(&load, err);
	r = r ?: publish(&load, err);
	if (r < 0)
		return r;
	tell_names(&load.incoming, ret_names);
	return 0;
}
