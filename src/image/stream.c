/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of pieces between two threads: one takes the compression off and hashes, the other unpacks. Both do about as much work, so
 * that two cores are twice as fast as one. The ring is small: a hostile layer gains nothing from it.
 *
 *   slot:  [read by the consumer] [full] [full] [being filled] [free] ...
 *              ^ first                              ^ first + full
 */
#include "image/stream.h"

#include "base/macro.h"
#include "base/str.h"
#include "image/decompress.h"
#include "oci/hash.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define SLOT_SIZE  (1u << 18)
#define SLOT_COUNT 8u

struct slot {
	uint8_t *data;
	size_t size;
};

struct stream {
	pthread_t thread;
	bool started;
	struct source source;
	struct decompress *decompress;
	uint8_t *memory; /* of all slots */
	struct hash hash;
	uint64_t size;
	char digest[DIGEST_SIZE];

	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Below the mutex: */
	struct slot slots[SLOT_COUNT];
	unsigned first, full; /* first: being read if `reading` */
	bool reading, ended, stop;
	int result; /* once ended: 0 or what failed */
	struct cor_error failure;
};

/* ---- the thread ---- */

/* Waits for a slot to fill. NULL: nobody reads any more. */
static struct slot *slot_to_fill(struct stream *s)
{
	struct slot *slot = NULL;

	pthread_mutex_lock(&s->mutex);
	while (!s->stop && s->full == SLOT_COUNT)
		pthread_cond_wait(&s->changed, &s->mutex);
	if (!s->stop)
		slot = &s->slots[(s->first + s->full) % SLOT_COUNT];
	pthread_mutex_unlock(&s->mutex);
	return slot;
}

static void slot_filled(struct stream *s)
{
	pthread_mutex_lock(&s->mutex);
	s->full++;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->mutex);
}

static int produce(struct stream *s, struct cor_error *err)
{
	for (;;) {
		struct slot *slot = slot_to_fill(s);
		int r;

		if (!slot)
			return -ECANCELED;
		r = decompress_read(s->decompress, slot->data, SLOT_SIZE, &slot->size, err);
		if (r < 0)
			return r;
		if (!slot->size)
			break;
		s->size += slot->size;
		hash_update(&s->hash, slot->data, slot->size);
		slot_filled(s);
	}
	hash_finish(&s->hash, s->digest);
	return 0;
}

static void *run(void *userdata)
{
	struct stream *s = userdata;
	struct cor_error err = {0};
	int r = produce(s, &err);

	pthread_mutex_lock(&s->mutex);
	s->failure = err;
	s->result = r;
	s->ended = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

/* ---- the other side ---- */

static int start(struct stream *s, struct cor_error *err)
{
	sigset_t all, before;
	int e;

	/* Signals are for the threads of whoever called us. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (e)
		return cor_fail_errno(err, e, "read a layer: start a thread");
	s->started = true;
	return 0;
}

int stream_open(struct source source, struct stream **ret, struct cor_error *err)
{
	_cleanup_(stream_freep) struct stream *s = xcalloc(1, sizeof(*s));
	int r;

	s->source = source;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->changed, NULL);
	hash_init(&s->hash);
	s->memory = xmalloc((size_t)SLOT_SIZE * SLOT_COUNT);
	for (size_t i = 0; i < SLOT_COUNT; i++)
		s->slots[i].data = s->memory + i * SLOT_SIZE;
	s->decompress = decompress_new(&s->source);
	r = start(s, err);
	if (r == 0)
		*ret = steal_ptr(s);
	return r;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	if (s->started) {
		pthread_mutex_lock(&s->mutex);
		s->stop = true;
		pthread_cond_signal(&s->changed);
		pthread_mutex_unlock(&s->mutex);
		source_stop(&s->source);
		pthread_join(s->thread, NULL);
	}
	decompress_free(s->decompress);
	source_release(&s->source);
	hash_release(&s->hash);
	free(s->memory);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}

/* With the mutex held. */
static void give_back(struct stream *s)
{
	if (!s->reading)
		return;
	s->reading = false;
	s->first = (s->first + 1) % SLOT_COUNT;
	s->full--;
	pthread_cond_signal(&s->changed);
}

int stream_read(struct stream *s, const void **ret, size_t *ret_size, struct cor_error *err)
{
	int r = 0;

	pthread_mutex_lock(&s->mutex);
	give_back(s);
	while (!s->full && !s->ended)
		pthread_cond_wait(&s->changed, &s->mutex);
	*ret_size = 0;
	if (s->full) {
		s->reading = true;
		*ret = s->slots[s->first].data;
		*ret_size = s->slots[s->first].size;
	} else {
		r = s->result;
		if (r < 0 && err)
			*err = s->failure;
	}
	pthread_mutex_unlock(&s->mutex);
	return r;
}

const char *stream_digest(const struct stream *s)
{
	return s->digest;
}

uint64_t stream_size(const struct stream *s)
{
	return s->size;
}
