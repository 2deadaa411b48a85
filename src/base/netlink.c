/* SPDX-License-Identifier: Apache-2.0 */
#include "base/netlink.h"

#include "base/macro.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int netlink_open_protocol(int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	return fd < 0 ? -errno : fd;
}

int netlink_open(void)
{
	return netlink_open_protocol(NETLINK_ROUTE);
}

void netlink_begin(struct netlink_message *message, uint16_t type, uint16_t flags, const void *body,
		   size_t size)
{
	memset(message, 0, sizeof(*message));
	message->header.nlmsg_type = type;
	message->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	message->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
	memcpy(NLMSG_DATA(&message->header), body, size);
}

void netlink_put(struct netlink_message *message, uint16_t type, const void *data, size_t size)
{
	size_t start = NLMSG_ALIGN(message->header.nlmsg_len);
	struct rtattr *attribute = (struct rtattr *)(void *)(message->bytes + start);

	assert(start + RTA_SPACE(size) <= sizeof(message->bytes));
	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(attribute), data, size);
	message->header.nlmsg_len = (uint32_t)(start + RTA_SPACE(size));
}

size_t netlink_nest(struct netlink_message *message, uint16_t type)
{
	size_t start = NLMSG_ALIGN(message->header.nlmsg_len);

	netlink_put(message, type, NULL, 0);
	return start;
}

void netlink_nest_end(struct netlink_message *message, size_t nest)
{
	struct rtattr *attribute = (struct rtattr *)(void *)(message->bytes + nest);

	attribute->rta_len = (unsigned short)(message->header.nlmsg_len - nest);
}

static int put(int fd, const struct netlink_message *message)
{
	return send(fd, message->bytes, message->header.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* The kernel's word in a message, if it is one: 1 when more may follow. */
static int verdict(const struct nlmsghdr *header)
{
	const struct nlmsgerr *error = (const void *)NLMSG_DATA(header);

	if (header->nlmsg_type == NLMSG_DONE)
		return 0;
	return header->nlmsg_type == NLMSG_ERROR ? error->error : 1;
}

/* The macros for this cast in a way that clang warns of. */
static const struct nlmsghdr *next_message(const struct nlmsghdr *header)
{
	return (const void *)((const uint8_t *)header + NLMSG_ALIGN(header->nlmsg_len));
}

static int receive(int fd, void (*each)(const struct nlmsghdr *header, void *context), void *context)
{
	union {
		struct nlmsghdr header;
		uint8_t bytes[32 << 10];
	} buffer;

	for (;;) {
		ssize_t n = recv(fd, buffer.bytes, sizeof(buffer.bytes), 0);
		const struct nlmsghdr *header = &buffer.header;
		const uint8_t *end = buffer.bytes + MAX(n, (ssize_t)0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (; (const uint8_t *)header < end &&
		       NLMSG_OK(header, (size_t)(end - (const uint8_t *)header));
		     header = next_message(header)) {
			int r = verdict(header);

			if (r <= 0)
				return r;
			if (each)
				each(header, context);
		}
	}
}

int netlink_request(int fd, struct netlink_message *message)
{
	int r;

	message->header.nlmsg_flags |= NLM_F_ACK;
	r = put(fd, message);
	return r < 0 ? r : receive(fd, NULL, NULL);
}

int netlink_dump(int fd, struct netlink_message *message,
		 void (*each)(const struct nlmsghdr *header, void *context), void *context)
{
	int r;

	message->header.nlmsg_flags |= NLM_F_DUMP;
	r = put(fd, message);
	return r < 0 ? r : receive(fd, each, context);
}

const struct rtattr *netlink_find(const struct nlmsghdr *header, size_t size, uint16_t type)
{
	const uint8_t *p = (const uint8_t *)NLMSG_DATA(header) + NLMSG_ALIGN(size);
	const uint8_t *end = (const uint8_t *)header + header->nlmsg_len;

	while (end - p >= (ptrdiff_t)sizeof(struct rtattr)) {
		const struct rtattr *attribute = (const void *)p;

		if (!RTA_OK(attribute, (size_t)(end - p)))
			return NULL;
		if ((attribute->rta_type & NLA_TYPE_MASK) == type)
			return attribute;
		p += RTA_ALIGN(attribute->rta_len);
	}
	return NULL;
}
