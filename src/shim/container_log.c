/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts output into lines and writes each as a JSON object. All records of one piece of output go out in one write. Escaping is done here and
 * not by jansson, because it must take bytes that are not UTF-8 and keep up with a process that writes as fast as it can. */
#include "shim/container_log.h"

#include "base/clock.h"
#include "base/macro.h"
#include "base/str.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* The length of the UTF-8 sequence at data (RFC 3629: no overlong forms, no surrogates), 0 when there is none. */
static size_t utf8_length(const uint8_t *data, size_t size)
{
	uint8_t first = data[0], low = 0x80, high = 0xbf;
	size_t length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

	if (!length || length > size)
		return 0;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	if (data[1] < low || data[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (data[i] < 0x80 || data[i] > 0xbf)
			return 0;
	return length;
}

static bool plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void escape_one(struct buffer *out, uint8_t c)
{
	static const char named[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

	if (c == '"' || c == '\\')
		buffer_printf(out, "\\%c", c);
	else if (c < sizeof(named) && named[c])
		buffer_append(out, (const char[]){'\\', named[c]}, 2);
	else
		buffer_printf(out, "\\u%04x", c);
}

void json_escape(struct buffer *out, const uint8_t *data, size_t size)
{
	buffer_append(out, "\"", 1);
	for (size_t i = 0; i < size;) {
		size_t run = i, length;

		while (run < size && plain(data[run]))
			run++;
		buffer_append(out, data + i, run - i);
		i = run;
		if (i == size)
			break;
		if (data[i] < 0x80) {
			escape_one(out, data[i++]);
			continue;
		}
		length = utf8_length(data + i, size - i);
		buffer_append(out, length ? (const char *)data + i : REPLACEMENT, length ? length : 3);
		i += length ? length : 1;
	}
	buffer_append(out, "\"", 1);
}

int container_log_open(struct container_log *log, int dir, uint64_t limit, unsigned keep)
{
	return rotating_open(&log->file, dir, "log", limit, keep);
}

static void add_record(struct container_log *log, bool is_stderr, const uint8_t *line, size_t size,
		       const char *time)
{
	static const char head[] = "{\"log\":";

	buffer_append(&log->out, head, sizeof(head) - 1);
	json_escape(&log->out, line, size);
	buffer_printf(&log->out, ",\"stream\":\"%s\",\"time\":\"%s\"}\n", is_stderr ? "stderr" : "stdout",
		      time);
}

/* A record of the partial line and of size bytes that follow it. */
static void add_line(struct container_log *log, bool is_stderr, const uint8_t *data, size_t size,
		     const char *time)
{
	struct buffer *partial = &log->partial[is_stderr];

	if (!buffer_size(partial)) {
		add_record(log, is_stderr, data, size, time);
		return;
	}
	buffer_append(partial, data, size);
	add_record(log, is_stderr, buffer_bytes(partial), buffer_size(partial), time);
	buffer_clear(partial);
}

static int flush(struct container_log *log)
{
	int r = 0;

	if (buffer_size(&log->out))
		r = rotating_write(&log->file, buffer_bytes(&log->out), buffer_size(&log->out));
	buffer_clear(&log->out);
	return r;
}

int container_log_add(struct container_log *log, bool is_stderr, const uint8_t *data, size_t size,
		      int64_t now_ns)
{
	struct buffer *partial = &log->partial[is_stderr];
	char time[CLOCK_RFC3339_SIZE];
	int r = 0;

	clock_format(now_ns, time);
	while (size) {
		size_t room = LOG_LINE_MAX - buffer_size(partial);
		size_t look = MIN(size, room);
		const uint8_t *end = memchr(data, '\n', look);
		size_t take = end ? (size_t)(end - data) + 1 : look;

		if (!end && look < room) {
			buffer_append(partial, data, look);
			break;
		}
		add_line(log, is_stderr, data, take, time);
		data += take;
		size -= take;
		/* Rotation falls between records, so pieces stay well below a file's limit. */
		if (buffer_size(&log->out) > 256 * 1024)
			r = flush(log) ?: r;
	}
	return flush(log) ?: r;
}

void container_log_close(struct container_log *log, int64_t now_ns)
{
	char time[CLOCK_RFC3339_SIZE];

	clock_format(now_ns, time);
	for (int i = 0; i < 2; i++) {
		if (buffer_size(&log->partial[i]))
			add_line(log, i, NULL, 0, time);
		buffer_release(&log->partial[i]);
	}
	flush(log);
	buffer_release(&log->out);
	rotating_close(&log->file);
}
