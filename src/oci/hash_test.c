/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_known(void **state)
{
	_hash_ struct hash hash;
	char whole[DIGEST_SIZE], pieces[DIGEST_SIZE];

	hash_bytes("abc", 3, whole);
	assert_string_equal(whole, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hash_init(&hash);
	hash_update(&hash, "a", 1);
	hash_update(&hash, "", 0);
	hash_update(&hash, "bc", 2);
	hash_finish(&hash, pieces);
	assert_string_equal(pieces, whole);
	assert_true(digest_valid(pieces));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_known)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
