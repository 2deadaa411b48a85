/* SPDX-License-Identifier: Apache-2.0 */
#include "container/trace.h"

#include "base/json.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#define TOLD(...)                                                                                            \
	(Coracle__Shim__V1__Timing[])                                                                        \
	{                                                                                                    \
		{                                                                                            \
			.base = PROTOBUF_C_MESSAGE_INIT(&coracle__shim__v1__timing__descriptor), __VA_ARGS__ \
		}                                                                                            \
	}

static void fill(struct trace *trace)
{
	struct timings own = {0};
	Coracle__Shim__V1__Timing *told[] = {
		TOLD(.track = (char[]){"guest"}, .stage = (char[]){"answered"}, .at_ns = 9000000),
		TOLD(.track = (char[]){"shim"}, .stage = (char[]){"started"}, .at_ns = 4000000),
		TOLD(.track = (char[]){"shim"}, .stage = (char[]){"memory"}, .began_ns = 5000000,
		     .at_ns = 6000000),
		TOLD(.track = (char[]){""}, .stage = (char[]){"long ago"}, .at_ns = 999999),
		TOLD(.track = (char[]){"shim"}, .stage = (char[]){"backwards"}, .began_ns = 7000000,
		     .at_ns = 6000000),
	};

	timings_add(&own, "coracle", "written", 0, 2000000);
	trace_begin(trace, 1000000, &own);
	trace_take(trace, told, 2);
	trace_take(trace, told, ARRAY_SIZE(told));
}

static void test_text(void **state)
{
	struct trace trace;
	_free_ char *text = NULL;

	fill(&trace);
	text = trace_text(&trace);
	assert_string_equal(text, "written\t1000\nstarted\t3000\nanswered\t8000\n");
}

/* The events of a line, "NAME@FROM+LONG" each. */
static char *line_text(const json_t *document, const char *name)
{
	const json_t *events = json_object_get(document, "traceEvents"), *event;
	_strv_ struct strv words = {0};
	json_int_t line = -1;
	size_t i;

	json_array_foreach (events, i, event) {
		const json_t *named = json_object_get(json_object_get(event, "args"), "name");

		if (named && str_equal(json_string_value(named), name))
			line = json_integer_value(json_object_get(event, "tid"));
	}
	json_array_foreach (events, i, event)
		if (str_equal(json_string_value(json_object_get(event, "ph")), "X") &&
		    json_integer_value(json_object_get(event, "tid")) == line)
			strv_addf(&words, "%s@%.0f+%.0f", json_string_value(json_object_get(event, "name")),
				  json_number_value(json_object_get(event, "ts")),
				  json_number_value(json_object_get(event, "dur")));
	return strv_join(&words, " ");
}

static void test_json(void **state)
{
	struct trace trace;
	_free_ char *text = NULL, *critical = NULL, *shim = NULL, *guest = NULL;
	_json_ json_t *document = NULL;

	fill(&trace);
	text = trace_json(&trace);
	document = json_loads(text, 0, NULL);
	assert_non_null(document);
	critical = line_text(document, "critical path");
	shim = line_text(document, "shim");
	guest = line_text(document, "guest");
	assert_string_equal(critical, "written@0+1000 started@1000+2000 answered@3000+5000");
	assert_string_equal(shim, "started@1000+2000 memory@4000+1000");
	assert_string_equal(guest, "answered@3000+5000");
}

static void test_full(void **state)
{
	struct timings own = {0};
	struct trace trace;

	for (unsigned i = 0; i < 2 * TIMINGS_MAX; i++)
		timings_add(&own, "coracle", "again", 0, 5);
	trace_begin(&trace, 1, &own);
	for (unsigned i = 0; i < 2 * TRACE_MAX; i++)
		trace_note(&trace, "and again");
	assert_int_equal(trace.count, TRACE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
