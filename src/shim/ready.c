/* SPDX-License-Identifier: Apache-2.0 */
/* The rehearsal is a start like any other, by the same code on both sides, of a container that ends at once (container/rehearsal.h); deleting it takes everything away that was
 * made. What stays is what the guest's kernel, init and the translator below them have learned. The disk is exchanged when the machine is claimed, and until then nothing that a
 * user or an image has given is in the machine. */
#include "shim/ready.h"

#include "base/clock.h"
#include "base/file.h"
#include "container/pool.h"
#include "container/rehearsal.h"
#include "shim/hub.h"
#include "shim/shim.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define REHEARSALS    3
#define REHEARSING_MS 60000
#define LOOK_MS       5000 /* between looks at whether it can still be claimed */
#define SETTLE_MS     50
#define CLAIMERS_MAX  16
#define NICE          10
#define REFILL_MS     500

struct claimer {
	struct ready *ready;
	uv_poll_t poll;
	int fd;       /* -1: nobody's */
	bool closing; /* the loop has not let go of it */
};

struct ready {
	struct shim *shim;
	char *argument, *shape;
	struct pool_place place;
	char folder[32]; /* of the rehearsal, in RUN; empty: there is none */
	char key[POOL_KEY_SIZE];
	unsigned rehearsals;
	bool nice;
	int before;    /* how nice it was when it was started */
	bool replaced; /* by another one: nothing is wrong with machines of the pool */
	uv_timer_t timer;
	int listen_fd;
	uv_poll_t listener;
	struct claimer claimers[CLAIMERS_MAX];
};

/* ---- what it is made for ---- */

static void remove_folder(struct ready *ready)
{
	if (ready->folder[0])
		tree_remove(ready->shim->roots.run_fd, ready->folder);
	ready->folder[0] = '\0';
}

static int write_rehearsal(struct ready *ready, const struct pool_config *config, struct cor_error *err)
{
	const struct machine_config machine = {.cpus = config->cpus, .memory = config->memory};
	struct shim *shim = ready->shim;
	_free_ char *path = NULL;
	int r;

	snprintf(ready->folder, sizeof(ready->folder), "pool/%u.d", ready->place.number);
	/* One that was killed leaves it. */
	tree_remove(shim->roots.run_fd, ready->folder);
	path = str_format("%s/%s", shim->roots.run, ready->folder);
	r = dir_open_make(shim->roots.run_fd, ready->folder, 0700, &shim->data_dir);
	if (r < 0)
		return cor_fail_errno(err, r, "a folder for rehearsals");
	return rehearsal_write(shim->data_dir, path, shim->id, &machine, &shim->record, err);
}

/* Whoever may not make himself quicker again stays as he is. */
static void step_back(struct ready *ready)
{
	int before = getpriority(PRIO_PROCESS, 0);

	ready->nice = before < NICE && setpriority(PRIO_PROCESS, 0, before - 1) == 0;
	ready->before = before;
	setpriority(PRIO_PROCESS, 0, ready->nice ? NICE : before);
}

static void step_forth(struct ready *ready)
{
	if (!ready->nice)
		return;
	setpriority(PRIO_PROCESS, 0, ready->before);
	/* The VMM's threads are its process group. */
	setpriority(PRIO_PGRP, (id_t)ready->shim->vm->pid, ready->before);
}

int ready_begin(struct shim *shim, char *argument, struct cor_error *err)
{
	struct ready *ready = xcalloc(1, sizeof(*ready));
	struct pool_config config;

	*ready = (struct ready){.shim = shim, .argument = argument, .listen_fd = -1};
	for (size_t i = 0; i < CLAIMERS_MAX; i++)
		ready->claimers[i].fd = -1;
	ready->place = (struct pool_place){.folder = -1, .slot = -1};
	uv_timer_init(&shim->loop, &ready->timer);
	ready->timer.data = ready;
	shim->ready = ready;
	cgroup_step_out();
	if (str_equal(getenv("CORACLE_TEMPLATES"), "off") || pool_config_read(&shim->roots, &config) < 0 ||
	    pool_place_take(&shim->roots, &config, &ready->place) < 0)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "the pool is full");
	pool_key("/proc/self/exe", config.cpus, config.memory, ready->key);
	step_back(ready);
	if (id_generate(shim->id) < 0)
		return cor_fail(err, COR_INTERNAL, EIO, "no random bytes");
	int r = write_rehearsal(ready, &config, err);

	r = r ?: boot_unclaimed(shim, err);
	r = r ?: boot_shape(shim, &ready->shape, err);
	if (r == 0)
		pool_place_tell(&ready->place, shim->vm->pid, false);
	return r;
}

/* ---- rehearsing ---- */

static void open_for_claims(struct ready *ready);

static void on_file_systems(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	const Coracle__Agent__V1__HelloResponse *hello = (const void *)response;
	struct shim *shim = user;

	if (!went_well(shim, status, "after rehearsing"))
		return;
	if (hello->file_systems)
		uv_timer_start(&shim->ready->timer, shim->ready->timer.timer_cb, SETTLE_MS, 0);
	else
		open_for_claims(shim->ready);
}

/* The disk may go when nothing in the guest has it: a mount ends a little after the process whose name space it was in. */
static void on_settled(uv_timer_t *timer)
{
	Coracle__Agent__V1__HelloRequest request = CORACLE__AGENT__V1__HELLO_REQUEST__INIT;
	struct shim *shim = ((struct ready *)timer->data)->shim;
	struct cor_error err;

	request.protocol = 1;
	request.client = (char[]){"coracle-shim " CORACLE_VERSION};
	if (!shim->guest || rpc_call_unary(shim->guest, AGENT("Hello"), &request.base,
					   &coracle__agent__v1__hello_response__descriptor, CALL_TIMEOUT_MS,
					   on_file_systems, shim, &err) < 0)
		ready_end(shim);
}

static void on_deleted(const ProtobufCMessage *response, const struct cor_error *status, void *user)
{
	struct shim *shim = user;
	struct ready *ready = shim->ready;

	/* ENDING meanwhile: what else comes of the rehearsal does not count. */
	if (!response || !shim->unclaimed || !hub_renew(&shim->hub)) {
		ready_end(shim);
		return;
	}
	shim->stage = BOOTING;
	if (++ready->rehearsals < REHEARSALS)
		guest_begin(shim);
	else
		uv_timer_start(&ready->timer, on_settled, SETTLE_MS, 0);
}

void ready_exited(struct shim *shim, const Coracle__Agent__V1__ExitStatus *status)
{
	Coracle__Agent__V1__ContainerRef request = CORACLE__AGENT__V1__CONTAINER_REF__INIT;
	struct cor_error err = {0};

	if (shim->stage >= ENDING)
		return;
	shim->stage = ENDING;
	request.container_id = shim->id;
	if (status->code || status->signal) {
		log_error("a rehearsal failed: exit code %u, signal %u", status->code, status->signal);
		ready_end(shim);
	} else if (rpc_call_unary(shim->guest, AGENT("DeleteContainer"), &request.base,
				  &coracle__agent__v1__empty__descriptor, CALL_TIMEOUT_MS, on_deleted, shim,
				  &err) < 0) {
		ready_end(shim);
	}
}

void ready_answered(struct shim *shim)
{
	boot_await(shim, REHEARSING_MS);
	guest_begin(shim);
}

/* ---- waiting ---- */

static void on_let_go(uv_handle_t *handle)
{
	((struct claimer *)handle->data)->closing = false;
}

static void let_go(struct claimer *claimer)
{
	if (claimer->fd < 0)
		return;
	claimer->closing = true;
	uv_close((uv_handle_t *)&claimer->poll, on_let_go);
	close_fd(&claimer->fd);
}

static bool anybody_connected(const struct ready *ready)
{
	for (size_t i = 0; i < CLAIMERS_MAX; i++)
		if (ready->claimers[i].fd >= 0)
			return true;
	return false;
}

static void end_for_another(struct ready *ready)
{
	ready->replaced = true;
	ready_end(ready->shim);
}

/* Whatever it was made of may have changed, and who asked for it his mind. */
static void on_look(uv_timer_t *timer)
{
	struct ready *ready = timer->data;
	struct shim *shim = ready->shim;
	_free_ char *shape = NULL;
	char key[POOL_KEY_SIZE];
	struct pool_config config;
	struct cor_error err;

	pool_key("/proc/self/exe", shim->record.machine.cpus, shim->record.machine.memory, key);
	if (!pool_place_is_open(&ready->place) && !anybody_connected(ready))
		end_for_another(ready);
	else if (pool_config_read(&shim->roots, &config) < 0 || !config.size ||
		 config.cpus != shim->record.machine.cpus || config.memory != shim->record.machine.memory ||
		 boot_shape(shim, &shape, &err) < 0 || !str_equal(shape, ready->shape) ||
		 !str_equal(key, ready->key))
		end_for_another(ready);
}

static int take(struct ready *ready, struct claimer *claimer, const char *id, int log_fd,
		struct cor_error *err)
{
	struct shim *shim = ready->shim;
	_free_ char *shape = NULL;
	int r;

	close_fd(&shim->data_dir);
	container_record_release(&shim->record);
	shim->record = (struct container_record){0};
	memcpy(shim->id, id, ID_SIZE);
	shim->maintenance = false;
	r = shim_open_container(shim, err);
	if (r == 0 && !pool_fits(&shim->record))
		r = cor_fail(err, COR_INVALID, EINVAL, "no machine of the pool fits this container");
	r = r ?: boot_shape(shim, &shape, err);
	if (r == 0 && !str_equal(shape, ready->shape))
		r = cor_fail(err, COR_INVALID, ESTALE, "this machine is made of what is there no more");
	if (r == 0 && (dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0))
		r = cor_fail_errno(err, errno, "the shim's log");
	if (r == 0 && pool_claim_answer(claimer->fd, true) < 0)
		r = cor_fail(err, COR_CANCELLED, EPIPE, "whoever claimed this machine went away");
	return r;
}

static pid_t peer_pid(int fd)
{
	struct ucred peer = {0};
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

static void stop_waiting(struct ready *ready)
{
	uv_close((uv_handle_t *)&ready->listener, NULL);
	uv_close((uv_handle_t *)&ready->timer, NULL);
	close_fd(&ready->listen_fd);
	for (size_t i = 0; i < CLAIMERS_MAX; i++)
		let_go(&ready->claimers[i]);
	pool_place_close(&ready->place);
}

/* The container's lock goes first, and nobody is told anything: whoever claimed it starts another machine. */
static void refuse(struct ready *ready, const struct cor_error *err)
{
	struct shim *shim = ready->shim;

	log_warning("not claimed: %s", err->msg);
	shim->maintenance = true;
	close_fd(&shim->lock_fd);
	end_for_another(ready);
}

static void claimed(struct ready *ready, struct claimer *claimer, const char *id, int log_fd)
{
	struct shim *shim = ready->shim;
	struct cor_error err;
	int client = -1;

	shim->timings.count = 0;
	shim_time(shim, "shim", "claimed from the pool");
	if (take(ready, claimer, id, log_fd, &err) < 0) {
		refuse(ready, &err);
		return;
	}
	memcpy(ready->argument, id, ID_SIZE - 1);
	shim->claimer = peer_pid(claimer->fd);
	client = fcntl(claimer->fd, F_DUPFD_CLOEXEC, 0);
	stop_waiting(ready);
	pool_place_release(&ready->place);
	shim->unclaimed = false;
	shim->from_pool = true;
	shim_go_on(shim, client);
}

static void on_claimer(uv_poll_t *poll, int status, int events)
{
	struct claimer *claimer = poll->data;
	struct ready *ready = claimer->ready;
	char id[ID_SIZE];
	_fd_ int log_fd = -1;
	int r = pool_claim_receive(claimer->fd, id, &log_fd);

	if (r == -EAGAIN)
		return;
	if (r == 0) {
		claimed(ready, claimer, id, log_fd);
		return;
	}
	let_go(claimer);
	if (!pool_place_is_open(&ready->place) && !anybody_connected(ready))
		end_for_another(ready);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct ready *ready = poll->data;
	_fd_ int fd = accept4(ready->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < CLAIMERS_MAX; i++) {
		struct claimer *claimer = &ready->claimers[i];

		if (claimer->fd >= 0 || claimer->closing)
			continue;
		*claimer = (struct claimer){.ready = ready, .fd = steal_fd(&fd)};
		uv_poll_init(&ready->shim->loop, &claimer->poll, claimer->fd);
		claimer->poll.data = claimer;
		uv_poll_start(&claimer->poll, UV_READABLE | UV_DISCONNECT, on_claimer);
		/* It has sent what it wants already, or will in a moment. */
		on_claimer(&claimer->poll, 0, UV_READABLE);
	}
}

static void open_for_claims(struct ready *ready)
{
	struct shim *shim = ready->shim;
	struct cor_error err;
	int r;

	/* First, so that nobody who reads that it is not ready finds it claimed. */
	pool_place_tell(&ready->place, shim->vm->pid, true);
	r = pool_place_open(&ready->place, ready->key, &ready->listen_fd);
	if (r < 0) {
		log_error("the pool: %s", strerror(-r));
		ready_end(shim);
		return;
	}
	uv_timer_stop(&shim->boot_timer);
	step_forth(ready);
	remove_folder(ready);
	uv_poll_init(&shim->loop, &ready->listener, ready->listen_fd);
	ready->listener.data = ready;
	uv_poll_start(&ready->listener, UV_READABLE, on_connection);
	uv_timer_start(&ready->timer, on_look, LOOK_MS, LOOK_MS);
	boot_save_shape(shim);
	/* The next place, if there is one; one after the other, so that they do not slow each other down. */
	if (pool_fill(&shim->roots, &err) < 0)
		log_warning("%s", err.msg);
}

/* ---- the end ---- */

static void refill(struct shim *shim)
{
	struct pool_config config;
	struct cor_error err;

	if (pool_config_read(&shim->roots, &config) == 0 && pool_has_room(&shim->roots, &config) &&
	    pool_fill(&shim->roots, &err) < 0)
		log_warning("%s", err.msg);
}

void ready_end(struct shim *shim)
{
	struct ready *ready = shim->ready;

	if (ready->listen_fd >= 0) {
		stop_waiting(ready);
		pool_place_tell(&ready->place, 0, false);
	}
	shim_give_up(shim);
}

void ready_free(struct shim *shim)
{
	struct ready *ready = steal_ptr(shim->ready);

	if (!ready)
		return;
	remove_folder(ready);
	pool_place_close(&ready->place);
	/* Else the place is taken until the process has ended: who drains the pool waits for that. */
	if (ready->replaced) {
		pool_place_release(&ready->place);
		refill(shim);
	}
	free(ready->shape);
	free(ready);
}

/* ---- the next ---- */

static void on_refill(uv_timer_t *timer)
{
	refill(timer->data);
}

void ready_refill_soon(struct shim *shim)
{
	struct pool_config config;

	if (!str_equal(getenv("CORACLE_TEMPLATES"), "off") && pool_config_read(&shim->roots, &config) == 0 &&
	    config.size)
		uv_timer_start(&shim->refill_timer, on_refill, REFILL_MS, 0);
}

void ready_refill_now(struct shim *shim)
{
	if (!uv_is_active((uv_handle_t *)&shim->refill_timer))
		return;
	uv_timer_stop(&shim->refill_timer);
	refill(shim);
}
