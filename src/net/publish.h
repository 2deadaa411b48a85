/* SPDX-License-Identifier: Apache-2.0 */
/* Ports of a container that the host answers for: what people write behind --publish and --expose, as lists. Pure; who binds and forwards them is another matter. */
#pragma once

#include "base/error.h"
#include "net/address.h"

#include <jansson.h>

#define PUBLISH_MAX       1024u /* ports of one container */
#define PUBLISH_TEXT_SIZE (NET_TEXT_SIZE + 16)

struct publish {
	struct net_prefix address; /* of the host, whole; empty: all that it has, of both families */
	uint16_t host_port;        /* 0: any that is free */
	uint16_t host_last; /* the same; or more, where the first that is free from host_port on is meant */
	uint16_t container_port;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP */
};

struct publish_list {
	struct publish *items;
	size_t count;
};
void publish_list_release(struct publish_list *list);

/* Appends what "[[ADDRESS:][HOST[-LAST]]:]CONTAINER[-LAST][/tcp|/udp]" says, one for each port of a range; IPv6 addresses stand in brackets. Said twice is said
 * once. COR_INVALID, also for one port of the host that is to lead to two. */
int publish_parse(const char *text, struct publish_list *list, struct cor_error *err);
/* "PORT[-LAST][/tcp|/udp]" alone: ports that are free on the host, but for those of the container that the list has already. */
int publish_parse_exposed(const char *text, struct publish_list *list, struct cor_error *err);

/* True if no socket could serve both. */
bool publish_overlap(const struct publish *a, const struct publish *b);

const char *publish_protocol_name(uint8_t protocol); /* "tcp", "udp" */
/* "192.0.2.1:8080/udp", "[::1]:80/tcp", "8080/tcp": the host's side. Returns out. */
char *publish_format(const struct publish *publish, char out[PUBLISH_TEXT_SIZE]);

/* As it stands in records: an array of {address, hostPort, hostLast, containerPort, protocol}; NULL or null is none. 0 or -EINVAL, and then the list is as it was. */
json_t *publish_list_to_json(const struct publish_list *list);
int publish_list_from_json(const json_t *array, struct publish_list *list);

#define _publish_list_ _cleanup_(publish_list_release)
