/* SPDX-License-Identifier: Apache-2.0 */
/* Copies that copy nothing. */
#include "fake.h"

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
