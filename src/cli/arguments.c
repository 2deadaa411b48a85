/* SPDX-License-Identifier: Apache-2.0 */
/* Flags as docker's users type them: -it, -uroot, -u root, --user root, --user=root, "--" ends them. Options and operands mix, but
 * not for commands that carry another program's command line: there the first operand ends ours. */
#include "cli/arguments.h"

#include "cli/nearest.h"
#include "cli/planned.h"
#include "cli/report.h"
#include "cli/value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void make_values(struct arguments *args)
{
	size_t count = 0;

	for (const struct option_group *const *g = args->command->groups; g && *g; g++)
		for (const struct option *o = (*g)->options; o->name; o++)
			count++;
	args->values = memory_new(count, sizeof(*args->values));
	for (const struct option_group *const *g = args->command->groups; g && *g; g++)
		for (const struct option *o = (*g)->options; o->name; o++)
			args->values[args->value_count++].option = o;
}

static struct argument_value *find_long(struct arguments *args, const char *name, size_t length)
{
	for (size_t i = 0; i < args->value_count; i++) {
		const char *known = args->values[i].option->name;

		if (strlen(known) == length && memcmp(known, name, length) == 0)
			return &args->values[i];
	}
	return NULL;
}

static struct argument_value *find_letter(struct arguments *args, char letter)
{
	for (size_t i = 0; i < args->value_count; i++)
		if (args->values[i].option->letter == letter)
			return &args->values[i];
	return NULL;
}

static int add_value(struct argument_value *value, const char *text, struct cor_error *err)
{
	const struct option *option = value->option;

	if (!option->argument) {
		if (!text_among("true false 1 0", text))
			return report_usage(err, "--%s is on or off: it takes 'true' or 'false', not '%s'",
					    option->name, text);
		text = text_among("true 1", text) ? "true" : "false";
	} else if (option->choices && strstr(text, "{{")) {
		return report_usage(err,
				    "--%s '%s': there are no templates; pipe --%s json into jq, as in: jq -r "
				    "'.[].Name'",
				    option->name, text, option->name);
	} else if (option->choices && !text_among(option->choices, text)) {
		return report_usage(err, "--%s '%s': must be one of: %s", option->name, text,
				    option->choices);
	}
	if (!option->repeats)
		words_release(&value->words);
	words_add(&value->words, text);
	return 0;
}

/* name of length bytes is no option. */
static int unknown_option(const struct arguments *args, const char *name, size_t length,
			  struct cor_error *err)
{
	_text_ char *word = text_format("%.*s", (int)length, name), *question = NULL;
	_text_ char *typed = text_format("--%s", word);
	const char *known = planned(args->path, typed);
	struct nearest nearest = {.word = word};

	if (known)
		return report_usage(err, "'%s' %s", typed, known);
	for (size_t i = 0; i < args->value_count; i++)
		nearest_offer(&nearest, args->values[i].option->name);
	question = nearest_question(&nearest, "--");
	return report_usage(err, "unknown option --%s%s%s '%s --help' lists what there is", word, question,
			    nearest.best ? "" : ";", args->path);
}

static int unknown_letter(const struct arguments *args, char letter, struct cor_error *err)
{
	const char typed[] = {'-', letter, '\0'}, *known = planned(args->path, typed);

	if (known)
		return report_usage(err, "'%s' %s", typed, known);
	return report_usage(err, "unknown option %s; '%s --help' lists what there is", typed, args->path);
}

static int needs_value(const struct option *option, const char *dashes, int length, const char *name,
		       struct cor_error *err)
{
	return report_usage(err, "%s%.*s needs %s behind it", dashes, length, name, option->argument);
}

/* One "--name" or "--name=value". next is the word behind it, NULL at the end. Returns how many words were used, or -errno. */
static int take_long(struct arguments *args, const char *word, const char *next, struct cor_error *err)
{
	const char *equals = strchr(word, '=');
	size_t length = equals ? (size_t)(equals - word) : strlen(word);
	struct argument_value *value = find_long(args, word, length);
	int r;

	if (!value && length == 4 && memcmp(word, "help", 4) == 0) {
		args->help = true;
		return 1;
	}
	if (!value)
		return unknown_option(args, word, length, err);
	if (equals || !value->option->argument) {
		r = add_value(value, equals ? equals + 1 : "true", err);
		return r < 0 ? r : 1;
	}
	if (!next)
		return needs_value(value->option, "--", (int)length, word, err);
	r = add_value(value, next, err);
	return r < 0 ? r : 2;
}

/* One word of letters: "it", "uroot", "u". Returns as take_long does. */
static int take_letters(struct arguments *args, const char *letters, const char *next, struct cor_error *err)
{
	for (; *letters; letters++) {
		struct argument_value *value = find_letter(args, *letters);
		int r;

		if (!value && *letters == 'h') {
			args->help = true;
			return 1;
		}
		if (!value)
			return unknown_letter(args, *letters, err);
		/* "-h" alone asks for help, even where "-h NAME" means something else. */
		if (*letters == 'h' && value->option->argument && !letters[1] && !next) {
			args->help = true;
			return 1;
		}
		if (value->option->argument && !letters[1]) {
			if (!next)
				return needs_value(value->option, "-", 1, letters, err);
			r = add_value(value, next, err);
			return r < 0 ? r : 2;
		}
		if (value->option->argument || letters[1] == '=') {
			r = add_value(value, letters + 1 + (letters[1] == '='), err);
			return r < 0 ? r : 1;
		}
		r = add_value(value, "true", err);
		if (r < 0)
			return r;
	}
	return 1;
}

static int check_operands(const struct arguments *args, struct cor_error *err)
{
	const struct command *command = args->command;

	if (args->operand_count < command->min)
		return report_usage(err, "'%s' needs %s; '%s --help' says more", command->name,
				    command->operands, args->path);
	if (args->operand_count > command->max)
		return report_usage(err, "'%s' is too much; '%s --help' says what it takes",
				    args->operands[command->max], args->path);
	return 0;
}

int arguments_parse(struct arguments *args, const char *path, const struct command *command,
		    char *const *argv, struct cor_error *err)
{
	size_t count = 0;

	*args = (struct arguments){.path = path, .command = command};
	make_values(args);
	while (argv[count])
		count++;
	args->moved = memory_new(count + 1, sizeof(*args->moved));
	args->operands = args->moved;
	for (size_t i = 0; i < count && !args->help;) {
		const char *word = argv[i];
		bool end = word[0] == '-' && word[1] == '-' && !word[2];
		int used = 1;

		if (end || (word[0] == '-' && word[1] == '\0') || word[0] != '-') {
			if (!end)
				args->moved[args->operand_count++] = argv[i];
			if (end || command->operand_ends) {
				while (++i < count)
					args->moved[args->operand_count++] = argv[i];
				break;
			}
		} else if (word[1] == '-') {
			used = take_long(args, word + 2, argv[i + 1], err);
		} else {
			used = take_letters(args, word + 1, argv[i + 1], err);
		}
		if (used < 0)
			return used;
		i += (size_t)used;
	}
	return args->help ? 0 : check_operands(args, err);
}

void arguments_release(struct arguments *args)
{
	for (size_t i = 0; i < args->value_count; i++)
		words_release(&args->values[i].words);
	free(args->values);
	free(args->moved);
	*args = (struct arguments){0};
}

const struct words *arguments_words(const struct arguments *args, const char *option)
{
	for (size_t i = 0; i < args->value_count; i++)
		if (strcmp(args->values[i].option->name, option) == 0)
			return &args->values[i].words;
	abort();
}

bool arguments_given(const struct arguments *args, const char *option)
{
	return arguments_words(args, option)->count > 0;
}

const char *arguments_text(const struct arguments *args, const char *option)
{
	const struct words *words = arguments_words(args, option);

	return words->count ? words->items[words->count - 1] : NULL;
}

bool arguments_flag(const struct arguments *args, const char *option, bool otherwise)
{
	const char *text = arguments_text(args, option);

	return text ? strcmp(text, "true") == 0 : otherwise;
}

int arguments_number(const struct arguments *args, const char *option, int64_t min, int64_t max,
		     int64_t *value, struct cor_error *err)
{
	const char *text = arguments_text(args, option);

	if (text && value_number(text, min, max, value) < 0)
		return report_usage(err, "--%s '%s': must be a whole number from %lld to %lld", option, text,
				    (long long)min, (long long)max);
	return 0;
}

int arguments_size(const struct arguments *args, const char *option, uint64_t *value, struct cor_error *err)
{
	const char *text = arguments_text(args, option);

	if (text && value_size(text, value) < 0)
		return report_usage(err, "--%s '%s': must be a size such as 512m or 2g", option, text);
	return 0;
}
