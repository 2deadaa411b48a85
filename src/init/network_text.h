/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of ConfigureNetwork: addresses with prefixes, MAC addresses. Pure parsing; all return 0 or -EINVAL. */
#pragma once

#include <stdint.h>
#include <stddef.h>

struct network_address {
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
	size_t size;
	uint8_t prefix;
};

/* "10.0.0.2/24", "fd00::2/64"; without a prefix the whole address. */
int network_parse_address(const char *text, struct network_address *ret);

/* "52:54:00:12:34:56" */
int network_parse_mac(const char *text, uint8_t ret[6]);
