/* SPDX-License-Identifier: Apache-2.0 */
/* protobuf's encoding of one length-delimited field (protobuf.dev/programming-guides/encoding). What is parsed comes from a guest, so exactly one field must
 * fill the message. */
#include "rpc/field.h"

#include <errno.h>

int rpc_field_parse(const uint8_t *data, size_t size, unsigned *ret_kind, const uint8_t **ret_payload,
		    size_t *ret_size)
{
	uint64_t length = 0;
	size_t at = 1;

	/* A tag of one byte: field 1 to 15, wire type 2 (length-delimited). */
	if (size < 2 || (data[0] & 0x87) != 2)
		return -EBADMSG;
	for (unsigned shift = 0;; shift += 7) {
		if (at == size || shift > 28)
			return -EBADMSG;
		length |= (uint64_t)(data[at] & 0x7f) << shift;
		if (!(data[at++] & 0x80))
			break;
	}
	if (length != size - at)
		return -EBADMSG;
	*ret_kind = data[0] >> 3;
	*ret_payload = data + at;
	*ret_size = size - at;
	return 0;
}

size_t rpc_field_head(unsigned number, size_t size, uint8_t out[static RPC_FIELD_HEAD_MAX])
{
	size_t n = 0;

	out[n++] = (uint8_t)(number << 3 | 2);
	for (; size >= 0x80; size >>= 7)
		out[n++] = (uint8_t)(size | 0x80);
	out[n++] = (uint8_t)size;
	return n;
}
