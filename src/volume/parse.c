/* SPDX-License-Identifier: Apache-2.0 */
/* What people and records say of volumes. */
#include "volume/volume.h"

#include "base/json.h"
#include "base/size.h"

#include <errno.h>

#define FORMAT 1

void volume_release(struct volume *volume)
{
	free(volume->name);
	strv_release(&volume->labels);
	*volume = (struct volume){0};
}

bool volume_name_valid(const char *name)
{
	return str_made_of(name, VOLUME_NAME_MAX,
			   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") &&
	       !strchr("_.-", *name);
}

/* ---- wishes ---- */

static int parse_bool(const char *option, const char *text, bool *ret, struct cor_error *err)
{
	if (str_equal(text, "true") || str_equal(text, "1"))
		*ret = true;
	else if (str_equal(text, "false") || str_equal(text, "0"))
		*ret = false;
	else
		return cor_fail(err, COR_INVALID, EINVAL, "volume option '%.60s': must be true or false",
				option);
	return 0;
}

static int take_option(const char *option, struct volume *volume, struct cor_error *err)
{
	const char *text;

	if ((text = str_after(option, "journal=")))
		return parse_bool(option, text, &volume->journal, err);
	if ((text = str_after(option, "shared=")))
		return parse_bool(option, text, &volume->shared, err);
	if ((text = str_after(option, "size="))) {
		if (size_parse(text, &volume->size) == 0 && volume->size)
			return 0;
		return cor_fail(err, COR_INVALID, EINVAL, "volume option '%.60s': must be a size such as 20g",
				option);
	}
	return cor_fail(err, COR_INVALID, EINVAL,
			"volume option '%.60s': there is journal=true|false, shared=true|false, size=SIZE",
			option);
}

static int check_size(struct volume *volume, struct cor_error *err)
{
	if (!volume->size)
		volume->size = VOLUME_SIZE_DEFAULT;
	if (volume->size < VOLUME_SIZE_MIN || volume->size > VOLUME_SIZE_MAX)
		return cor_fail(err, COR_INVALID, ERANGE, "the size of a volume is from 64m to 8t");
	volume->size = (volume->size + MIB - 1) / MIB * MIB;
	return 0;
}

static int take_labels(const char *const *labels, struct volume *volume, struct cor_error *err)
{
	for (; labels && *labels; labels++) {
		_json_ json_t *text = json_string(*labels);

		if (**labels == '=' || !**labels || !text)
			return cor_fail(err, COR_INVALID, EINVAL, "'%.60s' is no label: KEY=VALUE is needed",
					*labels);
		strv_addf(&volume->labels, "%s%s", *labels, strchr(*labels, '=') ? "" : "=");
	}
	return 0;
}

int volume_wish_parse(const struct volume_wish *wish, struct volume *ret, struct cor_error *err)
{
	_volume_ struct volume volume = {.size = wish->size, .journal = true, .anonymous = !wish->name};
	int r = 0;

	if (wish->name && !volume_name_valid(wish->name))
		return cor_fail(err, COR_INVALID, EINVAL,
				"'%.80s' is no volume name: up to %d letters, digits and _.- after a letter "
				"or digit",
				wish->name, VOLUME_NAME_MAX);
	volume.name = xstrdup(wish->name);
	for (const char *const *option = wish->options; r == 0 && option && *option; option++)
		r = take_option(*option, &volume, err);
	r = r ?: check_size(&volume, err);
	r = r ?: take_labels(wish->labels, &volume, err);
	if (r < 0)
		return r;
	*ret = volume;
	volume = (struct volume){0};
	return 0;
}

/* ---- the record ---- */

json_t *volume_to_json(const struct volume *volume)
{
	return json_pack("{s:i, s:s, s:I, s:b, s:b, s:b, s:o, s:I}", "format", FORMAT, "name", volume->name,
			 "size", (json_int_t)volume->size, "journal", (int)volume->journal, "shared",
			 (int)volume->shared, "anonymous", (int)volume->anonymous, "labels",
			 json_from_strv(&volume->labels), "created", (json_int_t)volume->created_ns);
}

int volume_from_json(const json_t *document, struct volume *volume)
{
	int64_t format = 0, size = 0;
	const char *name = NULL;
	int r = json_get_int(document, "format", &format);

	volume->journal = true;
	r = r ?: json_get_string(document, "name", &name);
	r = r ?: json_get_int(document, "size", &size);
	r = r ?: json_get_bool(document, "journal", &volume->journal);
	r = r ?: json_get_bool(document, "shared", &volume->shared);
	r = r ?: json_get_bool(document, "anonymous", &volume->anonymous);
	r = r ?: json_get_strv(document, "labels", &volume->labels);
	r = r ?: json_get_int(document, "created", &volume->created_ns);
	if (r < 0 || format != FORMAT || !name || !volume_name_valid(name) || size < 0 ||
	    (uint64_t)size > VOLUME_SIZE_MAX)
		return -EINVAL;
	volume->name = xstrdup(name);
	volume->size = (uint64_t)size;
	return 0;
}
