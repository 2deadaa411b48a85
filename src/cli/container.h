/* SPDX-License-Identifier: Apache-2.0 */
/* The options that make a container, for run and create. */
#pragma once

#include "cli/process.h"

extern const struct option_group container_group, resource_group, security_group, data_group, network_group,
	machine_group;

/* Options with the storage behind them. */
struct container_request {
	struct cor_container_options options;
	struct words env, labels, entrypoint;
};

/* From the arguments of run or create, which must outlive it. Release it in any case. */
int container_request_fill(struct container_request *request, const struct arguments *args,
			   struct cor_error *err);
void container_request_release(struct container_request *request);
#define _request_ _cleanup_(container_request_release)

/* Creates it and writes the --cidfile, which must not be there before. A failure leaves neither. */
int container_request_create(struct cor_context *ctx, const struct container_request *request,
			     const char *cidfile, char **ret_id, struct cor_error *err);
