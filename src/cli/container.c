/* SPDX-License-Identifier: Apache-2.0 */
/* From options to cor_container_options. Only form is checked here (numbers, sizes); what the words mean is libcoracle's. */
#include "cli/container.h"

#include "cli/report.h"
#include "cli/value.h"
#include "coracle/network.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option container_options[] = {
	{"name", '\0', "NAME", "a name for the container; one is made up otherwise"},
	{"rm", '\0', NULL, "remove the container when it has ended"},
	{"cidfile", '\0', "FILE", "write the container's id into a new file", .offer = OFFER_FILES},
	{"entrypoint", '\0', "PROGRAM",
	 "run this instead of the image's entry point, and drop the image's command"},
	{"hostname", 'h', "NAME", "the container's host name (default: its short id)"},
	{"init", '\0', NULL, "run a small init that reaps orphans and forwards signals"},
	{"label", 'l', "KEY[=VALUE]", "attach a label", .repeats = true},
	{"annotation", '\0', "KEY=VALUE", "attach an annotation to the OCI configuration", .repeats = true},
	{"read-only", '\0', NULL, "make the root file system read-only, by the device itself"},
	{"tmpfs", '\0', "PATH[:OPTIONS]", "mount a tmpfs", .repeats = true},
	{"shm-size", '\0', "SIZE", "size of /dev/shm (default 64m)"},
	{"stop-signal", '\0', "SIGNAL", "what asks the process to end (default: the image's, else SIGTERM)",
	 .offer = OFFER_SIGNALS},
	{"stop-timeout", '\0', "SECONDS",
	 "how long 'stop' waits before it kills; 0: not at all, -1: for ever (default 10)"},
	{0},
};
const struct option_group container_group = {"Container", container_options};

static const struct option resource_options[] = {
	{"cpus", 'c', "NUMBER", "virtual CPUs; 0.5 is one that may run half of the time"},
	{"memory", 'm', "SIZE", "memory of the machine, as 512m or 2g"},
	{"storage-size", '\0', "SIZE", "how much the container may write to its root file system, as 10g"},
	{"ulimit", '\0', "TYPE=SOFT[:HARD]", "set a resource limit", .repeats = true},
	{0},
};
const struct option_group resource_group = {"Resources", resource_options};

static const struct option security_options[] = {
	{"cap-add", '\0', "CAPABILITY", "add a capability, or ALL", .repeats = true},
	{"cap-drop", '\0', "CAPABILITY", "drop a capability, or ALL; what is added wins", .repeats = true},
	{"privileged", '\0', NULL,
	 "all capabilities, no masked paths, no seccomp profile; the machine still confines it"},
	{"security-opt", '\0', "OPTION", "one of no-new-privileges, seccomp=unconfined, seccomp=FILE",
	 .repeats = true},
	{"sysctl", '\0', "NAME=VALUE", "set a kernel parameter of the guest", .repeats = true},
	{0},
};
const struct option_group security_group = {"Security", security_options};

static const struct option data_options[] = {
	{"volume", 'v', "[SOURCE:]PATH[:ro]",
	 "mount the volume SOURCE at PATH, made where it is missing; without SOURCE an anonymous one. A "
	 "SOURCE that begins with / or . is a directory or file of the host (a missing one becomes a "
	 "directory), or a unix socket, to which connections are relayed",
	 .repeats = true},
	{"mount", '\0', "KEY=VALUE,...",
	 "the same in other words: type=volume|bind|tmpfs, source=, target=, readonly, volume-nocopy, "
	 "tmpfs-size=",
	 .repeats = true},
	{"publish-socket", '\0', "HOST:CONTAINER",
	 "make a socket at HOST that leads to the one at CONTAINER, while it runs", .repeats = true},
	{"ssh", '\0', NULL, "forward the agent that SSH_AUTH_SOCK names at each start"},
	{0},
};
const struct option_group data_group = {"Data", data_options};

static const struct option network_options[] = {
	{"network", '\0', "NAME[,OPTION...]",
	 "join a network; options are ip=, ip6=, mac=, mtu= and alias=; 'user' needs no root and has a way "
	 "out alone, "
	 "'none' a loopback (default: $CORACLE_NETWORK, or the first of 'default', 'user' and 'none' that "
	 "the host allows)",
	 .repeats = true},
	{"publish", 'p', "[[ADDRESS:]HOST:]PORT[/udp]",
	 "publish a port or a range of the container on the host; one that is free when HOST is left out",
	 .repeats = true},
	{"publish-all", 'P', NULL, "publish all that is exposed, on ports of the host that are free"},
	{"expose", '\0', "PORT[/udp]", "expose a port or a range, beside the image's own", .repeats = true},
	{"add-host", '\0', "NAME:ADDRESS", "add a line to /etc/hosts", .repeats = true},
	{"dns", '\0', "ADDRESS", "a name server", .repeats = true},
	{"dns-search", '\0', "DOMAIN", "a domain to search in", .repeats = true},
	{"dns-option", '\0', "OPTION", "an option of resolv.conf", .repeats = true},
	{"no-dns", '\0', NULL, "leave /etc/resolv.conf as the image has it"},
	{0},
};
const struct option_group network_group = {"Network", network_options};

static const struct option machine_options[] = {
	{"platform", '\0', "OS/ARCHITECTURE", "which of an image's platforms to take"},
	{"kernel", '\0', "FILE", "another guest kernel, an uncompressed vmlinux", .offer = OFFER_FILES},
	{"kernel-arg", '\0', "WORD", "add a word to the kernel's command line", .repeats = true},
	{"init-image", '\0', "FILE", "another initramfs", .offer = OFFER_FILES},
	{"accel", '\0', "NAME", "what runs the machine: auto, kvm or tcg; kvm never falls back",
	 .choices = "auto kvm tcg"},
	{"no-template", '\0', NULL, "boot the machine instead of going on from one that was saved"},
	{"virtualization", '\0', NULL, "offer hardware virtualization to the guest"},
	{0},
};
const struct option_group machine_group = {"Machine", machine_options};

static int fill_numbers(struct cor_container_options *options, const struct arguments *args,
			struct cor_error *err)
{
	const char *cpus = arguments_text(args, "cpus");
	int64_t timeout = 0;
	int r;

	if (cpus && value_cpus(cpus, &options->cpus) < 0)
		return report_usage(err, "--cpus '%s': must be a number such as 2 or 0.5", cpus);
	r = arguments_size(args, "memory", &options->memory, err);
	if (r == 0)
		r = arguments_size(args, "storage-size", &options->storage_size, err);
	if (r == 0)
		r = arguments_size(args, "shm-size", &options->shm_size, err);
	if (r == 0)
		r = arguments_number(args, "stop-timeout", -1, INT_MAX, &timeout, err);
	if (r < 0)
		return r;
	options->stop_timeout_s = (int)timeout;
	if (arguments_given(args, "stop-timeout") && timeout == 0)
		options->stop_timeout_s = COR_STOP_AT_ONCE;
	return 0;
}

static const char *const *list(const struct arguments *args, const char *option)
{
	return words_list(arguments_words(args, option));
}

int container_request_fill(struct container_request *request, const struct arguments *args,
			   struct cor_error *err)
{
	const struct words *labels = arguments_words(args, "label");
	const char *entrypoint = arguments_text(args, "entrypoint");
	static const char *const no_entrypoint[] = {NULL};
	int r;

	*request = (struct container_request){0};
	r = process_environment(args, &request->env, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < labels->count; i++)
		words_take(&request->labels,
			   text_format("%s%s", labels->items[i], strchr(labels->items[i], '=') ? "" : "="));
	if (entrypoint && *entrypoint)
		words_add(&request->entrypoint, entrypoint);
	request->options = (struct cor_container_options){
		.image = args->operands[0],
		.name = arguments_text(args, "name"),
		/* An empty one takes the image's away, as docker's hands know it. */
		.entrypoint = entrypoint && !*entrypoint ? no_entrypoint : words_list(&request->entrypoint),
		.hostname = arguments_text(args, "hostname"),
		.labels = words_list(&request->labels),
		.annotations = list(args, "annotation"),
		.cap_add = list(args, "cap-add"),
		.cap_drop = list(args, "cap-drop"),
		.security = list(args, "security-opt"),
		.ulimits = list(args, "ulimit"),
		.sysctls = list(args, "sysctl"),
		.tmpfs = list(args, "tmpfs"),
		.add_hosts = list(args, "add-host"),
		.dns = list(args, "dns"),
		.dns_search = list(args, "dns-search"),
		.dns_options = list(args, "dns-option"),
		.no_dns = arguments_flag(args, "no-dns", false),
		.publish_sockets = list(args, "publish-socket"),
		.ssh = arguments_flag(args, "ssh", false),
		.networks = list(args, "network"),
		.volumes = list(args, "volume"),
		.mounts = list(args, "mount"),
		.publish = list(args, "publish"),
		.publish_all = arguments_flag(args, "publish-all", false),
		.expose = list(args, "expose"),
		.stop_signal = arguments_text(args, "stop-signal"),
		.privileged = arguments_flag(args, "privileged", false),
		.read_only = arguments_flag(args, "read-only", false),
		.init = arguments_flag(args, "init", false),
		.auto_remove = arguments_flag(args, "rm", false),
		.platform = arguments_text(args, "platform"),
		.kernel = arguments_text(args, "kernel"),
		.kernel_args = list(args, "kernel-arg"),
		.init_image = arguments_text(args, "init-image"),
		.accelerator = arguments_text(args, "accel"),
		.virtualization = arguments_flag(args, "virtualization", false),
		.no_template = arguments_flag(args, "no-template", false),
	};
	process_fill(&request->options.process, args, &request->env, args->operands + 1);
	return fill_numbers(&request->options, args, err);
}

void container_request_release(struct container_request *request)
{
	words_release(&request->env);
	words_release(&request->labels);
	words_release(&request->entrypoint);
}

/* Opened before the container is made: a file that is there or a folder that is not costs nothing then. */
static int open_cidfile(const char *path, int *ret_fd, struct cor_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0 && errno == EEXIST)
		return report_fail(err, COR_EXISTS, EEXIST,
				   "--cidfile '%s' is there already; remove it first", path);
	if (fd < 0)
		return report_fail(err, COR_PERMISSION, errno, "--cidfile '%s': %s", path, strerror(errno));
	*ret_fd = fd;
	return 0;
}

/* Who said nothing of networks, and gets none because of what the host is like, is told so. */
static void tell_of_no_network(struct cor_context *ctx, const struct container_request *request)
{
	const char *given = getenv("CORACLE_NETWORK");
	_text_ char *name = NULL, *why = NULL;

	if (request->options.networks || (given && *given))
		return;
	name = cor_network_usual(ctx, &why);
	if (strcmp(name, "none") == 0)
		report_note(
			"the container is in no network, since %s; '--network none' says that this is meant",
			why);
}

static void tell_of_lacks(struct cor_context *ctx, const struct container_request *request)
{
	_text_ char *lacks = cor_network_lacks(ctx, request->options.networks);

	if (lacks)
		report_note("%s", lacks);
}

int container_request_create(struct cor_context *ctx, const struct container_request *request,
			     const char *cidfile, char **ret_id, struct cor_error *err)
{
	char *id = NULL;
	int fd = -1, r;

	if (cidfile) {
		r = open_cidfile(cidfile, &fd, err);
		if (r < 0)
			return r;
	}
	r = cor_container_create(ctx, &request->options, &id, err);
	if (r == 0) {
		tell_of_no_network(ctx, request);
		tell_of_lacks(ctx, request);
	}
	if (r == 0 && fd >= 0 && write(fd, id, strlen(id)) != (ssize_t)strlen(id)) {
		r = report_fail(err, COR_EXHAUSTED, ENOSPC, "--cidfile '%s' cannot be written", cidfile);
		cor_container_remove_all(ctx, id, true, NULL);
		cor_free(id);
	}
	if (fd >= 0)
		close(fd);
	if (r < 0 && cidfile)
		unlink(cidfile);
	if (r == 0)
		*ret_id = id;
	return r;
}
