/* SPDX-License-Identifier: Apache-2.0 */
/* Pulling, for the command of that name and for run and create; and what pull and push share. */
#pragma once

#include "cli/arguments.h"
#include "cli/progress.h"
#include "coracle/coracle.h"

/* "--scheme auto|https|http" of what speaks to registries. */
#define OPTION_SCHEME                                                                                        \
	{                                                                                                    \
		"scheme", '\0', "SCHEME", "auto (https; http only on this host), https or http",             \
			.choices = "auto https http"                                                         \
	}

/* The largest number of blobs at once that may be asked for. */
#define CONCURRENT_MOST 64

/* Pulls ref, tells of it on standard error as mode says, and fills *ret. Interrupted, it is -ECANCELED and *ret_status is set. */
int pull_image(struct cor_context *ctx, const char *ref, struct cor_image_pull_options *options,
	       enum progress_mode mode, struct cor_image_pulled *ret, int *ret_status, struct cor_error *err);

/* "--pull" and "--quiet" of run and create. */
extern const struct option_group pull_policy_group;

/* Before the container is made: with --pull always, pulls request's image. */
int pull_before(struct cor_context *ctx, const struct arguments *args, int *ret_status,
		struct cor_error *err);

/* After the container could not be made, for the reason in err: 0 when the image was what was missing and is here now, so that a further try is worth
 * it. Otherwise the failure, err's or that of the pull. */
int pull_after(struct cor_context *ctx, const struct arguments *args, int r, int *ret_status,
	       struct cor_error *err);
