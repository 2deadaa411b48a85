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

const char *digest_hex(const char *digest)
{
	return digest + strlen("sha256:");
}
