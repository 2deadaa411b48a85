/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration of an image, checked once when the image comes in. */
#include "oci/image_config.h"

#include "base/clock.h"
#include "base/json.h"
#include "oci/digest.h"
#include "oci/manifest.h"

#include <errno.h>

static int malformed(struct cor_error *err, const char *member)
{
	return cor_fail(err, COR_CORRUPT, EBADMSG, "the image's configuration is malformed: '%s'", member);
}

/* Objects whose values do not matter ("ExposedPorts", "Volumes") or are strings ("Labels"). */
static int check_map(const json_t *config, const char *key, bool strings, struct cor_error *err)
{
	json_t *map = NULL, *value;
	const char *name;

	if (json_get_object(config, key, &map) < 0)
		return malformed(err, key);
	json_object_foreach (map, name, value)
		if (strings &&
		    (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value)))
			return malformed(err, key);
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
			return malformed(err, strings[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		_strv_ struct strv list = {0};

		if (json_get_strv(config, lists[i], &list) < 0)
			return malformed(err, lists[i]);
	}
	r = check_map(config, "Labels", true, err);
	if (r == 0)
		r = check_map(config, "ExposedPorts", false, err);
	if (r == 0)
		r = check_map(config, "Volumes", false, err);
	return r;
}

static int parse_layers(const json_t *document, struct strv *diff_ids, struct cor_error *err)
{
	const char *type = NULL;
	json_t *rootfs = NULL;

	if (json_get_object(document, "rootfs", &rootfs) < 0 || !rootfs ||
	    json_get_string(rootfs, "type", &type) < 0 || json_get_strv(rootfs, "diff_ids", diff_ids) < 0)
		return malformed(err, "rootfs");
	if (!str_equal(type, "layers"))
		return malformed(err, "rootfs.type");
	if (diff_ids->count > MANIFEST_LAYERS_MAX)
		return malformed(err, "rootfs.diff_ids");
	for (size_t i = 0; i < diff_ids->count; i++)
		if (!digest_valid(diff_ids->items[i]))
			return malformed(err, "rootfs.diff_ids");
	return 0;
}

int image_config_parse(const json_t *document, struct image_config *ret, struct cor_error *err)
{
	_image_config_ struct image_config c = {0};
	const char *os = NULL, *architecture = NULL, *variant = NULL, *created = NULL;
	json_t *settings = NULL;
	int r;

	if (json_get_string(document, "os", &os) < 0 ||
	    json_get_string(document, "architecture", &architecture) < 0 ||
	    json_get_string(document, "variant", &variant) < 0 || str_empty(os) || str_empty(architecture) ||
	    platform_set(&c.platform, os, architecture, variant, NULL) < 0)
		return malformed(err, "os, architecture");
	if (json_get_string(document, "created", &created) < 0)
		return malformed(err, "created");
	/* Tools write odd times here, and nothing depends on it. */
	if (created && clock_parse(created, &c.created_ns) < 0)
		c.created_ns = 0;
	r = parse_layers(document, &c.diff_ids, err);
	if (r < 0)
		return r;
	if (json_get_object(document, "config", &settings) < 0)
		return malformed(err, "config");
	if (settings) {
		r = check_settings(settings, err);
		if (r < 0)
			return r;
	}
	*ret = c;
	c = (struct image_config){0};
	return 0;
}

void image_config_release(struct image_config *config)
{
	strv_release(&config->diff_ids);
	*config = (struct image_config){0};
}
