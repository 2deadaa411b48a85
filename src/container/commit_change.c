/* SPDX-License-Identifier: Apache-2.0 */
#include "container/commit_change.h"

#include "base/json.h"
#include "base/str.h"
#include "coracle/container.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

#define LINE_MAX_BYTES 65536u

static int bad(struct cor_error *err, const char *line, const char *why)
{
	return cor_fail(err, COR_INVALID, EINVAL, "--change '%.200s': %s", line, why);
}

static json_t *object_of(json_t *config, const char *key)
{
	json_t *object = json_object_get(config, key);

	if (!json_is_object(object)) {
		object = json_object();
		json_object_set_new(config, key, object);
	}
	return object;
}

/* ---- words ---- */

/* Words apart by spaces, with quotes and backslashes as a shell has them. False for a quote without an end. */
static bool split_words(const char *text, struct strv *ret)
{
	while (*(text += strspn(text, " \t"))) {
		_free_ char *word = xmalloc(strlen(text) + 1);
		char quote = '\0', *out = word;

		for (; *text && (quote || !isblank((unsigned char)*text)); text++) {
			if (quote ? *text == quote : *text == '"' || *text == '\'')
				quote = quote ? '\0' : *text;
			else if (*text == '\\' && quote != '\'' && text[1])
				*out++ = *++text;
			else
				*out++ = *text;
		}
		*out = '\0';
		if (quote)
			return false;
		strv_add(ret, word);
	}
	return true;
}

/* A JSON array of strings, or NULL. */
static json_t *exec_form(const char *text)
{
	json_t *array = *text == '[' ? json_loads(text, 0, NULL) : NULL;
	const json_t *item;
	size_t i;

	json_array_foreach (array, i, item) {
		if (json_is_string(item))
			continue;
		json_decref(array);
		return NULL;
	}
	return array;
}

/* ---- instructions ---- */

static int set_command(json_t *config, const char *key, const char *text)
{
	json_t *array = exec_form(text);

	if (!array)
		array = json_pack("[s, s, s]", "/bin/sh", "-c", text);
	return array ? json_object_set_new(config, key, array) : -1;
}

static int set_text(json_t *config, const char *key, const char *text)
{
	return json_object_set_new(config, key, json_string(text));
}

static int set_working_directory(json_t *config, const char *key, const char *text)
{
	const char *before = json_string_value(json_object_get(config, key));
	_free_ char *path =
		*text == '/' ? xstrdup(text) : str_format("%s/%s", str_empty(before) ? "" : before, text);

	return set_text(config, key, path);
}

static int set_signal(json_t *config, const char *key, const char *text)
{
	int number;

	return cor_signal_parse(text, &number) < 0 ? -1 : set_text(config, key, text);
}

/* Replaces the variable where it is there. */
static int set_variable(json_t *list, const char *name, size_t name_size, const char *setting)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *old = json_string_value(json_array_get(list, i));

		if (old && strncmp(old, name, name_size) == 0 && old[name_size] == '=')
			return json_array_set_new(list, i, json_string(setting));
	}
	return json_array_append_new(list, json_string(setting));
}

/* "NAME=value NAME=value", or the old "NAME value". */
static int read_pairs(const char *text, struct strv *ret)
{
	const char *word;
	size_t name = strcspn(text, "= \t");

	if (name && isblank((unsigned char)text[name])) {
		strv_addf(ret, "%.*s=%s", (int)name, text, text + name + strspn(text + name, " \t"));
		return 0;
	}
	if (!split_words(text, ret))
		return -1;
	strv_foreach (ret, i, word)
		if (*word == '=' || !strchr(word, '='))
			return -1;
	return 0;
}

static int set_environment(json_t *config, const char *key, const char *text)
{
	_strv_ struct strv pairs = {0};
	json_t *list = json_object_get(config, key);
	const char *pair;

	if (read_pairs(text, &pairs) < 0)
		return -1;
	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(config, key, list);
	}
	strv_foreach (&pairs, i, pair)
		if (set_variable(list, pair, strcspn(pair, "="), pair) < 0)
			return -1;
	return 0;
}

static int set_labels(json_t *config, const char *key, const char *text)
{
	_strv_ struct strv pairs = {0};
	const char *pair;

	if (read_pairs(text, &pairs) < 0)
		return -1;
	strv_foreach (&pairs, i, pair) {
		_free_ char *name = xstrndup(pair, strcspn(pair, "="));

		if (json_object_set_new(object_of(config, key), name, json_string(strchr(pair, '=') + 1)) < 0)
			return -1;
	}
	return 0;
}

static bool is_port(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return isdigit((unsigned char)*text) && port >= 1 && port <= 65535 &&
	       (!*end || str_equal(end, "/tcp") || str_equal(end, "/udp") || str_equal(end, "/sctp"));
}

static int add_ports(json_t *config, const char *key, const char *text)
{
	_strv_ struct strv ports = {0};
	const char *port;

	if (!split_words(text, &ports))
		return -1;
	strv_foreach (&ports, i, port) {
		_free_ char *full = str_format("%s%s", port, strchr(port, '/') ? "" : "/tcp");

		if (!is_port(port) || json_object_set_new(object_of(config, key), full, json_object()) < 0)
			return -1;
	}
	return 0;
}

static int add_volumes(json_t *config, const char *key, const char *text)
{
	json_t *array = exec_form(text);
	_strv_ struct strv paths = {0};
	const json_t *item;
	const char *path;
	size_t i;

	json_array_foreach (array, i, item)
		strv_add(&paths, json_string_value(item));
	if (!array && !split_words(text, &paths))
		return -1;
	json_decref(array);
	strv_foreach (&paths, n, path)
		if (*path != '/' || json_object_set_new(object_of(config, key), path, json_object()) < 0)
			return -1;
	return 0;
}

static int add_trigger(json_t *config, const char *key, const char *text)
{
	json_t *list = json_object_get(config, key);

	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(config, key, list);
	}
	return json_array_append_new(list, json_string(text));
}

static const struct {
	const char *name, *key;
	int (*apply)(json_t *config, const char *key, const char *text);
	const char *wants;
} instructions[] = {
	{"CMD", "Cmd", set_command, "a command"},
	{"ENTRYPOINT", "Entrypoint", set_command, "a command"},
	{"ENV", "Env", set_environment, "NAME=value"},
	{"EXPOSE", "ExposedPorts", add_ports, "PORT or PORT/udp"},
	{"LABEL", "Labels", set_labels, "NAME=value"},
	{"ONBUILD", "OnBuild", add_trigger, "an instruction"},
	{"STOPSIGNAL", "StopSignal", set_signal, "a signal"},
	{"USER", "User", set_text, "a user"},
	{"VOLUME", "Volumes", add_volumes, "absolute paths"},
	{"WORKDIR", "WorkingDir", set_working_directory, "a path"},
};

int commit_change_apply(json_t *config, const char *line, struct cor_error *err)
{
	const char *text = line + strspn(line, " \t");
	size_t size = strcspn(text, " \t");
	_free_ char *rest = xstrdup(text + size + strspn(text + size, " \t"));

	if (strlen(line) > LINE_MAX_BYTES)
		return bad(err, line, "it is too long");
	for (size_t n = strlen(rest); n && isspace((unsigned char)rest[n - 1]);)
		rest[--n] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(instructions); i++) {
		_free_ char *why = NULL;

		if (strlen(instructions[i].name) != size ||
		    strncasecmp(instructions[i].name, text, size) != 0)
			continue;
		if (*rest && instructions[i].apply(config, instructions[i].key, rest) == 0)
			return 0;
		why = str_format("%s takes %s", instructions[i].name, instructions[i].wants);
		return bad(err, line, why);
	}
	return bad(
		err, line,
		"CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR change a "
		"configuration");
}
