/* SPDX-License-Identifier: Apache-2.0 */
/* What a registries.json that was accepted leads to: hosts that are hosts, paths that are absolute. */
#include "registry/host_config.h"

#include "oci/reference.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct host_config *config)
{
	assert(!config->ca || *config->ca == '/');
	assert(!config->cert == !config->key);
	assert(!config->cert || (*config->cert == '/' && *config->key == '/'));
	assert(config->mirrors.count <= HOST_MIRRORS_MAX);
	for (size_t i = 0; i < config->mirrors.count; i++) {
		_cleanup_(mirror_release) struct mirror mirror = {0};

		assert(mirror_parse(config->mirrors.items[i], &mirror) == 0);
		assert(reference_domain_valid(mirror.domain));
		assert(str_after(mirror.base, mirror.domain));
		assert(!strstr(mirror.base, "/../"));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(json_decrefp) json_t *document = NULL;
	struct cor_error err = {0};
	const char *domain;
	json_t *value;

	if (host_config_parse((const char *)data, size, "file", &document, &err) < 0) {
		assert(err.status == COR_CORRUPT && err.msg[0]);
		return 0;
	}
	json_object_foreach (json_object_get(document, "registries"), domain, value) {
		_host_config_ struct host_config config = {0};

		assert(host_config_find(document, domain, &config));
		check(&config);
	}
	return 0;
}
