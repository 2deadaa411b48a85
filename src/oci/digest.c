/* SPDX-License-Identifier: Apache-2.0 */
/* Digests are checked by spelling before anything is done with them: they name files. */
#include "oci/digest.h"

#include "base/id.h"
#include "base/str.h"

bool digest_valid(const char *digest)
{
	const char *hex = digest ? str_after(digest, "sha256:") : NULL;

	return hex && id_valid(hex);
}

/* [a-z0-9]+, joined by one of "+._-". */
static bool algorithm_valid(const char *s, size_t n)
{
	bool word = false;

	for (size_t i = 0; i < n; i++) {
		bool joint = strchr("+._-", s[i]);

		if (joint ? !word : !((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9')))
			return false;
		word = !joint;
	}
	return word;
}

static bool algorithm_is(const char *digest, size_t n, const char *name)
{
	return strlen(name) == n && strncmp(digest, name, n) == 0;
}

const char *digest_problem(const char *digest)
{
	size_t n = digest ? strcspn(digest, ":") : 0;

	if (str_empty(digest))
		return "there is none";
	if (!digest[n])
		return "it has no algorithm";
	if (!algorithm_valid(digest, n))
		return "its algorithm is no word of lower-case letters and digits";
	if (algorithm_is(digest, n, "sha512") || algorithm_is(digest, n, "blake3"))
		return "its algorithm is registered, but only sha256 is taken here";
	if (!algorithm_is(digest, n, "sha256"))
		return "its algorithm is not registered";
	return "sha256: is followed by 64 lower-case hexadecimal digits";
}

const char *digest_hex(const char *digest)
{
	return digest + strlen("sha256:");
}
