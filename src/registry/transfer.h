/* SPDX-License-Identifier: Apache-2.0 */
/* The engine: HTTP requests that run at the same time in the caller's thread, over one curl multi handle, which keeps connections for the next request. One transfer is one
 * request and its answer: redirects, authentication and second attempts are the business of exchange.h and what stands above it. */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "registry/answer.h"
#include "registry/curl.h"
#include "registry/url.h"

#include <stdbool.h>
#include <stdint.h>

/* How patient we are. */
struct limits {
	long connect_ms;
	long probe_ms; /* the same where plain HTTP is tried next */
	long stall_s,
		stall_rate; /* slower than stall_rate bytes a second for stall_s: the line counts as broken */
	long settle_s;      /* how long a registry may work on an upload that is complete */
	long small_ms;      /* a whole request of which manifests, tokens and questions are made */
	unsigned attempts;  /* of each request */
	unsigned backoff_ms;     /* before the second attempt; doubles */
	unsigned backoff_max_ms; /* also the longest that a registry may ask us to wait */
	uint64_t chunk;          /* of an upload in one request */
};
extern const struct limits limits_default;

struct timer {
	struct timer *next;
	uint64_t due_ns;
	void (*fired)(void *userdata); /* NULL: not set */
	void *userdata;
};

struct engine {
	struct curl_calls curl;
	CURLM *multi;
	struct limits limits;
	struct transfer *transfers;
	struct timer *timers;
};

int engine_init(struct engine *engine, const struct limits *limits, struct cor_error *err);
/* Transfers and timers that still are set are forgotten, without a call. */
void engine_release(struct engine *engine);
/* Works until a transfer ended or a timer fired, at most timeout_ms. */
int engine_run(struct engine *engine, int timeout_ms, struct cor_error *err);

void engine_set_timer(struct engine *engine, struct timer *timer, unsigned ms, void (*fired)(void *),
		      void *userdata);
void engine_clear_timer(struct engine *engine, struct timer *timer);

/* Whom to trust on the other side, and who we are to it. Borrowed. */
struct tls {
	bool verify;
	const char *ca; /* PEM, in addition to the system's; or NULL */
	size_t ca_size;
	const char *cert, *key;
	const char *config_dir; /* where more may be given: for errors */
};

enum outcome {
	OUTCOME_ANSWERED,    /* the whole answer is here, whatever it says */
	OUTCOME_BROKEN,      /* the network failed: another attempt may help */
	OUTCOME_UNREACHABLE, /* there was not even a connection */
	OUTCOME_NOT_TLS,     /* the other side is there, and speaks no TLS */
	OUTCOME_FAILED,      /* nothing helps */
};

struct transfer_request {
	const char *method; /* GET, HEAD, POST, PATCH, PUT */
	const struct url *url;
	const struct strv *headers;
	struct tls tls;
	const void *body; /* in memory, or from fd (which is -1 without): body_size bytes from body_offset */
	int fd;
	uint64_t body_offset, body_size;
	long connect_ms, stall_s;
	long total_ms; /* 0: as long as it does not stall */
	/* The head has come; not 0 with *err: ends the transfer (OUTCOME_FAILED). */
	int (*on_head)(void *userdata, const struct answer *answer, struct cor_error *err);
	int (*on_data)(void *userdata, const void *data, size_t size, struct cor_error *err);
	void (*on_sent)(void *userdata, uint64_t sent); /* may be NULL */
	/* The last call; the transfer is gone after it. reason is set unless the outcome is OUTCOME_ANSWERED. */
	void (*on_end)(void *userdata, enum outcome outcome, const struct answer *answer,
		       const struct cor_error *reason);
	void *userdata;
};

/* Copies *request and borrows nothing of it but body, fd and what tls points to. */
struct transfer *transfer_start(struct engine *engine, const struct transfer_request *request);
/* Ends it without a call. Not from a callback of its own. */
void transfer_cancel(struct transfer *transfer);
