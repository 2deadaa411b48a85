/* SPDX-License-Identifier: Apache-2.0 */
/* Containers: each is a virtual machine of its own. */
#pragma once

#include "coracle/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- making ---- */

/* What an executed process gets; used for the container's own and for exec. Strings are borrowed. */
struct cor_process_options {
	const char *const *args;       /* NULL-terminated; NULL: the image's */
	const char *const *env;        /* "KEY=VALUE", NULL-terminated; later ones win; may be NULL */
	const char *user;              /* "name|uid[:group|gid]"; NULL: the image's (exec: the container's) */
	const char *working_directory; /* NULL: the image's (exec: the container's) */
	bool terminal;
	bool interactive;       /* keep standard input open */
	bool privileged;        /* exec only; the container has its own */
	unsigned rows, columns; /* of the terminal; 0: unknown */
};

/* A stop_timeout_s of no seconds at all: `stop` kills without waiting. */
#define COR_STOP_AT_ONCE (-2)

/* A new container; zero means the default everywhere. All is borrowed during the call. */
struct cor_container_options {
	const char *image; /* as cor_image_inspect takes it */
	const char *name;  /* NULL: one is made up */
	struct cor_process_options process;
	/* NULL-terminated; not NULL: replaces the image's and discards its command */
	const char *const *entrypoint;
	const char *hostname;           /* NULL: the short id; of a qualified name the first label counts */
	const char *const *labels;      /* "KEY=VALUE" */
	const char *const *annotations; /* "KEY=VALUE" */
	const char *const *cap_add;     /* "NET_ADMIN", "CAP_NET_ADMIN", "ALL", any case */
	const char *const *cap_drop;
	/* "no-new-privileges[=false]", "seccomp=unconfined|FILE", … as docker's --security-opt */
	const char *const *security;
	const char *const *ulimits;   /* "nofile=1024[:2048]" */
	const char *const *sysctls;   /* "net.ipv4.ip_forward=1" */
	const char *const *tmpfs;     /* "/path[:options]" */
	const char *const *add_hosts; /* "name:address" */
	const char *const *dns;       /* servers */
	const char *const *dns_search;
	const char *const *dns_options;
	bool no_dns; /* leave /etc/resolv.conf as the image has it */
	/* "NAME[,ip=ADDRESS][,ip6=ADDRESS][,mac=ADDRESS][,mtu=NUMBER][,alias=NAME]", or "none" alone; "user" takes mac= and mtu=. NULL: cor_network_usual */
	const char *const *networks;
	/* "[[ADDRESS:][HOST]:]CONTAINER[/tcp|/udp]", a port or a range FIRST-LAST on either side, IPv6 addresses in brackets; no host port: one that is free */
	const char *const *publish;
	const char *const *expose; /* "PORT[-LAST][/tcp|/udp]": beside what the image exposes */
	bool publish_all;          /* all that is exposed, on ports of the host that are free */
	/* As docker's --volume and --mount: "NAME:/path[:ro]" and "/path" (an anonymous volume), "type=volume,source=NAME,target=/path[,readonly][,volume-nocopy]",
	 * "type=tmpfs,target=/path". A volume that is not there is made. Of the host's paths ("/host.sock:/path[:ro]", "type=bind,…") unix sockets can be given for now:
	 * connections to them inside are relayed. */
	const char *const *volumes;
	const char *const *mounts;
	/* "HOST:CONTAINER", two paths: a socket is at HOST while the container runs, and leads to the one of the container. */
	const char *const *publish_sockets;
	bool ssh; /* the agent that SSH_AUTH_SOCK names at the start is there inside */
	/* bytes by which the root's file system may grow beyond its image, at least 16 MiB; 0: up to 64 GiB in all */
	uint64_t storage_size;
	uint64_t shm_size;       /* bytes; 0: 64 MiB */
	const char *stop_signal; /* "SIGTERM", "TERM" or "15"; NULL: the image's, else SIGTERM */
	int stop_timeout_s;      /* 0: 10; -1: for ever; or COR_STOP_AT_ONCE */
	bool privileged;
	bool read_only;
	bool init;        /* reap orphans and forward signals */
	bool auto_remove; /* --rm */
	/* virtual CPUs, rounded up, from 0.01 to what the host has; a fraction is also a limit in the guest */
	double cpus;
	uint64_t memory;                /* bytes */
	const char *platform;           /* "linux/amd64" */
	const char *kernel;             /* path of a vmlinux */
	const char *const *kernel_args; /* appended to the kernel's command line */
	const char *init_image;         /* path of an initramfs to use in place of coracle-init's */
	const char *accelerator;        /* "auto", "kvm", "tcg"; NULL: auto */
	bool virtualization;            /* give the guest nested virtualization */
	bool no_template; /* boot a machine of its own, instead of going on from a saved one; nor is it saved */
};

/* Writes the container's bundle; nothing runs. *ret_id has 64 digits. COR_NOT_FOUND for the image, COR_EXISTS for the name. */
COR_EXPORT int cor_container_create(struct cor_context *ctx, const struct cor_container_options *options,
				    char **ret_id, struct cor_error *err);

/* ---- running ---- */

/* How a process ended. */
struct cor_exit {
	int code;   /* as a shell shows it */
	int signal; /* 0: by itself */
	bool out_of_memory;
	/* not empty when the machine, not the process, ended: "the guest's kernel panicked: …"; or when a disk failed before: "writes to volume 'v' failed: the host's disk is full" */
	char reason[256];
};

/* Where a process's streams go; -1 for one that is not wanted. Descriptors are borrowed. */
struct cor_streams {
	int in, out, err;
	const char *detach_keys; /* "ctrl-p,ctrl-q"; NULL: none; only sensible for a terminal */
	bool trace;              /* of a start: the guest's timings and those of the end are wanted too */
};

/* A session with one process: made by cor_container_start, _attach or _exec, ended by cor_session_free. */
struct cor_session;

/* Starts a created or stopped container. ret_session NULL: detached. Otherwise the session was attached before the process started,
 * so that nothing of its output is missed. Returns when the process runs. COR_BUSY if it runs already.
 * COR_NO_EXECUTABLE, COR_CANNOT_EXECUTE. */
COR_EXPORT int cor_container_start(struct cor_context *ctx, const char *ref,
				   const struct cor_streams *streams, struct cor_session **ret_session,
				   struct cor_error *err);
COR_EXPORT int cor_container_attach(struct cor_context *ctx, const char *ref,
				    const struct cor_streams *streams, struct cor_session **ret_session,
				    struct cor_error *err);
/* A further process. With ret_session NULL it runs on its own. */
COR_EXPORT int cor_container_exec(struct cor_context *ctx, const char *ref,
				  const struct cor_process_options *process,
				  const struct cor_streams *streams, struct cor_session **ret_session,
				  struct cor_error *err);

enum cor_session_result {
	COR_SESSION_EXITED,      /* all output was written, *ret_exit is filled */
	COR_SESSION_DETACHED,    /* the detach keys were typed */
	COR_SESSION_INTERRUPTED, /* cor_session_interrupt was called */
};
/* Pumps the streams until the process ends. Blocks. A write to streams->out that fails ends the session with an error (-EPIPE). */
COR_EXPORT int cor_session_run(struct cor_session *session, enum cor_session_result *ret_result,
			       struct cor_exit *ret_exit, struct cor_error *err);
/* These three may be called from a signal handler or another thread while cor_session_run runs; they take effect inside it. */
COR_EXPORT void cor_session_resize(struct cor_session *session, unsigned rows, unsigned columns);
COR_EXPORT void cor_session_signal(struct cor_session *session, int signal);
COR_EXPORT void cor_session_interrupt(struct cor_session *session);
/* The stages of the start: lines of "stage<TAB>microseconds since the command began" for `run --timings`. */
COR_EXPORT int cor_session_timings(struct cor_session *session, char **ret_text, struct cor_error *err);
/* The same with all that went on beside it, as JSON that chrome://tracing and Perfetto open. */
COR_EXPORT int cor_session_trace(struct cor_session *session, char **ret_json, struct cor_error *err);
COR_EXPORT void cor_session_free(struct cor_session *session);

/* ---- looking ---- */

enum cor_container_status {
	COR_CREATED,
	COR_RUNNING,
	COR_EXITED,
	COR_DAMAGED, /* what is written about it cannot be read; it can be removed */
};

struct cor_container_info {
	char *id;
	char *name;
	char *image; /* as the user wrote it */
	char *image_id;
	char *command; /* arguments joined by spaces */
	enum cor_container_status status;
	int exit_code;                               /* of COR_EXITED; 125 of COR_DAMAGED */
	int64_t created_ns, started_ns, finished_ns; /* since the epoch; 0: not yet */
	struct cor_strings labels;                   /* "KEY=VALUE" */
	char *address; /* IPv4, in its first network; empty where it has none, or does not run */
	char *ports; /* "0.0.0.0:8080->80/tcp, 443/tcp": published and exposed ones; empty while it does not run */
	bool auto_remove;
};

struct cor_container_list {
	struct cor_container_info *items;
	size_t count;
};
/* all: also those that do not run. Newest first. */
COR_EXPORT int cor_container_list(struct cor_context *ctx, bool all, struct cor_container_list *ret,
				  struct cor_error *err);
COR_EXPORT void cor_container_list_release(struct cor_container_list *list);

/* A JSON object in the shape of `docker inspect`. ref: name, id or an unambiguous prefix of an id. COR_NOT_FOUND. */
COR_EXPORT int cor_container_inspect(struct cor_context *ctx, const char *ref, char **ret_json,
				     struct cor_error *err);

/* What a running container uses, and its machine of the host. Counters begin with the machine; cpu_ns/at_ns of two calls give a rate. */
struct cor_statistics {
	int64_t at_ns;                 /* CLOCK_MONOTONIC */
	uint64_t cpu_ns;               /* of the container's processes, in the guest */
	uint64_t memory, memory_limit; /* bytes, as the guest counts them: with its page cache */
	uint64_t processes;
	uint64_t block_read, block_written, network_received, network_sent; /* bytes */
	/* What the machine costs: VMM, shim, and what serves shares and networks. Memory is the proportional set size (what machines share is divided among them). */
	uint64_t host_cpu_ns, host_memory;
	uint64_t host_private; /* of host_memory: what nobody shares, and would be free without the machine */
};
/* COR_BUSY when it does not run, COR_TIMEOUT when its guest does not answer within three seconds. */
COR_EXPORT int cor_container_statistics(struct cor_context *ctx, const char *ref, struct cor_statistics *ret,
					struct cor_error *err);

struct cor_log_options {
	bool follow;
	bool boot; /* the machine's console instead of the container's output */
	bool timestamps;
	int64_t tail;               /* lines; negative: all */
	int64_t since_ns, until_ns; /* since the epoch; 0: no limit */
	int out, err;               /* where the lines go */
};
COR_EXPORT int cor_container_logs(struct cor_context *ctx, const char *ref,
				  const struct cor_log_options *options, struct cor_error *err);

/* ---- ending ---- */

/* Asks, waits timeout_s (negative: the container's own), kills. One that is stopped already is no error. */
COR_EXPORT int cor_container_stop(struct cor_context *ctx, const char *ref, int timeout_s,
				  struct cor_error *err);
/* COR_BUSY when it does not run. */
COR_EXPORT int cor_container_kill(struct cor_context *ctx, const char *ref, int signal,
				  struct cor_error *err);
/* Until it has ended; the status of the last run at once if it has. One that never ran: waits until it has run and ended. */
COR_EXPORT int cor_container_wait(struct cor_context *ctx, const char *ref, struct cor_exit *ret,
				  struct cor_error *err);
/* COR_BUSY when it runs, unless force. Its anonymous volumes go only with one that was made to remove itself. */
COR_EXPORT int cor_container_remove(struct cor_context *ctx, const char *ref, bool force,
				    struct cor_error *err);
/* The same, and its anonymous volumes go with it. */
COR_EXPORT int cor_container_remove_all(struct cor_context *ctx, const char *ref, bool force,
					struct cor_error *err);

/* A signal's number from "SIGTERM", "term" or "15"; -EINVAL. */
COR_EXPORT int cor_signal_parse(const char *text, int *ret_signal);

#ifdef __cplusplus
}
#endif
