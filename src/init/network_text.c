/* SPDX-License-Identifier: Apache-2.0 */
#include "init/network_text.h"

#include "base/size.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>

int network_parse_address(const char *text, struct network_address *ret)
{
	size_t length = strcspn(text, "/");
	_free_ char *address = xstrndup(text, length);
	struct network_address parsed = {.family = strchr(address, ':') ? AF_INET6 : AF_INET};
	int64_t prefix;

	parsed.size = parsed.family == AF_INET6 ? 16 : 4;
	prefix = (int64_t)parsed.size * 8;
	if (inet_pton(parsed.family, address, parsed.bytes) != 1 ||
	    (text[length] && number_parse(text + length + 1, 0, prefix, &prefix) < 0))
		return -EINVAL;
	parsed.prefix = (uint8_t)prefix;
	*ret = parsed;
	return 0;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *p = c ? strchr(digits, c) : NULL;

	return p ? (int)((p - digits) % 16) : -1;
}

int network_parse_mac(const char *text, uint8_t ret[6])
{
	uint8_t parsed[6];

	if (strlen(text) != 17)
		return -EINVAL;
	for (size_t i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
		parsed[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret, parsed, sizeof(parsed));
	return 0;
}
