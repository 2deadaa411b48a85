/* SPDX-License-Identifier: Apache-2.0 */
/* Jansson with our conventions. Documents come from outside as often as not, so types are checked at each read. */
#include "base/json.h"

#include "base/file.h"

#include <errno.h>

int json_parse_object(const char *text, size_t size, const char *what, json_t **ret, struct cor_error *err)
{
	_json_ json_t *document = NULL;
	json_error_t error;

	document = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!document)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s: line %d: %s", what, error.line, error.text);
	if (!json_is_object(document))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s: not a JSON object", what);
	*ret = steal_ptr(document);
	return 0;
}

int json_read_file(int dir, const char *path, size_t max, json_t **ret, struct cor_error *err)
{
	_free_ char *text = NULL;
	size_t size;
	int r = file_read(dir, path, max, &text, &size);

	if (r < 0)
		return cor_fail_errno(err, r, "read '%s'", path);
	return json_parse_object(text, size, path, ret, err);
}

typedef int write_fn(int dir, const char *path, const void *data, size_t size, mode_t mode);

static int write_document(write_fn *write, int dir, const char *path, const json_t *document, mode_t mode,
			  struct cor_error *err)
{
	_free_ char *text = json_dumps(document, JSON_INDENT(2));
	int r;

	if (!text)
		return cor_fail(err, COR_INTERNAL, EINVAL, "write '%s': the document is not valid", path);
	r = write(dir, path, text, strlen(text), mode);
	return r < 0 ? cor_fail_errno(err, r, "write '%s'", path) : 0;
}

int json_write_file(int dir, const char *path, const json_t *document, mode_t mode, struct cor_error *err)
{
	return write_document(file_write_atomic, dir, path, document, mode, err);
}

int json_write_new(int dir, const char *path, const json_t *document, mode_t mode, struct cor_error *err)
{
	return write_document(file_write_new, dir, path, document, mode, err);
}

/* The member, or NULL where it is missing or null. */
static json_t *member(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

int json_get_string(const json_t *object, const char *key, const char **value)
{
	json_t *found = member(object, key);

	if (!found)
		return 0;
	if (!json_is_string(found) || strlen(json_string_value(found)) != json_string_length(found))
		return -EINVAL;
	*value = json_string_value(found);
	return 0;
}

int json_get_int(const json_t *object, const char *key, int64_t *value)
{
	json_t *found = member(object, key);

	if (!found)
		return 0;
	if (!json_is_integer(found))
		return -EINVAL;
	*value = json_integer_value(found);
	return 0;
}

int json_get_bool(const json_t *object, const char *key, bool *value)
{
	json_t *found = member(object, key);

	if (!found)
		return 0;
	if (!json_is_boolean(found))
		return -EINVAL;
	*value = json_is_true(found);
	return 0;
}

int json_get_array(const json_t *object, const char *key, json_t **value)
{
	json_t *found = member(object, key);

	if (!found)
		return 0;
	if (!json_is_array(found))
		return -EINVAL;
	*value = found;
	return 0;
}

int json_get_object(const json_t *object, const char *key, json_t **value)
{
	json_t *found = member(object, key);

	if (!found)
		return 0;
	if (!json_is_object(found))
		return -EINVAL;
	*value = found;
	return 0;
}

int json_get_strv(const json_t *object, const char *key, struct strv *value)
{
	json_t *array = NULL, *item;
	size_t i;
	int r = json_get_array(object, key, &array);

	if (r < 0)
		return r;
	json_array_foreach (array, i, item) {
		if (!json_is_string(item) || strlen(json_string_value(item)) != json_string_length(item))
			return -EINVAL;
		strv_add(value, json_string_value(item));
	}
	return 0;
}

json_t *json_from_strv(const struct strv *v)
{
	_json_ json_t *array = json_array();

	for (size_t i = 0; i < v->count; i++)
		if (json_array_append_new(array, json_string(v->items[i])) < 0)
			return NULL;
	return steal_ptr(array);
}
