/* SPDX-License-Identifier: Apache-2.0 */
/* A string stands bare only where no reader could take it for anything else; otherwise in double quotes, with escapes. */
#include "cli/yaml.h"

#include "cli/text.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

static bool stands_bare(const char *s, size_t size)
{
	/* What YAML 1.1 or 1.2 reads as null, a boolean or a number with letters first. */
	static const char words[] = "null true false yes no on off y n inf nan";

	if (size == 0 || !strchr(LETTERS "_/", s[0]) || strspn(s, LETTERS DIGITS "_/.-") != size)
		return false;
	for (const char *list = words;;) {
		_text_ char *word = text_next_word(&list);

		if (!word)
			return true;
		if (strcasecmp(word, s) == 0)
			return false;
	}
}

/* One that a reader refuses, skips or takes for a break, and what steers terminals. */
static bool needs_code(unsigned code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0xa0) || code == 0x2028 || code == 0x2029 ||
	       code == 0xfeff || code == 0xfffe || code == 0xffff;
}

/* Prints the first character of what is left (valid UTF-8, as all strings of Jansson's are) inside double quotes. Returns its bytes. */
static size_t print_character(const char *s, size_t left, FILE *out)
{
	unsigned char c = (unsigned char)s[0];
	size_t size = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	unsigned code = size == 1 ? c : c & (0x7fu >> size);

	for (size_t i = 1; i < size && i < left; i++)
		code = code << 6 | ((unsigned char)s[i] & 0x3fu);
	if (code == '"' || code == '\\')
		fprintf(out, "\\%c", c);
	else if (code == '\n')
		fputs("\\n", out);
	else if (needs_code(code))
		fprintf(out, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
	else
		fwrite(s, 1, size < left ? size : left, out);
	return size;
}

static void print_string(const char *s, size_t size, FILE *out)
{
	if (stands_bare(s, size)) {
		fputs(s, out);
		return;
	}
	putc('"', out);
	for (size_t i = 0; i < size;)
		i += print_character(s + i, size - i, out);
	putc('"', out);
}

static void print_scalar(const json_t *value, FILE *out)
{
	char number[64], *exponent;

	switch (json_typeof(value)) {
	case JSON_STRING:
		print_string(json_string_value(value), json_string_length(value), out);
		break;
	case JSON_INTEGER:
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		/* Without a point a reader takes 1 for an integer, and one of YAML 1.1 takes 1e+20 for a string. */
		snprintf(number, sizeof(number), "%.17g", json_real_value(value));
		exponent = number + strcspn(number, "e");
		fprintf(out, "%.*s%s%s", (int)(exponent - number), number, strchr(number, '.') ? "" : ".0",
			exponent);
		break;
	case JSON_ARRAY:
		fputs("[]", out);
		break;
	case JSON_OBJECT:
		fputs("{}", out);
		break;
	default:
		fputs(json_is_null(value) ? "null" : json_is_true(value) ? "true" : "false", out);
	}
}

static bool is_block(const json_t *value)
{
	return json_array_size(value) > 0 || json_object_size(value) > 0;
}

/* Prints lines; the first one continues a line that has indent columns already when `begun`. */
static void print_block(const json_t *value, int indent, bool begun, FILE *out)
{
	const char *key;
	json_t *item;
	size_t i;

	if (!is_block(value)) {
		print_scalar(value, out);
		putc('\n', out);
		return;
	}
	json_array_foreach (value, i, item) {
		fprintf(out, "%*s- ", begun ? 0 : indent, "");
		begun = false;
		print_block(item, indent + 2, true, out);
	}
	/* Jansson's own type for the object is not const here, though nothing is changed. */
	json_object_foreach ((json_t *)(uintptr_t)value, key, item) {
		fprintf(out, "%*s", begun ? 0 : indent, "");
		begun = false;
		print_string(key, strlen(key), out);
		fputs(is_block(item) ? ":\n" : ": ", out);
		print_block(item, indent + 2, false, out);
	}
}

void yaml_print(const json_t *value, FILE *out)
{
	print_block(value, 0, false, out);
}
