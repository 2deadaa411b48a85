/* SPDX-License-Identifier: Apache-2.0 */
/* A libcoracle that runs no machine, for tests of the command alone. With FAKE_CALLS it prints what it is asked to standard error as
 * "call: …" lines. It answers by what names say: a container or image "missing" is not there, "busy" runs already, "tty" has a terminal; and a
 * command is a script: "exit 7", "echo words", "cat", … (cor_session_run). Nothing is kept from
 * call to call but what was pulled (fake_registry.c). */
#include "fake.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cor_context {
	int opened;
};

struct cor_session {
	struct cor_streams streams;
	char *script; /* what the process does */
	volatile int signal, interrupted;
};

/* What the last create was told to run; start looks it up as a real library would in its bundle. */
static char last_script[256];

int fake_fail(struct cor_error *err, enum cor_status status, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (err) {
		err->status = status;
		err->err = errnum;
		va_start(ap, fmt);
		vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
		va_end(ap);
	}
	return -errnum;
}

void fake_call(const char *fmt, ...)
{
	va_list ap;

	if (!getenv("FAKE_CALLS"))
		return;
	fputs("call: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static void call_list(const char *what, const char *const *list)
{
	for (; list && *list; list++)
		fake_call("%s=%s", what, *list);
}

int fake_lookup(const char *kind, const char *ref, struct cor_error *err)
{
	if (strcmp(kind, "image") == 0 && fake_absent(ref))
		return fake_fail(err, COR_NOT_FOUND, ENOENT, "no image '%s'", ref);
	return strcmp(ref, "missing") == 0 ? fake_fail(err, COR_NOT_FOUND, ENOENT, "no %s '%s'", kind, ref)
					   : 0;
}

int cor_open(const struct cor_options *options, struct cor_context **ret, struct cor_error *err)
{
	if (getenv("FAKE_NO_ROOT"))
		return fake_fail(err, COR_PERMISSION, EACCES,
				 "data root '/nowhere' cannot be written; set CORACLE_ROOT");
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : fake_fail(err, COR_EXHAUSTED, ENOMEM, "memory");
}

void cor_close(struct cor_context *ctx)
{
	free(ctx);
}

const char *cor_version(void)
{
	return "9.9.9-fake";
}

void cor_free(void *p)
{
	free(p);
}

void cor_strings_release(struct cor_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		free(strings->items[i]);
	free(strings->items);
	*strings = (struct cor_strings){0};
}

void fake_add(struct cor_strings *strings, const char *text)
{
	strings->items = reallocarray(strings->items, strings->count + 1, sizeof(char *));
	if (!strings->items)
		abort();
	strings->items[strings->count++] = strdup(text);
}

const char *cor_status_name(enum cor_status status)
{
	return "failed";
}

int cor_status_exit_code(enum cor_status status)
{
	return status == COR_NO_EXECUTABLE ? 127 : status == COR_CANNOT_EXECUTE ? 126 : 125;
}

int cor_signal_parse(const char *text, int *ret_signal)
{
	if (strcmp(text, "TERM") != 0 && strcmp(text, "15") != 0)
		return -EINVAL;
	*ret_signal = 15;
	return 0;
}

int cor_system_info(struct cor_context *ctx, char **ret_json, struct cor_error *err)
{
	*ret_json = strdup("{\"version\":\"9.9.9\",\"accelerator\":{\"name\":\"tcg\",\"reason\":\"no: "
			   "/dev/kvm\"},\"cpus\":2}");
	return 0;
}

int cor_pool_set(struct cor_context *ctx, unsigned size, double cpus, uint64_t memory, struct cor_error *err)
{
	fake_call("pool %u cpus=%g memory=%llu", size, cpus, (unsigned long long)memory);
	return 0;
}

int cor_pool_status(struct cor_context *ctx, char **ret_json, struct cor_error *err)
{
	*ret_json = strdup("{\"size\":2,\"ready\":1,\"starting\":1,\"memoryUsed\":80000000,\"cpus\":2,"
			   "\"memory\":1073741824}");
	return 0;
}

/* ---- containers ---- */

static void call_process(const struct cor_process_options *process)
{
	call_list("arg", process->args);
	call_list("env", process->env);
	fake_call("user=%s dir=%s tty=%d in=%d privileged=%d size=%ux%u", process->user ? process->user : "-",
		  process->working_directory ? process->working_directory : "-", process->terminal,
		  process->interactive, process->privileged, process->rows, process->columns);
	last_script[0] = '\0';
	for (size_t i = 0; process->args && process->args[i]; i++)
		snprintf(last_script + strlen(last_script), sizeof(last_script) - strlen(last_script), "%s%s",
			 i ? " " : "", process->args[i]);
}

static void call_create(const struct cor_container_options *options)
{
	const struct {
		const char *name;
		const char *const *list;
	} lists[] = {
		{"label", options->labels},
		{"annotation", options->annotations},
		{"cap-add", options->cap_add},
		{"cap-drop", options->cap_drop},
		{"security", options->security},
		{"ulimit", options->ulimits},
		{"sysctl", options->sysctls},
		{"tmpfs", options->tmpfs},
		{"add-host", options->add_hosts},
		{"dns", options->dns},
		{"dns-search", options->dns_search},
		{"dns-option", options->dns_options},
		{"kernel-arg", options->kernel_args},
		{"network", options->networks},
		{"volume", options->volumes},
		{"mount", options->mounts},
		{"publish-socket", options->publish_sockets},
	};
	const struct {
		const char *name, *text;
	} texts[] = {
		{"name", options->name},
		{"hostname", options->hostname},
		{"stop-signal", options->stop_signal},
		{"platform", options->platform},
		{"kernel", options->kernel},
		{"init", options->init_image},
		{"accel", options->accelerator},
	};
	const struct {
		const char *name;
		bool on;
	} flags[] = {
		{"no-dns", options->no_dns},
		{"privileged", options->privileged},
		{"ssh", options->ssh},
		{"read-only", options->read_only},
		{"init", options->init},
		{"rm", options->auto_remove},
		{"virtualization", options->virtualization},
	};

	fake_call("create %s cpus=%g memory=%llu shm=%llu stop-timeout=%d", options->image, options->cpus,
		  (unsigned long long)options->memory, (unsigned long long)options->shm_size,
		  options->stop_timeout_s);
	if (options->entrypoint)
		fake_call("entrypoint=%s", options->entrypoint[0] ? options->entrypoint[0] : "(none)");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		call_list(lists[i].name, lists[i].list);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].text)
			fake_call("%s=%s", texts[i].name, texts[i].text);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].on)
			fake_call("flag %s", flags[i].name);
	call_process(&options->process);
}

int cor_container_create(struct cor_context *ctx, const struct cor_container_options *options, char **ret_id,
			 struct cor_error *err)
{
	int r = fake_lookup("image", options->image, err);

	if (r < 0)
		return r;
	if (options->kernel && strcmp(options->kernel, "missing") == 0)
		return fake_fail(err, COR_NOT_FOUND, ENOENT, "no kernel 'missing'");
	if (strcmp(options->image, "foreign") == 0 && !fake_pulled())
		return fake_fail(err, COR_UNSUPPORTED, ENOEXEC, "the image is for linux/s390x");
	if (options->platform && strcmp(options->platform, "linux/arm64") == 0 && !fake_pulled())
		return fake_fail(err, COR_UNSUPPORTED, ENOEXEC, "the image is for linux/amd64");
	if (options->name && strcmp(options->name, "taken") == 0)
		return fake_fail(err, COR_EXISTS, EEXIST,
				 "the name 'taken' is in use; remove its container first");
	call_create(options);
	*ret_id = strdup(ID);
	return 0;
}

static int start_session(const struct cor_streams *streams, struct cor_session **ret_session,
			 struct cor_error *err)
{
	if (strncmp(last_script, "nothing", 7) == 0)
		return fake_fail(err, COR_NO_EXECUTABLE, ENOENT, "'nothing' is not in the container");
	if (last_script[0] == '-')
		return fake_fail(err, COR_NO_EXECUTABLE, ENOENT, "'%s' is not in the container", last_script);
	if (strncmp(last_script, "/etc", 4) == 0)
		return fake_fail(err, COR_CANNOT_EXECUTE, EACCES, "'/etc' cannot be executed");
	/* A start that takes its time, so that signals come before there is a session, and one that does not end. */
	if (strcmp(last_script, "slow") == 0 || strcmp(last_script, "stuck") == 0)
		dprintf(STDERR_FILENO, "starting\n");
	while (strcmp(last_script, "stuck") == 0)
		usleep(1000);
	if (strcmp(last_script, "slow") == 0) {
		usleep(300000);
		strcpy(last_script, "trap");
	}
	if (ret_session) {
		*ret_session = calloc(1, sizeof(**ret_session));
		(*ret_session)->streams = *streams;
		(*ret_session)->script = strdup(last_script);
	}
	return 0;
}

int cor_container_start(struct cor_context *ctx, const char *ref, const struct cor_streams *streams,
			struct cor_session **ret_session, struct cor_error *err)
{
	int r = fake_lookup("container", ref, err);

	if (r == 0 && strcmp(ref, "busy") == 0)
		return fake_fail(err, COR_BUSY, EBUSY, "container 'busy' is running");
	fake_call("start %.12s attached=%d", ref, ret_session != NULL);
	if (strcmp(ref, "seven") == 0)
		strcpy(last_script, "exit 7");
	if (strcmp(ref, "tty") == 0)
		strcpy(last_script, "keys");
	return r < 0 ? r : start_session(streams, ret_session, err);
}

int cor_container_attach(struct cor_context *ctx, const char *ref, const struct cor_streams *streams,
			 struct cor_session **ret_session, struct cor_error *err)
{
	int r = fake_lookup("container", ref, err);

	strcpy(last_script, strcmp(ref, "tty") == 0 ? "keys" : strcmp(ref, "stuck") == 0 ? "stuck" : "cat");
	fake_call("attach in=%d err=%d keys=%s", streams->in, streams->err,
		  streams->detach_keys ? streams->detach_keys : "-");
	return r < 0 ? r : start_session(streams, ret_session, err);
}

int cor_container_exec(struct cor_context *ctx, const char *ref, const struct cor_process_options *process,
		       const struct cor_streams *streams, struct cor_session **ret_session,
		       struct cor_error *err)
{
	int r = fake_lookup("container", ref, err);

	fake_call("exec %s attached=%d", ref, ret_session != NULL);
	call_process(process);
	return r < 0 ? r : start_session(streams, ret_session, err);
}

/* Waits until a signal came (any, or with deaf none) or the session was given up. */
static void await_signal(struct cor_session *session, bool deaf)
{
	(void)!write(session->streams.out, "ready\n", 6);
	while ((deaf || !session->signal) && !session->interrupted)
		usleep(1000);
}

/* Tells each byte that is typed, until "q". */
static void echo_keys(struct cor_session *session)
{
	unsigned char key = 0;
	ssize_t n;

	dprintf(session->streams.out, "ready keys=%s err=%d\r\n",
		session->streams.detach_keys ? session->streams.detach_keys : "-", session->streams.err);
	while (key != 'q') {
		n = read(session->streams.in, &key, 1);
		if (n == 0 || (n < 0 && errno != EINTR))
			return;
		if (n > 0)
			dprintf(session->streams.out, "key %u\r\n", key);
	}
}

int cor_session_run(struct cor_session *session, enum cor_session_result *ret_result,
		    struct cor_exit *ret_exit, struct cor_error *err)
{
	const char *script = session->script;
	char bytes[4096];
	ssize_t n;

	*ret_result = COR_SESSION_EXITED;
	*ret_exit = (struct cor_exit){0};
	if (strncmp(script, "exit ", 5) == 0) {
		ret_exit->code = atoi(script + 5);
	} else if (strncmp(script, "echo ", 5) == 0) {
		dprintf(session->streams.out, "%s\n", script + 5);
	} else if (strcmp(script, "cat") == 0 && session->streams.in >= 0) {
		while ((n = read(session->streams.in, bytes, sizeof(bytes))) > 0)
			if (write(session->streams.out, bytes, (size_t)n) < 0)
				return fake_fail(err, COR_UNAVAILABLE, errno, "output");
	} else if (strcmp(script, "panic") == 0) {
		ret_exit->code = 125;
		snprintf(ret_exit->reason, sizeof(ret_exit->reason),
			 "the guest's kernel panicked: \033[31mtest");
	} else if (strcmp(script, "oom") == 0) {
		ret_exit->code = 137;
		ret_exit->out_of_memory = true;
	} else if (strcmp(script, "pipe") == 0) {
		return fake_fail(err, COR_UNAVAILABLE, EPIPE, "output");
	} else if (strcmp(script, "detach") == 0) {
		*ret_result = COR_SESSION_DETACHED;
	} else if (strcmp(script, "trap") == 0 || strcmp(script, "deaf") == 0) {
		await_signal(session, strcmp(script, "deaf") == 0);
		ret_exit->code = 100 + session->signal;
		if (session->interrupted)
			*ret_result = COR_SESSION_INTERRUPTED;
	} else if (strcmp(script, "keys") == 0) {
		echo_keys(session);
	} else if (strcmp(script, "crash") == 0) {
		abort();
	}
	return 0;
}

void cor_session_resize(struct cor_session *session, unsigned rows, unsigned columns)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "size %ux%u\r\n", rows, columns);

	(void)!write(session->streams.out, text, (size_t)n);
}

void cor_session_signal(struct cor_session *session, int signal)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "signal %d\n", signal);

	session->signal = signal;
	/* So that a test knows when to send the next one. */
	(void)!write(session->streams.out, text, (size_t)n);
}

void cor_session_interrupt(struct cor_session *session)
{
	session->interrupted = 1;
}

int cor_session_timings(struct cor_session *session, char **ret_text, struct cor_error *err)
{
	*ret_text = strdup("bundle\t1500\nkernel\t801500\n");
	return 0;
}

int cor_session_trace(struct cor_session *session, char **ret_json, struct cor_error *err)
{
	*ret_json = strdup("{\"traceEvents\":[]}");
	return 0;
}

void cor_session_free(struct cor_session *session)
{
	if (session)
		free(session->script);
	free(session);
}

static void fill(struct cor_container_info *info, const char *name, enum cor_container_status status)
{
	*info = (struct cor_container_info){
		.id = strdup(ID),
		.name = strdup(name),
		.image = strdup("busybox"),
		.image_id = strdup("sha256:" ID),
		.command = strdup("sh -c \033[2Jevil"),
		.status = status,
		.exit_code = status == COR_EXITED ? 3 : 0,
		.created_ns = INT64_C(1000000000123456789),
		.started_ns = INT64_C(1000000001000000000),
		.finished_ns = status == COR_EXITED ? INT64_C(1000000002000000000) : 0,
	};
	fake_add(&info->labels, "color=blue: \"x\"");
}

int cor_container_list(struct cor_context *ctx, bool all, struct cor_container_list *ret,
		       struct cor_error *err)
{
	ret->count = all ? 2 : 1;
	ret->items = calloc(ret->count, sizeof(*ret->items));
	if (!ret->items)
		abort();
	fill(&ret->items[0], "runner", COR_RUNNING);
	if (all)
		fill(&ret->items[1], "done", COR_EXITED);
	return 0;
}

void cor_container_list_release(struct cor_container_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct cor_container_info *info = &list->items[i];

		free(info->id);
		free(info->name);
		free(info->image);
		free(info->image_id);
		free(info->command);
		cor_strings_release(&info->labels);
	}
	free(list->items);
	*list = (struct cor_container_list){0};
}

int cor_container_inspect(struct cor_context *ctx, const char *ref, char **ret_json, struct cor_error *err)
{
	int r = fake_lookup("container", ref, err);

	if (r == 0 && strcmp(ref, "busybox") == 0)
		r = fake_fail(err, COR_NOT_FOUND, ENOENT, "no container 'busybox'");
	if (r == 0 && asprintf(ret_json,
			       "{\"Id\":\"%s\",\"Name\":\"%s\",\"Note\":\"\xc2\x9b\",\"Config\":{\"Tty\":%s,"
			       "\"OpenStdin\":true}}",
			       ID, ref, strcmp(ref, "tty") == 0 ? "true" : "false") < 0)
		abort();
	return r;
}

int cor_container_logs(struct cor_context *ctx, const char *ref, const struct cor_log_options *options,
		       struct cor_error *err)
{
	fake_call("logs follow=%d boot=%d times=%d tail=%lld since=%lld until=%lld", options->follow,
		  options->boot, options->timestamps, (long long)options->tail, (long long)options->since_ns,
		  (long long)options->until_ns);
	return fake_lookup("container", ref, err);
}

int cor_container_stop(struct cor_context *ctx, const char *ref, int timeout_s, struct cor_error *err)
{
	fake_call("stop %.12s timeout=%d", ref, timeout_s);
	return fake_lookup("container", ref, err);
}

int cor_container_kill(struct cor_context *ctx, const char *ref, int signal, struct cor_error *err)
{
	fake_call("kill %.12s signal=%d", ref, signal);
	return fake_lookup("container", ref, err);
}

int cor_container_statistics(struct cor_context *ctx, const char *ref, struct cor_statistics *ret,
			     struct cor_error *err)
{
	static int64_t seconds;

	if (strcmp(ref, ID) != 0)
		return fake_fail(err, COR_BUSY, ENOTCONN, "container '%s' is not running", ref);
	seconds++;
	*ret = (struct cor_statistics){
		.at_ns = seconds * 1000000000,
		.cpu_ns = (uint64_t)seconds * 500000000,
		.memory = 3 << 20,
		.memory_limit = 512 << 20,
		.processes = 2,
		.block_read = 1500,
		.block_written = 12,
		.network_received = 1234567,
		.host_cpu_ns = (uint64_t)seconds * 1010000000,
		.host_memory = 45 << 20,
		.host_private = 40 << 20,
	};
	return 0;
}

int cor_container_wait(struct cor_context *ctx, const char *ref, struct cor_exit *ret, struct cor_error *err)
{
	*ret = (struct cor_exit){.code = 3};
	return fake_lookup("container", ref, err);
}

int cor_container_remove_all(struct cor_context *ctx, const char *ref, bool force, struct cor_error *err)
{
	fake_call("with volumes");
	return cor_container_remove(ctx, ref, force, err);
}

int cor_container_remove(struct cor_context *ctx, const char *ref, bool force, struct cor_error *err)
{
	fake_call("remove %.12s force=%d", ref, force);
	return fake_lookup("container", ref, err);
}

/* ---- images ---- */

int cor_image_load(struct cor_context *ctx, int fd, const struct cor_image_load_options *options,
		   struct cor_strings *ret_names, struct cor_error *err)
{
	char byte;

	fake_call("load all=%d", options->all_platforms);
	if (read(fd, &byte, 1) != 1)
		return fake_fail(err, COR_CORRUPT, EBADMSG, "the archive is empty");
	fake_add(ret_names, options->name ? options->name : "docker.io/library/busybox:latest");
	return 0;
}

int cor_image_list(struct cor_context *ctx, struct cor_image_list *ret, struct cor_error *err)
{
	ret->count = 1;
	ret->items = calloc(1, sizeof(*ret->items));
	if (!ret->items)
		abort();
	ret->items[0] = (struct cor_image_info){
		.id = strdup("sha256:" ID),
		.digest = strdup("sha256:" ID),
		.architecture = strdup("amd64"),
		.os = strdup("linux"),
		.size = 1234567,
	};
	fake_add(&ret->items[0].names, "docker.io/library/busybox:latest");
	fake_add(&ret->items[0].names, "localhost:5000/team/app:v1");
	return 0;
}

void cor_image_list_release(struct cor_image_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].id);
		free(list->items[i].digest);
		free(list->items[i].architecture);
		free(list->items[i].os);
		cor_strings_release(&list->items[i].names);
	}
	free(list->items);
	*list = (struct cor_image_list){0};
}

int cor_image_inspect(struct cor_context *ctx, const char *ref, char **ret_json, struct cor_error *err)
{
	int r = fake_lookup("image", ref, err);

	if (r == 0 && asprintf(ret_json,
			       "{\"Id\":\"sha256:%s\",\"RepoTags\":[\"%s\"],\"Os\":\"linux\","
			       "\"Architecture\":\"%s\"}",
			       ID, ref, strcmp(ref, "foreign") == 0 ? "s390x" : "amd64") < 0)
		abort();
	return r;
}

int cor_image_tag(struct cor_context *ctx, const char *ref, const char *new_name, struct cor_error *err)
{
	fake_call("tag %s %s", ref, new_name);
	return fake_lookup("image", ref, err);
}

int cor_image_remove(struct cor_context *ctx, const char *ref, bool force, struct cor_strings *ret_removed,
		     struct cor_error *err)
{
	int r = fake_lookup("image", ref, err);

	if (r == 0)
		fake_add(ret_removed, "untagged: docker.io/library/busybox:latest");
	return r;
}
