/* SPDX-License-Identifier: Apache-2.0 */
/* image load, ls, tag and rm; the others have files of their own. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/report.h"
#include "cli/table.h"
#include "cli/value.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- load ---- */

static int open_input(const char *path, int *ret_fd, struct cor_error *err)
{
	int fd;

	if (!path || text_same(path, "-")) {
		if (isatty(STDIN_FILENO))
			return report_usage(err, "no archive: give --input FILE, or pipe one in");
		*ret_fd = STDIN_FILENO;
		return 0;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return report_fail(err, errno == ENOENT ? COR_NOT_FOUND : COR_PERMISSION, errno,
				   "--input '%s': %s", path, strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int load_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	struct cor_image_load_options options = {
		.name = arguments_text(args, "tag"),
		.platform = arguments_text(args, "platform"),
		.all_platforms = arguments_flag(args, "all-platforms", false),
	};
	bool quiet = arguments_flag(args, "quiet", false);
	_context_ struct cor_context *ctx = NULL;
	struct cor_strings names = {0};
	int fd = -1;
	int r = args->operand_count ? report_usage(err, "an archive is given with --input: %s -i '%s'",
						   args->path, args->operands[0])
				    : open_input(arguments_text(args, "input"), &fd, err);

	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = cor_image_load(ctx, fd, &options, &names, err);
	for (size_t i = 0; r == 0 && i < names.count; i++)
		printf("%s%s\n", quiet ? "" : "Loaded image: ", names.items[i]);
	cor_strings_release(&names);
	if (fd > STDIN_FILENO)
		close(fd);
	return r;
}

static const struct option load_options[] = {
	{"input", 'i', "FILE", "the archive; standard input otherwise", .offer = OFFER_FILES},
	{"tag", 't', "NAME", "name the image so, instead of as the archive says"},
	{"platform", '\0', "OS/ARCHITECTURE",
	 "which platform to take from the archive (default: this host's)"},
	{"all-platforms", '\0', NULL, "take all platforms"},
	{"quiet", 'q', NULL, "print nothing but the names"},
	{0},
};
static const struct option_group load_group = {"Options", load_options};
static const struct command image_load = {
	.name = "load",
	.max = 1, /* none, but whoever gives one learns how */
	.summary = "load an image from an OCI layout or docker archive",
	.text = "Reads a tar archive, plain or compressed with gzip or zstd, as 'docker save', 'podman save' "
		"or 'skopeo copy' write it. Prints the names of what it loaded.",
	.examples = "coracle image load -i image.tar\n"
		    "docker save alpine | coracle image load\n"
		    "skopeo copy docker://alpine oci-archive:a.tar\n"
		    "coracle load -i a.tar --tag alpine",
	.groups = (const struct option_group *const[]){&load_group, NULL},
	.run = load_run,
};

/* ---- ls ---- */

/* As people type it: "docker.io/library/busybox" is "busybox". */
static const char *familiar_name(const char *name)
{
	const char *rest = text_after(name, "docker.io/"), *official;

	rest = rest ? rest : name;
	official = text_after(rest, "library/");
	return official ? official : rest;
}

/* Among NAME..., each of which is a repository, with a tag or without; where there are none, all are. */
static bool is_wanted(const struct arguments *args, const char *name)
{
	for (size_t i = 0; i < args->operand_count; i++) {
		const char *rest = text_after(familiar_name(name), familiar_name(args->operands[i]));

		/* "localhost" is no repository of "localhost:5000/x". */
		if (rest && (!*rest || ((*rest == ':' || *rest == '@') && !strchr(rest, '/'))))
			return true;
	}
	return args->operand_count == 0;
}

static bool has_wanted(const struct arguments *args, const struct cor_image_info *image)
{
	for (size_t i = 0; i < image->names.count; i++)
		if (is_wanted(args, image->names.items[i]))
			return true;
	return args->operand_count == 0;
}

/* "docker.io/library/busybox:latest" is "busybox" and "latest". "name@sha256:…" has no tag. */
static void split_name(const char *name, char **ret_repository, char **ret_tag)
{
	const char *familiar = familiar_name(name), *slash, *colon;

	if (strchr(familiar, '@')) {
		*ret_repository = text_format("%.*s", (int)strcspn(familiar, "@"), familiar);
		*ret_tag = text_copy("<none>");
		return;
	}
	slash = strrchr(familiar, '/');
	colon = strchr(slash ? slash : familiar, ':');
	*ret_repository =
		text_format("%.*s", colon ? (int)(colon - familiar) : (int)strlen(familiar), familiar);
	*ret_tag = text_copy(colon ? colon + 1 : "<none>");
}

static void image_row(struct table *table, const struct cor_image_info *image, const char *name, bool whole,
		      int64_t now_ns)
{
	const char *digits = text_after(image->id, "sha256:");
	_text_ char *repository = NULL, *tag = NULL, *id = NULL, *created = NULL,
		    *size = table_size(image->size);

	split_name(name ? name : "<none>", &repository, &tag);
	id = text_format("%.*s", whole ? 64 : 12, digits ? digits : image->id);
	created = image->created_ns ? table_ago(image->created_ns, now_ns) : text_copy("unknown");
	table_row(table, (const char *const[]){repository, tag, id, created, size});
}

static void images_table(const struct arguments *args, const struct cor_image_list *list, bool whole)
{
	_table_ struct table table = {.columns = 5};
	int64_t now_ns = value_now();

	table_row(&table, (const char *const[]){"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"});
	for (size_t i = 0; i < list->count; i++) {
		const struct cor_image_info *image = &list->items[i];

		for (size_t j = 0; j < image->names.count; j++)
			if (is_wanted(args, image->names.items[j]))
				image_row(&table, image, image->names.items[j], whole, now_ns);
		if (!image->names.count && has_wanted(args, image))
			image_row(&table, image, NULL, whole, now_ns);
	}
	table_print(&table, stdout);
}

static json_t *image_json(const struct cor_image_info *image)
{
	json_t *object = json_object();

	json_object_set_new(object, "Id", json_string(image->id));
	json_object_set_new(object, "Names", output_strings(&image->names));
	json_object_set_new(object, "Digest", json_string(image->digest));
	json_object_set_new(object, "Architecture", json_string(image->architecture));
	json_object_set_new(object, "Os", json_string(image->os));
	json_object_set_new(object, "Created", output_time(image->created_ns));
	json_object_set_new(object, "Size", json_integer((json_int_t)image->size));
	return object;
}

static void images_ids(const struct arguments *args, const struct cor_image_list *list, bool whole)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *digits = text_after(list->items[i].id, "sha256:");

		if (has_wanted(args, &list->items[i]))
			printf("%.*s\n", whole ? 64 : 12, digits ? digits : list->items[i].id);
	}
}

static int images_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);
	bool whole = arguments_flag(args, "no-trunc", false);
	_context_ struct cor_context *ctx = NULL;
	struct cor_image_list list = {0};
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_image_list(ctx, &list, err);
	if (r < 0)
		return r;
	if (arguments_flag(args, "quiet", false)) {
		images_ids(args, &list, whole);
	} else if (format == OUTPUT_TABLE) {
		images_table(args, &list, whole);
	} else {
		_json_ json_t *array = json_array();

		for (size_t i = 0; i < list.count; i++)
			if (has_wanted(args, &list.items[i]))
				json_array_append_new(array, image_json(&list.items[i]));
		output_document(format, array);
	}
	cor_image_list_release(&list);
	return 0;
}

static const struct option images_options[] = {
	{"no-trunc", '\0', NULL, "whole ids"},
	{0},
};
static const struct option_group images_group = {"Options", images_options};
static const struct command image_list = {
	.name = "ls",
	.aliases = "list",
	.operands = "[NAME...]",
	.max = COMMAND_ANY,
	.summary = "list images",
	.text = "All of them, or those that have one of the names: a repository, or one with a tag.",
	.examples = "coracle image ls\n"
		    "coracle images busybox debian:12\n"
		    "coracle rmi $(coracle images -q registry.example/app)",
	.offer = OFFER_IMAGES,
	.groups = (const struct option_group *const[]){&images_group, &output_list_group, NULL},
	.run = images_run,
};

/* ---- tag, rm ---- */

static int tag_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	int r = cor_open(NULL, &ctx, err);

	return r < 0 ? r : cor_image_tag(ctx, args->operands[0], args->operands[1], err);
}

static const struct command image_tag = {
	.name = "tag",
	.operands = "IMAGE NAME",
	.min = 2,
	.max = 2,
	.summary = "give an image a further name",
	.examples = "coracle image tag busybox my/tools:1",
	.offer = OFFER_IMAGES,
	.run = tag_run,
};

static int remove_one(struct cor_context *ctx, const char *ref, void *force, struct cor_error *err)
{
	struct cor_strings removed = {0};
	int r = cor_image_remove(ctx, ref, *(bool *)force, &removed, err);

	for (size_t i = 0; r == 0 && i < removed.count; i++)
		puts(removed.items[i]);
	cor_strings_release(&removed);
	return r;
}

static int remove_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	bool force = arguments_flag(args, "force", false);

	return context_operands(args, remove_one, &force, ret_status, err);
}

static const struct option remove_options[] = {
	{"force", 'f', NULL, "also names of an image that a container uses"},
	{0},
};
static const struct option_group remove_group = {"Options", remove_options};
static const struct command image_remove = {
	.name = "rm",
	.aliases = "delete remove",
	.operands = "IMAGE...",
	.min = 1,
	.max = COMMAND_ANY,
	.summary = "remove names of images, and images with their last name",
	.text = "An id removes all names of its image, and with them the image.",
	.groups = (const struct option_group *const[]){&remove_group, NULL},
	.offer = OFFER_IMAGES,
	.run = remove_run,
};

extern const struct command command_image_inspect, command_image_pull, command_image_push, command_image_save,
	command_image_prune;

const struct command command_image = {
	.name = "image",
	.summary = "pull, push, load, save, list, name and remove images",
	.commands =
		(const struct command *const[]){&command_image_pull, &command_image_push, &image_list,
						&command_image_inspect, &image_tag, &image_remove,
						&image_load, &command_image_save, &command_image_prune, NULL},
};
