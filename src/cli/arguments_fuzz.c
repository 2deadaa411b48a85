/* SPDX-License-Identifier: Apache-2.0 */
/* A command line, one word a line. The first byte chooses the kind of command. Every word comes out once: as an option, as an option's value or as an
 * operand, in order. */
#include "cli/arguments.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct option options[] = {
	{"detach", 'd', NULL, "a flag"},
	{"env", 'e', "KEY", "values", .repeats = true},
	{"format", '\0', "FORMAT", "a choice", .choices = "json yaml"},
	{"hostname", 'h', "NAME", "has the letter of help"},
	{"memory", 'm', "SIZE", "a size"},
	{0},
};
static const struct option_group group = {"Options", options};
static const struct option_group *const groups[] = {&group, NULL};

static void check(const struct arguments *args, const struct words *words)
{
	size_t last = 0;
	uint64_t bytes;

	for (size_t i = 0; i < args->operand_count; i++) {
		while (last < words->count && words->items[last] != args->operands[i])
			last++;
		assert(last++ < words->count);
	}
	assert(!args->operands[args->operand_count]);
	for (size_t i = 0; i < args->value_count; i++)
		assert(args->values[i].option->repeats || args->values[i].words.count <= 1);
	if (arguments_given(args, "format"))
		assert(text_among("json yaml", arguments_text(args, "format")));
	arguments_flag(args, "detach", false);
	arguments_size(args, "memory", &bytes, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct command command = {.name = "fuzz", .operands = "THING", .min = 0, .groups = groups};
	struct cor_error err = {0};
	_words_ struct words words = {0};
	struct arguments args;
	size_t start = 1;

	if (size < 1 || memchr(data, '\0', size))
		return 0;
	command.operand_ends = data[0] & 1;
	command.max = data[0] & 2 ? COMMAND_ANY : 2;
	for (size_t i = 1; i <= size; i++)
		if (i == size || data[i] == '\n') {
			words_take(&words, text_format("%.*s", (int)(i - start), (const char *)data + start));
			start = i + 1;
		}
	if (arguments_parse(&args, "coracle fuzz", &command, words.items, &err) < 0)
		assert(err.status == COR_INVALID && err.msg[0] && !strchr(err.msg, '\n'));
	else if (!args.help)
		check(&args, &words);
	arguments_release(&args);
	return 0;
}
