/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake of a line without sessions. The search keeps the longest beginning of the pattern that the bytes so far
 * end with, so that it finds the pattern however reads cut it. */
#include "rpc/handshake.h"

#include "base/macro.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static const uint8_t hello_magic[8] = {0xc0, 'c', 'o', 'r', 'h', 'i', 0x0d, 0x0a};
static const uint8_t reply_magic[8] = {0xc1, 'c', 'o', 'r', 'o', 'k', 0x0d, 0x0a};

/* True when the pattern (its first fixed bytes as given, then any up to total) ends at *used. */
static bool search_feed(struct handshake_search *s, const uint8_t *pattern, size_t fixed, size_t total,
			const uint8_t *data, size_t size, size_t *used)
{
	for (size_t i = 0; i < size;) {
		if (s->count == 0) {
			const uint8_t *first = memchr(data + i, pattern[0], size - i);

			if (!first)
				return false;
			i = (size_t)(first - data);
		}
		s->held[s->count++] = data[i++];
		while (s->count && memcmp(s->held, pattern, MIN(s->count, fixed)) != 0)
			memmove(s->held, s->held + 1, --s->count);
		if (s->count == total) {
			s->count = 0;
			*used = i;
			return true;
		}
	}
	return false;
}

/* One hello, the first that ends in data. */
static bool guest_search(struct handshake_guest *guest, const uint8_t *data, size_t size, size_t *used)
{
	uint8_t pattern[sizeof(hello_magic) + HANDSHAKE_SECRET_SIZE];
	size_t fixed = sizeof(hello_magic);

	memcpy(pattern, hello_magic, sizeof(hello_magic));
	if (guest->has_secret) {
		memcpy(pattern + fixed, guest->secret, HANDSHAKE_SECRET_SIZE);
		fixed += HANDSHAKE_SECRET_SIZE;
	}
	if (!search_feed(&guest->search, pattern, fixed, HANDSHAKE_HELLO_SIZE, data, size, used))
		return false;
	/* The search has forgotten its count, not its bytes. */
	memcpy(guest->secret, guest->search.held + sizeof(hello_magic), HANDSHAKE_SECRET_SIZE);
	guest->has_secret = true;
	return true;
}

bool handshake_guest_feed(struct handshake_guest *guest, const uint8_t *data, size_t size, size_t *ret_used,
			  uint8_t reply[HANDSHAKE_REPLY_SIZE])
{
	size_t end = 0, used;

	/* A host that waited for a slow boot has said hello more than once, and knows only its last nonce any more. */
	while (guest_search(guest, data + end, size - end, &used)) {
		end += used;
		memcpy(reply + sizeof(reply_magic),
		       guest->search.held + HANDSHAKE_HELLO_SIZE - HANDSHAKE_NONCE_SIZE,
		       HANDSHAKE_NONCE_SIZE);
	}
	if (!end)
		return false;
	/* What follows comes again, to be looked at as the session's. */
	guest->search.count = 0;
	memcpy(reply, reply_magic, sizeof(reply_magic));
	*ret_used = end;
	return true;
}

int handshake_host_init(struct handshake_host *host, const uint8_t secret[HANDSHAKE_SECRET_SIZE])
{
	uint8_t nonce[HANDSHAKE_NONCE_SIZE];

	if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
		return -EIO;
	*host = (struct handshake_host){0};
	memcpy(host->hello, hello_magic, sizeof(hello_magic));
	memcpy(host->hello + sizeof(hello_magic), secret, HANDSHAKE_SECRET_SIZE);
	memcpy(host->hello + sizeof(hello_magic) + HANDSHAKE_SECRET_SIZE, nonce, sizeof(nonce));
	return 0;
}

bool handshake_host_feed(struct handshake_host *host, const uint8_t *data, size_t size, size_t *ret_used)
{
	uint8_t pattern[HANDSHAKE_REPLY_SIZE];

	memcpy(pattern, reply_magic, sizeof(reply_magic));
	memcpy(pattern + sizeof(reply_magic), host->hello + HANDSHAKE_HELLO_SIZE - HANDSHAKE_NONCE_SIZE,
	       HANDSHAKE_NONCE_SIZE);
	return search_feed(&host->search, pattern, sizeof(pattern), sizeof(pattern), data, size, ret_used);
}
