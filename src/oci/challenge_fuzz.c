/* SPDX-License-Identifier: Apache-2.0 */
/* What a challenge says keeps what the header promises: no control characters, a realm where one is needed. */
#include "oci/challenge.h"

#include "base/str.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_printable(const char *s)
{
	for (; s && *s; s++)
		assert(*s >= ' ' && *s <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *header = xstrndup((const char *)data, size);
	_challenge_ struct challenge c = {0};
	struct cor_error err = {0};

	if (challenge_parse(header, &c, &err) < 0) {
		assert(err.status == COR_CORRUPT && err.msg[0]);
		return 0;
	}
	switch (c.scheme) {
	case CHALLENGE_OTHER:
		assert(!c.realm && !c.service && !c.scope && !c.error);
		break;
	case CHALLENGE_BASIC:
		assert(c.realm);
		break;
	case CHALLENGE_BEARER:
		assert(str_after(c.realm, "https://") || str_after(c.realm, "http://"));
		check_printable(c.realm);
		check_printable(c.service);
		check_printable(c.scope);
		break;
	}
	check_printable(c.error);
	return 0;
}
