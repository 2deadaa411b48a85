/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the fake libcoracle that knows networks: one, "backend", and "busy" that cannot be removed. */
#include "fake.h"

#include "coracle/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cor_network_create(struct cor_context *ctx, const struct cor_network_options *options,
		       struct cor_error *err)
{
	fake_call("network create %s subnet=%s subnet-v6=%s domain=%s internal=%d", options->name,
		  options->subnet ? options->subnet : "-", options->subnet_v6 ? options->subnet_v6 : "-",
		  options->domain ? options->domain : "-", options->internal);
	for (const char *const *label = options->labels; label && *label; label++)
		fake_call("label=%s", *label);
	return strcmp(options->name, "backend") == 0
		       ? fake_fail(err, COR_EXISTS, EEXIST, "there is a network 'backend' already")
		       : 0;
}

int cor_network_list(struct cor_context *ctx, struct cor_network_list *ret, struct cor_error *err)
{
	ret->items = calloc(1, sizeof(*ret->items));
	ret->count = 1;
	ret->items[0] = (struct cor_network_info){.name = strdup("backend"),
						  .subnet = strdup("10.20.30.0/24"),
						  .subnet_v6 = strdup("fd12:3456:789a::/64"),
						  .domain = strdup("coracle"),
						  .internal = true,
						  .containers = 2,
						  .created_ns = 1700000000000000000};
	fake_add(&ret->items[0].labels, "team=a");
	return 0;
}

void cor_network_list_release(struct cor_network_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].name);
		free(list->items[i].subnet);
		free(list->items[i].subnet_v6);
		free(list->items[i].domain);
		cor_strings_release(&list->items[i].labels);
	}
	free(list->items);
}

int cor_network_inspect(struct cor_context *ctx, const char *name, char **ret_json, struct cor_error *err)
{
	if (strcmp(name, "backend") != 0)
		return fake_fail(err, COR_NOT_FOUND, ENOENT, "there is no network '%s'", name);
	*ret_json = strdup("{\"Name\": \"backend\"}");
	return 0;
}

int cor_network_remove(struct cor_context *ctx, const char *name, struct cor_error *err)
{
	fake_call("network rm %s", name);
	return strcmp(name, "busy") == 0
		       ? fake_fail(err, COR_BUSY, EBUSY, "network 'busy' is in use by 1 container")
		       : 0;
}

int cor_network_prune(struct cor_context *ctx, struct cor_strings *ret_removed, struct cor_error *err)
{
	fake_call("network prune");
	fake_add(ret_removed, "old");
	return 0;
}

char *cor_network_usual(struct cor_context *ctx, char **ret_why)
{
	const char *name = getenv("FAKE_NETWORK") ?: "default";

	if (ret_why)
		*ret_why = strdup("only root may make bridges");
	return strdup(name);
}

char *cor_network_lacks(struct cor_context *ctx, const char *const *networks)
{
	const char *lacks = getenv("FAKE_NETWORK_LACKS");

	return lacks ? strdup(lacks) : NULL;
}

int cor_network_repair(struct cor_context *ctx, unsigned *ret_networks, unsigned *ret_removed,
		       struct cor_error *err)
{
	fake_call("network repair");
	return 0;
}

int cor_dns_create(struct cor_context *ctx, const char *domain, struct cor_error *err)
{
	fake_call("dns create %s", domain ? domain : "-");
	return 0;
}

int cor_dns_remove(struct cor_context *ctx, const char *domain, struct cor_error *err)
{
	fake_call("dns rm %s", domain);
	return strcmp(domain, "nothing") == 0
		       ? fake_fail(err, COR_NOT_FOUND, ENOENT, "the host is not to resolve 'nothing'")
		       : 0;
}

int cor_dns_list(struct cor_context *ctx, char **ret_json, struct cor_error *err)
{
	fake_call("dns ls");
	*ret_json = strdup("[{\"Domain\": \"coracle\", \"Network\": \"default\", \"Server\": \"10.209.0.1\", "
			   "\"ServerV6\": \"fd00::1\", \"Resolved\": true}]");
	return 0;
}
