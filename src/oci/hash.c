/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by OpenSSL, which uses the processor's instructions for it. A library without SHA-256 cannot be worked with, so that ends us. */
#include "oci/hash.h"

#include <stdio.h>

static void check(int ok)
{
	if (ok != 1)
		abort();
}

void hash_init(struct hash *hash)
{
	hash->context = EVP_MD_CTX_new();
	check(hash->context && EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL));
}

void hash_update(struct hash *hash, const void *data, size_t size)
{
	check(EVP_DigestUpdate(hash->context, data, size));
}

void hash_finish(struct hash *hash, char out[DIGEST_SIZE])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	char *p = out + sprintf(out, "sha256:");

	check(EVP_DigestFinal_ex(hash->context, sum, &size));
	for (unsigned i = 0; i < size; i++)
		p += sprintf(p, "%02x", sum[i]);
}

void hash_release(struct hash *hash)
{
	EVP_MD_CTX_free(hash->context);
	hash->context = NULL;
}

void hash_bytes(const void *data, size_t size, char out[DIGEST_SIZE])
{
	_hash_ struct hash hash;

	hash_init(&hash);
	hash_update(&hash, data, size);
	hash_finish(&hash, out);
}
