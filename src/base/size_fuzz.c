/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that people write. */
#include "base/size.h"

#include "base/str.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *text = xstrndup((const char *)data, size);
	int64_t number, again;
	uint64_t bytes, same;
	char written[SIZE_TEXT_SIZE];

	if (number_parse(text, -7, 1000000, &number) == 0) {
		_free_ char *plain = str_format("%lld", (long long)number);

		assert(number >= -7 && number <= 1000000);
		assert(number_parse(plain, number, number, &again) == 0 && again == number);
	}
	if (size_parse(text, &bytes) == 0)
		assert(size_parse(size_format(bytes, written), &same) == 0 && same == bytes);
	return 0;
}
