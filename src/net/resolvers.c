/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolvers.h"

#include "base/file.h"

#define SERVERS_MAX 3u /* that a resolver asks (MAXNS) */
#define SEARCH_MAX  6u
#define FILE_MAX    65536u
#define BLANK       " \t"
#define NAME_SET    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

void resolvers_release(struct resolvers *resolvers)
{
	strv_release(&resolvers->servers);
	strv_release(&resolvers->search);
	*resolvers = (struct resolvers){0};
}

static bool is_loopback(const struct net_prefix *address)
{
	static const uint8_t v6[16] = {[15] = 1};

	return address->family == AF_INET ? address->bytes[0] == 127
					  : memcmp(address->bytes, v6, sizeof(v6)) == 0;
}

/* passt takes the first of each family as the one that it forwards to. */
static void add_server(const char *word, unsigned seen[2], struct resolvers *resolvers)
{
	struct net_prefix address;
	unsigned *count;

	/* One with a zone ("fe80::1%eth0") is none that a guest could reach. */
	if (strchr(word, '/') || net_prefix_parse(word, &address) < 0)
		return;
	count = &seen[address.family == AF_INET6];
	if (is_loopback(&address)) {
		if (*count == 0 && address.family == AF_INET)
			resolvers->forward4 = true;
		else if (*count == 0)
			resolvers->forward6 = true;
	} else if (resolvers->servers.count < SERVERS_MAX) {
		strv_add(&resolvers->servers, word);
	}
	(*count)++;
}

static void parse_line(char *line, unsigned seen[2], struct resolvers *resolvers)
{
	char *rest = NULL, *keyword = strtok_r(line, BLANK "\r", &rest), *word;

	if (str_equal(keyword, "nameserver")) {
		word = strtok_r(NULL, BLANK "\r", &rest);
		if (word)
			add_server(word, seen, resolvers);
	} else if (str_equal(keyword, "search") || str_equal(keyword, "domain")) {
		/* The last of such lines counts. */
		strv_release(&resolvers->search);
		while ((word = strtok_r(NULL, BLANK "\r", &rest)) && resolvers->search.count < SEARCH_MAX)
			if (str_made_of(word, 253, NAME_SET))
				strv_add(&resolvers->search, word);
	}
}

void resolvers_parse(const char *text, struct resolvers *ret)
{
	struct resolvers resolvers = {0};
	_free_ char *copy = xstrdup(text);
	unsigned seen[2] = {0};
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")))
		parse_line(line, seen, &resolvers);
	*ret = resolvers;
}

void resolvers_read(const char *path, struct resolvers *ret)
{
	_free_ char *text = NULL;

	(void)file_read(AT_FDCWD, path, FILE_MAX, &text, NULL);
	resolvers_parse(text ?: "", ret);
}
