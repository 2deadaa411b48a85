/* SPDX-License-Identifier: Apache-2.0 */
/* The time of a pull is that of the network or that of unpacking, whichever is longer, because this thread begins with the first bytes of the first layer. Where the disk
 * exists already, the layers are only compared with what the configuration says of them, and not even that when the store has had the image. */
#include "image/unpack.h"

#include "base/str.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#define LOCK_PATIENCE_MS 50

struct unpack {
	struct unpack_job job;
	char disk[ROOTFS_NAME_SIZE];
	char lock_name[ROOTFS_NAME_SIZE + 8];
	int lock;
	pthread_t thread;
	bool started;

	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Below the mutex: */
	size_t opened;
	bool stop, ended;
	int result;
	struct cor_error failure;
};

static struct timespec deadline(int timeout_ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += timeout_ms / 1000;
	t.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* ---- the thread ---- */

/* True when it is to stop; waits a while for that. */
static bool stopped(struct unpack *u, int timeout_ms)
{
	struct timespec until = deadline(timeout_ms);
	bool stop;

	pthread_mutex_lock(&u->mutex);
	while (!u->stop && timeout_ms && pthread_cond_timedwait(&u->changed, &u->mutex, &until) != ETIMEDOUT)
		;
	stop = u->stop;
	pthread_mutex_unlock(&u->mutex);
	return stop;
}

static int cancelled(struct cor_error *err)
{
	return cor_fail(err, COR_CANCELLED, ECANCELED, "cancelled");
}

static int take_lock(struct unpack *u, struct cor_error *err)
{
	int r;

	while ((r = store_try_lock_named(u->job.store, u->lock_name, &u->lock, err)) == 0)
		if (stopped(u, LOCK_PATIENCE_MS))
			return cancelled(err);
	return r < 0 ? r : 0;
}

static int open_layer(void *userdata, const struct descriptor *layer, struct source *ret,
		      struct cor_error *err)
{
	struct unpack *u = userdata;

	if (stopped(u, 0))
		return cancelled(err);
	pthread_mutex_lock(&u->mutex);
	u->opened++;
	pthread_mutex_unlock(&u->mutex);
	return u->job.open_layer(u->job.userdata, layer, ret, err);
}

static int work(struct unpack *u, struct cor_error *err)
{
	const struct unpack_job *job = &u->job;
	int r = take_lock(u, err);

	if (r < 0)
		return r;
	if (!rootfs_exists(job->store, u->disk))
		return rootfs_build(job->manifest, job->config, open_layer, u, job->dir, UNPACK_FILE, err);
	/* These layers may claim to be others than they are. */
	return rootfs_verify(job->manifest, job->config, open_layer, u, err);
}

static void *run(void *userdata)
{
	struct unpack *u = userdata;
	struct cor_error err = {0};
	int r = work(u, &err);

	pthread_mutex_lock(&u->mutex);
	u->result = r;
	u->failure = err;
	u->ended = true;
	pthread_cond_broadcast(&u->changed);
	pthread_mutex_unlock(&u->mutex);
	return NULL;
}

/* ---- the other side ---- */

static void init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

int unpack_start(const struct unpack_job *job, struct unpack **ret, struct cor_error *err)
{
	_cleanup_(unpack_freep) struct unpack *u = xcalloc(1, sizeof(*u));
	sigset_t all, before;
	int e;

	u->job = *job;
	u->lock = -1;
	rootfs_name(job->config, u->disk);
	/* Not the lock of image_rootfs, which is waited for with the store's lock held: what comes over the network may take long. */
	snprintf(u->lock_name, sizeof(u->lock_name), "pull-%s", u->disk);
	pthread_mutex_init(&u->mutex, NULL);
	init_condition(&u->changed);
	/* Signals are for the threads of whoever called us. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&u->thread, NULL, run, u);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e)
		return cor_fail_errno(err, e, "unpack: start a thread");
	u->started = true;
	*ret = steal_ptr(u);
	return 0;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	if (u->started) {
		pthread_mutex_lock(&u->mutex);
		u->stop = true;
		pthread_cond_broadcast(&u->changed);
		pthread_mutex_unlock(&u->mutex);
		pthread_join(u->thread, NULL);
	}
	store_unlock_named(u->job.store, u->lock_name, &u->lock);
	pthread_cond_destroy(&u->changed);
	pthread_mutex_destroy(&u->mutex);
	free(u);
}

bool unpack_wait(struct unpack *u, int timeout_ms)
{
	struct timespec until = deadline(timeout_ms);
	bool ended;

	pthread_mutex_lock(&u->mutex);
	while (!u->ended && timeout_ms && pthread_cond_timedwait(&u->changed, &u->mutex, &until) != ETIMEDOUT)
		;
	ended = u->ended;
	pthread_mutex_unlock(&u->mutex);
	return ended;
}

int unpack_result(const struct unpack *u, struct cor_error *err)
{
	if (u->result < 0 && err)
		*err = u->failure;
	return u->result;
}

size_t unpack_layers(struct unpack *u)
{
	size_t layers;

	pthread_mutex_lock(&u->mutex);
	/* One is applied and the next one is open too (rootfs.h). */
	layers = u->ended ? u->job.manifest->layer_count : u->opened > 2 ? u->opened - 2 : 0;
	pthread_mutex_unlock(&u->mutex);
	return layers;
}

size_t unpack_opened(struct unpack *u)
{
	size_t opened;

	pthread_mutex_lock(&u->mutex);
	opened = u->opened;
	pthread_mutex_unlock(&u->mutex);
	return opened;
}
