/* SPDX-License-Identifier: Apache-2.0 */
/* From options to the list of relayed sockets, and from there to JSON and back. */
#include "container/sockets.h"

#include "base/file.h"
#include "base/json.h"
#include "container/volume.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

void container_sockets_release(struct container_sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++) {
		free(sockets->items[i].host);
		free(sockets->items[i].container);
	}
	free(sockets->items);
	*sockets = (struct container_sockets){0};
}

/* Takes the strings over. */
static void add(struct container_sockets *sockets, struct container_socket socket)
{
	sockets->items = xreallocarray(sockets->items, sockets->count + 1, sizeof(*sockets->items));
	sockets->items[sockets->count++] = socket;
}

/* ---- from options ---- */

/* Volumes and file systems in memory are the business of mounts.h, other paths of the host that of shares.h. */
static int add_mounted(const struct volume_request *request, const char *text,
		       struct container_sockets *sockets, struct cor_error *err)
{
	_free_ char *host = NULL;
	struct stat st;

	if (request->kind != VOLUME_BIND)
		return 0;
	host = volume_path(request->source);
	if (stat(host, &st) < 0 || !S_ISSOCK(st.st_mode))
		return 0;
	add(sockets, (struct container_socket){.kind = SOCKET_MOUNTED,
					       .host = steal_ptr(host),
					       .container = xstrdup(request->target),
					       .read_only = request->read_only});
	return 0;
}

static int add_mounts(const char *const *texts,
		      int (*parse)(const char *text, struct volume_request *ret, struct cor_error *err),
		      struct container_sockets *sockets, struct cor_error *err)
{
	int r = 0;

	for (; r == 0 && texts && *texts; texts++) {
		_cleanup_(volume_request_release) struct volume_request request = {0};

		r = parse(*texts, &request, err);
		r = r ?: add_mounted(&request, *texts, sockets, err);
	}
	return r;
}

static int add_published(const char *text, struct container_sockets *sockets, struct cor_error *err)
{
	_strv_ struct strv parts = strv_split(text, ':');
	char *target = NULL;

	if (parts.count != 2 || !*parts.items[0] || parts.items[0][strlen(parts.items[0]) - 1] == '/' ||
	    volume_target(parts.items[1], &target) < 0)
		return cor_fail(
			err, COR_INVALID, EINVAL,
			"publish socket '%s': HOST:CONTAINER is needed, two paths of sockets, the second an "
			"absolute one",
			text);
	add(sockets, (struct container_socket){.kind = SOCKET_PUBLISHED,
					       .host = volume_path(parts.items[0]),
					       .container = target});
	return 0;
}

/* Two cannot lie in one place. */
static int check(const struct container_sockets *sockets, struct cor_error *err)
{
	if (sockets->count > SOCKETS_MAX)
		return cor_fail(err, COR_INVALID, E2BIG, "a container can have %d relayed sockets",
				SOCKETS_MAX);
	for (size_t i = 0; i < sockets->count; i++)
		for (size_t j = 0; j < i; j++) {
			const struct container_socket *a = &sockets->items[i], *b = &sockets->items[j];
			bool published = a->kind == SOCKET_PUBLISHED;

			if (published != (b->kind == SOCKET_PUBLISHED))
				continue;
			if (str_equal(published ? a->host : a->container, published ? b->host : b->container))
				return cor_fail(err, COR_INVALID, EEXIST, "'%s' is given twice",
						published ? a->host : a->container);
		}
	return 0;
}

int container_sockets_choose(const struct cor_container_options *options, struct container_sockets *ret,
			     struct cor_error *err)
{
	_cleanup_(container_sockets_release) struct container_sockets sockets = {0};
	int r = add_mounts(options->volumes, volume_parse, &sockets, err);

	r = r ?: add_mounts(options->mounts, volume_parse_mount, &sockets, err);
	if (options->ssh)
		add(&sockets,
		    (struct container_socket){.kind = SOCKET_SSH_AGENT, .container = xstrdup(SOCKET_AGENT)});
	for (const char *const *text = options->publish_sockets; r == 0 && text && *text; text++)
		r = add_published(*text, &sockets, err);
	r = r ?: check(&sockets, err);
	if (r < 0)
		return r;
	*ret = sockets;
	sockets = (struct container_sockets){0};
	return 0;
}

/* ---- config.json ---- */

void container_sockets_mount(const struct container_sockets *sockets, const char *id, json_t *mounts)
{
	for (size_t i = 0; i < sockets->count; i++) {
		const struct container_socket *socket = &sockets->items[i];

		if (socket->kind != SOCKET_PUBLISHED)
			json_array_append_new(mounts,
					      json_pack("{s:s, s:s, s:o, s:[s, s, s]}", "destination",
							socket->container, "type", "bind", "source",
							json_sprintf("/run/coracle/%s/sockets/%zu", id, i),
							"options", "bind", "rprivate",
							socket->read_only ? "ro" : "rw"));
	}
}

/* ---- container.json ---- */

static const char *const words[] = {
	[SOCKET_MOUNTED] = "mounted", [SOCKET_SSH_AGENT] = "ssh-agent", [SOCKET_PUBLISHED] = "published"};

json_t *container_sockets_to_json(const struct container_sockets *sockets)
{
	json_t *array = json_array();

	for (size_t i = 0; i < sockets->count; i++) {
		const struct container_socket *socket = &sockets->items[i];

		json_array_append_new(array, json_pack("{s:s, s:s?, s:s, s:b}", "kind", words[socket->kind],
						       "host", socket->host, "container", socket->container,
						       "readOnly", (int)socket->read_only));
	}
	return array;
}

static int one_from_json(const json_t *object, struct container_socket *socket)
{
	const char *kind = NULL, *host = NULL, *container = NULL;
	int r = json_get_string(object, "kind", &kind);
	size_t i = 0;

	r = r ?: json_get_string(object, "host", &host);
	r = r ?: json_get_string(object, "container", &container);
	r = r ?: json_get_bool(object, "readOnly", &socket->read_only);
	while (i < ARRAY_SIZE(words) && !str_equal(kind, words[i]))
		i++;
	if (r < 0 || i == ARRAY_SIZE(words) || !container || *container != '/' ||
	    (host ? *host != '/' : i != SOCKET_SSH_AGENT))
		return -EINVAL;
	socket->kind = (enum socket_kind)i;
	socket->host = xstrdup(host);
	socket->container = xstrdup(container);
	return 0;
}

int container_sockets_from_json(const json_t *array, struct container_sockets *sockets)
{
	json_t *entry;
	size_t i;

	if (json_array_size(array) > SOCKETS_MAX)
		return -EINVAL;
	json_array_foreach (array, i, entry) {
		struct container_socket socket = {0};
		int r = json_is_object(entry) ? one_from_json(entry, &socket) : -EINVAL;

		if (r < 0)
			return r;
		add(sockets, socket);
	}
	return 0;
}
