/* SPDX-License-Identifier: Apache-2.0 */
/* From a guest that answered to a running process: Hello, entropy and time, the bundle as it is, the process; on Start its streams, then the process itself.
 * Entropy, time and the container are independent of each other and asked for at once; all the rest goes step by step. */
#include "shim/shim.h"

#include "base/clock.h"
#include "base/file.h"
#include "oci/runtime_spec.h"
#include "shim/hub.h"
#include "shim/publish.h"
#include "shim/ready.h"
#include "shim/sockets.h"

#include <dirent.h>
#include <errno.h>
#include <sys/random.h>
#include <sys/stat.h>

#define SECCOMP_MAX (1u << 18)
#define FILE_LIMIT  (1u << 20)
#define FILES_MAX   64u
#define PROTOCOL    1u
#define HELLO_MAX   4096u

typedef void (*answer_fn)(const ProtobufCMessage *response, const struct cor_error *status, void *user);

/* Over a broken line nothing is asked: the machine's end is heard in a moment. */
static void ask(struct shim *shim, const char *path, const ProtobufCMessage *request,
		const ProtobufCMessageDescriptor *type, answer_fn done)
{
	struct cor_error err;

	if (rpc_conn_alive(shim->guest) &&
	    rpc_call_unary(shim->guest, path, request, type, CALL_TIMEOUT_MS, done, shim, &err) < 0)
		shim_fail(shim, &err);
}

/* And not the container's, for which another machine would have the same answer. */
static bool is_machines_fault(enum cor_status status)
{
	return status == COR_TIMEOUT || status == COR_UNAVAILABLE || status == COR_INTERNAL ||
	       status == COR_CORRUPT;
}

/* Answers that come after the end has begun do not count; failures begin it. */
bool went_well(struct shim *shim, const struct cor_error *status, const char *what)
{
	struct cor_error err = *status;

	if (shim->stage >= ENDING)
		return false;
	if (status->status == COR_OK)
		return true;
	/* A broken line is the machine's death, of which more is known in a moment. */
	if (!rpc_conn_alive(shim->guest))
		return false;
	explain_silence(shim, &err);
	if (what)
		cor_context(&err, 0, "%s", what);
	if (shim->from_pool && shim->stage == BOOTING && is_machines_fault(status->status))
		boot_instead(shim, &err);
	else
		shim_fail(shim, &err);
	return false;
}

/* ---- the process ---- */

static void on_process(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	struct shim *shim = user;

	if (!went_well(shim, status, NULL))
		return;
	shim->process_pid = ((const Coracle__Agent__V1__CreateProcessResponse *)response)->pid;
	shim_time(shim, "guest", "process made");
	shim->stage = READY;
	if (!shim->unclaimed)
		uv_timer_stop(&shim->boot_timer);
	if (shim->starts.count || shim->unclaimed)
		guest_start(shim);
}

static void create_process(struct shim *shim)
{
	Coracle__Agent__V1__CreateProcessRequest request = CORACLE__AGENT__V1__CREATE_PROCESS_REQUEST__INIT;

	request.container_id = shim->id;
	request.process_id = (char[]){FIRST_PROCESS};
	request.stdin = shim->record.interactive;
	request.reaper = shim->record.reaper;
	if (shim->record.terminal && shim->window.rows)
		request.window = &shim->window;
	ask(shim, AGENT("CreateProcess"), &request.base,
	    &coracle__agent__v1__create_process_response__descriptor, on_process);
}

/* ---- the container ---- */

void prepared(struct shim *shim)
{
	if (--shim->preparing)
		return;
	if (!shim->maintenance || shim->unclaimed) {
		create_process(shim);
		return;
	}
	shim->stage = READY;
	service_answer_starts(shim);
}

static void on_entropy(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	if (went_well(user, status, "give the guest entropy"))
		prepared(user);
}

static void on_time(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	if (went_well(user, status, "set the guest's clock"))
		prepared(user);
}

static void on_container(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	if (!went_well(user, status, NULL))
		return;
	shim_time(user, "guest", "container made");
	volumes_prepare(user);
	shares_mount(user);
	sockets_listen(user, prepared);
}

/* The bundle as CreateContainer takes it. */
struct bundle_files {
	char *config, *seccomp;
	size_t config_size, seccomp_size;
	Coracle__Agent__V1__GuestFile *files[FILES_MAX];
	size_t count;
};

static void bundle_files_release(struct bundle_files *bundle)
{
	free(bundle->config);
	free(bundle->seccomp);
	for (size_t i = 0; i < bundle->count; i++)
		coracle__agent__v1__guest_file__free_unpacked(bundle->files[i], NULL);
}

static int read_file_entry(const struct shim *shim, struct bundle_files *bundle, int dir, const char *name,
			   struct cor_error *err)
{
	Coracle__Agent__V1__GuestFile *file;
	struct stat st;
	_free_ char *data = NULL;
	size_t size = 0;
	int r = file_read(dir, name, FILE_LIMIT, &data, &size);

	if (r < 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return cor_fail_errno(err, r < 0 ? r : errno, "the container's file '%s'", name);
	if (bundle->count == FILES_MAX)
		return cor_fail(err, COR_INVALID, E2BIG, "the container has more than %u files", FILES_MAX);
	network_amend_file(shim, name, &data, &size);
	file = xcalloc(1, sizeof(*file));
	coracle__agent__v1__guest_file__init(file);
	file->name = xstrdup(name);
	file->content = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)steal_ptr(data)};
	file->mode = st.st_mode & 0777;
	bundle->files[bundle->count++] = file;
	return 0;
}

static int read_files(const struct shim *shim, struct bundle_files *bundle, struct cor_error *err)
{
	int fd = openat(shim->data_dir, "files", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), r = 0;
	_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return cor_fail_errno(err, errno, "the container's folder 'files'");
	while (r == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			r = read_file_entry(shim, bundle, fd, entry->d_name, err);
	return r;
}

static int read_bundle(struct shim *shim, struct bundle_files *bundle, struct cor_error *err)
{
	int r = file_read(shim->data_dir, "config.json", OCI_CONFIG_MAX, &bundle->config,
			  &bundle->config_size);

	if (r < 0)
		return cor_fail_errno(err, r, "the container's config.json");
	r = file_read(shim->data_dir, "seccomp.bpf", SECCOMP_MAX, &bundle->seccomp, &bundle->seccomp_size);
	if (r < 0 && r != -ENOENT)
		return cor_fail_errno(err, r, "the container's seccomp filter");
	return read_files(shim, bundle, err);
}

static void create_container(struct shim *shim)
{
	Coracle__Agent__V1__CreateContainerRequest request =
		CORACLE__AGENT__V1__CREATE_CONTAINER_REQUEST__INIT;
	Coracle__Agent__V1__Filesystem root = CORACLE__AGENT__V1__FILESYSTEM__INIT;
	_cleanup_(bundle_files_release) struct bundle_files bundle = {0};
	char *read_only[] = {(char[]){"ro"}}, *writable[] = {(char[]){"discard"}};
	struct cor_error err = {0};

	if (read_bundle(shim, &bundle, &err) < 0 ||
	    disks_root_capacity(shim, &request.root_capacity, &err) < 0) {
		shim_fail(shim, &err);
		return;
	}
	root.source = (char[]){"disk:root"};
	root.type = (char[]){"ext4"};
	root.options = shim->record.read_only ? read_only : writable;
	root.n_options = 1;
	request.container_id = shim->id;
	request.config_json =
		(ProtobufCBinaryData){.len = bundle.config_size, .data = (uint8_t *)bundle.config};
	request.seccomp_bpf =
		(ProtobufCBinaryData){.len = bundle.seccomp_size, .data = (uint8_t *)bundle.seccomp};
	request.root = &root;
	request.files = bundle.files;
	request.n_files = bundle.count;
	shim->preparing++;
	ask(shim, AGENT("CreateContainer"), &request.base, &coracle__agent__v1__empty__descriptor,
	    on_container);
}

static void add_entropy(struct shim *shim)
{
	Coracle__Agent__V1__AddEntropyRequest request = CORACLE__AGENT__V1__ADD_ENTROPY_REQUEST__INIT;
	uint8_t bytes[64] = {0};

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		log_warning("no random bytes for the guest");
	request.data = (ProtobufCBinaryData){.len = sizeof(bytes), .data = bytes};
	shim->preparing++;
	ask(shim, AGENT("AddEntropy"), &request.base, &coracle__agent__v1__empty__descriptor, on_entropy);
}

static void set_time(struct shim *shim)
{
	Coracle__Agent__V1__SetTimeRequest request = CORACLE__AGENT__V1__SET_TIME_REQUEST__INIT;

	request.realtime_ns = clock_realtime_ns();
	shim->preparing++;
	ask(shim, AGENT("SetTime"), &request.base, &coracle__agent__v1__empty__descriptor, on_time);
}

static void on_network(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	if (went_well(user, status, "configure the guest's network"))
		prepared(user);
}

static void configure_network(struct shim *shim)
{
	struct network_message *message = shim->port_count ? network_message_new(shim) : NULL;

	if (!message)
		return;
	shim->preparing++;
	ask(shim, AGENT("ConfigureNetwork"), network_message_request(message),
	    &coracle__agent__v1__empty__descriptor, on_network);
	network_message_free(message);
}

static void on_hello(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	const Coracle__Agent__V1__HelloResponse *hello = (const void *)response;
	struct shim *shim = user;
	struct cor_error err;

	if (!went_well(shim, status, "Hello"))
		return;
	if (hello->protocol != PROTOCOL) {
		cor_fail(&err, COR_UNSUPPORTED, EPROTO, "the guest's init speaks protocol %u, not %u",
			 hello->protocol, PROTOCOL);
		shim_fail(shim, &err);
		return;
	}
	/* It is kept, and passed on to whoever asks for the state. */
	size_t size = protobuf_c_message_get_packed_size(response);
	if (size > HELLO_MAX) {
		cor_fail(&err, COR_CORRUPT, EMSGSIZE, "the guest's greeting has %zu bytes", size);
		shim_fail(shim, &err);
		return;
	}
	/* The response is borrowed; a copy goes the way that protobuf-c has. */
	_free_ uint8_t *packed = xmalloc(size);
	protobuf_c_message_pack(response, packed);
	shim->hello = coracle__agent__v1__hello_response__unpack(NULL, size, packed);
	if (shim->unclaimed)
		ready_answered(shim);
	else
		guest_begin(shim);
}

void guest_begin(struct shim *shim)
{
	void (*const steps[])(struct shim * shim) = {add_entropy, set_time, configure_network,
						     create_container};

	for (size_t i = 0; i < ARRAY_SIZE(steps) && shim->stage == BOOTING && shim->guest; i++)
		steps[i](shim);
}

bool guest_knows(const struct shim *shim, const char *feature)
{
	for (size_t i = 0; shim->hello && i < shim->hello->n_features; i++)
		if (str_equal(shim->hello->features[i], feature))
			return true;
	return false;
}

void guest_prepare(struct shim *shim)
{
	Coracle__Agent__V1__HelloRequest request = CORACLE__AGENT__V1__HELLO_REQUEST__INIT;

	request.protocol = PROTOCOL;
	request.client = (char[]){"coracle-shim " CORACLE_VERSION};
	ask(shim, AGENT("Hello"), &request.base, &coracle__agent__v1__hello_response__descriptor, on_hello);
}

/* ---- starting ---- */

static void on_started(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	struct shim *shim = user;

	if (!went_well(shim, status, NULL) || shim->stage != STARTING)
		return;
	shim->started_ns = clock_realtime_ns();
	shim_time(shim, "guest", "process started");
	shim->stage = RUNNING;
	service_answer_starts(shim);
	hub_running(shim->hub);
	if (shim->unclaimed)
		return;
	publish_serve(shim);
	sockets_publish(shim);
	boot_count(shim);
	boot_save_shape(shim);
	ready_refill_soon(shim);
}

static void on_streams_open(struct shim *shim)
{
	Coracle__Agent__V1__ProcessRef request = CORACLE__AGENT__V1__PROCESS_REF__INIT;

	if (shim->stage != STARTING)
		return;
	request.container_id = shim->id;
	request.process_id = (char[]){FIRST_PROCESS};
	ask(shim, AGENT("StartProcess"), &request.base, &coracle__agent__v1__empty__descriptor, on_started);
}

void guest_start(struct shim *shim)
{
	struct cor_error err;

	shim->stage = STARTING;
	if (hub_open(shim->hub, on_streams_open, &err) < 0)
		shim_fail(shim, &err);
}
