/* SPDX-License-Identifier: Apache-2.0 */
/* A reference is taken apart from its end: digest, tag, then registry and path. A first component is a registry if it looks like a host: a dot,
 * a port, upper case, or the word localhost. */
#include "oci/reference.h"

#include "base/id.h"
#include "base/size.h"
#include "base/str.h"
#include "oci/digest.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>

#define NAME_MAX_BYTES 255
#define TAG_MAX_BYTES  128
#define TAG_BYTES      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static bool lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* [a-z0-9]+, joined by ".", "_", "__" or any number of "-". NULL, or what is wrong. */
static const char *component_problem(const char *s, size_t n)
{
	size_t i = 0;

	if (n == 0)
		return "a part between slashes is empty";
	while (i < n) {
		size_t word = i, gap;

		while (i < n && lower_alnum(s[i]))
			i++;
		if (i == n)
			return NULL;
		if (isupper((unsigned char)s[i]))
			return "upper case is not allowed";
		if (!strchr("._-", s[i]))
			return "only lower case, digits, '.', '_' and '-' are allowed";
		if (i == word)
			return "a part between slashes begins with '.', '_' or '-', or has two kinds of them "
			       "in a row";
		gap = i;
		while (i < n && s[i] == s[gap])
			i++;
		if ((s[gap] == '.' && i - gap > 1) || (s[gap] == '_' && i - gap > 2))
			return "more than one '.' or two '_' in a row are not allowed";
	}
	return "a part between slashes ends with '.', '_' or '-'";
}

static const char *path_problem(const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "/");
		const char *problem = component_problem(path, n);

		if (problem || !path[n])
			return problem;
		path += n + 1;
	}
}

static bool label_valid(const char *s, size_t n)
{
	if (n == 0 || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-')
			return false;
	return true;
}

static bool is_ipv6(const char *s, size_t n)
{
	struct in6_addr address;
	char text[INET6_ADDRSTRLEN] = "";

	if (n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	return inet_pton(AF_INET6, text, &address) == 1;
}

/* host labels joined by dots or "[v6]", and a port. */
bool reference_domain_valid(const char *domain)
{
	const char *port, *host = domain;
	int64_t number;
	size_t n;

	if (*host == '[') {
		n = strcspn(host + 1, "]");
		if (!host[n + 1] || !is_ipv6(host + 1, n))
			return false;
		port = host + n + 2;
	} else {
		for (;;) {
			n = strcspn(host, ".:");
			if (!label_valid(host, n))
				return false;
			if (host[n] != '.')
				break;
			host += n + 1;
		}
		port = host + n;
	}
	return !*port || (*port == ':' && number_parse(port + 1, 1, 65535, &number) == 0);
}

static bool looks_like_domain(const char *first)
{
	if (strpbrk(first, ".:[") || strcmp(first, "localhost") == 0)
		return true;
	for (; *first; first++)
		if (isupper((unsigned char)*first))
			return true;
	return false;
}

static bool tag_valid(const char *tag)
{
	return str_made_of(tag, TAG_MAX_BYTES, TAG_BYTES) && tag[0] != '.' && tag[0] != '-';
}

/* Splits what is left when digest and tag are off. */
static void split_domain(const char *name, struct reference *ref)
{
	const char *slash = strchr(name, '/');
	_free_ char *first = slash ? xstrndup(name, (size_t)(slash - name)) : NULL;

	if (first && looks_like_domain(first)) {
		ref->domain = xstrdup(strcmp(first, "index.docker.io") == 0 ? "docker.io" : first);
		name = slash + 1;
	} else {
		ref->domain = xstrdup("docker.io");
	}
	if (strcmp(ref->domain, "docker.io") == 0 && !strchr(name, '/'))
		ref->path = str_format("library/%s", name);
	else
		ref->path = xstrdup(name);
}

int reference_parse(const char *text, struct reference *ret, struct cor_error *err)
{
	_reference_ struct reference ref = {0};
	_free_ char *name = NULL;
	char *at, *colon, *slash;
	const char *problem;

	if (str_empty(text))
		return cor_fail(err, COR_INVALID, EINVAL, "the name of an image is empty");
	if (strlen(text) > 2 * NAME_MAX_BYTES + TAG_MAX_BYTES)
		return cor_fail(err, COR_INVALID, EINVAL, "image '%.60s…': the name is too long", text);
	name = xstrdup(text);
	at = strchr(name, '@');
	if (at) {
		*at = '\0';
		if (!digest_valid(at + 1))
			return cor_fail(err, COR_INVALID, EINVAL,
					"image '%s': the part behind @ is not a sha256 digest: %s", text,
					digest_problem(at + 1));
		ref.digest = xstrdup(at + 1);
	}
	slash = strrchr(name, '/');
	colon = strchr(slash ? slash : name, ':');
	if (colon) {
		*colon = '\0';
		if (!tag_valid(colon + 1))
			return cor_fail(err, COR_INVALID, EINVAL,
					"image '%s': bad tag (letters, digits, '_', '.', '-'; at most 128)",
					text);
		ref.tag = xstrdup(colon + 1);
	} else if (!ref.digest) {
		ref.tag = xstrdup("latest");
	}
	split_domain(name, &ref);
	if (strcmp(ref.domain, "docker.io") == 0 && str_after(ref.path, "library/") &&
	    id_valid(str_after(ref.path, "library/")))
		return cor_fail(err, COR_INVALID, EINVAL,
				"image '%s': 64 hexadecimal digits are an id, not a name", text);
	if (!reference_domain_valid(ref.domain))
		return cor_fail(err, COR_INVALID, EINVAL, "image '%s': bad registry name '%s'", text,
				ref.domain);
	problem = path_problem(ref.path);
	if (problem)
		return cor_fail(err, COR_INVALID, EINVAL, "image '%s': bad name: %s", text, problem);
	if (strlen(ref.domain) + strlen(ref.path) + 1 > NAME_MAX_BYTES)
		return cor_fail(err, COR_INVALID, EINVAL, "image '%.60s…': the name is longer than 255 bytes",
				text);
	*ret = ref;
	ref = (struct reference){0};
	return 0;
}

void reference_release(struct reference *ref)
{
	free(ref->domain);
	free(ref->path);
	free(ref->tag);
	free(ref->digest);
	*ref = (struct reference){0};
}

char *reference_repository(const struct reference *ref)
{
	return str_format("%s/%s", ref->domain, ref->path);
}

char *reference_name(const struct reference *ref)
{
	if (ref->tag)
		return str_format("%s/%s:%s", ref->domain, ref->path, ref->tag);
	return str_format("%s/%s@%s", ref->domain, ref->path, ref->digest);
}

char *reference_familiar(const char *normalised)
{
	const char *rest = str_after(normalised, "docker.io/"), *word, *slash;
	_free_ char *first = NULL;

	if (!rest)
		return xstrdup(normalised);
	word = str_after(rest, "library/");
	if (word && !strchr(word, '/'))
		return xstrdup(word);
	/* "docker.io/localhost/x" without its beginning would be another image. */
	slash = strchr(rest, '/');
	first = xstrndup(rest, slash ? (size_t)(slash - rest) : 0);
	return xstrdup(looks_like_domain(first) ? normalised : rest);
}
