/* SPDX-License-Identifier: Apache-2.0 */
/* Help is as wide as a terminal of 80 columns wants it. */
#include "cli/help.h"

#include "cli/text.h"

#include <string.h>

#define WIDTH  80
#define COLUMN 30 /* where the sentences of options begin */

char *help_option(const struct option *option)
{
	char letter[] = {'-', option->letter, ',', ' ', '\0'};

	return text_format("%s--%s%s%s", option->letter ? letter : "    ", option->name,
			   option->argument ? " " : "", option->argument ? option->argument : "");
}

/* Prints words from the indent on, in lines of at most WIDTH. The first line has its indent already. */
static void print_wrapped(const char *text, int indent, FILE *out)
{
	int column = indent;

	while (*text) {
		int length = (int)strcspn(text, " \n");

		if (column > indent && column + 1 + length > WIDTH) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		}
		fprintf(out, "%s%.*s", column > indent ? " " : "", length, text);
		column += length + (column > indent);
		text += length;
		if (*text == '\n') {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
		}
		text += *text != '\0';
	}
	putc('\n', out);
}

static void print_examples(const char *lines, FILE *out)
{
	fputs("\nExamples:\n", out);
	while (*lines) {
		int length = (int)strcspn(lines, "\n");

		fprintf(out, "  %.*s\n", length, lines);
		lines += length + (lines[length] == '\n');
	}
}

static void print_family(const struct command *family, FILE *out)
{
	fputs("\nCommands:\n", out);
	for (const struct command *const *c = family->commands; *c; c++)
		if (!(*c)->hidden)
			fprintf(out, "  %-12s %s\n", (*c)->name, (*c)->summary);
	if (family != &command_top)
		return;
	fputs("\nShortcuts:\n", out);
	for (const struct shortcut *s = command_shortcuts; s->name; s++)
		fprintf(out, "  %-12s %s %s\n", s->name, s->family, s->command);
}

static void print_options(const struct option_group *group, FILE *out)
{
	fprintf(out, "\n%s:\n", group->title);
	for (const struct option *o = group->options; o->name; o++) {
		_text_ char *left = help_option(o);

		if (strlen(left) > COLUMN - 4)
			fprintf(out, "  %s\n%*s", left, COLUMN, "");
		else
			fprintf(out, "  %-*s", COLUMN - 2, left);
		print_wrapped(o->help, COLUMN, out);
	}
}

static void print_names(const struct command *command, FILE *out)
{
	fprintf(out, "Names: %s", command->name);
	for (const char *list = command->aliases;;) {
		_text_ char *alias = text_next_word(&list);

		if (!alias)
			break;
		fprintf(out, ", %s", alias);
	}
	putc('\n', out);
}

void help_print(const char *path, const struct command *command, FILE *out)
{
	fprintf(out, "%s: %s\n\nUsage: %s%s%s%s%s\n", path, command->summary, path,
		command->groups ? " [OPTION...]" : "", command->commands ? " COMMAND" : "",
		command->operands ? " " : "", command->operands ? command->operands : "");
	if (command->aliases)
		print_names(command, out);
	if (command->text) {
		putc('\n', out);
		print_wrapped(command->text, 0, out);
	}
	for (const struct option_group *const *g = command->groups; g && *g; g++)
		print_options(*g, out);
	if (command->examples)
		print_examples(command->examples, out);
	if (command->commands) {
		print_family(command, out);
		fprintf(out, "\n'%s COMMAND --help' says more about one.\n", path);
		if (command == &command_top)
			fputs("'coracle --version' prints the version.\n", out);
	}
}
