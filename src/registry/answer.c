/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of answers. libcurl has taken the lines apart; what they say is the other side's word. */
#include "registry/answer.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <time.h>

#define CHALLENGES_MAX 8

static void clear(struct answer *answer)
{
	free(answer->location);
	free(answer->content_type);
	free(answer->content_range);
	free(answer->range);
	free(answer->retry_after);
	strv_release(&answer->challenges);
	*answer = (struct answer){.content_length = -1, .head_size = answer->head_size};
}

void answer_release(struct answer *answer)
{
	clear(answer);
	*answer = (struct answer){.content_length = -1};
}

/* Digits only, below 2^62. Returns the first byte behind them, or NULL. */
static const char *take_number(const char *p, int64_t *ret)
{
	int64_t value = 0;

	if (!isdigit((unsigned char)*p))
		return NULL;
	for (; isdigit((unsigned char)*p); p++) {
		if (value > (INT64_MAX / 2 - 9) / 10)
			return NULL;
		value = value * 10 + (*p - '0');
	}
	*ret = value;
	return p;
}

/* "HTTP/1.1 200 OK" */
static int take_status(struct answer *answer, const char *line, struct cor_error *err)
{
	const char *p = strchr(line, ' ');
	int64_t status;

	clear(answer);
	if (p)
		p = take_number(p + 1, &status);
	if (!p || (*p && *p != ' ') || status < 100 || status > 599)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "an answer without a status of HTTP");
	answer->status = (int)status;
	return 0;
}

static int set_once(char **value, const char *name, const char *text, struct cor_error *err)
{
	if (*value && !str_equal(*value, text))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "an answer with two headers %s", name);
	str_set(value, text);
	return 0;
}

static int take_header(struct answer *answer, const char *name, const char *value, struct cor_error *err)
{
	const struct {
		const char *name;
		char **value;
	} kept[] = {
		{"Location", &answer->location},
		{"Content-Type", &answer->content_type},
		{"Range", &answer->range},
		{"Content-Range", &answer->content_range},
		{"Retry-After", &answer->retry_after},
	};
	int64_t length;
	const char *end;

	for (const char *p = value; *p; p++)
		if ((*p >= 0 && *p < ' ' && *p != '\t') || *p == 0x7f)
			return cor_fail(err, COR_CORRUPT, EBADMSG, "a header with control characters");
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (strcasecmp(name, kept[i].name) == 0)
			return set_once(kept[i].value, kept[i].name, value, err);
	if (strcasecmp(name, "WWW-Authenticate") == 0 && answer->challenges.count < CHALLENGES_MAX)
		strv_add(&answer->challenges, value);
	if (strcasecmp(name, "Content-Length") == 0) {
		end = take_number(value, &length);
		if (!end || *end || (answer->content_length >= 0 && answer->content_length != length))
			return cor_fail(err, COR_CORRUPT, EBADMSG, "an answer with a wrong Content-Length");
		answer->content_length = length;
	}
	return 0;
}

int answer_take_line(struct answer *answer, const char *line, size_t size, struct cor_error *err)
{
	_free_ char *text = NULL;
	char *value;

	answer->head_size += size;
	if (answer->head_size > ANSWER_HEAD_MAX)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "an answer whose head does not end");
	while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == '\r'))
		size--;
	if (memchr(line, '\0', size))
		return cor_fail(err, COR_CORRUPT, EBADMSG, "a header with control characters");
	if (size > 5 && strncmp(line, "HTTP/", 5) == 0) {
		text = xstrndup(line, size);
		return take_status(answer, text, err);
	}
	if (answer->whole) /* trailers */
		return 0;
	if (size == 0) {
		answer->whole = true;
		return 0;
	}
	while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t'))
		size--;
	text = xstrndup(line, size);
	value = strchr(text, ':');
	if (!value)
		return 0;
	*value++ = '\0';
	return take_header(answer, text, value + strspn(value, " \t"), err);
}

int64_t retry_after_parse(const char *text, int64_t now_s)
{
	struct tm tm = {0};
	const char *end;
	int64_t value;

	if (isdigit((unsigned char)*text)) {
		end = take_number(text, &value);
		return !end || *end || value > INT64_MAX / 4000 ? -EINVAL : value * 1000;
	}
	/* The one form that may be generated today; the C library's names of days and months are those of HTTP as long as nobody sets a locale, and then the answer is -EINVAL. */
	end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!end || *end || tm.tm_year > 1000)
		return -EINVAL;
	value = timegm(&tm);
	return value <= now_s ? 0 : (value - now_s) * 1000;
}

int content_range_parse(const char *text, int64_t *ret_first, int64_t *ret_last, int64_t *ret_total)
{
	int64_t first, last, total = -1;
	const char *p = strncasecmp(text, "bytes ", 6) == 0 ? text + 6 : NULL;

	if (p)
		p = take_number(p, &first);
	if (p)
		p = *p == '-' ? take_number(p + 1, &last) : NULL;
	if (!p || *p++ != '/')
		return -EINVAL;
	if (*p == '*')
		p++;
	else
		p = take_number(p, &total);
	if (!p || *p || first > last || (total >= 0 && last >= total))
		return -EINVAL;
	*ret_first = first;
	*ret_last = last;
	*ret_total = total;
	return 0;
}

int upload_range_parse(const char *text, int64_t *ret_next)
{
	const char *p = str_after(text, "bytes=");
	int64_t first, last;

	p = take_number(p ? p : text, &first);
	if (p)
		p = *p == '-' ? take_number(p + 1, &last) : NULL;
	if (!p || *p || first != 0)
		return -EINVAL;
	*ret_next = last == 0 ? 0 : last + 1;
	return 0;
}
