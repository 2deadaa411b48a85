/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of bytes that come in pieces. */
#pragma once

#include "base/cleanup.h"
#include "oci/digest.h"

#include <openssl/evp.h>
#include <stddef.h>

struct hash {
	EVP_MD_CTX *context;
};

void hash_init(struct hash *hash);
void hash_update(struct hash *hash, const void *data, size_t size);
/* "sha256:…" of all that was given. Nothing may be added afterwards. */
void hash_finish(struct hash *hash, char out[DIGEST_SIZE]);
void hash_release(struct hash *hash);

/* Of one piece. */
void hash_bytes(const void *data, size_t size, char out[DIGEST_SIZE]);

#define _hash_ _cleanup_(hash_release)
