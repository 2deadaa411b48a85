/* SPDX-License-Identifier: Apache-2.0 */
#include "container/networks.h"

#include "container/context.h"
#include "container/record.h"
#include "net/names.h"
#include "net/port.h"
#include "net/user.h"

#include <errno.h>

#define VARIABLE "CORACLE_NETWORK"
#define NONE     "none"

char *networks_usual(char **ret_why)
{
	const char *given = getenv(VARIABLE), *name = NETWORK_DEFAULT;
	struct cor_error bridge, user;
	char *why;

	if (!str_empty(given)) {
		name = given;
		why = xstrdup(VARIABLE " says so");
	} else if (net_usable(&bridge) == 0) {
		why = xstrdup("this process may make bridges");
	} else if (net_user_usable(&user) == 0) {
		name = NETWORK_USER;
		why = xstrdup(bridge.msg);
	} else {
		name = NONE;
		why = str_format("%s, and %s", bridge.msg, user.msg);
	}
	if (ret_why)
		*ret_why = why;
	else
		free(why);
	return xstrdup(name);
}

static int check(struct cor_context *ctx, const struct net_request *request, struct cor_error *err)
{
	_cleanup_(network_release) struct network network = {0};
	int r;

	if (str_equal(request->network, NETWORK_USER)) {
		r = net_user_check(request, err);
		if (r < 0)
			return r;
		r = net_user_usable(err);
	} else {
		r = net_usable(err);
		r = r ?: network_need(ctx->roots.data_fd, request->network, &network, err);
		if (r == -ENOENT)
			return r;
	}
	return r < 0 ? cor_context(err, r, "network '%s'", request->network) : 0;
}

static bool has_user(const struct strv *networks)
{
	const char *text;

	strv_foreach (networks, i, text)
		if (strcspn(text, ",") == strlen(NETWORK_USER) && str_after(text, NETWORK_USER))
			return true;
	return false;
}

static bool is_none(const char *const *wanted)
{
	return !wanted[0] || (strcmp(wanted[0], NONE) == 0 && !wanted[1]);
}

static int choose(struct cor_context *ctx, const char *const *wanted, struct strv *networks,
		  struct cor_error *err)
{
	int r = 0;

	for (const char *const *text = wanted; r == 0 && !is_none(wanted) && *text; text++) {
		_cleanup_(net_request_release) struct net_request request = {0};

		if (strcspn(*text, ",") == strlen(NONE) && str_after(*text, NONE))
			return cor_fail(err, COR_INVALID, EINVAL,
					"network '" NONE "' stands alone: no options, no other networks");
		r = net_request_parse(*text, &request, err);
		if (r == 0 && str_equal(request.network, NETWORK_USER) && has_user(networks))
			r = cor_fail(err, COR_INVALID, EINVAL, "a container can be in network '%s' once",
				     NETWORK_USER);
		r = r ?: check(ctx, &request, err);
		if (r == 0)
			strv_add(networks, *text);
	}
	if (r == 0 && networks->count > NETWORKS_MAX)
		r = cor_fail(err, COR_INVALID, E2BIG, "a container can be in %d networks", NETWORKS_MAX);
	return r;
}

int networks_choose(struct cor_context *ctx, const char *const *wanted, struct strv *networks,
		    struct cor_error *err)
{
	_free_ char *usual = wanted ? NULL : networks_usual(NULL);
	int r = choose(ctx, wanted ?: (const char *const[]){usual, NULL}, networks, err);

	return r < 0 && !wanted && !str_empty(getenv(VARIABLE)) ? cor_context(err, r, VARIABLE "=%s", usual)
								: r;
}

static bool is_bridge(const char *request)
{
	size_t length = strcspn(request, ",");
	_free_ char *name = xstrndup(request, length);

	return !str_equal(name, NONE) && !str_equal(name, NETWORK_USER);
}

char *networks_lack(const char *const *wanted)
{
	_free_ char *usual = NULL;
	bool any = false;

	if (names_usable())
		return NULL;
	usual = wanted ? NULL : networks_usual(NULL);
	for (const char *const *text = wanted ?: (const char *const[]){usual, NULL}; *text; text++)
		any |= is_bridge(*text);
	return any ? xstrdup(NAMES_LACK) : NULL;
}
