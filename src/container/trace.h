/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time of one start went, as the command, its shim and through that the VMM and the guest tell it. */
#pragma once

#include "base/timing.h"

#include "shim.pb-c.h"

#define TRACE_MAX   192
#define TRACE_WORDS 64 /* bytes of a stage's or a track's name that are kept */

struct trace_item {
	char track[TRACE_WORDS], stage[TRACE_WORDS];
	uint64_t began_ns, at_ns; /* as in struct timing */
};

struct trace {
	uint64_t began_ns; /* the command did; what lies before is not its */
	struct trace_item items[TRACE_MAX];
	size_t count;
};

void trace_begin(struct trace *trace, uint64_t began_ns, const struct timings *own);
/* A moment of our own, now. */
void trace_note(struct trace *trace, const char *stage);
/* What a shim tells, which may be wrong; what it told before is told again, and replaced. */
void trace_take(struct trace *trace, Coracle__Shim__V1__Timing *const *timings, size_t count);

/* The moments in their order: lines of "stage<TAB>microseconds". The caller's. */
char *trace_text(const struct trace *trace);
/* Trace events as chrome://tracing and Perfetto read them ("Trace Event Format", complete events): a line for each track, and one for the critical path, which is what
 * lies between the moments. The caller's. */
char *trace_json(const struct trace *trace);
