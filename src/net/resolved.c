/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolved.h"

#include "base/file.h"
#include "net/child.h"
#include "net/life.h"
#include "net/state.h"

#include <errno.h>
#include <sys/wait.h>

#define FOLDER   "dns"
#define SOCKETS  "/run/systemd/resolve"
#define LIMIT_MS 5000u
#define SAYS_MAX 512u

static char *find_program(void)
{
	return access(SOCKETS, F_OK) == 0 ? program_path("resolvectl") : NULL;
}

int resolved_usable(struct cor_error *err)
{
	_free_ char *program = find_program();

	if (program)
		return 0;
	return cor_fail(
		err, COR_UNSUPPORTED, ENOENT,
		"this host has no systemd-resolved: tell its own resolver that a network's gateway answers "
		"for "
		"the domain, as dnsmasq's server=/coracle/ADDRESS does ('coracle network inspect' names it)");
}

/* ---- resolvectl ---- */

void resolved_arguments(const char *program, const char *bridge, const struct network *network,
			struct strv ret[RESOLVED_CALLS])
{
	struct net_prefix gateway4 = net_prefix_host(&network->v4, NETWORK_GATEWAY);
	char text[NET_TEXT_SIZE];

	for (size_t i = 0; i < RESOLVED_CALLS; i++)
		strv_add(&ret[i], program);
	/* One address: both would be the same server. */
	strv_add(&ret[0], "dns");
	strv_add(&ret[0], bridge);
	strv_add(&ret[0], net_address_format(&gateway4, text));
	/* "~": names of that domain are asked for there, and no bare word is completed with it. */
	strv_add(&ret[1], "domain");
	strv_add(&ret[1], bridge);
	strv_addf(&ret[1], "~%s", network->domain);
	/* All other names are not: it would ask the host's resolver, which is who asks. */
	strv_add(&ret[2], "default-route");
	strv_add(&ret[2], bridge);
	strv_add(&ret[2], "no");
}

static int call(const struct strv *args, struct cor_error *err)
{
	_free_ char *says = NULL;
	int status = 0,
	    r = child_run((const char *const *)args->items, "", 0, -1, LIMIT_MS, SAYS_MAX, &status, &says);

	if (r < 0)
		return cor_fail_errno(err, r, "run '%s'", args->items[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	says[strcspn(says, "\n")] = '\0';
	return cor_fail(err, COR_UNAVAILABLE, EIO, "resolvectl %s: %.200s", args->items[1], says);
}

int resolved_tell(const char *bridge, const struct network *network, struct cor_error *err)
{
	_free_ char *program = find_program();
	struct strv calls[RESOLVED_CALLS] = {0};
	int r = program ? 0 : resolved_usable(err);

	if (r == 0)
		resolved_arguments(program, bridge, network, calls);
	for (size_t i = 0; i < RESOLVED_CALLS; i++) {
		r = r ?: call(&calls[i], err);
		strv_release(&calls[i]);
	}
	return r;
}

static int revert(const char *bridge, struct cor_error *err)
{
	_free_ char *program = find_program();
	_strv_ struct strv args = {0};

	if (!program)
		return 0;
	strv_add(&args, program);
	strv_add(&args, "revert");
	strv_add(&args, bridge);
	return call(&args, err);
}

/* ---- the wishes ---- */

int resolved_domains(int data_dir, struct strv *ret, struct cor_error *err)
{
	int r = dir_names(data_dir, FOLDER, network_domain_valid, ret);

	return r < 0 && r != -ENOENT ? cor_fail_errno(err, r, "the folder of domains") : 0;
}

bool resolved_wished(int data_dir, const char *domain)
{
	_free_ char *path = str_format(FOLDER "/%s", domain);

	return network_domain_valid(domain) && faccessat(data_dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Every network of that domain that is up. */
static int for_each(int run_dir, const char *domain, bool there, struct cor_error *err)
{
	_strv_ struct strv names = {0};
	struct net_state state;
	const char *name;
	int r = net_state_open(run_dir, &state, err);

	if (r < 0)
		return r;
	(void)net_state_names(&state, &names);
	strv_foreach (&names, i, name) {
		struct net_active active;

		if (r < 0 || net_state_find(&state, name, &active, NULL) < 0)
			continue;
		if (str_equal(active.network.domain, domain)) {
			net_state_wish_resolved(&active, there);
			r = there ? resolved_tell(active.bridge, &active.network, err)
				  : revert(active.bridge, err);
		}
		net_active_release(&active);
	}
	net_state_release(&state);
	return r;
}

int resolved_create(int data_dir, int run_dir, const char *domain, struct cor_error *err)
{
	_fd_ int dir = -1, fd = -1;
	int r;

	if (!network_domain_valid(domain))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.130s' is no domain", domain);
	r = resolved_usable(err);
	if (r < 0)
		return r;
	r = dir_open_make(data_dir, FOLDER, 0700, &dir);
	if (r < 0)
		return cor_fail_errno(err, r, "the folder of domains");
	fd = openat(dir, domain, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return cor_fail(err, COR_EXISTS, EEXIST, "the host resolves '%s' already", domain);
	if (fd < 0)
		return cor_fail_errno(err, errno, "the folder of domains");
	r = for_each(run_dir, domain, true, err);
	if (r < 0)
		unlinkat(dir, domain, 0);
	return r;
}

int resolved_remove(int data_dir, int run_dir, const char *domain, struct cor_error *err)
{
	_free_ char *path = str_format(FOLDER "/%s", domain);

	if (!network_domain_valid(domain) || unlinkat(data_dir, path, 0) < 0)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "the host is not to resolve '%.130s'", domain);
	return for_each(run_dir, domain, false, err);
}
