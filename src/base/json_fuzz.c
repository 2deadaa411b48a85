/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON document from outside, and reads of members whatever their type. */
#include "base/json.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char key[] = "key";
	_json_ json_t *document = NULL;
	_strv_ struct strv strings = {0};
	struct cor_error err = {0};
	const char *text = "", *item;
	json_t *array = NULL, *object = NULL;
	int64_t number = 0;
	bool truth = false;

	if (json_parse_object((const char *)data, size, "fuzz", &document, &err) < 0) {
		assert(!document && err.status == COR_CORRUPT && err.msg[0]);
		return 0;
	}
	assert(json_is_object(document));
	if (json_get_string(document, key, &text) < 0)
		assert(json_object_get(document, key));
	json_get_int(document, key, &number);
	json_get_bool(document, key, &truth);
	json_get_array(document, key, &array);
	json_get_object(document, key, &object);
	/* A value has one type. */
	assert(!!*text + !!number + truth + !!array + !!object <= 1);
	if (json_get_strv(document, key, &strings) == 0 && array)
		assert(strings.count == json_array_size(array));
	strv_foreach (&strings, i, item)
		assert(item);
	return 0;
}
