/* SPDX-License-Identifier: Apache-2.0 */
/* For unit tests: a server on loopback that gives the answers of a script, one for each request in the order in which they come, and remembers what it was asked.
 * What is no request of HTTP, such as the beginning of TLS, takes no answer. */
#pragma once

#include "base/cleanup.h"
#include "base/macro.h"

#include <stddef.h>
#include <stdint.h>

struct test_server;

struct test_server *test_server_new(void);
void test_server_free(struct test_server *server);
DEFINE_CLEANUP(struct test_server *, test_server_free)
#define _test_server_ _cleanup_(test_server_freep)

/* "127.0.0.1:PORT" */
const char *test_server_place(const struct test_server *server);

/* The whole answer as it goes over the line; the connection stays. */
void test_server_answer(struct test_server *server, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Status line, Content-Length and body. headers: lines with their ends. */
void test_server_body(struct test_server *server, const char *status, const char *headers, const char *body);
/* What there is of an answer before the connection is reset. */
void test_server_reset(struct test_server *server, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* text, and then more of it for ever. */
void test_server_endless(struct test_server *server, const char *head, const char *more);
/* text, and then nothing: the connection stays open. */
void test_server_silence(struct test_server *server, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* It answers only when another has been asked so often. Before the first request. */
void test_server_after(struct test_server *server, struct test_server *first, size_t count);

/* How many requests have come, and the head and body of one; "" for one that has not come. */
size_t test_server_count(struct test_server *server);
const char *test_server_request(struct test_server *server, size_t index);
