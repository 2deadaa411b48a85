/* SPDX-License-Identifier: Apache-2.0 */
/* How a client's call begins, and the deadline that either side may give it. */
#include "rpc/internal.h"

#include "base/str.h"

#include <errno.h>

static void on_deadline(uv_timer_t *timer)
{
	call_abort(timer->data, COR_TIMEOUT, ETIMEDOUT, "no answer before the deadline");
}

void rpc_call_deadline(struct rpc_call *call, uint64_t timeout_ms)
{
	if (timeout_ms == RPC_NO_DEADLINE) {
		if (call->timer)
			uv_timer_stop(call->timer);
		return;
	}
	if (!call->timer) {
		call->timer = xcalloc(1, sizeof(*call->timer));
		uv_timer_init(call->conn->loop, call->timer);
		call->timer->data = call;
	}
	uv_update_time(call->conn->loop);
	uv_timer_start(call->timer, on_deadline, timeout_ms, 0);
}

int rpc_call_begin(struct rpc_conn *conn, const char *path, const struct rpc_call_options *options,
		   const struct rpc_call_events *events, void *user, struct rpc_call **ret,
		   struct cor_error *err)
{
	uint64_t timeout_ms = options ? options->timeout_ms : RPC_NO_DEADLINE;
	const char *authority = conn->client_options.authority ? conn->client_options.authority : "localhost";
	nghttp2_data_provider provider = {.read_callback = call_read_queue};
	char timeout[24];
	nghttp2_nv headers[] = {
		HTTP2_FIELD(":method", "POST"),       HTTP2_FIELD(":scheme", "http"),
		HTTP2_FIELD(":path", path),           HTTP2_FIELD(":authority", authority),
		HTTP2_FIELD("te", "trailers"),        HTTP2_FIELD("content-type", "application/grpc"),
		HTTP2_FIELD("user-agent", "coracle"), HTTP2_FIELD("grpc-timeout", ""),
	};
	size_t count = ARRAY_SIZE(headers);
	struct rpc_call *call;
	int32_t stream;

	if (conn->broken || conn->released)
		return cor_fail(err, COR_UNAVAILABLE, ENOTCONN, "%s",
				conn->broken ? conn->reason.msg : "the connection was closed");
	/* The header holds at most 8 digits (PROTOCOL-HTTP2.md, Timeout). */
	if (timeout_ms > 99999999)
		timeout_ms = 99999999;
	snprintf(timeout, sizeof(timeout), "%llum", (unsigned long long)timeout_ms);
	headers[count - 1] = (nghttp2_nv)HTTP2_FIELD("grpc-timeout", timeout);
	if (timeout_ms == RPC_NO_DEADLINE)
		count--;
	call = call_new(conn, 0);
	stream = nghttp2_submit_request(conn->session, NULL, headers, count, &provider, call);
	if (stream < 0) {
		call_free(call);
		return cor_fail(err, COR_UNAVAILABLE, EIO, "%s: %s", path, nghttp2_strerror(stream));
	}
	call->stream = stream;
	call->events = *events;
	call->user = user;
	if (options && options->max_message)
		call->max_message = options->max_message;
	call->small = options && options->small;
	if (timeout_ms != RPC_NO_DEADLINE)
		rpc_call_deadline(call, timeout_ms);
	conn_schedule(conn);
	*ret = call;
	return 0;
}

uint64_t rpc_call_timeout_ms(const struct rpc_call *call)
{
	static const struct {
		char unit;
		uint64_t us;
	} units[] = {{'H', 3600000000}, {'M', 60000000}, {'S', 1000000}, {'m', 1000}, {'u', 1}, {'n', 0}};
	char *unit;
	uint64_t value = strtoull(call->timeout, &unit, 10);

	if (call->timeout[0] < '0' || call->timeout[0] > '9' || unit - call->timeout > 8)
		return RPC_NO_DEADLINE;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (*unit == units[i].unit)
			return MAX(value * units[i].us / 1000, (uint64_t)1);
	return RPC_NO_DEADLINE;
}
