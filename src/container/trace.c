/* SPDX-License-Identifier: Apache-2.0 */
/* Moments make the critical path: what lies between two of them was waited for. They come from several processes with one clock, so they are put in order here. */
#include "container/trace.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/macro.h"
#include "base/str.h"

#include <stdlib.h>

static const char own_track[] = "coracle";

static void add(struct trace *trace, const char *track, const char *stage, uint64_t began_ns, uint64_t at_ns)
{
	struct trace_item *item = &trace->items[trace->count];

	if (trace->count == TRACE_MAX || at_ns < trace->began_ns ||
	    (began_ns && began_ns < trace->began_ns) || began_ns > at_ns)
		return;
	*item = (struct trace_item){.began_ns = began_ns, .at_ns = at_ns};
	snprintf(item->track, sizeof(item->track), "%s", track);
	snprintf(item->stage, sizeof(item->stage), "%s", stage);
	trace->count++;
}

void trace_begin(struct trace *trace, uint64_t began_ns, const struct timings *own)
{
	*trace = (struct trace){.began_ns = began_ns};
	for (size_t i = 0; i < own->count; i++)
		add(trace, own_track, own->items[i].stage, own->items[i].began_ns, own->items[i].at_ns);
}

void trace_note(struct trace *trace, const char *stage)
{
	add(trace, own_track, stage, 0, clock_monotonic_ns());
}

void trace_take(struct trace *trace, Coracle__Shim__V1__Timing *const *timings, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < trace->count; i++)
		if (str_equal(trace->items[i].track, own_track))
			trace->items[kept++] = trace->items[i];
	trace->count = kept;
	for (size_t i = 0; i < count; i++)
		if (!str_equal(timings[i]->track, own_track))
			add(trace, str_empty(timings[i]->track) ? "shim" : timings[i]->track,
			    timings[i]->stage, timings[i]->began_ns, timings[i]->at_ns);
}

static int by_time(const void *a, const void *b)
{
	const struct trace_item *one = *(const struct trace_item *const *)a,
				*other = *(const struct trace_item *const *)b;

	return (one->at_ns > other->at_ns) - (one->at_ns < other->at_ns);
}

static size_t moments(const struct trace *trace, const struct trace_item *out[TRACE_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < trace->count; i++)
		if (!trace->items[i].began_ns)
			out[count++] = &trace->items[i];
	qsort(out, count, sizeof(*out), by_time);
	return count;
}

char *trace_text(const struct trace *trace)
{
	const struct trace_item *items[TRACE_MAX];
	size_t count = moments(trace, items);
	struct buffer text = {0};
	char *result;

	for (size_t i = 0; i < count; i++)
		buffer_printf(&text, "%s\t%llu\n", items[i]->stage,
			      (unsigned long long)((items[i]->at_ns - trace->began_ns) / 1000));
	buffer_append(&text, "", 1);
	result = xstrdup((char *)buffer_bytes(&text));
	buffer_release(&text);
	return result;
}

/* ---- trace events ---- */

enum { CRITICAL, COMMAND, SHIM, VMM, GUEST };
static const char *const lines[] = {"critical path", own_track, "shim", "VMM", "guest"};

static int line_of(const char *track)
{
	for (int i = COMMAND; i < (int)ARRAY_SIZE(lines); i++)
		if (str_equal(track, lines[i]))
			return i;
	return SHIM;
}

static void add_line(json_t *events, int line)
{
	json_array_append_new(events, json_pack("{s:s, s:s, s:i, s:i, s:{s:s}}", "name", "thread_name", "ph",
						"M", "pid", 1, "tid", line, "args", "name", lines[line]));
	json_array_append_new(events,
			      json_pack("{s:s, s:s, s:i, s:i, s:{s:i}}", "name", "thread_sort_index", "ph",
					"M", "pid", 1, "tid", line, "args", "sort_index", line));
}

static void add_event(json_t *events, const struct trace *trace, const struct trace_item *item,
		      uint64_t began_ns, int line)
{
	/* A name that is no UTF-8 makes no event. */
	json_t *event = json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:{s:s}}", "name", item->stage, "ph", "X",
				  "pid", 1, "tid", line, "ts", (double)(began_ns - trace->began_ns) / 1e3,
				  "dur", (double)(item->at_ns - began_ns) / 1e3, "args", "of", item->track);

	if (event)
		json_array_append_new(events, event);
}

char *trace_json(const struct trace *trace)
{
	const struct trace_item *items[TRACE_MAX];
	size_t count = moments(trace, items);
	json_t *events = json_array();
	_json_ json_t *document = json_pack("{s:o, s:s}", "traceEvents", events, "displayTimeUnit", "ms");
	uint64_t before = trace->began_ns;

	for (int i = 0; i < (int)ARRAY_SIZE(lines); i++)
		add_line(events, i);
	for (size_t i = 0; i < count; before = items[i++]->at_ns) {
		add_event(events, trace, items[i], before, CRITICAL);
		add_event(events, trace, items[i], before, line_of(items[i]->track));
	}
	for (size_t i = 0; i < trace->count; i++)
		if (trace->items[i].began_ns)
			add_event(events, trace, &trace->items[i], trace->items[i].began_ns,
				  line_of(trace->items[i].track));
	return json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(12));
}
