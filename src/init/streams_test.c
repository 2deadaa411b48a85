/* SPDX-License-Identifier: Apache-2.0 */
/* The streams of a process that is played by the test: it holds the other ends of the pipes. Client and server share one loop. */
#include "init/streams.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <cmocka.h>

#define PATH "/test.Streams/Attach"

typedef Coracle__Agent__V1__AttachProcessRequest Request;
typedef Coracle__Agent__V1__AttachProcessResponse Response;

/* What a client heard. */
struct client {
	struct rpc_call *call;
	struct buffer out, err;
	bool attached, exited, ended;
	uint32_t code;
	struct cor_error status;
};

struct fixture {
	uv_loop_t loop;
	struct rpc_conn *client_conn, *server_conn;
	struct streams streams;
	int in, out, err; /* the process's ends */
	Coracle__Agent__V1__ExitStatus exit;
	struct client clients[2];
};

/* ---- the server ---- */

static void server_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__attach_process_request__descriptor, data, size, NULL);

	assert_non_null(message);
	streams_request(&((struct fixture *)user)->streams, (const Request *)message);
	protobuf_c_message_free_unpacked(message, NULL);
}

static void server_half_close(struct rpc_call *call, void *user)
{
	streams_half_close(&((struct fixture *)user)->streams);
}

static void server_writable(struct rpc_call *call, void *user)
{
	streams_writable(&((struct fixture *)user)->streams);
}

static void server_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	streams_detach(&((struct fixture *)user)->streams);
}

static int attach(void *service, struct rpc_call *call, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = server_message,
						      .on_half_close = server_half_close,
						      .on_writable = server_writable,
						      .on_end = server_end};
	struct fixture *f = service;

	rpc_call_listen(call, &events, f);
	streams_attach(&f->streams, call);
	return 0;
}

/* ---- the client ---- */

static void client_message(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__attach_process_response__descriptor, data, size, NULL);
	const Response *response = (const Response *)message;
	struct client *client = user;

	assert_non_null(message);
	/* Nothing comes after the status. */
	assert_false(client->exited);
	if (response->kind_case == CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__KIND_STDOUT)
		buffer_append(&client->out, response->stdout.data, response->stdout.len);
	if (response->kind_case == CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__KIND_STDERR)
		buffer_append(&client->err, response->stderr.data, response->stderr.len);
	if (response->kind_case == CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__KIND_ATTACHED)
		client->attached = true;
	if (response->kind_case == CORACLE__AGENT__V1__ATTACH_PROCESS_RESPONSE__KIND_EXIT) {
		client->exited = true;
		client->code = response->exit->code;
	}
	protobuf_c_message_free_unpacked(message, NULL);
}

static void client_end(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct client *client = user;

	client->ended = true;
	client->status = *status;
	client->call = NULL;
}

static struct client *connect_client(struct fixture *f, int index)
{
	static const struct rpc_call_events events = {.on_message = client_message, .on_end = client_end};
	struct client *client = &f->clients[index];
	struct cor_error err;

	assert_int_equal(rpc_call_begin(f->client_conn, PATH, NULL, &events, client, &client->call, &err), 0);
	while (!client->attached)
		uv_run(&f->loop, UV_RUN_ONCE);
	return client;
}

static void send_input(struct client *client, const void *data, size_t size)
{
	Request request = CORACLE__AGENT__V1__ATTACH_PROCESS_REQUEST__INIT;

	request.kind_case = CORACLE__AGENT__V1__ATTACH_PROCESS_REQUEST__KIND_STDIN;
	request.stdin = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)data};
	rpc_call_send_message(client->call, &request.base);
}

/* Turns of the loop until nothing more happens. */
static void settle(struct fixture *f)
{
	for (int idle = 0; idle < 20; idle++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* ---- the process ---- */

static void open_pipes(struct fixture *f)
{
	int in[2], out[2], err[2];
	struct cor_error error;

	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
	f->in = in[0];
	f->out = out[1];
	f->err = err[1];
	fd_set_nonblocking(f->in, true);
	fd_set_nonblocking(f->out, true);
	assert_int_equal(streams_open(&f->streams, &f->loop, in[1], out[0], err[0], &error), 0);
}

static void end_process(struct fixture *f, uint32_t code)
{
	close_fd(&f->in);
	close_fd(&f->out);
	close_fd(&f->err);
	f->exit.code = code;
	streams_process_ended(&f->streams, &f->exit);
}

static int set_up(void **state)
{
	static const struct rpc_method methods[] = {
		{.name = "Attach",
		 .request = &coracle__agent__v1__attach_process_request__descriptor,
		 .client_streams = true,
		 .stream = attach},
	};
	static struct rpc_service service = {.name = "test.Streams", .methods = methods, .method_count = 1};
	static const struct rpc_server_options options = {.services = &service, .service_count = 1};
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct cor_error err;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	f->in = f->out = f->err = -1;
	service.context = f;
	uv_loop_init(&f->loop);
	streams_init(&f->streams);
	coracle__agent__v1__exit_status__init(&f->exit);
	*state = f;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ||
	       rpc_serve(&f->loop, fds[0], &options, &f->server_conn, &err) < 0 ||
	       rpc_connect(&f->loop, fds[1], NULL, &f->client_conn, &err) < 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct cor_error reason;

	cor_fail(&reason, COR_CANCELLED, ECANCELED, "the test is over");
	streams_close(&f->streams, &reason);
	rpc_conn_free(f->client_conn);
	rpc_conn_free(f->server_conn);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	for (int i = 0; i < 2; i++) {
		buffer_release(&f->clients[i].out);
		buffer_release(&f->clients[i].err);
	}
	close_fd(&f->in);
	close_fd(&f->out);
	close_fd(&f->err);
	free(f);
	return 0;
}

/* ---- tests ---- */

static void test_status_after_output(void **state)
{
	struct fixture *f = *state;
	struct client *client;

	open_pipes(f);
	assert_int_equal(write(f->out, "out", 3), 3);
	assert_int_equal(write(f->err, "error", 5), 5);
	end_process(f, 7);
	client = connect_client(f, 0);
	while (!client->ended)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(client->status.status, COR_OK);
	assert_int_equal(client->code, 7);
	assert_int_equal(buffer_size(&client->out), 3);
	assert_memory_equal(buffer_bytes(&client->out), "out", 3);
	assert_memory_equal(buffer_bytes(&client->err), "error", 5);
	/* Who comes later hears the status still. */
	client = connect_client(f, 1);
	while (!client->ended)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(client->exited);
	assert_int_equal(buffer_size(&client->out), 0);
}

/* Descendants hold the pipe and go on writing: only what was there at the end is the process's. */
static void test_descendants(void **state)
{
	struct fixture *f = *state;
	struct client *client;
	int kept;

	open_pipes(f);
	kept = dup(f->out);
	assert_int_equal(write(f->out, "mine", 4), 4);
	end_process(f, 0);
	assert_int_equal(write(kept, "theirs", 6), 6);
	client = connect_client(f, 0);
	while (!client->ended)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(buffer_size(&client->out), 4);
	assert_true(client->exited);
	close(kept);
}

static void test_input(void **state)
{
	struct fixture *f = *state;
	struct client *client;
	char data[16];

	open_pipes(f);
	client = connect_client(f, 0);
	send_input(client, "hello", 5);
	settle(f);
	assert_int_equal(read(f->in, data, sizeof(data)), 5);
	rpc_call_half_close(client->call);
	settle(f);
	assert_int_equal(read(f->in, data, sizeof(data)), 0);
	/* The output is not affected. */
	assert_int_equal(write(f->out, "x", 1), 1);
	settle(f);
	assert_int_equal(buffer_size(&client->out), 1);
}

/* A client that goes away without a word has not closed the input. */
static void test_cancelled_client(void **state)
{
	struct fixture *f = *state;
	char data[16];

	open_pipes(f);
	rpc_call_cancel(connect_client(f, 0)->call);
	settle(f);
	assert_int_equal(read(f->in, data, sizeof(data)), -1);
	assert_int_equal(errno, EAGAIN);
	send_input(connect_client(f, 1), "again", 5);
	settle(f);
	assert_int_equal(read(f->in, data, sizeof(data)), 5);
}

/* Input that is not taken stays with the client, but for what is in the pipe, one message and the window. */
static void test_deaf_process(void **state)
{
	static uint8_t block[400 << 10];
	struct fixture *f = *state;
	struct client *client;
	size_t total = 0, sent = 16 * sizeof(block);
	ssize_t n;

	open_pipes(f);
	client = connect_client(f, 0);
	for (int i = 0; i < 16; i++)
		send_input(client, block, sizeof(block));
	settle(f);
	assert_true(buffer_size(&f->streams.input) <= sizeof(block));
	assert_true(rpc_call_queued(client->call) > 0);
	/* The end comes behind the bytes. */
	rpc_call_half_close(client->call);
	for (;;) {
		n = read(f->in, block, sizeof(block));
		if (n == 0)
			break;
		if (n > 0)
			total += (size_t)n;
		else
			uv_run(&f->loop, UV_RUN_ONCE);
	}
	assert_int_equal(total, sent);
}

/* A client that does not read: the process stands once queue, window and pipe are full. */
static void test_slow_reader(void **state)
{
	static uint8_t block[64 << 10];
	struct fixture *f = *state;
	struct client *client;
	size_t written = 0;
	ssize_t n;

	open_pipes(f);
	client = connect_client(f, 0);
	rpc_call_pause(client->call);
	for (int full = 0; full < 50;) {
		n = write(f->out, block, sizeof(block));
		full = n > 0 ? 0 : full + 1;
		written += n > 0 ? (size_t)n : 0;
		uv_run(&f->loop, UV_RUN_NOWAIT);
		assert_true(written < 32 << 20);
	}
	rpc_call_resume(client->call);
	while (buffer_size(&client->out) < written)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(buffer_size(&client->out), written);
}

static void test_replaced(void **state)
{
	struct fixture *f = *state;
	struct client *old, *fresh;

	open_pipes(f);
	old = connect_client(f, 0);
	fresh = connect_client(f, 1);
	settle(f);
	assert_true(old->ended);
	assert_int_equal(old->status.status, COR_CANCELLED);
	assert_int_equal(write(f->out, "x", 1), 1);
	settle(f);
	assert_int_equal(buffer_size(&fresh->out), 1);
	assert_int_equal(buffer_size(&old->out), 0);
}

static void test_closed(void **state)
{
	struct fixture *f = *state;
	struct cor_error reason;
	struct client *client;

	open_pipes(f);
	client = connect_client(f, 0);
	cor_fail(&reason, COR_CANCELLED, ECANCELED, "deleted");
	streams_close(&f->streams, &reason);
	settle(f);
	assert_true(client->ended);
	assert_string_equal(client->status.msg, "deleted");
}

static void test_terminal(void **state)
{
	struct fixture *f = *state;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct winsize size;
	struct client *client;
	struct cor_error err;
	char data[16];
	int slave;

	if (master < 0 || unlockpt(master) < 0)
		skip();
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	assert_true(slave >= 0);
	assert_int_equal(streams_resize(&f->streams, 1, 1), -ENOTTY);
	assert_int_equal(streams_open_terminal(&f->streams, &f->loop, master, true, &err), 0);
	assert_int_equal(streams_resize(&f->streams, 70000, 101), 0);
	assert_int_equal(ioctl(slave, TIOCGWINSZ, &size), 0);
	assert_int_equal(size.ws_row, UINT16_MAX);
	assert_int_equal(size.ws_col, 101);
	client = connect_client(f, 0);
	send_input(client, "hi\n", 3);
	settle(f);
	assert_int_equal(read(slave, data, sizeof(data)), 3);
	assert_int_equal(write(slave, "yes", 3), 3);
	close(slave);
	f->exit.code = 3;
	streams_process_ended(&f->streams, &f->exit);
	while (!client->ended)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(client->code, 3);
	assert_memory_equal(buffer_bytes(&client->out) + buffer_size(&client->out) - 3, "yes", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_status_after_output, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_descendants, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_input, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cancelled_client, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_deaf_process, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_slow_reader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_terminal, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
