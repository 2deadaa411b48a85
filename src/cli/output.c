/* SPDX-License-Identifier: Apache-2.0 */
/* One document, three shapes. Objects keep the order in which they were built, so that a reader finds names first. */
#include "cli/output.h"

#include "cli/report.h"
#include "cli/yaml.h"
#include "coracle/context.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct option list_options[] = {
	{"format", '\0', "FORMAT", "table, json or yaml", .choices = "table json yaml"},
	{"quiet", 'q', NULL, "print nothing but ids"},
	{0},
};
const struct option_group output_list_group = {"Output", list_options};

static const struct option inspect_options[] = {
	{"format", '\0', "FORMAT", "json or yaml", .choices = "json yaml"},
	{0},
};
const struct option_group output_inspect_group = {"Output", inspect_options};

enum output_format output_format(const struct arguments *args, enum output_format otherwise)
{
	const char *text = arguments_text(args, "format");

	if (!text)
		return otherwise;
	return text_same(text, "json") ? OUTPUT_JSON : text_same(text, "yaml") ? OUTPUT_YAML : OUTPUT_TABLE;
}

void output_document(enum output_format format, const json_t *document)
{
	if (format == OUTPUT_YAML) {
		yaml_print(document, stdout);
		return;
	}
	json_dumpf(document, stdout, JSON_INDENT(4));
	putchar('\n');
}

int output_parse(char *text, json_t **ret, struct cor_error *err)
{
	json_error_t why;
	json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &why);

	cor_free(text);
	if (!value)
		return report_fail(err, COR_INTERNAL, EPROTO, "the library's answer is not JSON: %s",
				   why.text);
	*ret = value;
	return 0;
}

json_t *output_time(int64_t since_epoch_ns)
{
	time_t seconds = (time_t)(since_epoch_ns / INT64_C(1000000000));
	char date[32], text[48];
	struct tm tm;

	if (since_epoch_ns == 0)
		return json_null();
	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%09dZ", date, (int)(since_epoch_ns % INT64_C(1000000000)));
	return json_string(text);
}

void json_freep(json_t **value)
{
	json_decref(*value);
}
