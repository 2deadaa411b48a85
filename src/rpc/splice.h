/* SPDX-License-Identifier: Apache-2.0 */
/* A call joined with a connected stream socket: what one receives the other sends, both ways, and so with their ends. Each direction ends by itself, so that
 * one may go on when the other is over. A reader that stops stops its writer, here and at the other end, and nobody else.
 *
 * Either end of the call may be a splice, and both speak the same: messages of one field, which is one of the two below. */
#pragma once

#include "rpc/rpc.h"

#define RPC_SPLICE_DATA 2u /* bytes */
#define RPC_SPLICE_END                                                                                       \
	3u /* a message: no more data comes; when its field 1 is true, none is wanted any more either */
#define RPC_SPLICE_MAX (256u << 10) /* bytes of one message that are taken */

struct rpc_splice;

/* Takes over the call (which should be a small one) and fd. done is called once, when the descriptor is closed and the call is over; the splice is gone then.
 * It may be called before the loop runs again only by rpc_conn_free. */
struct rpc_splice *rpc_splice_new(struct rpc_call *call, int fd, void (*done)(void *user), void *user);

/* Breaks it off: closes the socket at once, and ends the call. done comes. */
void rpc_splice_cut(struct rpc_splice *splice);
