/* SPDX-License-Identifier: Apache-2.0 */
/* The one table between our statuses and gRPC's codes. Several of ours share a code, so the word goes along in a trailer of its own. */
#include "rpc/status.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const enum grpc_code codes[] = {
	[COR_OK] = GRPC_OK,
	[COR_INVALID] = GRPC_INVALID_ARGUMENT,
	[COR_NOT_FOUND] = GRPC_NOT_FOUND,
	[COR_EXISTS] = GRPC_ALREADY_EXISTS,
	[COR_BUSY] = GRPC_FAILED_PRECONDITION,
	[COR_PERMISSION] = GRPC_PERMISSION_DENIED,
	[COR_UNSUPPORTED] = GRPC_UNIMPLEMENTED,
	[COR_EXHAUSTED] = GRPC_RESOURCE_EXHAUSTED,
	[COR_CORRUPT] = GRPC_DATA_LOSS,
	[COR_TIMEOUT] = GRPC_DEADLINE_EXCEEDED,
	[COR_CANCELLED] = GRPC_CANCELLED,
	[COR_UNAVAILABLE] = GRPC_UNAVAILABLE,
	[COR_CANNOT_EXECUTE] = GRPC_FAILED_PRECONDITION,
	[COR_NO_EXECUTABLE] = GRPC_NOT_FOUND,
	[COR_INTERNAL] = GRPC_INTERNAL,
};

enum grpc_code status_to_grpc(enum cor_status status)
{
	return (unsigned)status < ARRAY_SIZE(codes) ? codes[status] : GRPC_UNKNOWN;
}

char *status_to_word(enum cor_status status, char out[32])
{
	snprintf(out, 32, "%s", cor_status_name(status));
	for (char *p = out; *p; p++)
		if (*p == ' ')
			*p = '-';
	return out;
}

enum cor_status status_from_wire(unsigned code, const char *word)
{
	if (code == GRPC_OK)
		return COR_OK;
	for (unsigned s = COR_INVALID; word && s < ARRAY_SIZE(codes); s++) {
		char known[32];

		if (strcmp(status_to_word((enum cor_status)s, known), word) == 0)
			return (enum cor_status)s;
	}
	for (unsigned s = COR_INVALID; s < ARRAY_SIZE(codes); s++)
		if (codes[s] == code)
			return (enum cor_status)s;
	return code == GRPC_ABORTED ? COR_CANCELLED : COR_INTERNAL;
}

void status_encode_message(const char *text, char *out, size_t size)
{
	size_t used = 0;

	for (; *text && used + 4 <= size; text++) {
		unsigned char c = (unsigned char)*text;
		/* A field that begins or ends with a blank breaks the call (RFC 9113, 8.2.1). */
		bool bare = c != ' ' || (used && text[1] && used + 7 <= size);

		if (bare && c >= 0x20 && c <= 0x7e && c != '%')
			out[used++] = (char)c;
		else
			used += (size_t)snprintf(out + used, 4, "%%%02X", c);
	}
	out[used] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void status_decode_message(const char *text, size_t length, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < length && used + 1 < size; i++) {
		int high, low;

		if (text[i] == '%' && length - i > 2 && (high = hex_digit(text[i + 1])) >= 0 &&
		    (low = hex_digit(text[i + 2])) >= 0 && (high || low)) {
			out[used++] = (char)(high << 4 | low);
			i += 2;
		} else {
			out[used++] = text[i];
		}
	}
	out[used] = '\0';
	/* The text is for people: what could move a terminal's cursor is not passed on. Control characters are those of ASCII, and U+0080 to U+009F. */
	for (unsigned char *p = (unsigned char *)out; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = ' ';
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			p[0] = p[1] = ' ';
	}
}
