/* SPDX-License-Identifier: Apache-2.0 */
/* The process beside a machine: what its files share.
 *
 * One loop, one container, one machine. The life of a shim:
 *
 *   BOOTING ──(guest answered, container and process made)──► READY ──(Start)──► STARTING ──► RUNNING
 *      │                                                        │                   │            │ the process ended, Stop, or the machine died
 *      └────────────────────── a failure ──────────────────────┴───────────────────┴────────────► ENDING ──(VMM gone)──► OVER
 *
 * Only boot.c and start.c move it forward, only end.c moves it to ENDING and OVER. Calls that came too early wait in the lists below. */
#pragma once

#include "base/buffer.h"
#include "base/log.h"
#include "base/str.h"
#include "base/timing.h"
#include "container/record.h"
#include "container/roots.h"
#include "net/port.h"
#include "net/watch.h"
#include "net/user.h"
#include "rpc/handshake.h"
#include "rpc/rpc.h"
#include "shim/cgroup.h"
#include "shim/container_log.h"
#include "shim/rotating.h"
#include "shim/saved.h"
#include "vmm/vmm.h"

#include "agent.pb-c.h"
#include "shim.pb-c.h"

#define AGENT(name)   "/coracle.agent.v1.Agent/" name
#define FIRST_PROCESS "init"
/* Of a question to the guest during the start, on a slow host under emulation … */
#define CALL_TIMEOUT_MS 30000
#define ASK_TIMEOUT_MS  15000 /* … of one that somebody waits for; less than a client waits for us */
#define SPARE_FILE      "spare"
#define SPARE_SIZE      16384
#define MAX_WAITING     64 /* calls of one kind that wait at once */

enum shim_stage { BOOTING, READY, STARTING, RUNNING, ENDING, OVER };

/* Calls whose answer comes later. A call that its client gave up leaves the list by itself. */
struct waiting {
	struct rpc_call *calls[MAX_WAITING];
	size_t count;
};

/* What end.c will write into state.json. */
struct shim_end {
	struct cor_exit exit;
	int64_t at_ns;
};

struct shim {
	uv_loop_t loop;
	struct roots roots;
	struct container_record record;
	char id[ID_SIZE];
	int lock_fd, data_dir, run_dir;
	/* No process is ever made: the machine is there for the container's files. State, logs and networks of the container are left alone. */
	bool maintenance, with_volumes;
	enum shim_stage stage;
	int64_t started_ns;
	struct cor_error failure; /* why there is no container: what Start, Attach and Wait answer */
	struct shim_end end;

	/* The machine. */
	struct vm *vm;
	struct net_port *ports; /* one for each network of the record that was joined */
	size_t port_count;
	struct network_watch {
		bool on;
		struct net_watch rules;
		uv_poll_t poll;
		uv_timer_t timer;
	} network_watch;
	struct user_network *user_network; /* passt and what watches it; see user_network.c */
	struct publishing *publishing;     /* of its ports; see publish.h */
	struct shim_shares *shares;
	struct cgroup cgroup;
	struct accelerator_choice accelerator;
	bool fell_back; /* from KVM to TCG */
	/* Saved machines (saved.h). */
	bool may_use_saved, from_saved;
	/* Machines of the pool (ready.h). unclaimed: there is no container yet. from_pool: the machine was claimed, and is still the one that runs. */
	bool unclaimed, from_pool;
	pid_t claimer; /* whose groups the container's lies below; 0: unknown */
	struct ready *ready;
	uv_timer_t refill_timer;
	struct saved saved;         /* of from_saved */
	const char *booted_because; /* and did not go on from a saved one: a constant; NULL where it did */
	char *unsaved;              /* the description of a machine that is to be saved, or NULL */
	int kernel_fd, initramfs_fd;
	int mailbox_fd;            /* the memory that is the guest's disk of this name; -1: it has none */
	struct watchers *watchers; /* of its descriptors */
	uv_timer_t boot_timer, end_timer, stop_timer, stall_timer;
	struct rotating console_log;
	struct buffer console_line;
	char panic[200];   /* what the guest's kernel wrote as it died */
	bool guest_oom;    /* which was for want of memory */
	char message[200]; /* the last line of the VMM's own */
	unsigned message_count;
	uint64_t failed_disks;   /* that were told of, as in struct vm */
	char disk_failure[200];  /* the first of it, in words */
	char share_failure[400]; /* the same of a share, which is why the container is stopped */

	/* The guest. */
	struct handshake_host handshake;
	uint8_t secret[HANDSHAKE_SECRET_SIZE];
	struct rpc_conn *guest;
	bool answered; /* the guest did, once: what ends the machine from then on is not its accelerator */
	Coracle__Agent__V1__HelloResponse *hello;
	unsigned preparing; /* answers outstanding before CreateProcess */
	uint32_t process_pid;
	Coracle__Agent__V1__WindowSize
		window; /* of the terminal, when a client told before the process was made */

	/* The first process's streams. */
	struct rpc_call *streams; /* AttachProcess */
	struct hub *hub;
	struct container_log log;
	struct log_client *log_clients; /* of Logs; see logs.c */

	/* Relayed sockets; see sockets.h. */
	struct shim_sockets *sockets;
	size_t relays;

	/* The clients. */
	struct rpc_listener *listener;
	int first_client_fd; /* a duplicate of the one that started us, watched for its end; -1: it is gone */
	uv_poll_t first_client;
	bool asked;   /* Start was called */
	bool told;    /* the end is on disk, and those who waited for it know */
	bool killing; /* SIGKILL was sent: the machine is next */
	struct waiting starts, waits, stops;
	unsigned open_calls; /* streams and calls that wait: the shim ends when none is left */
	unsigned execs;      /* for making up their ids */

	struct timings timings;
	bool trace; /* somebody wants to see the guest's too */
	uv_signal_t sigterm, drain;
};

/* main.c */
/* Takes the container's lock, and opens what is its own. */
int shim_open_container(struct shim *shim, struct cor_error *err);
/* The machine was claimed for the container, which has been opened; the client (owned) is the claimer. */
void shim_go_on(struct shim *shim, int client);
/* A moment of the start: up to here it was waited for the track's stage. */
void shim_time(struct shim *shim, const char *track, const char *stage);
/* What began then has ended, and others went on beside it. */
void shim_span(struct shim *shim, const char *stage, uint64_t began_ns);

/* A deadline that passed in a call to the guest, in words for people. */
void explain_silence(const struct shim *shim, struct cor_error *err);

/* boot.c: from nothing to a guest that answered. Failures end the shim through shim_fail. */
void boot_machine(struct shim *shim);
/* Once the container runs: how it began is counted. */
void boot_count(const struct shim *shim);
/* The same for one that waits in the pool, whose record is a rehearsal's. */
int boot_unclaimed(struct shim *shim, struct cor_error *err);
/* What a machine for this record would be made of now; the caller's. */
int boot_shape(struct shim *shim, char **ret, struct cor_error *err);
/* The machine that waited becomes the container's. */
int boot_claimed(struct shim *shim, struct cor_error *err);
/* If what is waited for does not come within so many milliseconds, the machine is given up; until the stage READY. */
void boot_await(struct shim *shim, uint64_t timeout_ms);
/* The machine that was claimed is of no use after all: another one takes its place. */
void boot_instead(struct shim *shim, const struct cor_error *why);
/* Has machines of this one's shape saved, if that is to be. */
void boot_save_shape(struct shim *shim);
void machine_unwatch(struct shim *shim);
uid_t passt_uid(const char *id); /* that no person has, and no VMM */

/* console.c */
/* The printable ASCII that text begins with: for what goes into error messages. */
void text_copy(char *out, size_t size, const char *text);
void console_feed(struct shim *shim, const char *data, size_t size);

/* network.c */
int network_join_all(struct shim *shim, struct cor_error *err);
int network_connect_all(struct shim *shim, struct cor_error *err); /* while the guest boots */
/* One of those that were joined so far does. */
bool network_leads_out(const struct shim *shim);
/* Of the VMM's specification; the caller frees the array. */
struct vm_nic *network_nics(const struct shim *shim);
/* The VMM has its copies of what only it needs. */
void network_handed_over(struct shim *shim);
/* What ConfigureNetwork is told; only while the ports are there. */
struct network_message;
struct network_message *network_message_new(const struct shim *shim);
const ProtobufCMessage *network_message_request(const struct network_message *message);
void network_message_free(struct network_message *message);
/* The container's hosts and resolv.conf, as they were written when nobody knew its addresses; replaces *text (heap). */
void network_amend_file(const struct shim *shim, const char *name, char **text, size_t *size);
/* Nothing of the machine gets out from here on, if it is still there. */
void network_leave_all(struct shim *shim);

/* user_network.c: a port that passt serves. */
int user_network_join(struct shim *shim, const struct net_request *request, const struct net_member *member,
		      struct net_port *port, struct cor_error *err);
const struct resolvers *user_network_resolvers(const struct shim *shim);
void user_network_leave(struct shim *shim);

/* disks.c */
/* Tells, once for each disk, that writes to it fail. */
void disks_look(struct shim *shim);
/* How many bytes the root's file system may hold, by what its image holds and --storage-size; 0: all of its disk. */
int disks_root_capacity(const struct shim *shim, uint64_t *ret, struct cor_error *err);

/* mailbox.c */
/* Adds the machine's mailbox to its disks, where it costs no more than its slot. Without one, all goes through the agent's line. */
void mailbox_add(struct shim *shim, struct vm_spec *spec, struct vm_disk *disk);
int mailbox_tell(void *service, struct rpc_call *call, const ProtobufCMessage *request,
		 struct cor_error *err); /* Mailbox */

/* volumes.c */
/* Opens and locks the disks of the container's volumes; the caller closes them once the VMM has its own. disks has room for VOLUMES_MAX. COR_BUSY names who has one. */
int volumes_open(const struct shim *shim, struct vm_disk *disks, size_t *ret_count, struct cor_error *err);
void volumes_close(struct vm_disk *disks, size_t count);
/* Asks the guest to mount them; each is one of `preparing`. */
void volumes_prepare(struct shim *shim);

/* shares.c */
/* Starts what serves them; those of a machine before are stopped. shares has room for SHARES_MAX. */
int shares_start(struct shim *shim, struct vm_share *shares, size_t *ret_count, struct cor_error *err);
/* The VMM has its copies of what only it needs. */
void shares_handed_over(struct shim *shim);
/* Asks the guest to mount them; each is one of `preparing`. */
void shares_mount(struct shim *shim);
void shares_stop(struct shim *shim);

/* network_watch.c: of bridges, between joining and leaving. */
void network_watch_begin(struct shim *shim);
void network_watch_end(struct shim *shim);

/* start.c: from an answer to a running process. */
void guest_prepare(struct shim *shim);
void guest_begin(struct shim *shim); /* from its Hello on */
void guest_start(struct shim *shim); /* READY → STARTING */
/* Whether the guest's Hello named it; false before that. */
bool guest_knows(const struct shim *shim, const char *feature);
/* An answer to a question of the start: false if it does not count any more; a failure ends the shim, with what was asked before the reason. */
bool went_well(struct shim *shim, const struct cor_error *status, const char *what);
/* One of `preparing` is done. */
void prepared(struct shim *shim);

/* end.c */
/* Something before or beside the process failed: the clients get err. */
void shim_fail(struct shim *shim, const struct cor_error *err);
/* The machine goes, and the shim with it; there is no container, and nobody to tell. */
void shim_give_up(struct shim *shim);
/* The first process has ended. */
void shim_exited(struct shim *shim, const Coracle__Agent__V1__ExitStatus *status);
/* The VMM is gone. */
void shim_machine_gone(struct shim *shim);
/* Asks with a signal, kills after timeout_ms (negative: never). */
void shim_stop(struct shim *shim, int signal, int64_t timeout_ms);
void shim_call_ended(struct shim *shim); /* one of open_calls */
void shim_first_client_gone(struct shim *shim);
/* Before anything was started: whoever could start it may be gone. */
void shim_look_for_owner(struct shim *shim);
void exit_status_fill(const struct shim *shim, Coracle__Agent__V1__ExitStatus *status);

/* service.c */
extern const struct rpc_method shim_methods[];
extern const size_t shim_method_count;
int service_relay(void *context, struct rpc_call *call, const char *path, struct cor_error *err);
void service_answer_starts(struct shim *shim);
struct timings_message {
	Coracle__Shim__V1__Timing items[TIMINGS_MAX];
	Coracle__Shim__V1__Timing *list[TIMINGS_MAX];
};
/* As responses carry them: shim->timings.count of them; nothing of it is to be freed. */
void timings_fill(const struct shim *shim, struct timings_message *message);
/* The container has ended: all that wait for that are answered, and once the machine is gone too (OVER), those who stopped it. */
void service_answer_all(struct shim *shim);

/* exec.c */
int exec_begin(void *service, struct rpc_call *call, struct cor_error *err);
