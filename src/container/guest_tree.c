/* SPDX-License-Identifier: Apache-2.0 */
/* Blocking calls over a connection's loop: the loop turns while there is something to wait for. */
#include "container/guest_tree.h"

#include "agent.pb-c.h"
#include "base/clock.h"
#include "container/lock.h"
#include "container/store.h"
#include "copy/message.h"

#include <errno.h>
#include <poll.h>

#define AGENT(name)       "/coracle.agent.v1.Agent/" name
#define WAIT_MS           120000 /* for another who reaches the same files */
#define NAP_MS            20
#define REFUSALS_MAX      3
#define FREEZE_MS         15000
#define SILENCE_MS        300000 /* a guest writes what is in its memory before it says that all was written */
#define TAG_REQUEST_ITEMS 0x12   /* ReceiveTreeRequest.items */

/* ---- reaching the guest ---- */

static int end_machine(struct shim_client *client, struct cor_error *err)
{
	Coracle__Shim__V1__StopRequest request = CORACLE__SHIM__V1__STOP_REQUEST__INIT;

	return shim_call(client, SHIM_METHOD("Stop"), &request.base, &coracle__shim__v1__empty__descriptor,
			 SHIM_START_MS, NULL, err);
}

static int start_machine(struct guest_tree *tree, struct cor_error *err)
{
	Coracle__Shim__V1__StartRequest request = CORACLE__SHIM__V1__START_REQUEST__INIT;
	int r = shim_spawn(tree->roots, tree->record.id, tree->disk_alone ? SHIM_DISK : SHIM_FILES,
			   &tree->client, err);

	r = r
		    ?: shim_call(tree->client, SHIM_METHOD("Start"), &request.base,
				 &coracle__shim__v1__start_response__descriptor, SHIM_START_MS, NULL, err);
	if (r < 0 && tree->client) {
		shim_client_free(tree->client);
		tree->client = NULL;
	}
	return r;
}

static int busy(const struct guest_tree *tree, struct cor_error *err)
{
	return cor_fail(err, COR_BUSY, EAGAIN,
			"container '%s' is busy: somebody else copies files into or out of it",
			tree->record.name);
}

/* -EAGAIN while somebody else reaches the container's files. */
static int reach(struct guest_tree *tree, struct cor_error *err)
{
	const char *id = tree->record.id;
	int r = container_is_locked(tree->roots, id);

	if (r < 0)
		return cor_fail_errno(err, r, "container '%s': lock", tree->record.name);
	if (r == 1 && container_lock_is_maintenance(tree->roots, id))
		return busy(tree, err);
	tree->running = r == 1;
	if (r == 1) {
		r = shim_connect(tree->roots, id, &tree->client, err);
		/* It signs its lock a moment after it took it, but before it listens; by now it may have ended. */
		if (container_is_locked(tree->roots, id) == 1 &&
		    !container_lock_is_maintenance(tree->roots, id))
			return r;
		shim_client_free(tree->client);
		tree->client = NULL;
		return busy(tree, err);
	}
	r = start_machine(tree, err);
	/* Somebody was faster, which the next look shows, or has a volume, which it does not. */
	return r < 0 && err->status == COR_BUSY && ++tree->refused < REFUSALS_MAX ? -EAGAIN : r;
}

int guest_tree_open(struct cor_context *ctx, const char *ref, bool disk_alone, struct guest_tree *tree,
		    struct cor_error *err)
{
	uint64_t until = clock_monotonic_ns() + WAIT_MS * UINT64_C(1000000);
	struct container_state state;
	struct cor_error own;
	char id[ID_SIZE];
	int r;

	*tree = (struct guest_tree){.roots = &ctx->roots, .disk_alone = disk_alone, .silence_ms = SILENCE_MS};
	err = err ? err : &own;
	r = container_find(&ctx->roots, ref, id, err);
	r = r ?: container_record_read(&ctx->roots, id, &tree->record, err);
	r = r ?: container_settle(&ctx->roots, &tree->record, &state, err);
	if (r < 0)
		return r;
	while ((r = reach(tree, err)) == -EAGAIN && clock_monotonic_ns() < until)
		poll(NULL, 0, NAP_MS);
	if (r < 0)
		return cor_context(err, r, "the files of '%s'", ref);
	guest_mailbox_open(&tree->mailbox, tree->client);
	return 0;
}

void guest_tree_release(struct guest_tree *tree)
{
	guest_mailbox_close(&tree->mailbox);
	shim_client_free(tree->client);
	tree->client = NULL;
	container_record_release(&tree->record);
}

int guest_tree_close(struct guest_tree *tree, struct cor_error *err)
{
	int r = tree->client && !tree->running ? end_machine(tree->client, err) : 0;

	if (r < 0)
		cor_context(err, r, "the files of '%s'", tree->record.name);
	guest_tree_release(tree);
	return r;
}

/* ---- calls ---- */

/* A streaming call and how it ended. */
struct stream {
	struct rpc_call *call; /* NULL once it is over */
	bool done;
	struct cor_error status;
};

static int gone(const struct guest_tree *tree, struct cor_error *err)
{
	return cor_fail(err, COR_UNAVAILABLE, ECONNRESET, "the machine of '%s' ended", tree->record.name);
}

/* The words of who knows most. */
static int result(const struct guest_tree *tree, const struct cor_error *status, struct cor_error *err)
{
	if (status->status == COR_OK)
		return 0;
	if (status->status == COR_UNSUPPORTED)
		return cor_fail(err, COR_UNSUPPORTED, ENOSYS,
				"container '%s' was started by an older coracle, which cannot do this: start "
				"it again",
				tree->record.name);
	if (status->status == COR_UNAVAILABLE)
		return gone(tree, err);
	if (status->status == COR_TIMEOUT)
		return cor_fail(err, COR_TIMEOUT, ETIMEDOUT,
				"the guest of '%s' does not answer: its console is in `coracle logs --boot "
				"%s`, and `coracle rm -f %s` ends it",
				tree->record.name, tree->record.name, tree->record.name);
	if (err)
		*err = *status;
	return -(status->err ? status->err : EIO);
}

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)text, .len = strlen(text)};
}

int guest_tree_stat(struct guest_tree *tree, const char *path, struct guest_file *ret, struct cor_error *err)
{
	Coracle__Agent__V1__StatPathRequest request = CORACLE__AGENT__V1__STAT_PATH_REQUEST__INIT;
	Coracle__Agent__V1__TreeEntry *answer = NULL;
	struct cor_error status = {0};
	int r;

	request.container_id = tree->record.id;
	request.path = bytes_of(path);
	r = shim_call(tree->client, AGENT("StatPath"), &request.base,
		      &coracle__agent__v1__tree_entry__descriptor, SHIM_CALL_MS, (ProtobufCMessage **)&answer,
		      &status);
	if (r < 0)
		return result(tree, &status, err);
	*ret = (struct guest_file){.mode = answer->mode};
	if (answer->target.len && answer->target.len <= COPY_PATH_MAX &&
	    !memchr(answer->target.data, '\0', answer->target.len))
		ret->target = xstrndup((const char *)answer->target.data, answer->target.len);
	protobuf_c_message_free_unpacked(&answer->base, NULL);
	return 0;
}

/* ---- from the guest ---- */

struct receiving {
	struct guest_tree *tree;
	struct stream stream;
	struct copy_unpacker unpacker;
	struct cor_error failure; /* ours */
};

static int fetch(void *user, uint64_t offset, uint32_t place, size_t size, struct cor_error *err)
{
	Coracle__Agent__V1__SendTreeRequest request = CORACLE__AGENT__V1__SEND_TREE_REQUEST__INIT;
	struct receiving *receiving = user;
	int r = guest_mailbox_take(&receiving->tree->mailbox, place, size, offset, &receiving->unpacker.sink,
				   err);

	request.room = 1;
	if (r == 0)
		rpc_call_send_message(receiving->stream.call, &request.base);
	return r;
}

static void on_items(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	struct receiving *receiving = user;

	if (receiving->failure.status != COR_OK)
		return;
	if (copy_unpack(&receiving->unpacker, data, size, &receiving->failure) < 0)
		rpc_call_cancel(call);
	else
		/* From when the sink has taken it. */
		rpc_call_deadline(call, receiving->tree->silence_ms);
}

static void on_received(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct receiving *receiving = user;

	receiving->stream.done = true;
	receiving->stream.status = *status;
}

int guest_tree_receive(struct guest_tree *tree, const struct guest_request *wanted,
		       const struct copy_sink *sink, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = on_items, .on_end = on_received};
	struct receiving receiving = {.tree = tree, .unpacker.sink = *sink, .unpacker.user = &receiving};
	Coracle__Agent__V1__SendTreeRequest request = CORACLE__AGENT__V1__SEND_TREE_REQUEST__INIT;
	struct rpc_call_options options = {.timeout_ms = RPC_NO_DEADLINE, .max_message = COPY_MESSAGE_MAX};
	int r;

	if (tree->mailbox.bytes && !wanted->only_metadata)
		receiving.unpacker.fetch = fetch;
	request.container_id = tree->record.id;
	request.path = bytes_of(wanted->path);
	request.name = bytes_of(wanted->name);
	request.disk = wanted->disk;
	request.only_metadata = wanted->only_metadata;
	request.details = wanted->details;
	request.wanted = (ProtobufCBinaryData){.data = (uint8_t *)(uintptr_t)wanted->wanted,
					       .len = wanted->wanted_size};
	request.room = receiving.unpacker.fetch ? MAILBOX_SLOTS : 0;
	if (!tree->client->conn)
		return gone(tree, err);
	r = rpc_call_begin(tree->client->conn, AGENT("SendTree"), &options, &events, &receiving,
			   &receiving.stream.call, err);
	if (r < 0)
		return r;
	rpc_call_send_message(receiving.stream.call, &request.base);
	if (!request.room)
		rpc_call_half_close(receiving.stream.call);
	rpc_call_deadline(receiving.stream.call, tree->silence_ms);
	while (!receiving.stream.done)
		uv_run(&tree->client->loop, UV_RUN_ONCE);
	if (receiving.failure.status != COR_OK)
		return result(tree, &receiving.failure, err);
	return result(tree, &receiving.stream.status, err);
}

/* ---- to the guest ---- */

struct guest_sending {
	struct guest_tree *tree;
	struct stream stream;
	struct copy_packer packer;
	uint8_t *piece; /* of a file that goes in messages */
	uint64_t bytes;
};

static void on_written(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	const Coracle__Agent__V1__ReceiveTreeResponse *answer;
	struct guest_sending *sending = user;
	ProtobufCMessage *message =
		rpc_decode(&coracle__agent__v1__receive_tree_response__descriptor, data, size, NULL);

	if (!message)
		return;
	answer = (const void *)message;
	if (answer->room)
		guest_mailbox_add_room(&sending->tree->mailbox, answer->room);
	else
		sending->bytes = answer->bytes;
	protobuf_c_message_free_unpacked(message, NULL);
}

static void on_sent(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct guest_sending *sending = user;

	sending->stream.done = true;
	sending->stream.call = NULL;
	sending->stream.status = *status;
}

/* The loop turns at least once for each message, so that an early end is heard. Whoever reads the files may have taken his time since the last one. */
static void wait_for_room(struct guest_sending *sending)
{
	size_t before = SIZE_MAX;

	if (sending->stream.done)
		return;
	rpc_call_deadline(sending->stream.call, sending->tree->silence_ms);
	uv_run(&sending->tree->client->loop, UV_RUN_NOWAIT);
	while (!sending->stream.done) {
		size_t queued = rpc_call_queued(sending->stream.call);

		if (queued <= RPC_HIGH_WATER)
			return;
		if (queued < before)
			rpc_call_deadline(sending->stream.call, sending->tree->silence_ms);
		before = queued;
		uv_run(&sending->tree->client->loop, UV_RUN_ONCE);
	}
}

static int send_items(void *user, const void *head, size_t head_size, const void *body, size_t body_size,
		      struct cor_error *err)
{
	struct guest_sending *sending = user;
	uint8_t start[16 + COPY_HEAD_MAX] = {TAG_REQUEST_ITEMS};
	size_t n = 1 + copy_put_number(start + 1, head_size + body_size);

	if (!sending->stream.done && body_size) {
		memcpy(start + n, head, head_size);
		rpc_call_send_parts(sending->stream.call, start, n + head_size, body, body_size);
	} else if (!sending->stream.done) {
		rpc_call_send_parts(sending->stream.call, start, n, head, head_size);
	}
	wait_for_room(sending);
	if (!sending->stream.done)
		return 0;
	return result(sending->tree, &sending->stream.status, err) ?: gone(sending->tree, err);
}

static int send_range(void *user, const void *head, size_t head_size, int fd, uint64_t offset, size_t size,
		      struct cor_error *err)
{
	struct guest_sending *sending = user;

	if (!sending->piece)
		sending->piece = xmalloc(COPY_PIECE_MAX);
	return guest_mailbox_read(fd, sending->piece, size, offset, err)
		       ?: send_items(user, head, head_size, sending->piece, size, err);
}

/* Until the guest has said that it has the mailbox too, messages go on their way. Whoever reads the files may have taken his time: the guest's begins now. */
static int leave(void *user, int fd, uint64_t offset, const void *data, size_t size, uint32_t *ret_place,
		 struct cor_error *err)
{
	struct guest_sending *sending = user;
	struct guest_mailbox *mailbox = &sending->tree->mailbox;

	if (!mailbox->bytes || (!mailbox->room && !mailbox->pieces))
		return 0;
	if (!sending->stream.done)
		rpc_call_deadline(sending->stream.call, sending->tree->silence_ms);
	while (!mailbox->room && !sending->stream.done)
		uv_run(&sending->tree->client->loop, UV_RUN_ONCE);
	if (sending->stream.done)
		return result(sending->tree, &sending->stream.status, err) ?: gone(sending->tree, err);
	return guest_mailbox_put(mailbox, fd, offset, data, size, ret_place, err) ?: 1;
}

int guest_tree_send(struct guest_tree *tree, const char *path, bool keep_owners, struct guest_sending **ret,
		    struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = on_written, .on_end = on_sent};
	Coracle__Agent__V1__ReceiveTreeRequest request = CORACLE__AGENT__V1__RECEIVE_TREE_REQUEST__INIT;
	Coracle__Agent__V1__ReceiveTreeOpen open = CORACLE__AGENT__V1__RECEIVE_TREE_OPEN__INIT;
	_cleanup_(guest_sending_freep) struct guest_sending *sending = xcalloc(1, sizeof(*sending));
	int r;

	sending->tree = tree;
	guest_mailbox_begin(&tree->mailbox);
	sending->packer = (struct copy_packer){
		.send = send_items, .send_range = send_range, .leave = leave, .user = sending};
	if (!tree->client->conn)
		return gone(tree, err);
	r = rpc_call_begin(tree->client->conn, AGENT("ReceiveTree"), NULL, &events, sending,
			   &sending->stream.call, err);
	if (r < 0)
		return r;
	open.container_id = tree->record.id;
	open.path = bytes_of(path);
	open.keep_owners = keep_owners;
	open.mailbox = tree->mailbox.bytes != NULL;
	request.kind_case = CORACLE__AGENT__V1__RECEIVE_TREE_REQUEST__KIND_OPEN;
	request.open = &open;
	rpc_call_send_message(sending->stream.call, &request.base);
	*ret = steal_ptr(sending);
	return 0;
}

struct copy_sink guest_sending_sink(struct guest_sending *sending)
{
	return copy_packer_sink(&sending->packer);
}

int guest_sending_end(struct guest_sending *sending, uint64_t *ret_bytes, struct cor_error *err)
{
	int r = copy_packer_flush(&sending->packer, err);

	if (r < 0)
		return r;
	if (!sending->stream.done) {
		rpc_call_half_close(sending->stream.call);
		rpc_call_deadline(sending->stream.call, sending->tree->silence_ms);
	}
	while (!sending->stream.done)
		uv_run(&sending->tree->client->loop, UV_RUN_ONCE);
	*ret_bytes = sending->bytes;
	return result(sending->tree, &sending->stream.status, err);
}

static void on_nothing(struct rpc_call *call, const struct cor_error *status, void *user)
{
}

void guest_sending_free(struct guest_sending *sending)
{
	static const struct rpc_call_events nobody = {.on_end = on_nothing};

	if (!sending)
		return;
	if (sending->stream.call) {
		rpc_call_listen(sending->stream.call, &nobody, NULL);
		rpc_call_cancel(sending->stream.call);
	}
	copy_packer_release(&sending->packer);
	free(sending->piece);
	free(sending);
}

/* ---- freezing ---- */

static void on_frozen(struct rpc_call *call, const uint8_t *data, size_t size, void *user)
{
	((struct guest_tree *)user)->unfroze = (struct cor_error){0};
}

static void on_thawed(struct rpc_call *call, const struct cor_error *status, void *user)
{
	struct guest_tree *tree = user;

	tree->freeze = NULL;
	tree->unfroze = *status;
}

int guest_tree_freeze(struct guest_tree *tree, struct cor_error *err)
{
	static const struct rpc_call_events events = {.on_message = on_frozen, .on_end = on_thawed};
	Coracle__Agent__V1__ContainerRef request = CORACLE__AGENT__V1__CONTAINER_REF__INIT;
	int r;

	if (!tree->running)
		return 0;
	if (!tree->client->conn)
		return gone(tree, err);
	r = rpc_call_begin(tree->client->conn, AGENT("FreezeContainer"), NULL, &events, tree, &tree->freeze,
			   err);
	if (r < 0)
		return r;
	request.container_id = tree->record.id;
	cor_fail(&tree->unfroze, COR_BUSY, EBUSY, "not yet");
	rpc_call_send_message(tree->freeze, &request.base);
	rpc_call_half_close(tree->freeze);
	rpc_call_deadline(tree->freeze, FREEZE_MS);
	while (tree->freeze && tree->unfroze.status != COR_OK)
		uv_run(&tree->client->loop, UV_RUN_ONCE);
	if (!tree->freeze)
		return result(tree, &tree->unfroze, err);
	rpc_call_deadline(tree->freeze, RPC_NO_DEADLINE);
	return 0;
}

int guest_tree_thaw(struct guest_tree *tree, struct cor_error *err)
{
	bool held = tree->freeze != NULL;

	if (!tree->running)
		return 0;
	if (held)
		rpc_call_cancel(tree->freeze);
	while (tree->freeze)
		uv_run(&tree->client->loop, UV_RUN_ONCE);
	return held ? 0 : result(tree, &tree->unfroze, err) ?: gone(tree, err);
}
