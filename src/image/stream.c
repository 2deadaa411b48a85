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
#include "image/hash.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#define READ_SIZE  (1u << 18)
#define SLOT_SIZE  (1u << 18)
#define SLOT_COUNT 8u

struct slot {
	uint8_t *data;
	size_t size;
};

struct stream {
	pthread_t thread;
	bool started;
	struct archive *archive;
	struct hash hash;
	uint64_t max, size;
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

/* Copies a piece into as many slots as it takes. -ECANCELED when nobody reads any more. */
static int pass_on(struct stream *s, struct slot **current, const uint8_t *data, size_t size)
{
	while (size) {
		size_t part;

		if (!*current) {
			*current = slot_to_fill(s);
			if (!*current)
				return -ECANCELED;
			(*current)->size = 0;
		}
		part = MIN(size, SLOT_SIZE - (*current)->size);
		memcpy((*current)->data + (*current)->size, data, part);
		(*current)->size += part;
		data += part;
		size -= part;
		if ((*current)->size == SLOT_SIZE) {
			slot_filled(s);
			*current = NULL;
		}
	}
	return 0;
}

static int broken(const struct stream *s, struct cor_error *err)
{
	const char *text = archive_error_string(s->archive);

	if (archive_errno(s->archive) == ENOMEM)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "the layer cannot be read: out of memory");
	if (archive_errno(s->archive) == EIO)
		return cor_fail_errno(err, EIO, "the layer cannot be read");
	return cor_fail(err, COR_CORRUPT, EBADMSG, "the layer cannot be read: %.200s",
			text ? text : "malformed");
}

static int produce(struct stream *s, struct cor_error *err)
{
	struct slot *current = NULL;
	const void *data;
	la_int64_t offset;
	size_t size;
	int r;

	while ((r = archive_read_data_block(s->archive, &data, &size, &offset)) == ARCHIVE_OK) {
		if (size > s->max - s->size)
			return cor_fail(err, COR_CORRUPT, EFBIG,
					"the layers are too large when uncompressed");
		s->size += size;
		hash_update(&s->hash, data, size);
		r = pass_on(s, &current, data, size);
		if (r < 0)
			return r;
	}
	if (r != ARCHIVE_EOF)
		return broken(s, err);
	if (current)
		slot_filled(s);
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

int stream_open(int fd, uint64_t max, struct stream **ret, struct cor_error *err)
{
	_cleanup_(stream_freep) struct stream *s = xcalloc(1, sizeof(*s));
	struct archive_entry *entry;
	int r;

	s->max = max;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->changed, NULL);
	hash_init(&s->hash);
	for (size_t i = 0; i < SLOT_COUNT; i++)
		s->slots[i].data = xmalloc(SLOT_SIZE);
	s->archive = archive_read_new();
	if (!s->archive)
		return cor_fail(err, COR_EXHAUSTED, ENOMEM, "read a layer: out of memory");
	archive_read_support_filter_gzip(s->archive);
	archive_read_support_filter_zstd(s->archive);
	archive_read_support_format_raw(s->archive);
	if (archive_read_open_fd(s->archive, fd, READ_SIZE) != ARCHIVE_OK ||
	    archive_read_next_header(s->archive, &entry) != ARCHIVE_OK)
		return broken(s, err);
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
		pthread_join(s->thread, NULL);
	}
	archive_read_free(s->archive);
	hash_release(&s->hash);
	for (size_t i = 0; i < SLOT_COUNT; i++)
		free(s->slots[i].data);
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
