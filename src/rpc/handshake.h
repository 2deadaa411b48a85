/* SPDX-License-Identifier: Apache-2.0 */
/* Beginning a connection over a line that has no sessions.
 *
 * A virtio-serial port is a byte stream without a notion of connecting: after a reconnect, each side may first read bytes that were meant
 * for its predecessor, cut anywhere. So the host, the only one who connects, sends a hello:
 *
 *     8 bytes magic | 16 bytes secret | 16 bytes nonce
 *
 * The guest throws away everything until it has seen a hello, starts a fresh session and answers
 *
 *     8 bytes magic | the nonce
 *
 * and the host throws away everything until that. Old bytes that end in the middle of a hello swallow the beginning of the next one, so a host that gets no
 * reply for a second sends another hello, with a fresh nonce. Then HTTP/2 begins in both directions. A hello in the middle of a session ends that session and starts a
 * fresh one: the guest looks for it in all that it reads. The first hello of a boot sets the secret and later ones must hold the same, so that bytes that
 * somebody else chose (the input of a process) cannot end a session. Both sides are state machines over bytes, and do no input or output. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HANDSHAKE_SECRET_SIZE 16
#define HANDSHAKE_NONCE_SIZE  16
#define HANDSHAKE_HELLO_SIZE  (8 + HANDSHAKE_SECRET_SIZE + HANDSHAKE_NONCE_SIZE)
#define HANDSHAKE_REPLY_SIZE  (8 + HANDSHAKE_NONCE_SIZE)

/* Finds a pattern of up to HANDSHAKE_HELLO_SIZE bytes, of which the last ones may be free. {0} is none. */
struct handshake_search {
	uint8_t held[HANDSHAKE_HELLO_SIZE]; /* a beginning of the pattern */
	size_t count;
};

struct handshake_guest {
	struct handshake_search search;
	uint8_t secret[HANDSHAKE_SECRET_SIZE];
	bool has_secret;
};

/* Reads on. True when a hello ended in data: *ret_used bytes belong to what was before and to the hello, and reply must be sent. Of several hellos
 * only the last counts: the host has given up the others. */
bool handshake_guest_feed(struct handshake_guest *guest, const uint8_t *data, size_t size, size_t *ret_used,
			  uint8_t reply[HANDSHAKE_REPLY_SIZE]);

struct handshake_host {
	struct handshake_search search;
	uint8_t hello[HANDSHAKE_HELLO_SIZE]; /* to be sent */
};

/* A fresh nonce. 0 or -errno. */
int handshake_host_init(struct handshake_host *host, const uint8_t secret[HANDSHAKE_SECRET_SIZE]);

/* Reads on. True when the reply ended in data; what follows *ret_used is HTTP/2. */
bool handshake_host_feed(struct handshake_host *host, const uint8_t *data, size_t size, size_t *ret_used);
