/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_every_status_survives_the_wire(void **state)
{
	for (int s = COR_OK; s <= COR_INTERNAL; s++) {
		char word[32];

		assert_int_equal(status_from_wire(status_to_grpc((enum cor_status)s),
						  status_to_word((enum cor_status)s, word)),
				 s);
	}
}

static void test_foreign_peers(void **state)
{
	assert_int_equal(status_from_wire(GRPC_NOT_FOUND, NULL), COR_NOT_FOUND);
	assert_int_equal(status_from_wire(GRPC_FAILED_PRECONDITION, "no-such-word"), COR_BUSY);
	assert_int_equal(status_from_wire(4711, NULL), COR_INTERNAL);
	assert_int_equal(status_from_wire(GRPC_OK, "busy"), COR_OK);
}

static void test_messages(void **state)
{
	char wire[64], text[64];

	status_encode_message("100 % \xc3\xa9", wire, sizeof(wire));
	assert_string_equal(wire, "100 %25 %C3%A9");
	status_decode_message(wire, strlen(wire), text, sizeof(text));
	assert_string_equal(text, "100 % \xc3\xa9");
	status_decode_message("a%zz%1%00%0a", 12, text, sizeof(text));
	assert_string_equal(text, "a%zz%1%00 ");
	status_encode_message(" a  b ", wire, sizeof(wire));
	assert_string_equal(wire, "%20a  b%20");
	/* Wherever the text is cut. */
	for (size_t size = 1; size < 16; size++) {
		status_encode_message("ab    cd    ef", wire, size);
		assert_true(strlen(wire) < size);
		assert_true(!*wire || wire[strlen(wire) - 1] != ' ');
	}
	/* Control characters of eight bits, as UTF-8 writes them: U+009B begins a terminal's sequence as ESC [ does. */
	status_decode_message("a\xc2\x9b"
			      "2J%C2%85\xc2\xa9",
			      13, text, sizeof(text));
	assert_string_equal(text, "a  2J  \xc2\xa9");
	status_encode_message("\n\n\n\n", wire, 8);
	assert_string_equal(wire, "%0A%0A");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_status_survives_the_wire),
		cmocka_unit_test(test_foreign_peers),
		cmocka_unit_test(test_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
