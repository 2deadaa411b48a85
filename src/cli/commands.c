/* SPDX-License-Identifier: Apache-2.0 */
/* The list of commands, in the order in which help shows them: by what people do first. */
#include "cli/command.h"

#include "cli/nearest.h"
#include "cli/planned.h"
#include "cli/report.h"

#include <stdlib.h>

extern const struct command command_run, command_create, command_start, command_stop, command_kill,
	command_rm, command_list, command_exec, command_cp, command_diff, command_export, command_commit,
	command_logs, command_inspect, command_attach, command_wait, command_stats, command_port,
	command_image, command_registry, command_network, command_volume, command_system, command_prune,
	command_completion, command_man, command_names;

static const struct command command_container = {
	.name = "container",
	.hidden = true,
	.summary = "the commands on containers, as docker and podman call them",
	.commands =
		(const struct command *const[]){
			&command_run,     &command_create, &command_start, &command_stop,   &command_kill,
			&command_rm,      &command_list,   &command_exec,  &command_cp,     &command_diff,
			&command_export,  &command_commit, &command_logs,  &command_attach, &command_wait,
			&command_inspect, &command_stats,  &command_port,  &command_prune,  NULL},
};

static const struct command *const commands[] = {
	&command_run,
	&command_create,
	&command_start,
	&command_stop,
	&command_kill,
	&command_rm,
	&command_list,
	&command_exec,
	&command_cp,
	&command_diff,
	&command_export,
	&command_commit,
	&command_logs,
	&command_attach,
	&command_wait,
	&command_inspect,
	&command_stats,
	&command_port,
	&command_prune,
	&command_image,
	&command_registry,
	&command_network,
	&command_volume,
	&command_system,
	&command_completion,
	&command_man,
	&command_names,
	&command_container,
	NULL,
};

const struct command command_top = {
	.name = "coracle",
	.summary = "containers, each in a virtual machine of its own",
	.text = "Coracle runs every Linux container in a boat of its own: a virtual machine with its own "
		"kernel and nothing else aboard. Commands on containers can also be called as 'coracle "
		"container ls'.",
	.examples = "coracle run --rm -it debian:12 bash\n"
		    "coracle pull busybox\n"
		    "coracle image load -i tools.tar",
	.commands = commands,
};

const struct shortcut command_shortcuts[] = {
	{"pull", "image", "pull"},  {"push", "image", "push"},        {"images", "image", "ls"},
	{"rmi", "image", "rm"},     {"load", "image", "load"},        {"save", "image", "save"},
	{"tag", "image", "tag"},    {"login", "registry", "login"},   {"logout", "registry", "logout"},
	{"info", "system", "info"}, {"version", "system", "version"}, {0},
};

const struct command *command_find(const struct command *family, const char *name)
{
	for (const struct command *const *c = family->commands; *c; c++)
		if (text_same((*c)->name, name) || text_among((*c)->aliases, name))
			return *c;
	for (const struct shortcut *s = command_shortcuts; family == &command_top && s->name; s++)
		if (text_same(s->name, name))
			return command_find(command_find(family, s->family), s->command);
	return NULL;
}

int command_unknown(const struct command *family, const char *path, const char *word, struct cor_error *err)
{
	struct nearest nearest = {.word = word};
	const char *known = planned(path, word);
	_text_ char *question = NULL;

	if (known)
		return report_usage(err, "'%s' %s", word, known);
	for (const struct command *const *c = family->commands; *c; c++)
		if (!(*c)->hidden)
			nearest_offer(&nearest, (*c)->name);
	for (const struct shortcut *s = command_shortcuts; family == &command_top && s->name; s++)
		nearest_offer(&nearest, s->name);
	question = nearest_question(&nearest, "");
	return report_usage(err, "'%s' is no %s%s%s '%s --help' lists them", word,
			    word[0] == '-' ? "option here" : "command", question, nearest.best ? "" : ";",
			    path);
}

/* Adds a word to a path. */
static void extend(char **path, const char *word)
{
	char *longer = text_format("%s %s", *path, word);

	free(*path);
	*path = longer;
}

static const struct shortcut *find_shortcut(const char *name)
{
	for (const struct shortcut *s = command_shortcuts; s->name; s++)
		if (text_same(s->name, name))
			return s;
	return NULL;
}

const struct command *command_resolve(char *const *words, char **ret_path, struct cor_error *err)
{
	const struct command *command = &command_top;
	_text_ char *path = text_copy(command->name);

	for (; *words && command->commands; words++) {
		const struct shortcut *shortcut = command == &command_top ? find_shortcut(*words) : NULL;
		const struct command *next = command_find(command, *words);

		if (!next) {
			command_unknown(command, path, *words, err);
			return NULL;
		}
		if (shortcut)
			extend(&path, shortcut->family);
		extend(&path, next->name);
		command = next;
	}
	*ret_path = path;
	path = NULL;
	return command;
}

static void walk(const char *path, const struct command *command,
		 void (*visit)(const char *, const struct command *, void *), void *data)
{
	visit(path, command, data);
	for (const struct command *const *c = command->commands; c && *c; c++) {
		_text_ char *below = text_format("%s %s", path, (*c)->name);

		if (!(*c)->hidden)
			walk(below, *c, visit, data);
	}
}

void command_walk(void (*visit)(const char *path, const struct command *command, void *data), void *data)
{
	walk(command_top.name, &command_top, visit, data);
}
