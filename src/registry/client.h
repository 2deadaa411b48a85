/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of struct registry, for the files that implement registry.h. */
#pragma once

#include "registry/exchange.h"
#include "registry/registry.h"

/* A download or an upload. */
struct job {
	struct job *next;
	struct registry *registry;
	bool started;
	void (*start)(struct job *job);
	void (*free)(struct job *job); /* ends what runs, without a call */
};

struct registry {
	struct engine engine;
	struct reference ref;
	char *config_dir;
	char *scope;
	unsigned concurrent;
	cor_progress_fn *progress; /* may be NULL */
	void *userdata;
	struct hosts hosts;
	struct place *places; /* one for each host, in the same order */
	size_t current;       /* the first place that has not failed us */
	struct job *jobs;     /* in the order in which they were begun */
	size_t job_count, started_count;
};

/* registry_open with its patience, and with credentials to use instead of looking for some (taken; or NULL). ref may be NULL: then domain says where. */
int registry_open_with(const struct reference *ref, const char *domain, enum registry_access access,
		       const struct cor_registry_options *options, const struct limits *limits,
		       struct credentials *credentials, struct registry **ret, struct cor_error *err);

/* Puts a job at the end of the line. */
void registry_add_job(struct registry *registry, struct job *job);
/* Takes it out; the job's memory is its owner's. */
void registry_remove_job(struct job *job);

/* Asks, also again, until there is an answer or no hope; runs what else is under way meanwhile. request->on_end and userdata are set here. */
struct call {
	bool done;
	enum outcome outcome;
	int status; /* 0: no answer came */
	char *content_type;
	struct buffer body;
	struct cor_error error;
};
int registry_call(struct registry *registry, struct exchange_request *request, bool last_place,
		  struct call *call, struct cor_error *err);
void call_release(struct call *call);
#define _call_ _cleanup_(call_release)
