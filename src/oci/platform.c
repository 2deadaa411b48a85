/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms, normalised so that they compare as words: what uname calls x86_64 and aarch64 is amd64 and arm64 here, and arm64 without a
 * variant is v8. */
#include "oci/platform.h"

#include "base/macro.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>

static const struct {
	const char *other, *word;
} architectures[] = {
	{"x86_64", "amd64"}, {"x86-64", "amd64"}, {"aarch64", "arm64"},
	{"i386", "386"},     {"i686", "386"},     {"armhf", "arm"},
};

#define WORD_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static int set_word(char out[PLATFORM_WORD_SIZE], const char *word, const char *what, struct cor_error *err)
{
	if (str_empty(word)) {
		out[0] = '\0';
		return 0;
	}
	if (!str_made_of(word, PLATFORM_WORD_SIZE - 1, WORD_BYTES))
		return cor_fail(err, COR_INVALID, EINVAL, "platform: bad %s", what);
	strcpy(out, word);
	return 0;
}

int platform_set(struct platform *p, const char *os, const char *architecture, const char *variant,
		 struct cor_error *err)
{
	struct platform made = {0};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(architectures); i++)
		if (str_equal(architecture, architectures[i].other))
			architecture = architectures[i].word;
	r = set_word(made.os, os, "operating system", err);
	if (r == 0)
		r = set_word(made.architecture, architecture, "architecture", err);
	if (r == 0)
		r = set_word(made.variant, variant, "variant", err);
	if (r < 0)
		return r;
	if (strcmp(made.architecture, "arm64") == 0 && !made.variant[0])
		strcpy(made.variant, "v8");
	*p = made;
	return 0;
}

int platform_parse(const char *text, struct platform *ret, struct cor_error *err)
{
	_strv_ struct strv parts = strv_split(text, '/');

	for (size_t i = 0; i < parts.count; i++)
		if (!parts.items[i][0])
			return cor_fail(err, COR_INVALID, EINVAL, "platform '%s': write it as linux/amd64",
					text);
	if (parts.count == 1)
		return platform_set(ret, "linux", parts.items[0], NULL, err);
	if (parts.count > 3)
		return cor_fail(err, COR_INVALID, EINVAL, "platform '%s': write it as linux/amd64", text);
	return platform_set(ret, parts.items[0], parts.items[1], parts.count == 3 ? parts.items[2] : NULL,
			    err);
}

struct platform platform_host(void)
{
	struct platform p = {0};
	struct utsname u;

	if (uname(&u) == 0)
		platform_set(&p, "linux", u.machine, NULL, NULL);
	return p;
}

bool platform_matches(const struct platform *image, const struct platform *wanted)
{
	if (strcmp(image->os, wanted->os) != 0 || strcmp(image->architecture, wanted->architecture) != 0)
		return false;
	return !image->variant[0] || !wanted->variant[0] || strcmp(image->variant, wanted->variant) == 0;
}

char *platform_format(const struct platform *p, char out[PLATFORM_TEXT_SIZE])
{
	snprintf(out, PLATFORM_TEXT_SIZE, "%s/%s%s%s", p->os, p->architecture, p->variant[0] ? "/" : "",
		 p->variant);
	return out;
}
