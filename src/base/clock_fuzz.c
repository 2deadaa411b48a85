/* SPDX-License-Identifier: Apache-2.0 */
/* Instants, as images, registries and people write them. What is read comes back from its canonical form. */
#include "base/clock.h"

#include "base/str.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *text = xstrndup((const char *)data, size);
	char canonical[CLOCK_RFC3339_SIZE];
	int64_t ns, again;

	if (clock_parse(text, &ns) == 0)
		assert(clock_parse(clock_format(ns, canonical), &again) == 0 && again == ns);
	return 0;
}
