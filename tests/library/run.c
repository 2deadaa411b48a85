/* SPDX-License-Identifier: Apache-2.0 */
/* What a user of libcoracle writes: runs a container and reads its output through a pipe. */
#include <coracle/coracle.h>

#include <stdio.h>
#include <unistd.h>

static int fail(const char *what, const struct cor_error *err)
{
	fprintf(stderr, "%s: %s\n", what, err->msg);
	return cor_status_exit_code(err->status);
}

int main(int argc, char **argv)
{
	const char *const args[] = {"sh", "-c", "echo from inside; exit 3", NULL};
	struct cor_container_options options = {
		.image = "busybox", .process = {.args = args}, .auto_remove = true};
	enum cor_session_result result;
	struct cor_session *session;
	struct cor_context *ctx;
	struct cor_error err;
	struct cor_exit status;
	char *id, text[100];
	int pipe_fds[2];
	ssize_t n;

	if (pipe(pipe_fds) < 0 || cor_open(NULL, &ctx, &err) < 0)
		return fail("open", &err);
	if (cor_container_create(ctx, &options, &id, &err) < 0)
		return fail("create", &err);
	struct cor_streams streams = {.in = -1, .out = pipe_fds[1], .err = 2};
	if (cor_container_start(ctx, id, &streams, &session, &err) < 0)
		return fail("start", &err);
	if (cor_session_run(session, &result, &status, &err) < 0)
		return fail("run", &err);
	close(pipe_fds[1]);
	while ((n = read(pipe_fds[0], text, sizeof(text))) > 0)
		fwrite(text, 1, (size_t)n, stdout);
	printf("exited with %d, libcoracle %s\n", status.code, cor_version());
	cor_session_free(session);
	cor_free(id);
	cor_close(ctx);
	return 0;
}
