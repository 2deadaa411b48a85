/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of an image names its layers by valid digests. */
#include "oci/image_config.h"

#include "base/json.h"
#include "oci/digest.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_image_config_ struct image_config parsed = {0};
	_json_ json_t *document = NULL;
	struct cor_error err = {0};

	if (json_parse_object((const char *)data, size, "document", &document, &err) < 0 ||
	    image_config_parse(document, &parsed, &err) < 0) {
		assert(err.status == COR_CORRUPT || err.status == COR_UNSUPPORTED);
		return 0;
	}
	for (size_t i = 0; i < parsed.diff_ids.count; i++)
		assert(digest_valid(parsed.diff_ids.items[i]));
	assert(parsed.platform.os[0] && parsed.platform.architecture[0]);
	return 0;
}
