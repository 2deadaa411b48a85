/* SPDX-License-Identifier: Apache-2.0 */
/* store_tool DATA load|ls|inspect|tag|rm|rootfs [ARGUMENT...]: the image store by itself, for tests that have no business with machines. The archive for load
 * comes on standard input; load takes --tag NAME and --platform P. Errors go to standard error, with the status in front. */
#include "base/cleanup.h"
#include "base/str.h"
#include "image/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static void print_strings(struct cor_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++) {
		puts(strings->items[i]);
		free(strings->items[i]);
	}
	free(strings->items);
}

static int run_load(struct image_store *store, int argc, char **argv, struct cor_error *err)
{
	struct cor_image_load_options options = {0};
	struct cor_strings names = {0};
	int r;

	for (int i = 0; i + 1 < argc; i += 2) {
		if (str_equal(argv[i], "--tag"))
			options.name = argv[i + 1];
		else if (str_equal(argv[i], "--platform"))
			options.platform = argv[i + 1];
	}
	r = image_load(store, STDIN_FILENO, &options, &names, err);
	print_strings(&names);
	return r;
}

static int run_list(struct image_store *store, int argc, char **argv, struct cor_error *err)
{
	struct cor_image_list list = {0};
	int r = image_list(store, &list, err);

	for (size_t i = 0; i < list.count; i++) {
		const struct cor_image_info *info = &list.items[i];

		for (size_t j = 0; j < info->names.count; j++)
			printf("%s %s %s/%s\n", info->names.items[j], info->id, info->os, info->architecture);
		if (!info->names.count)
			printf("<none> %s %s/%s\n", info->id, info->os, info->architecture);
	}
	image_list_release(&list);
	return r;
}

static int run_inspect(struct image_store *store, int argc, char **argv, struct cor_error *err)
{
	_free_ char *text = NULL;
	int r = image_inspect(store, argv[0], &text, err);

	if (r == 0)
		puts(text);
	return r;
}

static int run_tag(struct image_store *store, int argc, char **argv, struct cor_error *err)
{
	return image_tag(store, argv[0], argv[1], err);
}

static bool used_by(void *userdata, const char *image_id, char **ret_name)
{
	if (!str_equal(userdata, image_id))
		return false;
	*ret_name = xstrdup("somebody");
	return true;
}

/* rm REF [force|keep [ID that is in use]] */
static int run_remove(struct image_store *store, int argc, char **argv, struct cor_error *err)
{
	struct cor_strings removed = {0};
	int r = image_remove(store, argv[0], argc > 1 && str_equal(argv[1], "force"), used_by,
			     argc > 2 ? argv[2] : NULL, &removed, err);

	print_strings(&removed);
	return r;
}

static int run_rootfs(struct image_store *store, int argc, char **argv, struct cor_error *err)
{
	struct image_rootfs rootfs;
	int r = image_rootfs(store, argv[0], argc > 1 ? argv[1] : NULL, &rootfs, err);

	if (r < 0)
		return r;
	puts(rootfs.path);
	image_rootfs_release(&rootfs);
	return 0;
}

static const struct {
	const char *name;
	int arguments;
	int (*run)(struct image_store *store, int argc, char **argv, struct cor_error *err);
} commands[] = {
	{"load", 0, run_load}, {"ls", 0, run_list},   {"inspect", 1, run_inspect},
	{"tag", 2, run_tag},   {"rm", 1, run_remove}, {"rootfs", 1, run_rootfs},
};

int main(int argc, char **argv)
{
	_fd_ int data = argc < 3 ? -1 : open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct image_store *store;
	struct cor_error err = {0};
	int r = -EINVAL;

	if (data < 0) {
		fprintf(stderr, "usage: store_tool DATA COMMAND [ARGUMENT...]\n");
		return 2;
	}
	if (image_store_open(data, &store, &err) == 0) {
		for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
			if (str_equal(argv[2], commands[i].name) && argc - 3 >= commands[i].arguments)
				r = commands[i].run(store, argc - 3, argv + 3, &err);
		image_store_free(store);
	}
	if (r < 0)
		fprintf(stderr, "%s: %s\n", cor_status_name(err.status), err.msg);
	return r < 0 ? 1 : 0;
}
