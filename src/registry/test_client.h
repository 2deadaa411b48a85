/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests: a registry object of the repository "a/b" at a test server, with little patience. */
#pragma once

#include "registry/client.h"
#include "registry/test_server.h"

/* scheme NULL: auto. user NULL: no credentials. push: REGISTRY_PUSH. */
struct registry *test_client_new(const struct test_server *server, const char *scheme, const char *user,
				 enum registry_access access);
/* Its patience, where a test wants to change it. */
struct limits test_client_limits(void);

/* Runs until nothing is left to do. */
void test_client_run(struct registry *registry);

/* A request has this text in it; an error is of this kind and says that. */
void assert_asked(struct test_server *server, size_t index, const char *text);
void assert_error(const struct cor_error *err, enum cor_status status, const char *says);

/* Downloads "size" bytes and keeps what comes. */
struct test_download {
	struct registry_download d;
	struct buffer got;
	unsigned retries, ends;
	struct cor_error status;
};
void test_download_begin(struct test_download *download, struct registry *registry, uint64_t size,
			 uint64_t offset);
void test_download_release(struct test_download *download);
#define _test_download_ _cleanup_(test_download_release)
