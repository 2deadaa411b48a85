/* SPDX-License-Identifier: Apache-2.0 */
/* A name that parses has one normal form, which parses to itself, and so does the form that people read. */
#include "oci/reference.h"

#include "base/str.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const char *text, const char *name)
{
	_reference_ struct reference ref = {0};
	_free_ char *again = NULL;

	assert(reference_parse(text, &ref, NULL) == 0);
	again = reference_name(&ref);
	assert(strcmp(again, name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *text = xstrndup((const char *)data, size), *name = NULL, *familiar = NULL;
	_reference_ struct reference ref = {0};
	struct cor_error err = {0};

	if (reference_parse(text, &ref, &err) < 0) {
		assert(err.status == COR_INVALID && *err.msg);
		return 0;
	}
	assert(!strstr(ref.path, "..") && ref.path[0] != '/');
	name = reference_name(&ref);
	check_same(name, name);
	familiar = reference_familiar(name);
	check_same(familiar, name);
	return 0;
}
