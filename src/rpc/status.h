/* SPDX-License-Identifier: Apache-2.0 */
/* A failure on the wire: gRPC's codes (grpc/doc/statuscodes.md) and ours. */
#pragma once

#include "base/error.h"

enum grpc_code {
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_INVALID_ARGUMENT = 3,
	GRPC_DEADLINE_EXCEEDED = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_ALREADY_EXISTS = 6,
	GRPC_PERMISSION_DENIED = 7,
	GRPC_RESOURCE_EXHAUSTED = 8,
	GRPC_FAILED_PRECONDITION = 9,
	GRPC_ABORTED = 10,
	GRPC_UNIMPLEMENTED = 12,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_DATA_LOSS = 15,
};

enum grpc_code status_to_grpc(enum cor_status status);

/* The value of the trailer "coracle-status": cor_status_name with hyphens for spaces. Returns out. */
char *status_to_word(enum cor_status status, char out[32]);

/* What a peer meant: its word where it sent a known one, otherwise what its code stands for. word may be NULL. */
enum cor_status status_from_wire(unsigned code, const char *word);

/* grpc-message: printable ASCII as it is, all else as %XX. Both cut at size and end with a NUL; decoding takes malformed escapes literally
 * (PROTOCOL-HTTP2.md asks for that). */
void status_encode_message(const char *text, char *out, size_t size);
void status_decode_message(const char *text, size_t length, char *out, size_t size);
