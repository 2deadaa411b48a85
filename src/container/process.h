/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI process object, for a container's first process and for those that exec adds. */
#pragma once

#include "container/spec.h"

/* image is the "config" object of an image configuration, or NULL. Takes spec->caps and spec->hostname and fills spec->args. */
int container_process_build(const struct cor_container_options *options, const json_t *image,
			    struct container_spec *spec, bool no_new_privileges, json_t **ret,
			    struct cor_error *err);

/* The process of an exec in the container with this config.json. */
int exec_process_build(const struct cor_process_options *options, const json_t *config, json_t **ret,
		       struct cor_error *err);

/* COR_INVALID, naming the option, for what is not UTF-8 and so would not arrive: a document leaves it out. NULL is fine. */
int text_check(const char *option, const char *s, struct cor_error *err);
int texts_check(const char *option, const char *const *list, struct cor_error *err);
int process_texts_check(const struct cor_process_options *options, struct cor_error *err);

/* A member that is a string with something in it, borrowed; otherwise NULL. */
const char *image_string(const json_t *image, const char *key);

/* The value of KEY in a list of KEY=VALUE, borrowed; NULL if it has none. */
const char *env_get(const struct strv *env, const char *key);
/* Adds "KEY=VALUE", in the place of an earlier one with that key. A bare KEY removes it. */
void env_set(struct strv *env, const char *assignment);
