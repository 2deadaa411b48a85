/* SPDX-License-Identifier: Apache-2.0 */
/* A question to a registry and its final answer: with authentication when it is asked for, along redirects, over plain HTTP where a loopback registry speaks nothing else. Whether
 * a question that failed is asked again, and which, is for the caller: see retry.h. */
#pragma once

#include "base/buffer.h"
#include "registry/auth.h"
#include "registry/place.h"

#define REDIRECTS_MAX 10

struct exchange;

struct exchange_result {
	/* ANSWERED: with a status of 2xx. BROKEN: another attempt may help (network, 429, 5xx). FAILED: it does not. None of the others. */
	enum outcome outcome;
	const struct answer *answer; /* NULL where none came */
	const struct url *url;       /* that gave the answer */
	struct buffer *body;         /* what was collected; may be taken */
	unsigned wait_ms;        /* that the registry asks for before another attempt; 0: it does not say */
	struct cor_error *error; /* unless ANSWERED */
};

struct exchange_request {
	struct place *place;
	const char *method;
	const char *target;    /* below /v2/ */
	const struct url *url; /* instead: where the registry sent us */
	const char *scope;     /* borrowed until the end */
	const struct strv *headers;
	const char *missing; /* what a 404 means; borrowed until the end */
	size_t collect_max;  /* of an answer's body where there is no on_data; a longer one fails */
	bool small;          /* must be over within limits.small_ms */
	bool settles;        /* the registry may think for limits.settle_s */
	const void *body;    /* or fd, as in struct transfer_request */
	int fd;
	uint64_t body_offset, body_size;
	/* Of an answer of 2xx only. */
	int (*on_head)(void *userdata, const struct answer *answer, struct cor_error *err);
	int (*on_data)(void *userdata, const void *data, size_t size, struct cor_error *err);
	void (*on_sent)(void *userdata, uint64_t sent);
	/* The last call; the exchange is gone after it. Never from within exchange_start. */
	void (*on_end)(void *userdata, const struct exchange_result *result);
	void *userdata;
};

/* Copies *request, but for what it says is borrowed, and body and fd. */
struct exchange *exchange_start(const struct exchange_request *request);
/* Ends it without a call. */
void exchange_cancel(struct exchange *exchange);
DEFINE_CLEANUP(struct exchange *, exchange_cancel)
