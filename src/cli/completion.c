/* SPDX-License-Identifier: Apache-2.0 */
/* Completion for bash, zsh and fish. The commands' tables become data of the shell (associative arrays; for fish, `complete` lines), which a short
 * interpreter in that shell walks. Names of containers, images and registries are asked of `coracle __names` when they are needed. */
#include "cli/arguments.h"
#include "cli/report.h"

#include <stdio.h>
#include <string.h>

/* What is offered, by the word that the interpreters know. */
static const char *offer_word(enum offer offer)
{
	static const char *const words[] = {
		[OFFER_NOTHING] = "word",          [OFFER_FILES] = "files",     [OFFER_FOLDERS] = "folders",
		[OFFER_CONTAINERS] = "containers", [OFFER_RUNNING] = "running", [OFFER_IMAGES] = "images",
		[OFFER_REGISTRIES] = "registries", [OFFER_VOLUMES] = "volumes", [OFFER_SIGNALS] = "signals",
	};

	return words[offer];
}

/* Inside single quotes: bash and zsh end them, quote one and begin again; fish escapes it. */
static void print_quoted(const char *text, bool fish)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'')
			fputs(fish ? "\\'" : "'\\''", stdout);
		else if (fish && *text == '\\')
			fputs("\\\\", stdout);
		else
			putchar(*text);
	}
	putchar('\'');
}

static void print_names(const struct command *family, const char *between)
{
	for (const struct command *const *c = family->commands; *c; c++)
		if (!(*c)->hidden)
			printf("%s%s", (*c)->name, between);
	for (const struct shortcut *s = command_shortcuts; family == &command_top && s->name; s++)
		printf("%s%s", s->name, between);
}

/* ---- bash and zsh ---- */

static void commands_entry(const char *path, const struct command *command, void *data)
{
	if (!command->commands)
		return;
	printf("\t['%s']='", path);
	print_names(command, " ");
	puts(command == &command_top ? "help'" : "'");
}

static void options_entry(const char *path, const struct command *command, void *data)
{
	if (command->commands)
		return;
	printf("\t['%s']='--help", path);
	for (const struct option_group *const *g = command->groups; g && *g; g++)
		for (const struct option *o = (*g)->options; o->name; o++) {
			printf(" --%s", o->name);
			if (o->letter)
				printf(" -%c", o->letter);
		}
	puts("'");
}

static void values_entry(const char *path, const struct command *command, void *data)
{
	for (const struct option_group *const *g = command->groups; g && *g; g++)
		for (const struct option *o = (*g)->options; o->name; o++) {
			const char *value = o->choices ? o->choices : offer_word(o->offer);

			if (!o->argument)
				continue;
			printf("\t['%s --%s']='%s%s'\n", path, o->name, o->choices ? "=" : "", value);
			if (o->letter)
				printf("\t['%s -%c']='%s%s'\n", path, o->letter, o->choices ? "=" : "",
				       value);
		}
}

static void operands_entry(const char *path, const struct command *command, void *data)
{
	if (!command->commands)
		printf("\t['%s']='%s%s'\n", path, offer_word(command->offer),
		       command->operand_ends ? " then-files" : "");
}

static void aliases_entry(const char *path, const struct command *command, void *data)
{
	_text_ char *family = text_copy(path);
	const char *list = command->aliases;

	if (command == &command_top)
		return;
	*strrchr(family, ' ') = '\0';
	while (list) {
		_text_ char *alias = text_next_word(&list);

		if (!alias)
			return;
		printf("\t['%s %s']='%s'\n", family, alias, path);
	}
}

/* What stands for something else at the top. The words behind "help" are those of a command, and so are those behind "container". */
static void print_shortcuts(void)
{
	puts("\t['coracle help']='coracle'");
	puts("\t['coracle container']='coracle'");
	for (const struct shortcut *s = command_shortcuts; s->name; s++)
		printf("\t['coracle %s']='coracle %s %s'\n", s->name, s->family, s->command);
}

static void print_arrays(const char *declare)
{
	static const struct {
		const char *name;
		void (*visit)(const char *path, const struct command *command, void *data);
	} arrays[] = {
		{"commands", commands_entry}, {"options", options_entry}, {"values", values_entry},
		{"operands", operands_entry}, {"aliases", aliases_entry},
	};

	for (size_t i = 0; i < COUNT(arrays); i++) {
		printf("%s _coracle_%s=(\n", declare, arrays[i].name);
		command_walk(arrays[i].visit, NULL);
		if (arrays[i].visit == aliases_entry)
			print_shortcuts();
		puts(")");
	}
}

static const char bash_code[] =
	"# The candidates for what an option or operand takes.\n"
	"_coracle_offer() {\n"
	"\tcase $1 in\n"
	"\t=*) COMPREPLY=($(compgen -W \"${1#=}\" -- \"$2\")) ;;\n"
	"\tfiles) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$2\")) ;;\n"
	"\tfolders) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- \"$2\")) ;;\n"
	"\tsignals) COMPREPLY=($(compgen -W \"HUP INT QUIT KILL USR1 USR2 TERM STOP CONT\" -- \"$2\")) ;;\n"
	"\tcontainers | running | images | registries | volumes)\n"
	"\t\tCOMPREPLY=($(compgen -W \"$(coracle __names \"$1\" 2>/dev/null)\" -- \"$2\"))\n"
	"\t\t# A colon parts words here: readline replaces only what stands behind it.\n"
	"\t\t[[ $2 != *:* ]] || COMPREPLY=(\"${COMPREPLY[@]#\"${2%\"${2##*:}\"}\"}\")\n"
	"\t\t;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_coracle() {\n"
	"\tlocal path=coracle words=() cur word key takes= operands=0 i\n"
	"\tCOMPREPLY=()\n"
	"\t# The line without readline's parting at '=' and ':'.\n"
	"\tread -ra words <<<\"${COMP_LINE:0:COMP_POINT}\"\n"
	"\t[[ ${COMP_LINE:0:COMP_POINT} != *[[:space:]] ]] || words+=('')\n"
	"\tcur=${words[${#words[@]} - 1]}\n"
	"\tfor ((i = 1; i < ${#words[@]} - 1; i++)); do\n"
	"\t\tword=${words[i]}\n"
	"\t\tif [[ $takes ]]; then\n"
	"\t\t\ttakes=\n"
	"\t\telif [[ $word == --*=* ]]; then\n"
	"\t\t\t:\n"
	"\t\telif [[ $word == --* ]]; then\n"
	"\t\t\ttakes=${_coracle_values[$path $word]-}\n"
	"\t\telif [[ $word == -* ]]; then\n"
	"\t\t\t# Of letters together only the last may take the next word.\n"
	"\t\t\ttakes=${_coracle_values[$path -${word: -1}]-}\n"
	"\t\telif [[ ${_coracle_commands[$path]-} ]]; then\n"
	"\t\t\tpath=\"$path $word\"\n"
	"\t\t\tpath=${_coracle_aliases[$path]-$path}\n"
	"\t\telse\n"
	"\t\t\toperands=$((operands + 1))\n"
	"\t\t\t[[ ${_coracle_operands[$path]-} != *then-files ]] || break\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [[ $takes ]]; then\n"
	"\t\t_coracle_offer \"$takes\" \"$cur\"\n"
	"\telif [[ ${_coracle_commands[$path]-} ]]; then\n"
	"\t\tCOMPREPLY=($(compgen -W \"${_coracle_commands[$path]} --help\" -- \"$cur\"))\n"
	"\telif [[ $operands -gt 0 && ${_coracle_operands[$path]-} == *then-files ]]; then\n"
	"\t\t_coracle_offer files \"$cur\"\n"
	"\telif [[ $cur == --*=* ]]; then\n"
	"\t\t_coracle_offer \"${_coracle_values[$path ${cur%%=*}]-}\" \"${cur#*=}\"\n"
	"\telif [[ $cur == -* ]]; then\n"
	"\t\tCOMPREPLY=($(compgen -W \"${_coracle_options[$path]-}\" -- \"$cur\"))\n"
	"\telse\n"
	"\t\tkey=${_coracle_operands[$path]-}\n"
	"\t\t_coracle_offer \"${key%% *}\" \"$cur\"\n"
	"\tfi\n"
	"}\n"
	"complete -F _coracle coracle\n";

static void print_bash(void)
{
	puts("# bash completion for coracle; read it with: source <(coracle completion bash)");
	print_arrays("declare -gA");
	fputs(bash_code, stdout);
}

static const char zsh_code[] =
	"# The candidates for what an option or operand takes.\n"
	"_coracle_offer() {\n"
	"\tcase $1 in\n"
	"\t'='*) compadd -- ${=1#=} ;;\n"
	"\tfiles) _files ;;\n"
	"\tfolders) _files -/ ;;\n"
	"\tsignals) compadd -- HUP INT QUIT KILL USR1 USR2 TERM STOP CONT ;;\n"
	"\tcontainers | running | images | registries | volumes) compadd -- ${(f)\"$(coracle __names $1 "
	"2>/dev/null)\"} ;;\n"
	"\tesac\n"
	"}\n"
	"\n"
	"_coracle() {\n"
	"\tlocal place=coracle word takes= cur=${words[CURRENT]}\n"
	"\tlocal -i i operands=0\n"
	"\tfor ((i = 2; i < CURRENT; i++)); do\n"
	"\t\tword=${words[i]}\n"
	"\t\tif [[ -n $takes ]]; then\n"
	"\t\t\ttakes=\n"
	"\t\telif [[ $word == --*=* ]]; then\n"
	"\t\t\t:\n"
	"\t\telif [[ $word == --* ]]; then\n"
	"\t\t\ttakes=${_coracle_values[$place $word]}\n"
	"\t\telif [[ $word == -* ]]; then\n"
	"\t\t\ttakes=${_coracle_values[$place -${word[-1]}]}\n"
	"\t\telif [[ -n ${_coracle_commands[$place]} ]]; then\n"
	"\t\t\tplace=\"$place $word\"\n"
	"\t\t\tplace=${_coracle_aliases[$place]:-$place}\n"
	"\t\telse\n"
	"\t\t\toperands+=1\n"
	"\t\t\t[[ ${_coracle_operands[$place]} != *then-files ]] || break\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [[ -n $takes ]]; then\n"
	"\t\t_coracle_offer $takes\n"
	"\telif [[ -n ${_coracle_commands[$place]} ]]; then\n"
	"\t\tcompadd -- ${=_coracle_commands[$place]} --help\n"
	"\telif (( operands > 0 )) && [[ ${_coracle_operands[$place]} == *then-files ]]; then\n"
	"\t\t_files\n"
	"\telif [[ $cur == --*=* ]]; then\n"
	"\t\tcompset -P '*='\n"
	"\t\t_coracle_offer ${_coracle_values[$place ${cur%%=*}]:-word}\n"
	"\telif [[ $cur == -* ]]; then\n"
	"\t\tcompadd -- ${=_coracle_options[$place]}\n"
	"\telse\n"
	"\t\t_coracle_offer ${_coracle_operands[$place]%% *}\n"
	"\tfi\n"
	"}\n"
	"# Read by autoload from a folder of fpath, this file is the function itself; read by source it only "
	"defines it.\n"
	"if [[ ${funcstack[1]-} == _coracle ]]; then\n"
	"\t_coracle \"$@\"\n"
	"elif (( $+functions[compdef] )); then\n"
	"\tcompdef _coracle coracle\n"
	"fi\n";

/* zsh keeps the quotes of a subscript as part of the key, so its arrays are lists of keys and values. */
static void print_zsh(void)
{
	puts("#compdef coracle\n# zsh completion for coracle; read it with: source <(coracle completion "
	     "zsh)");
	print_arrays("typeset -gA");
	fputs(zsh_code, stdout);
}

/* ---- fish ---- */

static const char fish_code[] =
	"# True while the line's words are those of a command, \"image ls\", and nothing but options or "
	"operands follows.\n"
	"function __coracle_at\n"
	"\tset -l words (commandline -opc)\n"
	"\tset -e words[1]\n"
	"\tset -l path\n"
	"\tfor word in $words\n"
	"\t\tstring match -q -- '-*' $word; and break\n"
	"\t\tset -a path $word\n"
	"\t\tset -l known (string join ' ' -- $path)\n"
	"\t\tset -l long (string match -r -g -- \"^$known=(.*)\" $__coracle_aliases)\n"
	"\t\tif test -n \"$long\"\n"
	"\t\t\tset path (string split ' ' -- $long)\n"
	"\t\tend\n"
	"\t\tcontains -- (string join ' ' -- $path) $__coracle_families; or break\n"
	"\tend\n"
	"\ttest \"$argv[1]\" = (string join ' ' -- $path | string collect --allow-empty)\n"
	"end\n"
	"complete -c coracle -f\n"
	"complete -c coracle -l help -d 'print help'\n";

static void fish_offer(enum offer offer, const char *choices)
{
	if (choices) {
		fputs(" -x -a ", stdout);
		print_quoted(choices, true);
		return;
	}
	switch (offer) {
	case OFFER_NOTHING:
		fputs(" -x", stdout);
		break;
	case OFFER_FILES:
		fputs(" -r -F", stdout);
		break;
	case OFFER_FOLDERS:
		fputs(" -x -a '(__fish_complete_directories)'", stdout);
		break;
	case OFFER_SIGNALS:
		fputs(" -x -a 'HUP INT QUIT KILL USR1 USR2 TERM STOP CONT'", stdout);
		break;
	default:
		printf(" -x -a '(coracle __names %s 2>/dev/null)'", offer_word(offer));
	}
}

static void fish_family(const char *path, const struct command *command, void *data)
{
	if (command->commands && command != &command_top)
		printf(" '%s'", path + strlen("coracle "));
}

static void fish_alias(const char *path, const struct command *command, void *data)
{
	_text_ char *family = text_copy(path);
	const char *list = command->aliases;

	if (command == &command_top)
		return;
	*strrchr(family, ' ') = '\0';
	while (list) {
		_text_ char *alias = text_next_word(&list);
		const char *below = text_after(family, "coracle ");

		if (!alias)
			return;
		printf(" '%s%s%s=%s'", below ? below : "", below ? " " : "", alias,
		       path + strlen("coracle "));
	}
}

static void fish_entry(const char *path, const struct command *command, void *data)
{
	const char *place = command == &command_top ? "" : path + strlen("coracle ");

	for (const struct command *const *c = command->commands; c && *c; c++) {
		if ((*c)->hidden)
			continue;
		printf("complete -c coracle -n '__coracle_at \"%s\"' -a %s -d ", place, (*c)->name);
		print_quoted((*c)->summary, true);
		putchar('\n');
	}
	for (const struct option_group *const *g = command->groups; g && *g; g++)
		for (const struct option *o = (*g)->options; o->name; o++) {
			printf("complete -c coracle -n '__coracle_at \"%s\"' -l %s", place, o->name);
			if (o->letter)
				printf(" -s %c", o->letter);
			if (o->argument)
				fish_offer(o->offer, o->choices);
			fputs(" -d ", stdout);
			print_quoted(o->help, true);
			putchar('\n');
		}
	if (!command->commands && command->offer != OFFER_NOTHING)
		printf("complete -c coracle -n '__coracle_at \"%s\"' -a '(coracle __names %s 2>/dev/null)'\n",
		       place, offer_word(command->offer));
}

static void print_fish(void)
{
	puts("# fish completion for coracle; read it with: coracle completion fish | source");
	fputs("set -g __coracle_families", stdout);
	command_walk(fish_family, NULL);
	fputs("\nset -g __coracle_aliases", stdout);
	command_walk(fish_alias, NULL);
	for (const struct shortcut *s = command_shortcuts; s->name; s++)
		printf(" '%s=%s %s'", s->name, s->family, s->command);
	putchar('\n');
	fputs(fish_code, stdout);
	command_walk(fish_entry, NULL);
	for (const struct shortcut *s = command_shortcuts; s->name; s++)
		printf("complete -c coracle -n '__coracle_at \"\"' -a %s -d '%s %s'\n", s->name, s->family,
		       s->command);
}

/* ---- the command ---- */

static int completion_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	const char *shell = args->operands[0];

	if (text_same(shell, "bash"))
		print_bash();
	else if (text_same(shell, "zsh"))
		print_zsh();
	else if (text_same(shell, "fish"))
		print_fish();
	else
		return report_usage(err, "no completion for '%s'; there is bash, zsh and fish", shell);
	return 0;
}

const struct command command_completion = {
	.name = "completion",
	.operands = "bash|zsh|fish",
	.min = 1,
	.max = 1,
	.summary = "print the completion script for a shell",
	.text = "Read it from the shell's start file: 'source <(coracle completion bash)', the same with "
		"zsh, or 'coracle completion fish | source'.",
	.examples = "source <(coracle completion bash)",
	.run = completion_run,
};
