/* SPDX-License-Identifier: Apache-2.0 */
/* `system info`. What only a shim knows (kernel, init, VMM, accelerator), a shim is asked for: `coracle-shim --probe` prints a JSON object and runs nothing. */
#include "base/buffer.h"
#include "base/json.h"
#include "container/context.h"
#include "container/networks.h"
#include "container/pool.h"
#include "container/shim_client.h"
#include "container/starts.h"
#include "container/store.h"

#include <errno.h>
#include <spawn.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define PROBE_MAX (64u << 10)

/* Everything that fd gives, up to PROBE_MAX bytes. */
static void read_answer(int fd, struct buffer *answer)
{
	while (buffer_size(answer) < PROBE_MAX) {
		uint8_t *room = buffer_reserve(answer, 4096);
		ssize_t n = read(fd, room, 4096);

		if (n == 0 || (n < 0 && errno != EINTR))
			return;
		if (n > 0)
			buffer_commit(answer, (size_t)n);
	}
}

/* Runs the program to its end; its output is the answer. */
static int run_probe(const char *program, const struct roots *roots, struct buffer *answer,
		     struct cor_error *err)
{
	const char *args[] = {program, "--probe", "--data", roots->data, "--run", roots->run, NULL};
	posix_spawn_file_actions_t actions;
	_fd_ int reader = -1, writer = -1;
	int pipe_fds[2], status = 0, r;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return cor_fail_errno(err, errno, "pipe");
	reader = pipe_fds[0];
	writer = pipe_fds[1];
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, writer, STDOUT_FILENO);
	r = posix_spawn(&pid, program, &actions, NULL, (char *const *)(uintptr_t)args, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return cor_fail_errno(err, r, "start '%s'", program);
	close_fd(&writer);
	read_answer(reader, answer);
	close_fd(&reader);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0
		       ? 0
		       : cor_fail(err, COR_UNAVAILABLE, EIO, "'%s --probe' failed", program);
}

static int probe(const struct roots *roots, json_t **ret, struct cor_error *err)
{
	_free_ char *program = shim_program();
	_buffer_ struct buffer answer = {0};
	int r;

	if (!program)
		return cor_fail(err, COR_UNSUPPORTED, ENOENT, "coracle-shim is not installed");
	r = run_probe(program, roots, &answer, err);
	if (r == 0 && !buffer_size(&answer))
		return cor_fail(err, COR_UNAVAILABLE, EIO, "'%s --probe' said nothing", program);
	return r ?: json_parse_object((char *)buffer_bytes(&answer), buffer_size(&answer), program, ret, err);
}

static json_t *counts(struct cor_context *ctx)
{
	struct cor_container_list list = {0};
	json_int_t running = 0, all = 0;

	if (cor_container_list(ctx, true, &list, NULL) == 0) {
		all = (json_int_t)list.count;
		for (size_t i = 0; i < list.count; i++)
			running += list.items[i].status == COR_RUNNING;
		cor_container_list_release(&list);
	}
	return json_pack("{s:I, s:I}", "total", all, "running", running);
}

static json_t *image_count(struct cor_context *ctx)
{
	struct cor_image_list list = {0};
	json_t *count = json_integer(0);

	if (cor_image_list(ctx, &list, NULL) == 0) {
		json_integer_set(count, (json_int_t)list.count);
		cor_image_list_release(&list);
	}
	return count;
}

static json_t *usual_network(void)
{
	_free_ char *why = NULL, *name = networks_usual(&why);

	return json_pack("{s:s, s:s}", "name", name, "reason", why);
}

int cor_system_info(struct cor_context *ctx, char **ret_json, struct cor_error *err)
{
	_json_ json_t *info = NULL, *machine = NULL, *pool = NULL;
	struct cor_error error = {0};
	struct utsname host;

	uname(&host);
	info = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o}", "version", CORACLE_VERSION,
		"dataRoot", ctx->roots.data, "runRoot", ctx->roots.run, "hostKernel", host.release,
		"architecture", host.machine, "cpus", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "memory",
		(json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE), "containers", counts(ctx),
		"images", image_count(ctx), "network", usual_network(), "starts", starts_read(&ctx->roots));
	if (!info)
		return cor_fail(err, COR_INTERNAL, EINVAL, "system info: a path is not UTF-8");
	if (pool_facts(&ctx->roots, &pool, &error) == 0)
		json_object_set(info, "pool", pool);
	/* An installation that lacks its shim is told as a fact and not as a failure. */
	if (probe(&ctx->roots, &machine, &error) == 0)
		json_object_update(info, machine);
	else
		json_object_set_new(info, "problem", json_string(error.msg));
	*ret_json = json_dumps(info, JSON_INDENT(2));
	return 0;
}
