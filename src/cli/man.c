/* SPDX-License-Identifier: Apache-2.0 */
/* Man pages in roff, made from the tables: coracle(1) and one for every command, "coracle-image-ls(1)". The build writes them all; a person who has not
 * installed them reads one with `coracle man run | man -l -`. */
#include "cli/arguments.h"
#include "cli/help.h"
#include "cli/report.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Text that roff takes for itself would change what is printed. */
static void print_text(const char *text, FILE *out)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else if (*text == '\'')
			fputs("\\(aq", out);
		else
			putc(*text, out);
	}
}

/* "coracle image ls" as the name of its page: "coracle-image-ls". The caller's. */
static char *page_name(const char *path)
{
	char *name = text_copy(path);

	for (char *p = name; *p; p++)
		*p = *p == ' ' ? '-' : *p;
	return name;
}

static void print_synopsis(const char *path, const struct command *command, FILE *out)
{
	fputs(".SH SYNOPSIS\n.B ", out);
	print_text(path, out);
	if (command->groups)
		fputs("\n[\\fIOPTION\\fR...]\\&", out);
	if (command->commands)
		fputs("\n\\fICOMMAND\\fR ...", out);
	if (command->operands) {
		fputs("\n.I ", out);
		print_text(command->operands, out);
	}
	putc('\n', out);
}

static void print_options(const struct command *command, FILE *out)
{
	if (command->groups)
		fputs(".SH OPTIONS\n", out);
	for (const struct option_group *const *g = command->groups; g && *g; g++) {
		if (!text_same((*g)->title, "Options"))
			fprintf(out, ".SS %s\n", (*g)->title);
		for (const struct option *o = (*g)->options; o->name; o++) {
			_text_ char *left = help_option(o);

			fputs(".TP\n.B ", out);
			print_text(left + strspn(left, " "), out);
			putc('\n', out);
			/* A sentence of a page begins with a capital and ends with a full stop. */
			putc(toupper((unsigned char)o->help[0]), out);
			print_text(o->help + 1, out);
			fprintf(out, ".%s\n", o->repeats ? " May be given more than once." : "");
		}
	}
}

static void print_commands(const char *path, const struct command *family, FILE *out)
{
	fputs(".SH COMMANDS\n", out);
	for (const struct command *const *c = family->commands; *c; c++) {
		_text_ char *below = text_format("%s %s", path, (*c)->name);
		_text_ char *page = page_name(below);

		if ((*c)->hidden)
			continue;
		fputs(".TP\n.BR ", out);
		print_text(page, out);
		fputs(" (1)\n", out);
		print_text((*c)->summary, out);
		putc('\n', out);
	}
}

static void print_shortcuts(FILE *out)
{
	fputs(".SH SHORTCUTS\n", out);
	for (const struct shortcut *s = command_shortcuts; s->name; s++)
		fprintf(out, ".TP\n.B %s\n%s %s\n", s->name, s->family, s->command);
}

/* Lines as they are; roff would fill them into paragraphs. */
static void print_examples(const char *lines, FILE *out)
{
	fputs(".SH EXAMPLES\n.nf\n", out);
	print_text(lines, out);
	fputs("\n.fi\n", out);
}

static void print_environment(FILE *out)
{
	fputs(".SH ENVIRONMENT\n"
	      ".TP\n.B CORACLE_ROOT\nThe data root, instead of /var/lib/coracle or $XDG_DATA_HOME/coracle.\n"
	      ".TP\n.B CORACLE_RUNTIME_DIR\nThe run root, instead of /run/coracle or "
	      "$XDG_RUNTIME_DIR/coracle.\n"
	      ".TP\n.B CORACLE_CONFIG\nWhere passwords, certificates and mirrors of registries are kept, "
	      "instead of "
	      "$XDG_CONFIG_HOME/coracle (~/.config/coracle).\n"
	      ".TP\n.B CORACLE_NETWORK\nThe network of new containers that name none, as behind "
	      "\\-\\-network.\n"
	      ".TP\n.B CORACLE_TEMPLATES\nWith off every machine boots, and none is saved for others to "
	      "begin "
	      "from.\n"
	      ".SH EXIT STATUS\n"
	      "0 for success, 1 for a failure, 125 for a command line that makes no sense, 130 for a pull or "
	      "push "
	      "that was interrupted by ctrl\\-C.\n.PP\n"
	      "Commands that stay with a process (run, exec, start \\-\\-attach, attach) end as it did: with "
	      "its own status, or 128+N when signal N ended it. There 125 is any failure of coracle, 126 a "
	      "program that cannot be executed and 127 one that is not there.\n",
	      out);
}

static void print_page(const char *path, const struct command *command, FILE *out)
{
	_text_ char *page = page_name(path), *title = text_copy(page);

	for (char *p = title; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	fputs(".TH ", out);
	print_text(title, out);
	fprintf(out, " 1 \"\" \"coracle %s\" \"Coracle\"\n.SH NAME\n", CORACLE_VERSION);
	print_text(page, out);
	fputs(" \\- ", out);
	print_text(command->summary, out);
	putc('\n', out);
	print_synopsis(path, command, out);
	if (command->text) {
		fputs(".SH DESCRIPTION\n", out);
		print_text(command->text, out);
		putc('\n', out);
	}
	print_options(command, out);
	if (command->commands)
		print_commands(path, command, out);
	if (command == &command_top)
		print_shortcuts(out);
	if (command->examples)
		print_examples(command->examples, out);
	if (command == &command_top)
		print_environment(out);
	else
		fputs(".SH SEE ALSO\n.BR coracle (1)\n", out);
}

/* ---- the command ---- */

struct writing {
	const char *folder;
	struct cor_error *err;
	int result;
};

static void write_page(const char *path, const struct command *command, void *data)
{
	struct writing *writing = data;
	_text_ char *page = page_name(path);
	_text_ char *file = text_format("%s/%s.1", writing->folder, page);
	FILE *out;

	if (writing->result < 0)
		return;
	out = fopen(file, "we");
	if (out)
		print_page(path, command, out);
	if (!out || fclose(out) != 0)
		writing->result =
			report_fail(writing->err, COR_PERMISSION, errno, "'%s': %s", file, strerror(errno));
}

static int write_all(const char *folder, struct cor_error *err)
{
	struct writing writing = {.folder = folder, .err = err};

	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return report_fail(err, COR_PERMISSION, errno, "'%s': %s", folder, strerror(errno));
	command_walk(write_page, &writing);
	/* The folder's own time tells a build when its pages were written, also where none of them is new. */
	if (writing.result == 0 && utimensat(AT_FDCWD, folder, NULL, 0) < 0)
		return report_fail(err, COR_PERMISSION, errno, "'%s': %s", folder, strerror(errno));
	return writing.result;
}

static int man_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	const char *folder = arguments_text(args, "all");
	const struct command *command;
	_text_ char *path = NULL;

	if (folder)
		return write_all(folder, err);
	command = command_resolve(args->operands, &path, err);
	if (!command)
		return -EINVAL;
	print_page(path, command, stdout);
	return 0;
}

static const struct option man_options[] = {
	{"all", '\0', "FOLDER", "write the pages of all commands into a folder", .offer = OFFER_FOLDERS},
	{0},
};
static const struct option_group man_group = {"Options", man_options};
const struct command command_man = {
	.name = "man",
	.operands = "[COMMAND...]",
	.max = COMMAND_ANY,
	.summary = "print the man page of a command, in roff",
	.text = "'coracle man run | man -l -' shows one.",
	.groups = (const struct option_group *const[]){&man_group, NULL},
	.run = man_run,
};
