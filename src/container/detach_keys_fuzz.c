/* SPDX-License-Identifier: Apache-2.0 */
/* The first line names the keys, the rest is typed, in pieces whose size its first byte tells. Whatever the pieces, what is passed on and what is held back
 * is what was typed, up to the sequence. */
#include "container/detach_keys.h"

#include "base/macro.h"
#include "base/str.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void type(struct detach_keys *keys, const uint8_t *typed, size_t size, size_t piece)
{
	uint8_t *passed = xmalloc(size + DETACH_KEYS_MAX);
	size_t count = 0, taken = 0;
	bool found = false;

	while (taken < size && !found) {
		size_t now = MIN(piece, size - taken), out = 0;
		uint8_t *exact = xmalloc(now + DETACH_KEYS_MAX);

		found = detach_keys_feed(keys, typed + taken, now, exact, &out);
		assert(count + out <= size);
		memcpy(passed + count, exact, out);
		count += out;
		taken += now;
		free(exact);
	}
	assert(memcmp(passed, typed, count) == 0);
	if (found) {
		assert(count + keys->length <= taken);
		assert(memcmp(typed + count, keys->sequence, keys->length) == 0);
	} else {
		assert(count + keys->matched == size);
		assert(memcmp(typed + count, keys->sequence, keys->matched) == 0);
	}
	free(passed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *line = memchr(data, '\n', size);
	_free_ char *text = xstrndup((const char *)data, line ? (size_t)(line - data) : size);
	struct detach_keys keys;

	if (detach_keys_parse(text, &keys) < 0)
		return 0;
	assert(keys.length <= DETACH_KEYS_MAX && keys.matched == 0);
	if (line && size - (size_t)(line - data) > 2)
		type(&keys, line + 2, size - (size_t)(line - data) - 2, line[1] % 7 + 1u);
	return 0;
}
