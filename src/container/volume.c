/* SPDX-License-Identifier: Apache-2.0 */
#include "container/volume.h"

#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#define NAME_MAX_BYTES 255
#define NAME_BYTES     "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

void volume_request_release(struct volume_request *request)
{
	free(request->source);
	free(request->target);
	free(request->propagation);
	strv_release(&request->options);
	*request = (struct volume_request){0};
}

/* ---- what both have ---- */

int volume_target(const char *path, char **ret)
{
	_strv_ struct strv parts = strv_split(path, '/'), kept = {0};
	_free_ char *joined = NULL;
	const char *part;

	if (*path != '/' || strlen(path) >= PATH_MAX)
		return -EINVAL;
	strv_foreach (&parts, i, part) {
		if (strcmp(part, "..") == 0)
			return -EINVAL;
		if (*part && strcmp(part, ".") != 0)
			strv_add(&kept, part);
	}
	if (!kept.count)
		return -EINVAL;
	joined = strv_join(&kept, "/");
	*ret = str_format("/%s", joined);
	return 0;
}

char *volume_path(const char *path)
{
	const char *home = getenv("HOME"), *rest = str_after(path, "~/");
	char here[PATH_MAX];

	if (rest && home && *home == '/')
		return str_format("%s/%s", home, rest);
	return *path == '/' || !getcwd(here, sizeof(here)) ? xstrdup(path) : str_format("%s/%s", here, path);
}

static bool is_propagation(const char *word)
{
	static const char *const words[] = {"private", "rprivate", "shared", "rshared", "slave", "rslave"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static bool is_name(const char *name)
{
	return isalnum((unsigned char)*name) && str_made_of(name, NAME_MAX_BYTES, NAME_BYTES);
}

static int set_source(struct volume_request *request, const char *source)
{
	bool path = *source == '/' || *source == '.' || str_after(source, "~/");

	if (!*source || strlen(source) >= PATH_MAX || (request->kind == VOLUME_NAMED && !is_name(source)) ||
	    (request->kind == VOLUME_BIND && !path))
		return -EINVAL;
	str_set(&request->source, source);
	return 0;
}

/* ---- --volume ---- */

static int set_volume_option(struct volume_request *request, const char *word)
{
	static const char *const of_others[] = {"z", "Z", "consistent", "cached", "delegated", "rw"};

	for (size_t i = 0; i < ARRAY_SIZE(of_others); i++)
		if (strcmp(word, of_others[i]) == 0)
			return 0; /* for hosts with labels, or that are no Linux; or as it is anyway */
	if (strcmp(word, "ro") == 0)
		request->read_only = true;
	else if (strcmp(word, "nocopy") == 0 && request->kind == VOLUME_NAMED)
		request->no_copy = true;
	else if (is_propagation(word) && request->kind == VOLUME_BIND)
		str_set(&request->propagation, word);
	else
		return -EINVAL;
	return 0;
}

int volume_parse(const char *text, struct volume_request *ret, struct cor_error *err)
{
	_cleanup_(volume_request_release) struct volume_request request = {.kind = VOLUME_ANONYMOUS};
	_strv_ struct strv parts = strv_split(text, ':');
	const char *target = parts.items[parts.count > 1], *word;

	if (parts.count > 3)
		return cor_fail(err, COR_INVALID, EINVAL,
				"volume '%.200s': too many colons: [SOURCE:]TARGET[:OPTIONS] is needed (a "
				"path that holds "
				"one goes with --mount)",
				text);
	if (parts.count > 1) {
		request.kind = strchr("/.~", *parts.items[0]) ? VOLUME_BIND : VOLUME_NAMED;
		if (set_source(&request, parts.items[0]) < 0)
			return cor_fail(err, COR_INVALID, EINVAL,
					"volume '%.200s': '%.100s' is no name of a volume; a path of the "
					"host begins with "
					"/ or .",
					text, parts.items[0]);
	}
	if (volume_target(target, &request.target) < 0)
		return cor_fail(err, COR_INVALID, EINVAL,
				"volume '%.200s': '%.100s' is no absolute path in the container (/ itself "
				"cannot be one, nor "
				"may it hold ..)",
				text, target);
	if (parts.count == 3) {
		_strv_ struct strv words = strv_split(parts.items[2], ',');

		strv_foreach (&words, i, word)
			if (set_volume_option(&request, word) < 0)
				return cor_fail(err, COR_INVALID, EINVAL,
						"volume '%.200s': '%.50s' is no option here; ro is one", text,
						word);
	}
	*ret = request;
	request = (struct volume_request){0};
	return 0;
}

/* ---- --mount ---- */

/* One value of a line of them, from *text on, which is moved behind it and its comma, or becomes NULL at the end. */
static int next_value(const char **text, char **ret)
{
	const char *s = *text;
	_free_ char *value = xmalloc(strlen(s) + 1);
	size_t n = 0;
	bool quoted = *s == '"';

	for (s += quoted; *s; s++) {
		if (quoted && *s == '"') {
			if (s[1] != '"')
				break;
			s++;
		} else if (!quoted && *s == ',') {
			break;
		} else if (!quoted && *s == '"') {
			return -EINVAL;
		}
		value[n++] = *s;
	}
	value[n] = '\0';
	if (quoted && *s++ != '"')
		return -EINVAL;
	if (*s && *s != ',')
		return -EINVAL;
	*text = *s ? s + 1 : NULL;
	*ret = steal_ptr(value);
	return 0;
}

static int parse_flag(const char *value, bool *ret)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"1", true}, {"true", true}, {"0", false}, {"false", false}};

	*ret = true;
	if (!value)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(value, words[i].word) == 0) {
			*ret = words[i].value;
			return 0;
		}
	return -EINVAL;
}

/* "100", "64k", "1g". */
static int parse_size(const char *value, uint64_t *ret)
{
	static const char units[] = "bkmg";
	size_t length = strlen(value);
	const char *unit = length ? strchr(units, tolower((unsigned char)value[length - 1])) : NULL;
	_free_ char *digits = xstrndup(value, length - (unit != NULL));
	unsigned shift = unit ? 10 * (unsigned)(unit - units) : 0;
	int64_t number;

	if (number_parse(digits, 0, INT64_MAX >> shift, &number) < 0)
		return -EINVAL;
	*ret = (uint64_t)number << shift;
	return 0;
}

static int parse_mode(const char *value, struct volume_request *request)
{
	char *end;
	unsigned long mode = strtoul(value, &end, 8);

	if (*value < '0' || *value > '7' || *end || mode > 07777)
		return -EINVAL;
	request->has_mode = true;
	request->tmpfs_mode = (uint32_t)mode;
	return 0;
}

static int set_type(const char *value, struct volume_request *request)
{
	static const char *const types[] = {
		[VOLUME_BIND] = "bind", [VOLUME_NAMED] = "volume", [VOLUME_TMPFS] = "tmpfs"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i] && strcmp(value, types[i]) == 0) {
			request->kind = (enum volume_kind)i;
			return 0;
		}
	return -EINVAL;
}

/* What any kind takes; -ENOENT where it is none of that. */
static int set_common(struct volume_request *request, const char *key, const char *value)
{
	if (str_equal(key, "source") || str_equal(key, "src")) {
		str_set(&request->source, value);
		return value ? 0 : -EINVAL;
	}
	if (str_equal(key, "target") || str_equal(key, "destination") || str_equal(key, "dst")) {
		free(steal_ptr(request->target));
		return value ? volume_target(value, &request->target) : -EINVAL;
	}
	if (str_equal(key, "readonly") || str_equal(key, "ro"))
		return parse_flag(value, &request->read_only);
	if (str_equal(key, "consistency"))
		return 0;
	return -ENOENT;
}

static int set_value(struct volume_request *request, const char *key, const char *value)
{
	int r = set_common(request, key, value);

	if (r != -ENOENT)
		return r;
	if (str_equal(key, "volume-nocopy") && request->kind == VOLUME_NAMED)
		return parse_flag(value, &request->no_copy);
	if (!value)
		return -EINVAL;
	if (str_equal(key, "bind-propagation") && request->kind == VOLUME_BIND && is_propagation(value)) {
		str_set(&request->propagation, value);
		return 0;
	}
	if (str_equal(key, "volume-opt") && request->kind == VOLUME_NAMED) {
		strv_add(&request->options, value);
		return 0;
	}
	if (str_equal(key, "tmpfs-size") && request->kind == VOLUME_TMPFS)
		return parse_size(value, &request->tmpfs_size);
	if (str_equal(key, "tmpfs-mode") && request->kind == VOLUME_TMPFS)
		return parse_mode(value, request);
	return -EINVAL;
}

static int fail_value(const char *text, const char *part, struct cor_error *err)
{
	return cor_fail(err, COR_INVALID, EINVAL,
			"mount '%.200s': '%.100s' cannot stand there; type=bind|volume|tmpfs, source=, "
			"target= (an absolute path), readonly and the options of the type can",
			text, part);
}

/* What the whole must be, when all its parts are known. */
static int check_mount(struct volume_request *request, const char *text, struct cor_error *err)
{
	_free_ char *source = steal_ptr(request->source);

	if (!request->target)
		return cor_fail(err, COR_INVALID, EINVAL, "mount '%.200s': target= is missing", text);
	if (request->kind == VOLUME_NAMED && !source)
		request->kind = VOLUME_ANONYMOUS;
	if (request->kind == VOLUME_TMPFS && source)
		return cor_fail(err, COR_INVALID, EINVAL, "mount '%.200s': a tmpfs has no source", text);
	if (request->kind == VOLUME_BIND && !source)
		return cor_fail(err, COR_INVALID, EINVAL, "mount '%.200s': source= is missing", text);
	if (source && set_source(request, source) < 0)
		return cor_fail(err, COR_INVALID, EINVAL, "mount '%.200s': '%.100s' is no %s", text, source,
				request->kind == VOLUME_BIND ? "path: it must begin with / or ."
							     : "name of a volume");
	return 0;
}

static int split_values(const char *text, struct strv *values)
{
	while (text) {
		char *value;
		int r = next_value(&text, &value);

		if (r < 0)
			return r;
		strv_take(values, value);
	}
	return 0;
}

int volume_parse_mount(const char *text, struct volume_request *ret, struct cor_error *err)
{
	_cleanup_(volume_request_release) struct volume_request request = {.kind = VOLUME_NAMED};
	_strv_ struct strv values = {0};
	const char *value;
	int r = split_values(text, &values);

	if (r < 0)
		return fail_value(text, text, err);
	/* The type says which options there are, wherever it stands. */
	strv_foreach (&values, i, value)
		if (str_after(value, "type=") && set_type(str_after(value, "type="), &request) < 0)
			return fail_value(text, value, err);
	strv_foreach (&values, i, value) {
		size_t length = strcspn(value, "=");
		_free_ char *key = xstrndup(value, length);

		if (strcmp(key, "type") == 0 && value[length])
			continue;
		if (set_value(&request, key, value[length] ? value + length + 1 : NULL) < 0)
			return fail_value(text, value, err);
	}
	r = check_mount(&request, text, err);
	if (r < 0)
		return r;
	*ret = request;
	request = (struct volume_request){0};
	return 0;
}
