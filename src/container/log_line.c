/* SPDX-License-Identifier: Apache-2.0 */
/* Reads back what a shim wrote. Its text was a guest's, so any character may be in it, NUL too. */
#include "container/log_line.h"

#include "base/clock.h"
#include "base/json.h"

#include <errno.h>

int log_line_parse(const char *record, size_t size, struct log_line *ret)
{
	json_t *document = json_loadb(record, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	const json_t *text = json_object_get(document, "log");
	const char *stream = "stdout", *time = "";
	struct log_line line = {.document = document};

	if (!json_is_string(text) || json_get_string(document, "stream", &stream) < 0 ||
	    json_get_string(document, "time", &time) < 0 || clock_parse(time, &line.time_ns) < 0) {
		json_decref(document);
		return -EBADMSG;
	}
	line.text = json_string_value(text);
	line.size = json_string_length(text);
	line.is_stderr = strcmp(stream, "stderr") == 0;
	*ret = line;
	return 0;
}

void log_line_release(struct log_line *line)
{
	json_decref(line->document);
	*line = (struct log_line){0};
}
