/* SPDX-License-Identifier: Apache-2.0 */
/* A line at a time. QEMU may have been taken over by its guest, so lines have a limit and answers are held against their types. */
#include "vmm/qmp.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#define READS_AT_ONCE 64

/* With a descriptor beside the first byte, unless fd is -1. */
static bool send_text(int socket, char *text, size_t size, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct iovec bytes = {.iov_base = text, .iov_len = size};
	struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.room);
	}
	return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)size;
}

static int send_command(struct qmp *qmp, const char *command, json_t *arguments, int fd)
{
	_json_ json_t *message = json_pack("{s:s, s:i}", "execute", command, "id", (int)++qmp->last_id);
	_free_ char *text = NULL;
	size_t size;

	if (arguments)
		json_object_set(message, "arguments", arguments);
	text = json_dumps(message, JSON_COMPACT);
	if (!text)
		return -EINVAL;
	size = strlen(text);
	text[size] = '\n';
	return send_text(qmp->fd, text, size + 1, fd) ? 0 : -ECONNRESET;
}

int qmp_init(struct qmp *qmp, int fd, void (*on_event)(const char *name, const json_t *data, void *user),
	     void *user)
{
	int r = fd_set_nonblocking(fd, true);

	*qmp = (struct qmp){.fd = fd, .on_event = on_event, .user = user};
	return r < 0 ? r : send_command(qmp, "qmp_capabilities", NULL, -1);
}

void qmp_release(struct qmp *qmp)
{
	buffer_release(&qmp->in);
}

/* Takes the next whole line. 1, 0 when there is none, -EPROTO. */
static int next_message(struct qmp *qmp, json_t **ret)
{
	for (;;) {
		uint8_t *data = buffer_bytes(&qmp->in);
		uint8_t *end = data ? memchr(data, '\n', buffer_size(&qmp->in)) : NULL;
		size_t size;

		if (!end)
			return buffer_size(&qmp->in) > QMP_LINE_MAX ? -EPROTO : 0;
		size = (size_t)(end - data);
		*ret = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
		buffer_consume(&qmp->in, size + 1);
		if (json_is_object(*ret))
			return 1;
		json_decref(steal_ptr(*ret));
		return -EPROTO;
	}
}

static int fill(struct qmp *qmp)
{
	uint8_t *room = buffer_reserve(&qmp->in, 4096);
	ssize_t n = recv(qmp->fd, room, 4096, MSG_DONTWAIT);

	if (n > 0) {
		buffer_commit(&qmp->in, (size_t)n);
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	return -ECONNRESET;
}

static void tell_event(struct qmp *qmp, const json_t *message)
{
	const char *name = NULL;
	json_t *data = NULL;

	if (qmp->on_event && json_get_string(message, "event", &name) == 0 && name &&
	    json_get_object(message, "data", &data) == 0)
		qmp->on_event(name, data, qmp->user);
}

/* An answer that nobody waits for. */
static void tell_refusal(struct qmp *qmp, const json_t *message)
{
	json_t *error = NULL;

	if (qmp->on_event && json_get_object(message, "error", &error) == 0 && error)
		qmp->on_event(QMP_REFUSED, error, qmp->user);
}

/* Handles messages until the answer to id comes (1, *ret_answer), or there are no more (0), or -errno. */
static int drain(struct qmp *qmp, int64_t id, json_t **ret_answer)
{
	for (;;) {
		_json_ json_t *message = NULL;
		int64_t of = 0;
		int r = next_message(qmp, &message);

		if (r <= 0)
			return r;
		tell_event(qmp, message);
		qmp->answered = qmp->answered || json_object_get(message, "return");
		if (id && json_get_int(message, "id", &of) == 0 && of == id) {
			*ret_answer = steal_ptr(message);
			return 1;
		}
		tell_refusal(qmp, message);
	}
}

int qmp_process(struct qmp *qmp)
{
	int r = 0;

	/* A QEMU that talks without end must not keep its owner from other work. */
	for (int i = 0; r == 0 && i < READS_AT_ONCE; i++) {
		r = fill(qmp);
		int drained = drain(qmp, 0, NULL);

		if (drained < 0)
			return drained;
	}
	return r == -EAGAIN ? 0 : r;
}

int qmp_post(struct qmp *qmp, const char *command, json_t *arguments)
{
	return send_command(qmp, command, arguments, -1);
}

int qmp_post_with(struct qmp *qmp, const char *command, json_t *arguments, int fd)
{
	return send_command(qmp, command, arguments, fd);
}

/* Locking is the one switch with a third word. */
static json_t *option_value(const char *key, const char *text)
{
	if (str_equal(key, "locking"))
		return json_string(text);
	if (str_equal(text, "on") || str_equal(text, "off"))
		return json_boolean(str_equal(text, "on"));
	return *text && strspn(text, "0123456789") == strlen(text)
		       ? json_integer((json_int_t)strtoull(text, NULL, 10))
		       : json_string(text);
}

json_t *qmp_options(const char *text)
{
	_strv_ struct strv options = strv_split(text, ',');
	json_t *all = json_object();
	char *option;

	strv_foreach (&options, i, option) {
		char *value = strchr(option, '='), *dot, *key = option;
		json_t *object = all;

		if (!value)
			continue;
		*value++ = '\0';
		for (; (dot = strchr(key, '.')); key = dot + 1) {
			json_t *inner;

			*dot = '\0';
			inner = json_object_get(object, key);
			if (!inner)
				json_object_set_new(object, key, inner = json_object());
			object = inner;
		}
		json_object_set_new(object, key, option_value(key, value));
	}
	return all;
}

static int judge(const json_t *answer, const char *command, json_t **ret_value, struct cor_error *err)
{
	const char *text = "no reason";
	json_t *error = NULL, *value = NULL;

	if (json_get_object(answer, "error", &error) == 0 && !error) {
		if (ret_value && (json_get_object(answer, "return", &value) < 0 || !value))
			return cor_fail(err, COR_CORRUPT, EPROTO, "QEMU's answer to %s holds nothing",
					command);
		if (ret_value)
			*ret_value = json_incref(value);
		return 0;
	}
	if (error)
		json_get_string(error, "desc", &text);
	return cor_fail(err, COR_INTERNAL, EIO, "QEMU refuses %s: %s", command, text);
}

/* Waits for the answer to the last command. */
static int await_answer(struct qmp *qmp, const char *command, json_t **ret_value, int timeout_ms,
			struct cor_error *err)
{
	uint64_t deadline = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
	int r = 0;

	while (r == 0) {
		_json_ json_t *answer = NULL;
		struct pollfd ready = {.fd = qmp->fd, .events = POLLIN};
		uint64_t now = clock_monotonic_ns();

		r = drain(qmp, qmp->last_id, &answer);
		if (r > 0)
			return judge(answer, command, ret_value, err);
		if (r < 0)
			break;
		if (now >= deadline || poll(&ready, 1, (int)((deadline - now) / 1000000) + 1) == 0)
			return cor_fail(err, COR_TIMEOUT, ETIMEDOUT, "QEMU does not answer %s", command);
		r = fill(qmp);
		if (r == -EAGAIN)
			r = 0;
	}
	return cor_fail(err, COR_UNAVAILABLE, r, "QEMU has gone");
}

int qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, json_t **ret_value, int timeout_ms,
		struct cor_error *err)
{
	int r = send_command(qmp, command, arguments, -1);

	return r < 0 ? cor_fail(err, COR_UNAVAILABLE, r, "QEMU has gone")
		     : await_answer(qmp, command, ret_value, timeout_ms, err);
}

int qmp_give(struct qmp *qmp, const char *name, int fd, int timeout_ms, struct cor_error *err)
{
	_json_ json_t *arguments = json_pack("{s:s}", "fdname", name);
	int r = send_command(qmp, "getfd", arguments, fd);

	return r < 0 ? cor_fail(err, COR_UNAVAILABLE, r, "QEMU has gone")
		     : await_answer(qmp, "getfd", NULL, timeout_ms, err);
}
