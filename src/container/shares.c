/* SPDX-License-Identifier: Apache-2.0 */
/* From options to the list of shares, and from there to JSON and back. What is shared is opened anew at each start (shim/shares.c): here it is looked at, so that mistakes are
 * told before there is a container. */
#include "container/shares.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "container/volume.h"
#include "share/share.h"

#include <errno.h>

void container_shares_release(struct container_shares *shares)
{
	for (size_t i = 0; i < shares->count; i++) {
		free(shares->items[i].host);
		free(shares->items[i].container);
	}
	free(shares->items);
	*shares = (struct container_shares){0};
}

/* Takes the strings over. */
static void add(struct container_shares *shares, struct container_share share)
{
	shares->items = xreallocarray(shares->items, shares->count + 1, sizeof(*shares->items));
	shares->items[shares->count++] = share;
}

/* ---- from options ---- */

static int check_propagation(const struct volume_request *request, const char *text, struct cor_error *err)
{
	if (!request->propagation || str_equal(request->propagation, "rprivate") ||
	    str_equal(request->propagation, "private"))
		return 0;
	return cor_fail(err, COR_UNSUPPORTED, EOPNOTSUPP,
			"'%.200s': mounts do not propagate between the host and a machine: only rprivate "
			"can be",
			text);
}

static int make_missing(const char *host, struct cor_error *err)
{
	int r = access(host, F_OK) < 0 && errno == ENOENT ? dir_make_all(AT_FDCWD, host, 0755) : 0;

	return r < 0 ? cor_fail_errno(err, r, "make the directory '%s'", host) : 0;
}

static int check_room(const struct container_shares *shares, struct cor_error *err)
{
	if (shares->count < SHARES_MAX)
		return 0;
	return cor_fail(err, COR_INVALID, E2BIG, "a container can have %d directories and files of the host",
			SHARES_MAX);
}

int container_shares_add(struct container_shares *shares, const char *host, const char *container,
			 bool read_only, struct cor_error *err)
{
	int r = check_room(shares, err);

	if (r == 0)
		add(shares, (struct container_share){.host = xstrdup(host),
						     .container = xstrdup(container),
						     .read_only = read_only});
	return r;
}

static int add_share(const struct volume_request *request, const char *text, bool make,
		     struct container_shares *shares, struct cor_error *err)
{
	_free_ char *host = volume_path(request->source);
	_fd_ int fd = -1;
	struct stat st;
	int r;

	if (stat(host, &st) == 0 && S_ISSOCK(st.st_mode))
		return 0;
	r = check_propagation(request, text, err);
	if (r == 0 && make)
		r = make_missing(host, err);
	r = r ?: share_open(host, &fd, &st, err);
	if (r < 0)
		return r;
	r = check_room(shares, err);
	if (r < 0)
		return r;
	add(shares, (struct container_share){.host = steal_ptr(host),
					     .container = xstrdup(request->target),
					     .read_only = request->read_only,
					     .file = S_ISREG(st.st_mode)});
	return 0;
}

static int add_all(const char *const *texts,
		   int (*parse)(const char *text, struct volume_request *ret, struct cor_error *err),
		   bool make, struct container_shares *shares, struct cor_error *err)
{
	int r = 0;

	for (; r == 0 && texts && *texts; texts++) {
		_cleanup_(volume_request_release) struct volume_request request = {0};

		r = parse(*texts, &request, err);
		if (r == 0 && request.kind == VOLUME_BIND)
			r = add_share(&request, *texts, make, shares, err);
	}
	return r;
}

int container_shares_choose(const struct cor_container_options *options, struct container_shares *ret,
			    struct cor_error *err)
{
	_cleanup_(container_shares_release) struct container_shares shares = {0};
	int r = add_all(options->volumes, volume_parse, true, &shares, err);

	r = r ?: add_all(options->mounts, volume_parse_mount, false, &shares, err);
	if (r < 0)
		return r;
	*ret = shares;
	shares = (struct container_shares){0};
	return 0;
}

/* ---- config.json ---- */

char *container_share_place(const char *id, size_t number)
{
	return str_format("/run/coracle/%s/shares/%zu", id, number);
}

void container_shares_mount(const struct container_shares *shares, const char *id, json_t *mounts)
{
	for (size_t i = 0; i < shares->count; i++) {
		const struct container_share *share = &shares->items[i];
		_free_ char *place = container_share_place(id, i);

		json_array_append_new(
			mounts,
			json_pack("{s:s, s:s, s:o, s:[s, s, s, s]}", "destination", share->container, "type",
				  "bind", "source",
				  json_sprintf("%s%s", place, share->file ? "/" SHARE_FILE : ""), "options",
				  "rbind", "rprivate", "nodev", share->read_only ? "ro" : "rw"));
	}
}

/* ---- container.json ---- */

json_t *container_shares_to_json(const struct container_shares *shares)
{
	json_t *array = json_array();

	for (size_t i = 0; i < shares->count; i++) {
		const struct container_share *share = &shares->items[i];

		json_array_append_new(array, json_pack("{s:s, s:s, s:b, s:b}", "host", share->host,
						       "container", share->container, "readOnly",
						       (int)share->read_only, "file", (int)share->file));
	}
	return array;
}

static int one_from_json(const json_t *object, struct container_share *share)
{
	const char *host = NULL, *container = NULL;
	int r = json_get_string(object, "host", &host);

	r = r ?: json_get_string(object, "container", &container);
	r = r ?: json_get_bool(object, "readOnly", &share->read_only);
	r = r ?: json_get_bool(object, "file", &share->file);
	if (r < 0 || !host || *host != '/' || !container || *container != '/')
		return -EINVAL;
	share->host = xstrdup(host);
	share->container = xstrdup(container);
	return 0;
}

int container_shares_from_json(const json_t *array, struct container_shares *shares)
{
	json_t *entry;
	size_t i;

	if (json_array_size(array) > SHARES_MAX)
		return -EINVAL;
	json_array_foreach (array, i, entry) {
		struct container_share share = {0};
		int r = json_is_object(entry) ? one_from_json(entry, &share) : -EINVAL;

		if (r < 0)
			return r;
		add(shares, share);
	}
	return 0;
}
