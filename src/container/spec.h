/* SPDX-License-Identifier: Apache-2.0 */
/* From an image's configuration and the user's options to an OCI runtime-spec config.json. */
#pragma once

#include "base/error.h"
#include "base/json.h"
#include "coracle/container.h"

#include <stdint.h>

/* What was decided while the document was made. */
struct container_spec {
	json_t *config; /* config.json */
	uint64_t caps;
	int stop_signal;
	char *hostname;
	struct strv args;
	struct strv labels; /* the image's and the user's, KEY=VALUE, each key once */
	bool seccomp_unconfined;
	char *seccomp_profile; /* path of a JSON profile; NULL: the default */
};
void container_spec_release(struct container_spec *spec);

/* image_config: the OCI image configuration ({"config": {"Env": …}}). id: the container's. COR_INVALID for options that make no sense. */
int container_spec_build(const struct cor_container_options *options, const json_t *image_config,
			 const char *id, struct container_spec *ret, struct cor_error *err);
