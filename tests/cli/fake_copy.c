/* SPDX-License-Identifier: Apache-2.0 */
/* Copies that copy nothing. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *how(const struct cor_copy_options *options)
{
	return options->archive       ? options->follow_link ? " (archive, follow)" : " (archive)"
	       : options->follow_link ? " (follow)"
				      : "";
}

int cor_copy_from(struct cor_context *ctx, const char *ref, const char *source, const char *dest,
		  const struct cor_copy_options *options, struct cor_copied *ret, struct cor_error *err)
{
	fake_call("copy from %s: %s to %s%s", ref, source, dest, how(options));
	*ret = (struct cor_copied){.bytes = 5, .left_out = strcmp(source, "/dev") == 0 ? 2 : 0};
	return 0;
}

int cor_copy_to(struct cor_context *ctx, const char *ref, const char *source, const char *dest,
		const struct cor_copy_options *options, struct cor_copied *ret, struct cor_error *err)
{
	fake_call("copy to %s: %s to %s%s", ref, source, dest, how(options));
	*ret = (struct cor_copied){.bytes = 5};
	return 0;
}

int cor_copy_out(struct cor_context *ctx, const char *ref, const char *source, int fd,
		 const struct cor_copy_options *options, struct cor_error *err)
{
	fake_call("copy out of %s: %s%s", ref, source, how(options));
	return write(fd, "archive", 7) == 7 ? 0 : -1;
}

int cor_copy_in(struct cor_context *ctx, const char *ref, int fd, const char *dest,
		const struct cor_copy_options *options, struct cor_error *err)
{
	fake_call("copy in to %s: %s%s", ref, dest, how(options));
	return 0;
}

int cor_container_export(struct cor_context *ctx, const char *ref, int fd, struct cor_error *err)
{
	fake_call("export %s", ref);
	return write(fd, "archive", 7) == 7 ? 0 : -1;
}

int cor_container_diff(struct cor_context *ctx, const char *ref, struct cor_change_list *ret,
		       struct cor_error *err)
{
	ret->items = calloc(2, sizeof(*ret->items));
	ret->count = 2;
	ret->items[0] = (struct cor_change){'C', strdup("/etc")};
	ret->items[1] = (struct cor_change){'A', strdup("/etc/new\nline")};
	return 0;
}

void cor_change_list_release(struct cor_change_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].path);
	free(list->items);
}

int cor_container_commit(struct cor_context *ctx, const char *ref, const struct cor_commit_options *options,
			 char **ret_id, struct cor_error *err)
{
	fake_call("commit %s as %s by %s: %s%s", ref, options->name ? options->name : "nothing",
		  options->author ? options->author : "nobody", options->message ? options->message : "",
		  options->no_pause ? " (running)" : "");
	for (const char *const *line = options->changes; line && *line; line++)
		fake_call("change %s", *line);
	*ret_id = strdup("sha256:00");
	return 0;
}
