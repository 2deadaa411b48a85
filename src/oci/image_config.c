/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of an image, checked once when the image comes in. */
#include "oci/image_config.h"

#include "base/clock.h"
#include "base/json.h"
#include "oci/digest.h"
#include "oci/manifest.h"

#include <errno.h>

static int malformed(struct cor_error *err, const char *member, const char *reason)
{
	return cor_fail(err, COR_CORRUPT, EBADMSG, "the image's configuration is malformed: '%s' %s", member,
			reason);
}

/* Objects whose values do not matter ("ExposedPorts", "Volumes") or are strings ("Labels"). */
static int check_map(const json_t *config, const char *key, bool strings, struct cor_error *err)
{
	json_t *map = NULL, *value;
	const char *name;

	if (json_get_object(config, key, &map) < 0)
		return malformed(err, key, "is no object");
	json_object_foreach (map, name, value)
		if (strings &&
		    (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)))
			return malformed(err, key, "has a value that is no string");
	return 0;
}

static int check_settings(const json_t *config, struct cor_error *err)
{
	static const char *const strings[] = {"User", "WorkingDir", "StopSignal"};
	static const char *const lists[] = {"Env", "Entrypoint", "Cmd"};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		const char *value = NULL;

		if (json_get_string(config, strings[i], &value) < 0)
			return malformed(err, strings[i], "is no string");
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_strv_ struct strv list = {0};

		if (json_get_strv(config, lists[i], &list) < 0)
			return malformed(err, lists[i], "is no list of strings");
	}
	r = check_map(config, "Labels", true, err);
	if (r == 0)
		r = check_map(config, "ExposedPorts", false, err);
	if (r == 0)
		r = check_map(config, "Volumes", false, err);
	return r;
}

/* Of its entries only what they are is of interest here. */
static int check_history(const json_t *document, struct cor_error *err)
{
	json_t *history = NULL, *entry;
	size_t i;

	if (json_get_array(document, "history", &history) < 0)
		return malformed(err, "history", "is no list");
	json_array_foreach (history, i, entry) {
		bool empty = false;

		if (!json_is_object(entry))
			return malformed(err, "history", "has an entry that is no object");
		if (json_get_bool(entry, "empty_layer", &empty) < 0)
			return malformed(err, "history.empty_layer", "is neither true nor false");
	}
	return 0;
}

static int parse_layers(const json_t *document, struct strv *diff_ids, struct cor_error *err)
{
	const char *type = NULL;
	json_t *rootfs = NULL;

	if (json_get_object(document, "rootfs", &rootfs) < 0 || !rootfs)
		return malformed(err, "rootfs", "is no object");
	if (json_get_string(rootfs, "type", &type) < 0 || !str_equal(type, "layers"))
		return malformed(err, "rootfs.type", "is not 'layers'");
	if (!json_is_array(json_object_get(rootfs, "diff_ids")) ||
	    json_get_strv(rootfs, "diff_ids", diff_ids) < 0)
		return malformed(err, "rootfs.diff_ids", "is no list of strings");
	if (diff_ids->count > MANIFEST_LAYERS_MAX)
		return malformed(err, "rootfs.diff_ids", "has too many entries");
	for (size_t i = 0; i < diff_ids->count; i++)
		if (!digest_valid(diff_ids->items[i]))
			return cor_fail(err, COR_CORRUPT, EBADMSG,
					"the image's configuration is malformed: an entry of "
					"'rootfs.diff_ids' is no sha256 digest: %s",
					digest_problem(diff_ids->items[i]));
	return 0;
}

static int parse_platform(const json_t *document, struct platform *ret, struct cor_error *err)
{
	const char *os = NULL, *architecture = NULL, *variant = NULL, *version = NULL;
	_strv_ struct strv features = {0};

	if (json_get_string(document, "os", &os) < 0 || str_empty(os))
		return malformed(err, "os", "is missing or no string");
	if (json_get_string(document, "architecture", &architecture) < 0 || str_empty(architecture))
		return malformed(err, "architecture", "is missing or no string");
	if (json_get_string(document, "variant", &variant) < 0)
		return malformed(err, "variant", "is no string");
	if (json_get_string(document, "os.version", &version) < 0)
		return malformed(err, "os.version", "is no string");
	if (json_get_strv(document, "os.features", &features) < 0)
		return malformed(err, "os.features", "is no list of strings");
	return platform_set(ret, os, architecture, variant, NULL) < 0
		       ? malformed(err, "os, architecture", "name no platform")
		       : 0;
}

int image_config_parse(const json_t *document, struct image_config *ret, struct cor_error *err)
{
	_image_config_ struct image_config c = {0};
	const char *created = NULL;
	json_t *settings = NULL;
	int r = parse_platform(document, &c.platform, err);

	if (r < 0)
		return r;
	if (json_get_string(document, "created", &created) < 0)
		return malformed(err, "created", "is no string");
	/* Tools write odd times here, and nothing depends on it. */
	if (created && clock_parse(created, &c.created_ns) < 0)
		c.created_ns = 0;
	r = parse_layers(document, &c.diff_ids, err);
	r = r ?: check_history(document, err);
	if (r < 0)
		return r;
	if (json_get_object(document, "config", &settings) < 0)
		return malformed(err, "config", "is no object");
	r = settings ? check_settings(settings, err) : 0;
	if (r < 0)
		return r;
	*ret = c;
	c = (struct image_config){0};
	return 0;
}

void image_config_release(struct image_config *config)
{
	strv_release(&config->diff_ids);
	*config = (struct image_config){0};
}
