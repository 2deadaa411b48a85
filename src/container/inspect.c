/* SPDX-License-Identifier: Apache-2.0 */
/* What scripts that know `docker inspect` look for, under the same names; what is ours stands in "Machine". */
#include "container/inspect.h"

#include "base/clock.h"
#include "container/ports.h"
#include "container/signal_name.h"

#define NETWORKS_JSON_MAX 65536u
/* How Docker writes "never". */
#define NO_TIME "0001-01-01T00:00:00Z"

static json_t *time_json(int64_t ns)
{
	char text[CLOCK_RFC3339_SIZE];

	return json_string(ns ? clock_format(ns, text) : NO_TIME);
}

static json_t *state_json(const struct container_state *state)
{
	static const char *const words[] = {
		[COR_CREATED] = "created", [COR_RUNNING] = "running", [COR_EXITED] = "exited"};

	return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:i, s:o, s:o, s:o, s:b, s:b}", "Status",
			 words[state->status], "Running", state->status == COR_RUNNING, "Paused", 0,
			 "Restarting", 0, "OOMKilled", (int)state->exit.out_of_memory, "Dead", 0, "ExitCode",
			 state->exit.code, "Error", json_string(state->exit.reason) ?: json_string(""),
			 "StartedAt", time_json(state->started_ns), "FinishedAt",
			 time_json(state->finished_ns), "FromTemplate", (int)state->saved, "FromPool",
			 (int)state->pooled);
}

json_t *inspect_labels(const struct strv *labels)
{
	json_t *object = json_object();
	const char *label;

	strv_foreach (labels, i, label) {
		size_t length = strcspn(label, "=");
		_free_ char *key = xstrndup(label, length);

		json_object_set_new(object, key, json_string(label[length] ? label + length + 1 : ""));
	}
	return object;
}

/* A copy of a member, or null. */
static json_t *copy(const json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	return value ? json_incref(value) : json_null();
}

static json_t *exposed_json(const struct container_record *record)
{
	json_t *object = json_object();
	const char *text;

	strv_foreach (&record->exposed, i, text)
		json_object_set_new(object, text, json_object());
	return object;
}

static json_t *config_json(const struct container_record *record, const json_t *config)
{
	const json_t *process = json_object_get(config, "process");
	const char *name = signal_name(record->stop_signal);
	json_t *stop = name ? json_string(name) : json_sprintf("%d", record->stop_signal);

	return json_pack("{s:o, s:o, s:b, s:b, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:i}", "Hostname",
			 copy(config, "hostname"), "User", copy(json_object_get(process, "user"), "username"),
			 "Tty", (int)record->terminal, "OpenStdin", (int)record->interactive, "Env",
			 copy(process, "env"), "Cmd", json_from_strv(&record->args), "Image", record->image,
			 "WorkingDir", copy(process, "cwd"), "Labels", inspect_labels(&record->labels),
			 "ExposedPorts", exposed_json(record), "StopSignal", stop, "StopTimeout",
			 record->stop_timeout_s);
}

static json_t *machine_json(const struct machine_config *machine)
{
	return json_pack("{s:i, s:I, s:s?, s:o, s:s?, s:s?, s:b}", "Cpus", (int)machine->cpus, "Memory",
			 (json_int_t)machine->memory, "Kernel", machine->kernel, "KernelArgs",
			 json_from_strv(&machine->kernel_args), "Init", machine->initramfs, "Accelerator",
			 machine->accelerator, "Virtualization", (int)machine->virtualization);
}

static json_t *host_json(const struct container_record *record, const json_t *config)
{
	json_t *capabilities = json_object_get(json_object_get(config, "process"), "capabilities");

	return json_pack("{s:s, s:o, s:b, s:I, s:I, s:b, s:b, s:o}", "NetworkMode",
			 record->networks.count ? record->networks.items[0] : "none", "PortBindings",
			 ports_json(&record->publish, NULL), "AutoRemove", (int)record->auto_remove, "Memory",
			 (json_int_t)record->machine.memory, "NanoCpus",
			 (json_int_t)record->machine.nano_cpus, "ReadonlyRootfs",
			 json_is_true(json_object_get(json_object_get(config, "root"), "readonly")), "Init",
			 (int)record->reaper, "Capabilities", copy(capabilities, "bounding"));
}

static json_t *bind_json(const char *source, const char *target, bool read_only)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "Type", "bind", "Source", source, "Destination",
			 target, "Mode", read_only ? "ro" : "", "RW", !read_only, "Propagation", "rprivate");
}

static bool is_volume(const struct container_record *record, const char *target)
{
	for (size_t i = 0; i < record->volume_count; i++)
		if (str_equal(record->volumes[i].target, target))
			return true;
	return false;
}

static void add_shares(json_t *list, const struct container_record *record)
{
	const struct container_shares *shares = &record->shares;

	for (size_t i = 0; i < shares->count; i++)
		if (!is_volume(record, shares->items[i].container))
			json_array_append_new(list,
					      bind_json(shares->items[i].host, shares->items[i].container,
							shares->items[i].read_only));
}

/* Sockets that are relayed are to those inside what a bind would be. */
static void add_sockets(json_t *list, const struct container_sockets *sockets)
{
	for (size_t i = 0; i < sockets->count; i++) {
		const struct container_socket *socket = &sockets->items[i];

		if (socket->kind != SOCKET_PUBLISHED)
			json_array_append_new(list, bind_json(socket->host ?: "$" SOCKET_AGENT_ENV,
							      socket->container, socket->read_only));
	}
}

static json_t *mounts_json(const struct roots *roots, const struct container_record *record)
{
	json_t *list = json_array();

	for (size_t i = 0; i < record->volume_count; i++) {
		const struct volume_use *use = &record->volumes[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:b, s:s}", "Type",
						      "volume", "Name", use->name, "Source",
						      json_sprintf("%s/volumes/%s/%s", roots->data, use->name,
								   use->shared ? "data" : "disk"),
						      "Destination", use->target, "Driver", "local", "Mode",
						      use->read_only ? "ro" : "", "RW", !use->read_only,
						      "Propagation", ""));
	}
	add_shares(list, record);
	add_sockets(list, &record->sockets);
	return list;
}

static json_t *published_json(const struct container_sockets *sockets)
{
	json_t *published = json_array();

	for (size_t i = 0; i < sockets->count; i++)
		if (sockets->items[i].kind == SOCKET_PUBLISHED)
			json_array_append_new(published,
					      json_pack("{s:s, s:s}", "Host", sockets->items[i].host,
							"Container", sockets->items[i].container));
	return published;
}

json_t *inspect_networks(const struct roots *roots, const struct container_record *record,
			 const struct container_state *state)
{
	_free_ char *path = str_format("c/%.12s/network.json", record->id);
	json_t *networks = NULL;

	if (state->status != COR_RUNNING ||
	    json_read_file(roots->run_fd, path, NETWORKS_JSON_MAX, &networks, NULL) < 0)
		networks = json_object();
	return networks;
}

json_t *inspect_document(const struct roots *roots, const struct container_record *record,
			 const struct container_state *state, const json_t *config)
{
	json_t *args = json_from_strv(&record->args), *document;
	_publish_list_ struct publish_list held = {0};

	json_array_remove(args, 0);
	ports_held(roots, record, state, &held);
	document = json_pack("{s:s, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "Id",
			     record->id, "Created", time_json(record->created_ns), "Path",
			     record->args.count ? record->args.items[0] : "", "Args", args, "State",
			     state_json(state), "Image", record->image_id, "Name",
			     json_sprintf("/%s", record->name), "Config", config_json(record, config),
			     "HostConfig", host_json(record, config), "Machine",
			     machine_json(&record->machine), "Mounts", mounts_json(roots, record),
			     "PublishedSockets", published_json(&record->sockets), "NetworkSettings",
			     json_pack("{s:o, s:o}", "Networks", inspect_networks(roots, record, state),
				       "Ports", ports_json(&held, &record->exposed)),
			     "LogPath", json_sprintf("%s/containers/%s/log", roots->data, record->id));
	return document;
}
