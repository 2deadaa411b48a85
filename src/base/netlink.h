/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink (rtnetlink(7)): requests of one message, made, sent and answered. Calls block, which the kernel answers at once. */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

struct netlink_message {
	union {
		struct nlmsghdr header;
		uint8_t bytes[1024];
	};
};

/* A socket or -errno: for NETLINK_ROUTE, and for another of netlink(7)'s protocols. */
int netlink_open(void);
int netlink_open_protocol(int protocol);

/* Begins a request with its fixed part. */
void netlink_begin(struct netlink_message *message, uint16_t type, uint16_t flags, const void *body,
		   size_t size);
/* Adds an attribute. What does not fit is our own fault. */
void netlink_put(struct netlink_message *message, uint16_t type, const void *data, size_t size);

/* Between the two, attributes go into one of this type that holds others. */
size_t netlink_nest(struct netlink_message *message, uint16_t type);
void netlink_nest_end(struct netlink_message *message, size_t nest);

/* Sends it and waits for the kernel's word: 0 or -errno. */
int netlink_request(int fd, struct netlink_message *message);

/* Sends it with NLM_F_DUMP and calls back for every message of the answer. 0 or -errno. */
int netlink_dump(int fd, struct netlink_message *message,
		 void (*each)(const struct nlmsghdr *header, void *context), void *context);

/* The attribute of this type in a message with a fixed part of size bytes, or NULL. */
const struct rtattr *netlink_find(const struct nlmsghdr *header, size_t size, uint16_t type);
