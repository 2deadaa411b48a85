/* SPDX-License-Identifier: Apache-2.0 */
/* hosts, hostname and resolv.conf. Their lines are built from what users typed, so each part is checked for what could begin another line. */
#include "container/guest_files.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/stat.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
#define WORD_CHARACTERS NAME_CHARACTERS ":"

static bool is_address(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* "name:address"; an IPv6 address may be in brackets. */
static int add_host(struct buffer *hosts, const char *text, struct cor_error *err)
{
	size_t length = strcspn(text, ":=");
	_free_ char *name = xstrndup(text, length), *address = xstrdup(text[length] ? text + length + 1 : "");
	size_t size = strlen(address);

	if (size > 2 && *address == '[' && address[size - 1] == ']') {
		address[size - 1] = '\0';
		memmove(address, address + 1, size - 1);
	}
	if (!str_made_of(name, 253, NAME_CHARACTERS) || !is_address(address))
		return cor_fail(err, COR_INVALID, EINVAL, "'%s' is no host: name:address is needed", text);
	buffer_printf(hosts, "%s\t%s\n", address, name);
	return 0;
}

static int build_hosts(const struct cor_container_options *options, const char *hostname,
		       struct buffer *hosts, struct cor_error *err)
{
	int r = 0;

	buffer_printf(hosts, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
	/* Without a network the container's own name is still its own. */
	if (options->hostname && strchr(options->hostname, '.'))
		buffer_printf(hosts, "127.0.1.1\t%s %s\n", options->hostname, hostname);
	else
		buffer_printf(hosts, "127.0.1.1\t%s\n", hostname);
	for (const char *const *host = options->add_hosts; r == 0 && host && *host; host++)
		r = add_host(hosts, *host, err);
	return r;
}

static int add_words(struct buffer *conf, const char *keyword, const char *const *words,
		     struct cor_error *err)
{
	if (!words || !*words)
		return 0;
	buffer_printf(conf, "%s", keyword);
	for (; *words; words++) {
		if (!str_made_of(*words, 253, WORD_CHARACTERS))
			return cor_fail(err, COR_INVALID, EINVAL, "'%s' cannot stand in resolv.conf", *words);
		buffer_printf(conf, " %s", *words);
	}
	buffer_printf(conf, "\n");
	return 0;
}

static int build_resolv_conf(const struct cor_container_options *options, struct buffer *conf,
			     struct cor_error *err)
{
	int r;

	for (const char *const *server = options->dns; server && *server; server++) {
		if (!is_address(*server))
			return cor_fail(err, COR_INVALID, EINVAL, "'%s' is no address of a name server",
					*server);
		buffer_printf(conf, "nameserver %s\n", *server);
	}
	r = add_words(conf, "search", options->dns_search, err);
	return r ?: add_words(conf, "options", options->dns_options, err);
}

static int write_one(int dir, const char *name, const struct buffer *content, struct cor_error *err)
{
	int r = file_write_new(dir, name, buffer_size(content) ? (void *)buffer_bytes(content) : "",
			       buffer_size(content), 0644);

	return r < 0 ? cor_fail_errno(err, r, "write '%s'", name) : 0;
}

int guest_files_write(int bundle_dir, const struct cor_container_options *options, const char *hostname,
		      struct cor_error *err)
{
	_buffer_ struct buffer hosts = {0}, conf = {0}, name = {0};
	_fd_ int dir = -1;
	int r = dir_open_make(bundle_dir, "files", 0700, &dir);

	if (r < 0)
		return cor_fail_errno(err, r, "make 'files'");
	buffer_printf(&name, "%s\n", hostname);
	r = write_one(dir, "hostname", &name, err);
	r = r ?: build_hosts(options, hostname, &hosts, err);
	r = r ?: write_one(dir, "hosts", &hosts, err);
	if (r < 0 || options->no_dns)
		return r;
	r = build_resolv_conf(options, &conf, err);
	return r ?: write_one(dir, "resolv.conf", &conf, err);
}
