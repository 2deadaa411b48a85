/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of one length-delimited field, looked into and made without protobuf-c: what streams pass through at the rate of the machine, where every copy
 * counts. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The number of the field (1 to 15) and its payload, which lies inside data. 0 or -EBADMSG. */
int rpc_field_parse(const uint8_t *data, size_t size, unsigned *ret_kind, const uint8_t **ret_payload,
		    size_t *ret_size);

/* Tag and length of a field whose payload of size bytes follows; how many bytes they take. */
#define RPC_FIELD_HEAD_MAX 11
size_t rpc_field_head(unsigned number, size_t size, uint8_t out[static RPC_FIELD_HEAD_MAX]);
