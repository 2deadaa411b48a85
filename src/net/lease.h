/* SPDX-License-Identifier: Apache-2.0 */
/* Who has which address: a file per address, named by its number in the subnet, that its owner holds an flock on as long as it lives. A file that nobody holds
 * is free, and what it tells is what its owner left behind. All calls need the lock of net/state.h. */
#pragma once

#include "base/error.h"
#include "base/id.h"
#include "net/address.h"

#include <jansson.h>

#define LEASE_DEVICE_SIZE 16

/* What is written in it: enough to make its rules anew, and to take them away. */
struct lease {
	uint32_t number;
	char id[ID_SIZE];
	char device[LEASE_DEVICE_SIZE]; /* the tap */
	uint8_t mac[6];
};

/* Public for its fuzz target: 0 or -EINVAL. */
int lease_parse(const json_t *document, struct lease *ret);

/* Takes `wanted`, or with 0 the first that is free from a place on that depends on the id, so that an address is not given to another at once.
 * Numbers go from first to last. *ret_fd holds it; lease->number is filled, the rest the caller's. COR_EXHAUSTED, COR_EXISTS. What a
 * dead owner left must have been swept. */
int lease_take(int dir, uint32_t first, uint32_t last, uint32_t wanted, struct lease *lease, int *ret_fd,
	       struct cor_error *err);
/* Gives it back; closes and empties *fd. */
void lease_give_back(int dir, const struct lease *lease, int *fd);

/* All that are in the folder. held says whether somebody lives who holds it. One that cannot be read comes with its number alone. */
typedef void lease_fn(const struct lease *lease, bool held, void *context);
int lease_each(int dir, lease_fn *each, void *context);
/* Removes the file of one that is not held. */
void lease_forget(int dir, uint32_t number);
