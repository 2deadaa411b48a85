/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc/field.h"

#include "shim.pb-c.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_bad(const void *data, size_t size)
{
	const uint8_t *payload;
	size_t length;
	unsigned kind;

	assert_int_equal(rpc_field_parse(data, size, &kind, &payload, &length), -EBADMSG);
}

static void agrees_with_protobuf(void **state)
{
	static const size_t sizes[] = {0, 1, 127, 128, 16384, 70000};
	static uint8_t data[70000], packed[70016];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		Coracle__Shim__V1__AttachResponse response = CORACLE__SHIM__V1__ATTACH_RESPONSE__INIT;
		const uint8_t *payload;
		size_t size, length;
		unsigned kind;

		memset(data, (int)i, sizes[i]);
		response.kind_case = CORACLE__SHIM__V1__ATTACH_RESPONSE__KIND_STDERR;
		response.stderr = (ProtobufCBinaryData){.len = sizes[i], .data = data};
		size = protobuf_c_message_pack(&response.base, packed);
		assert_int_equal(rpc_field_parse(packed, size, &kind, &payload, &length), 0);
		assert_int_equal(kind, 2 /* stderr */);
		assert_int_equal(length, sizes[i]);
		assert_memory_equal(payload, data, length);
	}
}

static void exactly_one_field_fills_a_message(void **state)
{
	assert_bad("", 0);
	assert_bad("\x0a", 1);
	assert_bad("\x0a\x01", 2);                     /* its bytes are missing */
	assert_bad("\x0a\x00\x00", 3);                 /* something follows */
	assert_bad("\x08\x00", 2);                     /* a number */
	assert_bad("\x8a\x01\x00", 3);                 /* a field beyond 15 */
	assert_bad("\x0a\x80\x80\x80\x80\x80\x00", 7); /* a length of too many bytes */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_protobuf),
		cmocka_unit_test(exactly_one_field_fills_a_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
