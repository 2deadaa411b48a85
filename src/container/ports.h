/* SPDX-License-Identifier: Apache-2.0 */
/* A container's ports: which it publishes, and how `ls`, `inspect` and `port` show them. */
#pragma once

#include "container/record.h"
#include "container/state.h"

/* In the container's run folder while it runs: what its shim really holds, {"publish": [...]} as publish_list_to_json has it, one entry for each socket. */
#define PORTS_FILE "ports.json"

/* Fills record->publish and ->exposed from the options and the image's ExposedPorts; record->networks stands already. COR_INVALID. */
int ports_choose(const struct roots *roots, const struct cor_container_options *options,
		 const json_t *image_config, struct container_record *record, struct cor_error *err);

/* What a running container's shim holds; empty for any other. */
void ports_held(const struct roots *roots, const struct container_record *record,
		const struct container_state *state, struct publish_list *ret);

/* "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/tcp", as `docker ps` has it: neighbours as ranges, behind them what is exposed and not published. The caller's. */
char *ports_text(const struct publish_list *held, const struct strv *exposed);

/* {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": null}; exposed may be NULL. */
json_t *ports_json(const struct publish_list *list, const struct strv *exposed);
