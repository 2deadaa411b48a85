/* SPDX-License-Identifier: Apache-2.0 */
/* `cp`: looks at both ends, asks the rules where what goes, and joins a source with a sink. */
#include "container/copy_tar.h"
#include "container/guest_tree.h"
#include "copy/rules.h"
#include "copy/walk.h"
#include "copy/write.h"
#include "coracle/copy.h"

#include <errno.h>
#include <sys/stat.h>

#define LINKS_MAX   10 /* at a destination, one leading to the next */
#define ARCHIVE_MAX (UINT64_C(1) << 40)

static const struct cor_copy_options usual;

/* What is at the far end of a path, its own links followed. */
struct place {
	char *path; /* cleaned */
	bool exists, is_folder;
};

static void place_release(struct place *place)
{
	free(place->path);
}
#define _place_ _cleanup_(place_release)

/* A device is no place for a file: it would be replaced, not written to. */
static int check_place(const struct place *place, mode_t mode, struct cor_error *err)
{
	if (place->exists && (S_ISCHR(mode) || S_ISBLK(mode)))
		return cor_fail(err, COR_INVALID, EINVAL,
				"'%s' is a device: the destination must be a file or a directory",
				place->path);
	return 0;
}

/* ---- the host's end ---- */

static char *clean_local(const char *path)
{
	_free_ char *folder = getcwd(NULL, 0);

	return copy_path_clean(folder ? folder : "/", path);
}

/* Whoever reads a link here is not racing: the destination is the user's. */
static char *link_target(const char *path)
{
	_free_ char *above = copy_path_parent(path);
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	return copy_path_clean(above, target);
}

static int find_local(const char *path, struct place *ret, struct cor_error *err)
{
	struct stat st = {0};

	ret->path = clean_local(path);
	for (int links = 0;; links++) {
		ret->exists = lstat(ret->path, &st) == 0;
		if (!ret->exists && errno != ENOENT)
			return cor_fail_errno(err, errno, "'%s'", path);
		if (!ret->exists || !S_ISLNK(st.st_mode))
			break;
		if (links == LINKS_MAX)
			return cor_fail_errno(err, ELOOP, "'%s'", path);

		char *target = link_target(ret->path);

		if (!target)
			return cor_fail_errno(err, errno, "'%s'", path);
		free(ret->path);
		ret->path = target;
	}
	ret->is_folder = ret->exists && S_ISDIR(st.st_mode);
	return check_place(ret, st.st_mode, err);
}

struct source {
	char *path; /* cleaned: where it is */
	char *name; /* what its copy is called where nobody says otherwise; empty: its contents are meant */
	bool is_folder;
};

static void source_release(struct source *source)
{
	free(source->path);
	free(source->name);
}
#define _source_ _cleanup_(source_release)

static int find_local_source(const char *path, bool follow, struct source *ret, struct cor_error *err)
{
	struct stat st;

	ret->path = clean_local(path);
	ret->name = copy_path_name(ret->path);
	if (lstat(ret->path, &st) < 0)
		return cor_fail_errno(err, errno, "'%s'", path);
	if (follow && S_ISLNK(st.st_mode)) {
		char *real = realpath(ret->path, NULL);

		if (!real || lstat(real, &st) < 0)
			return cor_fail_errno(err, errno, "'%s'", path);
		free(ret->path);
		ret->path = real;
	}
	ret->is_folder = S_ISDIR(st.st_mode);
	return 0;
}

/* ---- the container's end ---- */

static int find_source(struct guest_tree *tree, const char *path, bool follow, struct source *ret,
		       struct cor_error *err)
{
	struct guest_file file = {0};
	int r;

	ret->path = copy_path_clean("/", path);
	ret->name = copy_path_name(ret->path);
	r = guest_tree_stat(tree, ret->path, &file, err);
	if (r == 0 && follow && S_ISLNK(file.mode) && file.target) {
		_free_ char *above = copy_path_parent(ret->path), *target = steal_ptr(file.target);

		free(ret->path);
		ret->path = copy_path_clean(above, target);
		r = guest_tree_stat(tree, ret->path, &file, err);
	}
	free(file.target);
	ret->is_folder = S_ISDIR(file.mode);
	return r;
}

/* What is not there may still be made; whether its parent is there shows when it is. */
static int look(struct guest_tree *tree, struct place *place, struct guest_file *file, struct cor_error *err)
{
	struct cor_error why = {0};
	int r = guest_tree_stat(tree, place->path, file, &why);

	place->exists = r == 0;
	if (r == 0 || why.status == COR_NOT_FOUND)
		return 0;
	if (err)
		*err = why;
	return r;
}

static int find_place(struct guest_tree *tree, const char *path, struct place *ret, struct cor_error *err)
{
	struct guest_file file = {0};
	int r;

	ret->path = copy_path_clean("/", path);
	r = look(tree, ret, &file, err);
	if (r == 0 && ret->exists && S_ISLNK(file.mode) && file.target) {
		_free_ char *above = copy_path_parent(ret->path), *target = steal_ptr(file.target);

		free(ret->path);
		ret->path = copy_path_clean(above, target);
		r = look(tree, ret, &file, err);
	}
	free(file.target);
	ret->is_folder = ret->exists && S_ISDIR(file.mode);
	return r ?: check_place(ret, file.mode, err);
}

/* A copy that failed ends its machine too, but its own failure is what is told. */
static int close_tree(struct guest_tree *tree, int r, struct cor_error *err)
{
	struct cor_error late = {0};
	int closed = tree->client ? guest_tree_close(tree, &late) : 0;

	if (r == 0 && closed < 0 && err)
		*err = late;
	return r ?: closed;
}

/* ---- out of the container ---- */

static int write_local(struct guest_tree *tree, const struct source *source, const struct copy_plan *plan,
		       bool archive, struct cor_copied *ret, struct cor_error *err)
{
	const struct copy_writing how = {
		.owners = archive ? COPY_OWNERS_KEPT : COPY_OWNERS_MINE, .hostile = true, .name = plan->name};
	const struct guest_request request = {.path = source->path, .name = plan->name, .details = archive};
	_cleanup_(copy_writer_freep) struct copy_writer *writer = NULL;
	_fd_ int dir = open(plan->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct copy_sink sink;
	int r;

	if (dir < 0)
		return cor_fail_errno(err, errno, "'%s'", plan->folder);
	writer = copy_writer_new(dir, &how);
	sink = copy_writer_sink(writer);
	r = guest_tree_receive(tree, &request, &sink, err);
	r = r ?: copy_writer_end(writer, err);
	*ret = (struct cor_copied){.bytes = copy_writer_bytes(writer),
				   .left_out = copy_writer_left_out(writer)};
	return r;
}

static int copy_from(struct guest_tree *tree, const char *path, const char *dest,
		     const struct cor_copy_options *options, struct cor_copied *ret, struct cor_error *err)
{
	_copy_plan_ struct copy_plan plan = {0};
	_source_ struct source source = {0};
	_place_ struct place place = {0};
	int r = find_local(dest, &place, err);

	r = r ?: find_source(tree, path, options->follow_link, &source, err);
	r = r
		    ?: copy_plan_make(source.name, source.is_folder, place.path, place.exists,
				      place.is_folder, &plan, err);
	return r ?: write_local(tree, &source, &plan, options->archive, ret, err);
}

int cor_copy_from(struct cor_context *ctx, const char *ref, const char *source, const char *dest,
		  const struct cor_copy_options *options, struct cor_copied *ret, struct cor_error *err)
{
	_guest_tree_ struct guest_tree tree = {0};
	struct cor_copied copied = {0};
	int r = guest_tree_open(ctx, ref, false, &tree, err);

	r = r ?: copy_from(&tree, source, dest, options ? options : &usual, &copied, err);
	if (ret)
		*ret = copied;
	return close_tree(&tree, r, err);
}

static int write_tar(struct guest_tree *tree, const struct guest_request *request, int fd,
		     struct cor_error *err)
{
	_cleanup_(copy_tar_freep) struct copy_tar *tar = NULL;
	struct copy_sink sink;
	const struct copy_tar_options how = {.name = request->name, .max = ARCHIVE_MAX};
	int r = copy_tar_create(fd, &how, &tar, err);

	if (r < 0)
		return r;
	sink = copy_tar_sink(tar);
	r = guest_tree_receive(tree, request, &sink, err);
	return r ?: copy_tar_end(tar, err);
}

int cor_copy_out(struct cor_context *ctx, const char *ref, const char *path, int fd,
		 const struct cor_copy_options *options, struct cor_error *err)
{
	_guest_tree_ struct guest_tree tree = {0};
	_source_ struct source source = {0};
	int r = guest_tree_open(ctx, ref, false, &tree, err);

	r = r ?: find_source(&tree, path, options && options->follow_link, &source, err);
	if (r == 0) {
		const struct guest_request request = {
			.path = source.path, .name = source.name, .details = true};

		r = write_tar(&tree, &request, fd, err);
	}
	return close_tree(&tree, r, err);
}

/* ---- into the container ---- */

static int walk_local(const struct source *source, const char *name, const struct copy_sink *sink,
		      struct cor_error *err)
{
	const struct copy_walk walk = {.sink = *sink, .name = name, .attributes = COPY_CAPABILITIES};
	_free_ char *above = source->is_folder ? xstrdup(source->path) : copy_path_parent(source->path);
	const char *last = source->is_folder ? "." : strrchr(source->path, '/') + 1;
	_fd_ int dir = open(above, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return cor_fail_errno(err, errno, "'%s'", source->path);
	return copy_walk(dir, last, &walk, err);
}

static int copy_to(struct guest_tree *tree, const char *path, const char *dest,
		   const struct cor_copy_options *options, struct cor_copied *ret, struct cor_error *err)
{
	_cleanup_(guest_sending_freep) struct guest_sending *sending = NULL;
	_copy_plan_ struct copy_plan plan = {0};
	_source_ struct source source = {0};
	_place_ struct place place = {0};
	struct copy_sink sink;
	int r = find_local_source(path, options->follow_link, &source, err);

	r = r ?: find_place(tree, dest, &place, err);
	r = r
		    ?: copy_plan_make(source.name, source.is_folder, place.path, place.exists,
				      place.is_folder, &plan, err);
	r = r ?: guest_tree_send(tree, plan.folder, options->archive, &sending, err);
	if (r < 0)
		return r;
	sink = guest_sending_sink(sending);
	r = walk_local(&source, plan.name, &sink, err);
	return r ?: guest_sending_end(sending, &ret->bytes, err);
}

int cor_copy_to(struct cor_context *ctx, const char *ref, const char *source, const char *dest,
		const struct cor_copy_options *options, struct cor_copied *ret, struct cor_error *err)
{
	_guest_tree_ struct guest_tree tree = {0};
	struct cor_copied copied = {0};
	int r = guest_tree_open(ctx, ref, false, &tree, err);

	r = r ?: copy_to(&tree, source, dest, options ? options : &usual, &copied, err);
	if (ret)
		*ret = copied;
	return close_tree(&tree, r, err);
}

static int unpack_into(struct guest_tree *tree, int fd, const char *dest, struct cor_error *err)
{
	_cleanup_(guest_sending_freep) struct guest_sending *sending = NULL;
	_place_ struct place place = {0};
	struct copy_sink sink;
	uint64_t bytes;
	int r = find_place(tree, dest, &place, err);

	if (r < 0)
		return r;
	if (!place.is_folder)
		return cor_fail(err, COR_INVALID, ENOTDIR,
				"'%s' in '%s' is no directory: an archive needs one to go into", dest,
				tree->record.name);
	r = guest_tree_send(tree, place.path, true, &sending, err);
	if (r < 0)
		return r;
	sink = guest_sending_sink(sending);
	r = copy_tar_read(fd, &sink, err);
	return r ?: guest_sending_end(sending, &bytes, err);
}

int cor_copy_in(struct cor_context *ctx, const char *ref, int fd, const char *dest,
		const struct cor_copy_options *options, struct cor_error *err)
{
	_guest_tree_ struct guest_tree tree = {0};
	int r = guest_tree_open(ctx, ref, false, &tree, err);

	r = r ?: unpack_into(&tree, fd, dest, err);
	return close_tree(&tree, r, err);
}
