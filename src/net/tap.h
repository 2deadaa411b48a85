/* SPDX-License-Identifier: Apache-2.0 */
/* The host's end of a guest's network card. */
#pragma once

#define TAP_QUEUES_MAX 8

struct tap {
	int queues
		[TAP_QUEUES_MAX]; /* `count` descriptors of the device, one for each pair of the card's queues */
	int vhosts[TAP_QUEUES_MAX]; /* as many of /dev/vhost-net, or none */
	unsigned count;
};

/* Nothing is open in it. */
void tap_init(struct tap *tap);
/* A new tap device of that name, down and in no bridge, with headers for virtio's offloads. It is gone when its last queue is closed. Where this host has
 * vhost-net, it gets `queues` pairs of queues that the kernel serves; otherwise, and with 0, one that the VMM serves in one thread, for which more are no help.
 * *ret is the caller's. 0 or -errno: -EPERM, -ENOENT where the kernel has none, -EBUSY for a name that is taken. */
int tap_open(const char *name, unsigned queues, struct tap *ret);
/* Twice is fine. */
void tap_close(struct tap *tap);
/* For when the VMM has its copies: who has one keeps the VMM's memory from being freed. */
void tap_close_vhosts(struct tap *tap);
