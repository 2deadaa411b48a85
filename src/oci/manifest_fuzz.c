/* SPDX-License-Identifier: Apache-2.0 */
/* What a manifest leads to has valid digests and bounded sizes. */
#include "oci/manifest.h"

#include "base/json.h"
#include "oci/digest.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_manifest_ struct manifest parsed = {0};
	_json_ json_t *document = NULL;
	struct cor_error err = {0};

	if (json_parse_object((const char *)data, size, "document", &document, &err) < 0 ||
	    manifest_parse(document, &parsed, &err) < 0) {
		assert(err.status == COR_CORRUPT || err.status == COR_UNSUPPORTED);
		return 0;
	}
	assert(parsed.layer_count > 0 && parsed.layer_count <= MANIFEST_LAYERS_MAX);
	for (size_t i = 0; i < parsed.layer_count; i++)
		assert(digest_valid(parsed.layers[i].digest) &&
		       parsed.layers[i].size <= (uint64_t)DESCRIPTOR_SIZE_MAX);
	assert(digest_valid(parsed.config.digest));
	return 0;
}
