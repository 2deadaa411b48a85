/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a line, cut as the first one says. However they are cut, both ends must come to the same state. */
#include "rpc/handshake.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_search(const struct handshake_search *a, const struct handshake_search *b)
{
	assert(a->count == b->count && a->count < HANDSHAKE_HELLO_SIZE);
	assert(memcmp(a->held, b->held, a->count) == 0);
}

static void feed_guest(struct handshake_guest *guest, const uint8_t *data, size_t size, size_t step)
{
	uint8_t reply[HANDSHAKE_REPLY_SIZE];

	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step, used = 0;

		if (handshake_guest_feed(guest, data + at, n, &used, reply)) {
			assert(used && used <= n);
			/* What follows belongs to a session; the guest looks for hellos there too. */
			assert(!handshake_guest_feed(guest, data + at + used, n - used, &used, reply));
		}
	}
}

static void feed_host(struct handshake_host *host, const uint8_t *data, size_t size, size_t step)
{
	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step, used = 0;

		if (handshake_host_feed(host, data + at, n, &used)) {
			assert(used && used <= n);
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct handshake_guest whole = {0}, cut = {0};
	struct handshake_host host = {0}, host_cut = {0};

	if (size < 1)
		return 0;
	feed_guest(&whole, data + 1, size - 1, size);
	feed_guest(&cut, data + 1, size - 1, 1 + data[0] % 64);
	same_search(&whole.search, &cut.search);
	assert(whole.has_secret == cut.has_secret);
	assert(memcmp(whole.secret, cut.secret, sizeof(cut.secret)) == 0);
	/* A nonce of zeros, so that an input can hold the right reply. */
	feed_host(&host, data + 1, size - 1, size);
	feed_host(&host_cut, data + 1, size - 1, 1 + data[0] % 64);
	same_search(&host.search, &host_cut.search);
	return 0;
}
