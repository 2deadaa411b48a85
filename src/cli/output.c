/* SPDX-License-Identifier: Apache-2.0 */
/* One document, three shapes. Objects keep the order in which they were built, so that a reader finds names first. */
#include "cli/output.h"

#include "cli/report.h"
#include "cli/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct option list_options[] = {
	{"format", '\0', "FORMAT", "print as table, json or yaml", .choices = "table json yaml"},
	{"quiet", 'q', NULL, "print nothing but ids or names"},
	{0},
};
const struct option_group output_list_group = {"Output", list_options};

static const struct option format_options[] = {
	{"format", '\0', "FORMAT", "print as table, json or yaml", .choices = "table json yaml"},
	{0},
};
const struct option_group output_format_group = {"Output", format_options};

static const struct option inspect_options[] = {
	{"format", '\0', "FORMAT", "print as json or yaml", .choices = "json yaml"},
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

/* Control characters beyond ASCII, which JSON allows as they are, could steer a terminal. They occur in strings alone, where an escape means
 * the same. */
static void print_json(const json_t *document)
{
	_text_ char *text = json_dumps(document, JSON_INDENT(4));

	for (const unsigned char *p = (const unsigned char *)text; p && *p; p++) {
		if (*p == 0x7f)
			fputs("\\u007f", stdout);
		else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			printf("\\u%04x", *++p);
		else
			putchar(*p);
	}
	putchar('\n');
}

void output_document(enum output_format format, const json_t *document)
{
	if (format == OUTPUT_YAML) {
		yaml_print(document, stdout);
		return;
	}
	print_json(document);
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

json_t *output_strings(const struct cor_strings *strings)
{
	json_t *list = json_array();

	for (size_t i = 0; i < strings->count; i++)
		json_array_append_new(list, json_string(strings->items[i]));
	return list;
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
