/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, sizes and times on a command line. What is read stays within its bounds, and is read back from its plainest form. */
#include "cli/value.h"

#include "cli/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_text_ char *text = text_format("%.*s", (int)size, (const char *)data);
	int64_t number, again;
	uint64_t bytes, same;
	double cpus;

	if (value_number(text, -1000, INT64_MAX, &number) == 0) {
		_text_ char *plain = text_format("%lld", (long long)number);

		assert(number >= -1000);
		assert(value_number(plain, -1000, INT64_MAX, &again) == 0 && again == number);
	}
	if (value_size(text, &bytes) == 0 && bytes <= INT64_MAX) {
		_text_ char *plain = text_format("%llu", (unsigned long long)bytes);

		assert(value_size(plain, &same) == 0 && same == bytes);
	}
	if (value_cpus(text, &cpus) == 0)
		assert(cpus >= 0 && cpus <= 4096);
	if (value_duration(text, &number) == 0) {
		_text_ char *plain = text_format("%lldns", (long long)number);

		assert(number >= 0);
		assert(value_duration(plain, &again) == 0 && again == number);
	}
	if (value_moment(text, INT64_C(1700000000000000000), &number) == 0)
		assert(number >= -INT64_C(86400000000000));
	return 0;
}
