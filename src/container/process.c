/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI process object: arguments, environment, user, capabilities, limits. Users are not looked up here, since passwd and group lie
 * in the image: the guest does that with process.user.username. */
#include "container/process.h"

#include "base/size.h"
#include "container/caps.h"
#include "container/sockets.h"

#include <ctype.h>
#include <errno.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const char *image_string(const json_t *image, const char *key)
{
	const char *value = NULL;

	return json_get_string(image, key, &value) == 0 && !str_empty(value) ? value : NULL;
}

static void add_list(struct strv *to, const char *const *from)
{
	for (; from && *from; from++)
		strv_add(to, *from);
}

/* Docker's rules: an entrypoint given replaces the image's and discards its command; arguments given replace the command. An entrypoint
 * of one empty string means none. */
static int choose_args(const struct cor_container_options *options, const json_t *image, struct strv *args,
		       struct cor_error *err)
{
	const char *const *entrypoint = options->entrypoint;

	if (entrypoint) {
		if (entrypoint[0] && (*entrypoint[0] || entrypoint[1]))
			add_list(args, entrypoint);
	} else if (json_get_strv(image, "Entrypoint", args) < 0) {
		return cor_fail(err, COR_CORRUPT, EBADMSG, "image '%s': Entrypoint is no list of strings",
				options->image);
	}
	if (options->process.args && options->process.args[0])
		add_list(args, options->process.args);
	else if (!entrypoint && json_get_strv(image, "Cmd", args) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "image '%s': Cmd is no list of strings",
				options->image);
	if (!args->count)
		return cor_fail(err, COR_INVALID, EINVAL,
				"image '%s' has no command: name one after the image", options->image);
	return 0;
}

static int set_environment(struct strv *env, const char *const *more, struct cor_error *err)
{
	for (; more && *more; more++) {
		if (**more == '=' || !**more)
			return cor_fail(err, COR_INVALID, EINVAL,
					"'%s' is no environment variable: KEY=VALUE is needed", *more);
		env_set(env, *more);
	}
	return 0;
}

static int choose_environment(const struct cor_container_options *options, const json_t *image,
			      const char *hostname, struct strv *env, struct cor_error *err)
{
	_strv_ struct strv from_image = {0};

	strv_add(env, "PATH=" DEFAULT_PATH);
	strv_addf(env, "HOSTNAME=%s", hostname);
	if (options->process.terminal)
		strv_add(env, "TERM=xterm");
	if (json_get_strv(image, "Env", &from_image) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "image '%s': Env is no list of strings",
				options->image);
	for (size_t i = 0; i < from_image.count; i++)
		env_set(env, from_image.items[i]);
	if (options->ssh)
		env_set(env, SOCKET_AGENT_ENV "=" SOCKET_AGENT);
	return set_environment(env, options->process.env, err);
}

static bool is_root(const char *user)
{
	size_t length = strcspn(user, ":");

	return length == 0 || (length == 1 && *user == '0') || (length == 4 && memcmp(user, "root", 4) == 0);
}

/* Others than root get only the bounding set, so that a set-uid program can gain what root would have and nothing else does. */
static json_t *capability_sets(uint64_t caps, bool root)
{
	json_t *sets = json_object();

	json_object_set_new(sets, "bounding", caps_to_json(caps));
	json_object_set_new(sets, "effective", caps_to_json(root ? caps : CAPS_NONE));
	json_object_set_new(sets, "permitted", caps_to_json(root ? caps : CAPS_NONE));
	json_object_set_new(sets, "inheritable", json_array());
	json_object_set_new(sets, "ambient", json_array());
	return sets;
}

static void set_user(json_t *process, const char *user, uint64_t caps)
{
	user = str_empty(user) ? "0" : user;
	json_object_set_new(process, "user",
			    json_pack("{s:i, s:i, s:s}", "uid", 0, "gid", 0, "username", user));
	json_object_set_new(process, "capabilities", capability_sets(caps, is_root(user)));
}

static void set_console(json_t *process, const struct cor_process_options *options)
{
	json_object_set_new(process, "terminal", json_boolean(options->terminal));
	if (options->terminal && options->rows && options->columns)
		json_object_set_new(process, "consoleSize",
				    json_pack("{s:i, s:i}", "height", (int)options->rows, "width",
					      (int)options->columns));
}

static int parse_limit(const char *text, json_int_t *ret)
{
	int64_t value;

	/* The specification's "unlimited" does not fit a JSON integer of ours; the largest that does stands for it. */
	if (strcmp(text, "-1") == 0 || strcmp(text, "unlimited") == 0) {
		*ret = INT64_MAX;
		return 0;
	}
	if (number_parse(text, 0, INT64_MAX, &value) < 0)
		return -EINVAL;
	*ret = value;
	return 0;
}

static int parse_ulimit(const char *text, json_t *rlimits, struct cor_error *err)
{
	static const char *const types[] = {"as",      "core",     "cpu",        "data",   "fsize", "locks",
					    "memlock", "msgqueue", "nice",       "nofile", "nproc", "rss",
					    "rtprio",  "rttime",   "sigpending", "stack"};
	_strv_ struct strv parts = strv_split(text, '=');
	_strv_ struct strv values = parts.count == 2 ? strv_split(parts.items[1], ':') : (struct strv){0};
	json_int_t soft, hard;

	if (values.count < 1 || values.count > 2 || parse_limit(values.items[0], &soft) < 0 ||
	    parse_limit(values.items[values.count - 1], &hard) < 0 || soft > hard)
		return cor_fail(err, COR_INVALID, EINVAL, "'%s' is no limit: NAME=SOFT[:HARD] is needed",
				text);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		char name[32] = "RLIMIT_";

		if (strcmp(parts.items[0], types[i]) != 0)
			continue;
		for (const char *p = types[i]; *p; p++)
			name[7 + (p - types[i])] = (char)toupper((unsigned char)*p);
		json_array_append_new(rlimits,
				      json_pack("{s:s, s:I, s:I}", "type", name, "soft", soft, "hard", hard));
		return 0;
	}
	return cor_fail(err, COR_INVALID, EINVAL, "there is no limit '%s'", parts.items[0]);
}

static int set_rlimits(json_t *process, const char *const *ulimits, struct cor_error *err)
{
	json_t *rlimits = json_array();
	int r = 0;

	json_object_set_new(process, "rlimits", rlimits);
	for (; r == 0 && ulimits && *ulimits; ulimits++)
		r = parse_ulimit(*ulimits, rlimits, err);
	return r;
}

static bool is_text(const char *s)
{
	_json_ json_t *string = s ? json_string(s) : NULL;

	return !s || string;
}

int text_check(const char *option, const char *s, struct cor_error *err)
{
	return is_text(s) ? 0 : cor_fail(err, COR_INVALID, EILSEQ, "%s is not UTF-8", option);
}

int texts_check(const char *option, const char *const *list, struct cor_error *err)
{
	int r = 0;

	for (; r == 0 && list && *list; list++)
		r = text_check(option, *list, err);
	return r;
}

int process_texts_check(const struct cor_process_options *options, struct cor_error *err)
{
	int r = texts_check("the command", options->args, err);

	r = r ?: texts_check("--env", options->env, err);
	r = r ?: text_check("--user", options->user, err);
	return r ?: text_check("--workdir", options->working_directory, err);
}

/* What is the image's own was read from JSON. */
static int set_strings(json_t *process, const struct strv *args, const struct strv *env, const char *cwd,
		       struct cor_error *err)
{
	json_t *arg_array = json_from_strv(args), *env_array = json_from_strv(env),
	       *cwd_string = json_string(cwd);

	json_object_set_new(process, "args", arg_array);
	json_object_set_new(process, "env", env_array);
	json_object_set_new(process, "cwd", cwd_string);
	if (!arg_array || !env_array || !cwd_string)
		return cor_fail(err, COR_INVALID, EILSEQ, "arguments, variables and paths must be UTF-8");
	return 0;
}

int container_process_build(const struct cor_container_options *options, const json_t *image,
			    struct container_spec *spec, bool no_new_privileges, json_t **ret,
			    struct cor_error *err)
{
	_strv_ struct strv env = {0};
	_json_ json_t *process = json_object();
	const char *cwd = options->process.working_directory;
	int r = choose_args(options, image, &spec->args, err);

	r = r ?: choose_environment(options, image, spec->hostname, &env, err);
	if (r < 0)
		return r;
	if (str_empty(cwd))
		cwd = image_string(image, "WorkingDir");
	if (cwd && *cwd != '/')
		return cor_fail(err, COR_INVALID, EINVAL, "the working directory '%s' is not absolute", cwd);
	set_console(process, &options->process);
	set_user(process, options->process.user ? options->process.user : image_string(image, "User"),
		 spec->caps);
	r = set_strings(process, &spec->args, &env, cwd ? cwd : "/", err);
	if (r < 0)
		return r;
	json_object_set_new(process, "noNewPrivileges", json_boolean(no_new_privileges));
	r = set_rlimits(process, options->ulimits, err);
	if (r == 0)
		*ret = steal_ptr(process);
	return r;
}

/* ---- exec ---- */

int exec_process_build(const struct cor_process_options *options, const json_t *config, json_t **ret,
		       struct cor_error *err)
{
	_json_ json_t *process = json_deep_copy(json_object_get(config, "process"));
	_strv_ struct strv env = {0}, args = {0};
	const char *cwd = options->working_directory;
	uint64_t caps;
	int r = process_texts_check(options, err);

	if (r < 0)
		return r;
	if (!json_is_object(process) || json_get_strv(process, "env", &env) < 0)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "config.json: no process");
	add_list(&args, options->args);
	if (!args.count)
		return cor_fail(err, COR_INVALID, EINVAL, "exec needs a command");
	if (options->terminal && !env_get(&env, "TERM"))
		strv_add(&env, "TERM=xterm");
	r = set_environment(&env, options->env, err);
	if (r < 0)
		return r;
	if (options->user) {
		/* The set that the container has is its bounding set; who gets it depends on the user. */
		_strv_ struct strv names = {0};

		(void)json_get_strv(json_object_get(process, "capabilities"), "bounding", &names);
		r = caps_choose((const char *const *)names.items, (const char *const[]){"ALL", NULL}, false,
				&caps, err);
		if (r < 0)
			return r;
		set_user(process, options->user, caps);
	}
	if (options->privileged) {
		r = caps_choose((const char *const[]){"ALL", NULL}, NULL, true, &caps, err);
		if (r < 0)
			return r;
		json_object_set_new(process, "capabilities", capability_sets(caps, true));
	}
	if (!str_empty(cwd) && *cwd != '/')
		return cor_fail(err, COR_INVALID, EINVAL, "the working directory '%s' is not absolute", cwd);
	json_object_del(process, "consoleSize");
	set_console(process, options);
	r = set_strings(process, &args, &env,
			str_empty(cwd) ? json_string_value(json_object_get(process, "cwd")) : cwd, err);
	if (r == 0)
		*ret = steal_ptr(process);
	return r;
}
