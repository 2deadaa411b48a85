/* SPDX-License-Identifier: Apache-2.0 */
/* `create`: checks everything that can be checked without running anything, then writes the bundle. Nothing of it can be seen, or stays, until
 * the last step gives it its name. */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/size.h"
#include "container/context.h"
#include "container/guest_files.h"
#include "container/machine.h"
#include "container/networks.h"
#include "container/mounts.h"
#include "container/ports.h"
#include "container/seccomp.h"
#include "container/spec.h"
#include "container/store.h"
#include "image/qcow2.h"
#include "oci/runtime_spec.h"

#include <errno.h>
#include <sys/stat.h>

#define PROFILE_MAX    (1u << 20)
#define MIN_STORAGE    (16 * MIB)
#define DEFAULT_STOP_S 10

/* ---- the bundle ---- */

static int write_seccomp(const struct bundle *bundle, const struct container_spec *spec,
			 struct cor_error *err)
{
	_json_ json_t *profile = NULL;
	_free_ void *bpf = NULL;
	size_t size;
	int r;

	if (spec->seccomp_unconfined)
		return 0;
	if (spec->seccomp_profile) {
		r = json_read_file(AT_FDCWD, spec->seccomp_profile, PROFILE_MAX, &profile, err);
		r = r ?: seccomp_from_json(profile, spec->caps, &bpf, &size, err);
	} else {
		r = seccomp_default(spec->caps, &bpf, &size, err);
	}
	if (r < 0)
		return r;
	r = file_write_new(bundle->dir, "seccomp.bpf", bpf, size, 0600);
	return r < 0 ? cor_fail_errno(err, r, "container %.12s: write seccomp.bpf", bundle->id) : 0;
}

static int write_config(const struct bundle *bundle, const struct container_spec *spec, struct cor_error *err)
{
	struct stat st;
	int r = json_write_new(bundle->dir, "config.json", spec->config, 0600, err);

	if (r == 0 && fstatat(bundle->dir, "config.json", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_fail_errno(err, errno, "container %.12s: config.json", bundle->id);
	/* Start would not read it, nor the guest. */
	if (r == 0 && (uint64_t)st.st_size > OCI_CONFIG_MAX)
		return cor_fail(err, COR_INVALID, E2BIG,
				"variables, arguments and annotations take more than 1 MiB");
	return r;
}

static int write_disk(const struct bundle *bundle, const struct image_rootfs *rootfs, uint64_t storage_size,
		      struct cor_error *err)
{
	int r;
	_fd_ int fd = openat(bundle->dir, "root.qcow2", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return cor_fail_errno(err, errno, "container %.12s: disk", bundle->id);
	r = qcow2_create(fd, rootfs->size, err);
	/* The window through which QEMU writes it must not be larger than the file, which is sparse. */
	if (r == 0 && storage_size && ftruncate(fd, (off_t)storage_limit(storage_size)) < 0)
		return cor_fail_errno(err, errno, "container %.12s: disk", bundle->id);
	return r;
}

/* More than the disk has limits nothing. */
static int choose_storage(const struct cor_container_options *options, const struct image_rootfs *rootfs,
			  uint64_t *ret, struct cor_error *err)
{
	if (!options->storage_size)
		return 0;
	if (options->read_only)
		return cor_fail(err, COR_INVALID, EINVAL,
				"a root that is read-only does not grow: leave the storage size away");
	if (options->storage_size < MIN_STORAGE)
		return cor_fail(err, COR_INVALID, ERANGE, "a storage size is at least 16m");
	*ret = options->storage_size < rootfs->size ? options->storage_size : 0;
	return 0;
}

static int stop_timeout(int given)
{
	return given == 0 ? DEFAULT_STOP_S : given == COR_STOP_AT_ONCE ? 0 : given;
}

static void fill_record(const struct cor_container_options *options, const struct image_rootfs *rootfs,
			const struct container_spec *spec, const struct bundle *bundle,
			struct container_record *record)
{
	memcpy(record->id, bundle->id, ID_SIZE);
	record->image = xstrdup(options->image);
	record->image_id = xstrdup(rootfs->image_id);
	record->rootfs = xstrdup(rootfs->path);
	record->stop_signal = spec->stop_signal;
	record->stop_timeout_s = stop_timeout(options->stop_timeout_s);
	record->auto_remove = options->auto_remove;
	record->terminal = options->process.terminal;
	record->interactive = options->process.interactive;
	record->reaper = options->init;
	record->read_only = options->read_only;
	strv_add_all(&record->args, &spec->args);
	strv_add_all(&record->labels, &spec->labels);
	record->created_ns = clock_realtime_ns();
}

static int write_bundle(struct cor_context *ctx, const struct cor_container_options *options,
			const struct image_rootfs *rootfs, const struct container_mounts *mounts,
			struct bundle *bundle, struct container_record *record, struct cor_error *err)
{
	_cleanup_(container_spec_release) struct container_spec spec = {0};
	int r = container_spec_build(options, rootfs->config, bundle->id, &spec, err);

	if (r == 0)
		container_sockets_mount(&record->sockets, bundle->id, json_object_get(spec.config, "mounts"));
	if (r == 0)
		container_shares_mount(&record->shares, bundle->id, json_object_get(spec.config, "mounts"));
	if (r == 0)
		container_mounts_add(mounts, record, bundle->id, json_object_get(spec.config, "mounts"));
	r = r ?: write_seccomp(bundle, &spec, err);
	r = r ?: guest_files_write(bundle->dir, options, spec.hostname, err);
	r = r ?: write_disk(bundle, rootfs, record->storage_size, err);
	r = r ?: write_config(bundle, &spec, err);
	if (r < 0)
		return r;
	fill_record(options, rootfs, &spec, bundle, record);
	return container_record_write(&ctx->roots, record, err);
}

static int create(struct cor_context *ctx, const struct cor_container_options *options,
		  const struct image_rootfs *rootfs, struct container_record *record, struct cor_error *err)
{
	struct container_mounts mounts = {.lock = -1};
	struct bundle bundle = {.dir = -1};
	int r = choose_storage(options, rootfs, &record->storage_size, err);

	r = r ?: container_mounts_choose(&ctx->roots, options, rootfs->config, record, &mounts, err);
	r = r ?: bundle_begin(&ctx->roots, &bundle, err);
	r = r ?: write_bundle(ctx, options, rootfs, &mounts, &bundle, record, err);
	r = r ?: bundle_publish(&ctx->roots, &bundle, record->name, !record->auto_remove, err);
	bundle_release(&ctx->roots, &bundle);
	container_mounts_release(&ctx->roots, &mounts, r == 0);
	return r;
}

int cor_container_create(struct cor_context *ctx, const struct cor_container_options *options, char **ret_id,
			 struct cor_error *err)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	struct image_store *images;
	struct image_rootfs rootfs;
	int r;

	if (str_empty(options->image))
		return cor_fail(err, COR_INVALID, EINVAL, "no image was named");
	if (options->stop_timeout_s < COR_STOP_AT_ONCE)
		return cor_fail(err, COR_INVALID, EINVAL, "%d is no time to stop in",
				options->stop_timeout_s);
	record.name = options->name ? xstrdup(options->name) : container_name_invent(&ctx->roots);
	r = container_name_check(&ctx->roots, record.name, err);
	r = r ?: networks_choose(ctx, options->networks, &record.networks, err);
	r = r ?: container_sockets_choose(options, &record.sockets, err);
	r = r ?: machine_choose(options, &record.machine, err);
	r = r ?: context_images(ctx, &images, err);
	if (r < 0)
		return r;
	r = image_rootfs(images, options->image, options->platform, &rootfs, err);
	if (r < 0)
		return r;
	timings_add(&ctx->timings, "coracle", "image found", 0, clock_monotonic_ns());
	r = ports_choose(&ctx->roots, options, rootfs.config, &record, err);
	r = r ?: container_shares_choose(options, &record.shares, err);
	r = r ?: create(ctx, options, &rootfs, &record, err);
	image_rootfs_release(&rootfs);
	timings_add(&ctx->timings, "coracle", "container written", 0, clock_monotonic_ns());
	if (r == 0)
		*ret_id = xstrdup(record.id);
	return r;
}
