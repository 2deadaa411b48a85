/* SPDX-License-Identifier: Apache-2.0 */
/* The folders of a container: DATA/containers/ID, its bundle, and RUN/c/SHORTID, which is there while it runs and is made whenever somebody looks for its lock. */
#pragma once

#include "base/id.h"
#include "container/roots.h"

#define CONTAINER_RUN_PATH_SIZE (2 + ID_SHORT_SIZE) /* "c/SHORTID" */

/* Opens DATA/containers/ID (an O_DIRECTORY descriptor or -errno) and RUN/c/SHORTID (made when missing). */
int container_data_dir(const struct roots *roots, const char *id);
int container_run_dir(const struct roots *roots, const char *id);
/* The latter's path below RUN. */
void container_run_path(const char *id, char out[static CONTAINER_RUN_PATH_SIZE]);
/* Removes the latter, and the sockets that were published from it. The caller keeps shims out. */
void container_run_dir_free(const struct roots *roots, const char *id);

/* Removes name, run folder and bundle, in an order that a crash in the middle can be carried on from. The caller holds the lock or is create's failure path. */
int container_remove_files(const struct roots *roots, const char *id, const char *name,
			   struct cor_error *err);
