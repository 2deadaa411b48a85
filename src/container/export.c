/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that want a container's disk as a whole. Its processes stand still meanwhile (cgroup.freeze): what is read is of one moment. Freezing the file system instead would
 * let them run until they write, and then hang in the middle of it as well. */
#include "base/json.h"
#include "container/changes.h"
#include "container/commit_change.h"
#include "container/copy_tar.h"
#include "container/guest_tree.h"
#include "coracle/commit.h"
#include "image/commit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define WHITEOUT   ".wh."
#define EXPORT_MAX (UINT64_C(1) << 40)
#define LAYER_MAX  (UINT64_C(256) << 30)

/* Opens and freezes; what follows is of one moment. */
static int open_still(struct cor_context *ctx, const char *ref, bool still, struct guest_tree *tree,
		      struct cor_error *err)
{
	int r = guest_tree_open(ctx, ref, true, tree, err);

	return r < 0 || !still ? r : guest_tree_freeze(tree, err);
}

/* Whether it stood still to the end. A failure of before is what is told. */
static int close_still(struct guest_tree *tree, bool still, int r, struct cor_error *err)
{
	struct cor_error late = {0};
	int closed = 0;

	if (!tree->client)
		return r;
	if (still && r == 0)
		closed = guest_tree_thaw(tree, &late);
	closed = guest_tree_close(tree, closed < 0 ? NULL : &late) ?: closed;
	if (r == 0 && closed < 0 && err)
		*err = late;
	return r ?: closed;
}

/* ---- export ---- */

static int write_disk(struct guest_tree *tree, int fd, struct cor_error *err)
{
	const struct guest_request request = {.path = "/", .name = "", .disk = true, .details = true};
	_cleanup_(copy_tar_freep) struct copy_tar *tar = NULL;
	struct copy_sink sink;
	const struct copy_tar_options how = {.name = request.name, .max = EXPORT_MAX};
	int r = copy_tar_create(fd, &how, &tar, err);

	if (r < 0)
		return r;
	sink = copy_tar_sink(tar);
	r = guest_tree_receive(tree, &request, &sink, err);
	return r ?: copy_tar_end(tar, err);
}

int cor_container_export(struct cor_context *ctx, const char *ref, int fd, struct cor_error *err)
{
	_guest_tree_ struct guest_tree tree = {0};
	int r = open_still(ctx, ref, true, &tree, err);

	r = r ?: write_disk(&tree, fd, err);
	return close_still(&tree, true, r, err);
}

/* ---- diff ---- */

static int compare(struct guest_tree *tree, struct changes *ret, struct cor_error *err)
{
	const struct guest_request request = {
		.path = "/", .name = "", .disk = true, .details = true, .only_metadata = true};
	_cleanup_(ext4_reader_freep) struct ext4_reader *base = NULL;
	_cleanup_(comparison_freep) struct comparison *comparison = NULL;
	_fd_ int fd = open(tree->record.rootfs, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_json_ json_t *config = NULL;
	struct copy_sink sink;
	int r;

	if (fd < 0)
		return cor_fail_errno(err, errno, "the file system of image '%s'", tree->record.image);
	r = ext4_reader_open(fd, &base, err);
	r = r ?: container_config_read(tree->roots, tree->record.id, &config, err);
	if (r < 0)
		return r;
	comparison = comparison_new(base, config);
	sink = comparison_sink(comparison);
	r = guest_tree_receive(tree, &request, &sink, err);
	return r ?: comparison_end(comparison, ret, err);
}

int cor_container_diff(struct cor_context *ctx, const char *ref, struct cor_change_list *ret,
		       struct cor_error *err)
{
	_cleanup_(changes_release) struct changes changes = {0};
	_guest_tree_ struct guest_tree tree = {0};
	int r = open_still(ctx, ref, true, &tree, err);

	r = r ?: compare(&tree, &changes, err);
	r = close_still(&tree, true, r, err);
	if (r < 0)
		return r;
	*ret = (struct cor_change_list){.items = xcalloc(changes.count + 1, sizeof(*ret->items)),
					.count = changes.count};
	for (size_t i = 0; i < changes.count; i++)
		ret->items[i] = (struct cor_change){.kind = changes.items[i].kind,
						    .path = str_format("/%s", changes.items[i].path)};
	return 0;
}

void cor_change_list_release(struct cor_change_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].path);
	free(list->items);
	*list = (struct cor_change_list){0};
}

/* ---- commit ---- */

struct committing {
	struct guest_tree *tree;
	const struct cor_commit_options *options;
};

/* The rest of the path's last part behind ".wh.", which means something else in a layer than in a file system. */
static bool is_whiteout(const char *path)
{
	const char *slash = strrchr(path, '/');

	return str_after(slash ? slash + 1 : path, WHITEOUT) != NULL;
}

static int write_whiteouts(const struct changes *changes, const struct copy_sink *tar, struct cor_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < changes->count; i++) {
		const char *path = changes->items[i].path, *slash = strrchr(path, '/');
		size_t above = slash ? (size_t)(slash - path) + 1 : 0;
		_free_ char *whiteout = str_format("%.*s" WHITEOUT "%s", (int)above, path, path + above);
		const struct copy_entry entry = {.path = whiteout, .mode = S_IFREG | 0600};

		if (is_whiteout(path))
			return cor_fail(
				err, COR_UNSUPPORTED, EINVAL,
				"'/%.200s': an image cannot hold a file whose name begins with " WHITEOUT,
				path);
		if (changes->items[i].kind == 'D')
			r = tar->entry(tar->user, &entry, err);
	}
	return r;
}

static int write_layer(void *userdata, int fd, struct cor_error *err)
{
	struct committing *c = userdata;
	_cleanup_(changes_release) struct changes changes = {0};
	_cleanup_(copy_tar_freep) struct copy_tar *tar = NULL;
	struct guest_request request = {.path = "/", .name = "", .disk = true, .details = true};
	const struct copy_tar_options how = {.name = request.name, .max = LAYER_MAX};
	struct copy_sink sink;
	int r = compare(c->tree, &changes, err);

	r = r ?: copy_tar_create(fd, &how, &tar, err);
	if (r < 0)
		return r;
	sink = copy_tar_sink(tar);
	r = write_whiteouts(&changes, &sink, err);
	/* The second walk is the first over again, since nothing moves. */
	request.wanted = changes.wanted;
	request.wanted_size = changes.wanted_size;
	if (r == 0 && changes.wanted_size)
		r = guest_tree_receive(c->tree, &request, &sink, err);
	r = r ?: copy_tar_end(tar, err);
	/* Nothing of what follows needs the container. */
	return r < 0 || c->options->no_pause ? r : guest_tree_thaw(c->tree, err);
}

static int change_config(void *userdata, json_t *config, struct cor_error *err)
{
	const struct committing *c = userdata;
	int r = 0;

	for (const char *const *line = c->options->changes; r == 0 && line && *line; line++)
		r = commit_change_apply(config, *line, err);
	return r;
}

/* Before a container stands still for a line that is wrong. */
static int check_changes(const struct cor_commit_options *options, struct cor_error *err)
{
	const struct committing c = {.options = options};
	_json_ json_t *scratch = json_object();

	return change_config((void *)(uintptr_t)&c, scratch, err);
}

int cor_container_commit(struct cor_context *ctx, const char *ref, const struct cor_commit_options *options,
			 char **ret_id, struct cor_error *err)
{
	_guest_tree_ struct guest_tree tree = {0};
	struct committing c = {.tree = &tree, .options = options};
	struct image_commit commit = {
		.name = options->name,
		.author = options->author,
		.message = options->message,
		.change = change_config,
		.write_layer = write_layer,
		.userdata = &c,
	};
	struct image_store *images;
	int r = check_changes(options, err);

	r = r ?: context_images(ctx, &images, err);
	r = r ?: open_still(ctx, ref, !options->no_pause, &tree, err);
	if (r < 0)
		return close_still(&tree, false, r, err);
	commit.base = tree.record.image_id;
	r = image_commit(images, &commit, ret_id, err);
	return close_still(&tree, false, r, err);
}
