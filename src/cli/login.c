/* SPDX-License-Identifier: Apache-2.0 */
/* registry login, logout and ls. A password comes from the person's own terminal, unseen, or from standard input; it is wiped from memory when it was
 * handed over. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/password.h"
#include "cli/pull.h"
#include "cli/report.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_REGISTRY "docker.io"

static const char *registry_of(const struct arguments *args)
{
	return args->operand_count ? args->operands[0] : DEFAULT_REGISTRY;
}

/* ---- login ---- */

static int get_password(const struct arguments *args, char **ret, struct cor_error *err)
{
	const char *given = arguments_text(args, "password");

	if (arguments_flag(args, "password-stdin", false))
		return password_read(ret, err);
	if (!given)
		return password_ask("Password: ", false, "--password-stdin reads one from a pipe", ret, err);
	report_note("a password on the command line is seen by others; --password-stdin is not");
	*ret = text_copy(given);
	return 0;
}

static int get_user(const struct arguments *args, char **ret, struct cor_error *err)
{
	const char *given = arguments_text(args, "username");

	if (given) {
		*ret = text_copy(given);
		return 0;
	}
	return password_ask("Username: ", true, "give --username", ret, err);
}

static int check(const struct arguments *args, struct cor_error *err)
{
	const char *user = arguments_text(args, "username");
	bool from_stdin = arguments_flag(args, "password-stdin", false);

	if (from_stdin && arguments_given(args, "password"))
		return report_usage(err,
				    "a password comes from --password or --password-stdin, not from both");
	if (from_stdin && !user)
		return report_usage(err, "--password-stdin needs --username");
	if (user && !*user)
		return report_usage(err, "--username is empty");
	return 0;
}

static int login_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	struct cor_registry_options options = {.scheme = arguments_text(args, "scheme")};
	const char *registry = registry_of(args);
	_context_ struct cor_context *ctx = NULL;
	_returned_ char *where = NULL;
	_password_ char *password = NULL;
	_text_ char *user = NULL;
	int r = check(args, err);

	if (r == 0)
		r = cor_open(NULL, &ctx, err);
	if (r == 0)
		r = get_user(args, &user, err);
	if (r == 0)
		r = get_password(args, &password, err);
	if (r == 0)
		r = cor_registry_login(ctx, registry, user, password, &options, &where, err);
	if (r == 0)
		report_note("logged in to %s as %s; the password is in %s", registry, user, where);
	return r;
}

static const struct option login_options[] = {
	{"username", 'u', "NAME", "who you are there; asked for otherwise"},
	{"password-stdin", '\0', NULL, "read the password from standard input"},
	{"password", 'p', "PASSWORD", "the password, for all to see; asked for otherwise"},
	OPTION_SCHEME,
	{0},
};
static const struct option_group login_group = {"Options", login_options};
static const struct command registry_login = {
	.name = "login",
	.operands = "[REGISTRY]",
	.max = 1,
	.summary = "log in to a registry",
	.text = "Tries user and password at REGISTRY (default docker.io) and keeps them for pull and push: "
		"in "
		"auth.json below ~/.config/coracle, which you alone may read, or in the credential helper "
		"that it "
		"names. The password is asked for on the terminal and not shown.",
	.examples = "coracle login\n"
		    "coracle login ghcr.io -u me\n"
		    "pass registry | coracle login -u me --password-stdin registry.example:5000",
	.groups = (const struct option_group *const[]){&login_group, NULL},
	.offer = OFFER_REGISTRIES,
	.run = login_run,
};

/* ---- logout ---- */

/* Where nothing is stored that is a failure: the name may be mistyped, and the password then stays where it is. */
static int logout_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	const char *registry = registry_of(args);
	_context_ struct cor_context *ctx = NULL;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_registry_logout(ctx, registry, NULL, err);
	if (r == 0)
		report_note("logged out of %s", registry);
	return r;
}

static const struct command registry_logout = {
	.name = "logout",
	.operands = "[REGISTRY]",
	.max = 1,
	.summary = "forget the password of a registry",
	.text = "REGISTRY is docker.io where none is named.",
	.examples = "coracle logout ghcr.io",
	.offer = OFFER_REGISTRIES,
	.run = logout_run,
};

/* ---- ls ---- */

static void print_registries(const json_t *list, bool quiet)
{
	static const char *const keys[] = {"Registry", "User", "Source"};
	_table_ struct table table = {.columns = COUNT(keys)};
	json_t *item;
	size_t i;

	table_row(&table, (const char *const[]){"REGISTRY", "USER", "SOURCE"});
	json_array_foreach ((json_t *)(uintptr_t)list, i, item) {
		const char *cells[COUNT(keys)];

		for (size_t k = 0; k < COUNT(keys); k++) {
			const char *text = json_string_value(json_object_get(item, keys[k]));

			cells[k] = text ? text : "";
		}
		if (quiet)
			puts(cells[0]);
		else
			table_row(&table, cells);
	}
	if (!quiet)
		table_print(&table, stdout);
}

static int registries_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	enum output_format format = output_format(args, OUTPUT_TABLE);
	bool quiet = arguments_flag(args, "quiet", false);
	_context_ struct cor_context *ctx = NULL;
	_json_ json_t *list = NULL;
	char *text = NULL;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_registry_list(ctx, NULL, &text, err);
	if (r == 0)
		r = output_parse(text, &list, err);
	if (r < 0)
		return r;
	if (format == OUTPUT_TABLE || quiet)
		print_registries(list, quiet);
	else
		output_document(format, list);
	return 0;
}

static const struct command registry_list = {
	.name = "ls",
	.aliases = "list",
	.summary = "list the registries that a password is known for",
	.text = "With where each of them is kept. Passwords are never printed.",
	.groups = (const struct option_group *const[]){&output_list_group, NULL},
	.run = registries_run,
};

const struct command command_registry = {
	.name = "registry",
	.summary = "log in to registries and out of them",
	.text = "How a registry is reached stands in registries.json below ~/.config/coracle or "
		"/etc/coracle: an "
		"object \"registries\" with a member for each, whose members are \"mirrors\" (a list of "
		"addresses "
		"to try first), \"scheme\" (https or http), \"ca\", \"cert\" and \"key\" (paths) and "
		"\"verify\" (false: "
		"any certificate will do).\n\n"
		"Certificates may also lie in certs.d/HOST:PORT/ below these folders, /etc/docker or "
		"/etc/containers: *.crt for authorities, *.cert and *.key for ours.\n\n"
		"Passwords are looked for in auth.json, then in ~/.docker/config.json, in each of them in "
		"the "
		"credential helpers that it names before the file itself. Proxies are taken from "
		"HTTPS_PROXY, HTTP_PROXY, "
		"ALL_PROXY and NO_PROXY.",
	.examples = "coracle registry login ghcr.io\n"
		    "cd ~/.config/coracle\n"
		    "echo '{\"registries\": {\"lan:5000\": {\"scheme\": \"http\"}}}' >registries.json",
	.commands = (const struct command *const[]){&registry_login, &registry_logout, &registry_list, NULL},
};
