/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a compressed layer, which comes in two pieces: the first byte says how long the first is. */
#include "image/decompress.h"

#include "base/macro.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUTPUT_MAX (4u << 20)

struct input {
	const uint8_t *data;
	size_t size, at, first;
};

static int input_read(void *userdata, void *data, size_t size, size_t *ret_size, struct cor_error *err)
{
	struct input *input = userdata;
	size_t end = input->at < input->first ? input->first : input->size;

	*ret_size = MIN(size, end - input->at);
	memcpy(data, input->data + input->at, *ret_size);
	input->at += *ret_size;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {.data = data + 1, .size = size - 1};
	struct source source = {.read = input_read, .userdata = &input};
	_cleanup_(decompress_freep) struct decompress *d = NULL;
	static uint8_t piece[70000];
	size_t got = 0, all = 0;

	if (!size)
		return 0;
	input.first = MIN((size_t)data[0], input.size);
	d = decompress_new(&source);
	do {
		struct cor_error err = {0};
		int r = decompress_read(d, piece, sizeof(piece), &got, &err);

		assert(r == 0 || (err.status != COR_OK && err.status != COR_INTERNAL && *err.msg));
		if (r < 0)
			return 0;
		all += got;
	} while (got && all < OUTPUT_MAX);
	return 0;
}
