/* SPDX-License-Identifier: Apache-2.0 */
/* A platform that parses has one normal form, which parses to itself. */
#include "oci/platform.h"

#include "base/str.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *text = xstrndup((const char *)data, size);
	char normal[PLATFORM_TEXT_SIZE], same[PLATFORM_TEXT_SIZE];
	struct platform p, again;

	if (platform_parse(text, &p, NULL) < 0)
		return 0;
	platform_format(&p, normal);
	assert(platform_parse(normal, &again, NULL) == 0);
	assert(strcmp(platform_format(&again, same), normal) == 0);
	assert(platform_matches(&p, &again));
	return 0;
}
