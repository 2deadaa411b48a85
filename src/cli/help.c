/* SPDX-License-Identifier: Apache-2.0 */
/* Help is as wide as a terminal of 80 columns wants it: paragraphs are wrapped here, sentences of options are not. */
#include "cli/help.h"

#include "cli/text.h"

#include <string.h>

#define WIDTH 80

char *help_option(const struct option *option)
{
	char letter[] = {'-', option->letter, ',', ' ', '\0'};

	return text_format("%s--%s%s%s", option->letter ? letter : "    ", option->name,
			   option->argument ? " " : "", option->argument ? option->argument : "");
}

static void print_wrapped(const char *text, FILE *out)
{
	size_t column = 0;

	while (*text) {
		size_t length = strcspn(text, " \n");

		if (column && column + 1 + length > WIDTH) {
			putc('\n', out);
			column = 0;
		}
		fprintf(out, "%s%.*s", column ? " " : "", (int)length, text);
		column += length + (column > 0);
		text += length;
		if (text[0] == '\n')
			fputs("\n", out), column = 0;
		text += *text != '\0';
	}
	putc('\n', out);
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

		if (strlen(left) > 26)
			fprintf(out, "  %s\n  %-26s  %s\n", left, "", o->help);
		else
			fprintf(out, "  %-26s  %s\n", left, o->help);
	}
}

void help_print(const char *path, const struct command *command, FILE *out)
{
	bool top = command == &command_top;

	fprintf(out, "%s: %s\n\nUsage: %s%s%s%s%s\n", path, command->summary, path,
		command->groups ? " [OPTION...]" : "", command->commands ? " COMMAND" : "",
		command->operands ? " " : "", command->operands ? command->operands : "");
	if (command->aliases)
		fprintf(out, "Also known as: %s\n", command->aliases);
	if (command->text) {
		putc('\n', out);
		print_wrapped(command->text, out);
	}
	for (const struct option_group *const *g = command->groups; g && *g; g++)
		print_options(*g, out);
	if (command->commands) {
		print_family(command, out);
		fprintf(out, "\n'%s COMMAND --help' says more about one.%s\n", path,
			top ? " 'coracle --version' prints the version." : "");
	}
}
