/* SPDX-License-Identifier: Apache-2.0 */
/* Of several pulls that want one blob, the one with the lock on its part fetches it. When it is complete the lock goes, so that the others find it long before the first pull ends
 * and publishes it. From then on nothing writes into that file: whoever finds fault with it (a manifest may lie about sizes) takes its name away and begins another. */
#include "image/fetch.h"

#include "base/macro.h"
#include "base/size.h"
#include "base/str.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

#define SUBMIT_SIZE (8 * MIB)
#define HASH_PIECE  (1u << 18)

void fetch_init(struct fetch *f, const struct image_store *store, int work, const char *digest, uint64_t size)
{
	*f = (struct fetch){.store = store, .work = work, .size = size, .out = -1, .part = -1};
	strcpy(f->digest, digest);
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->changed, NULL);
	hash_init(&f->hash);
}

/* Readers have descriptors of the same open file, so closing ours alone would not end the lock. */
static void let_go(struct fetch *f)
{
	close_fd(&f->out);
	if (f->part >= 0)
		flock(f->part, LOCK_UN);
	close_fd(&f->part);
}

void fetch_release(struct fetch *f)
{
	if (!f->store)
		return;
	let_go(f);
	hash_release(&f->hash);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->mutex);
	f->store = NULL;
}

static const char *name(const struct fetch *f)
{
	return digest_hex(f->digest);
}

static int failed(const struct fetch *f, int errnum, struct cor_error *err)
{
	/* It stays for the next attempt, and somebody may need the room more. */
	if (errnum == ENOSPC || errnum == -ENOSPC)
		return cor_fail(err, COR_EXHAUSTED, ENOSPC,
				"write '%s/partial/%.12s...': %s ('coracle image prune' frees what came)",
				f->store->path, name(f), strerror(ENOSPC));
	return cor_fail_errno(err, errnum, "write '%s/partial/%.12s...'", f->store->path, name(f));
}

static void set_complete(struct fetch *f)
{
	pthread_mutex_lock(&f->mutex);
	let_go(f);
	f->there = f->size;
	f->complete = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->mutex);
}

/* ---- beginning ---- */

/* 1 if the store has it: then it is in our folder too. */
static int link_stored(struct fetch *f, struct cor_error *err)
{
	struct stat st;

	if (linkat(f->store->blobs, name(f), f->work, name(f), 0) < 0)
		return errno == ENOENT ? 0 : failed(f, errno, err);
	if (fstatat(f->work, name(f), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	    (uint64_t)st.st_size == f->size)
		return 1;
	/* Damaged, or never what this manifest says. */
	return unlinkat(f->work, name(f), 0) < 0 ? failed(f, errno, err) : 0;
}

/* 1 if we have it now, 0 if it is another's, -EAGAIN if its name changed meanwhile. */
static int lock_part(struct fetch *f, struct stat *ret)
{
	_fd_ int fd = openat(f->store->partial, name(f), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
	if (!store_is_named(f->store->partial, name(f), fd))
		return -EAGAIN;
	if (fstat(fd, ret) < 0)
		return -errno;
	pthread_mutex_lock(&f->mutex);
	f->part = steal_fd(&fd);
	pthread_mutex_unlock(&f->mutex);
	return 1;
}

static int hash_part(struct fetch *f, uint64_t size, struct cor_error *err)
{
	_free_ uint8_t *piece = xmalloc(HASH_PIECE);

	for (uint64_t at = 0; at < size;) {
		ssize_t n = pread(f->part, piece, HASH_PIECE, (off_t)at);

		if (n < 0)
			return cor_fail_errno(err, errno, "read '%s/partial/%.12s...'", f->store->path,
					      name(f));
		if (n == 0)
			return cor_fail(err, COR_INTERNAL, EIO, "'%s/partial/%.12s...' was cut off",
					f->store->path, name(f));
		hash_update(&f->hash, piece, (size_t)n);
		at += (uint64_t)n;
	}
	return 0;
}

/* Takes its name away; a new one will be begun. */
static void discard(struct fetch *f)
{
	unlinkat(f->store->partial, name(f), 0);
	pthread_mutex_lock(&f->mutex);
	let_go(f);
	pthread_mutex_unlock(&f->mutex);
	hash_release(&f->hash);
	hash_init(&f->hash);
}

/* The digest is right: it gets its second name, and nobody writes it any more. */
static int keep(struct fetch *f, struct cor_error *err)
{
	if (fchmod(f->part, 0400) < 0 || linkat(f->store->partial, name(f), f->work, name(f), 0) < 0)
		return failed(f, errno, err);
	sync_file_range(f->part, (off_t)f->submitted, 0, SYNC_FILE_RANGE_WRITE);
	set_complete(f);
	return 0;
}

/* 1 if it was all there, 0 if it may be continued, -EAGAIN if it was good for nothing. */
static int continue_part(struct fetch *f, const struct stat *st, struct cor_error *err)
{
	char found[DIGEST_SIZE];
	bool sealed = !(st->st_mode & S_IWUSR);
	int r;

	if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size > f->size ||
	    (sealed && (uint64_t)st->st_size != f->size)) {
		discard(f);
		return -EAGAIN;
	}
	r = hash_part(f, (uint64_t)st->st_size, err);
	if (r < 0)
		return r;
	if ((uint64_t)st->st_size == f->size && f->size) {
		hash_finish(&f->hash, found);
		if (strcmp(found, f->digest) == 0)
			return keep(f, err) ?: 1;
		discard(f);
		return -EAGAIN;
	}
	f->out = openat(f->store->partial, name(f), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (f->out < 0)
		return failed(f, errno, err);
	f->submitted = (uint64_t)st->st_size;
	pthread_mutex_lock(&f->mutex);
	f->there = (uint64_t)st->st_size;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->mutex);
	return 0;
}

static int begin_part(struct fetch *f, enum fetch_begun *ret, struct cor_error *err)
{
	struct stat st = {0};
	int r = lock_part(f, &st);

	if (r < 0)
		return r == -EAGAIN ? r : failed(f, r, err);
	if (r == 0) {
		*ret = FETCH_BUSY;
		return 0;
	}
	/* Whoever had it before us puts it into the store before it removes the part: look once more. */
	r = st.st_size == 0 ? link_stored(f, err) : 0;
	if (r == 1) {
		unlinkat(f->store->partial, name(f), 0);
		set_complete(f);
	} else if (r == 0) {
		r = continue_part(f, &st, err);
	}
	if (r < 0)
		return r;
	*ret = r == 1 ? FETCH_HERE : FETCH_OURS;
	return 0;
}

int fetch_begin(struct fetch *f, enum fetch_begun *ret, struct cor_error *err)
{
	int r = link_stored(f, err);

	if (r == 1) {
		set_complete(f);
		*ret = FETCH_HERE;
		return 0;
	}
	if (r < 0)
		return r;
	do
		r = begin_part(f, ret, err);
	while (r == -EAGAIN);
	return r;
}

void fetch_published(const struct fetch *f)
{
	_fd_ int fd = openat(f->store->partial, name(f), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	/* One that another pull looks at just now is left for its end. */
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && store_is_named(f->store->partial, name(f), fd))
		unlinkat(f->store->partial, name(f), 0);
}

/* ---- bytes ---- */

static int write_all(struct fetch *f, const uint8_t *data, size_t size, struct cor_error *err)
{
	uint64_t at = f->there;

	while (size) {
		ssize_t n = pwrite(f->out, data, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed(f, n < 0 ? errno : ENOSPC, err);
		data += n;
		at += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

int fetch_add(struct fetch *f, const void *data, size_t size, struct cor_error *err)
{
	int r;

	if (size > f->size - f->there)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s is larger than its manifest says", f->digest);
	r = write_all(f, data, size, err);
	if (r < 0)
		return r;
	hash_update(&f->hash, data, size);
	pthread_mutex_lock(&f->mutex);
	f->there += size;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->mutex);
	/* So that there is little left to wait for when it must be on the disk. */
	if (f->there - f->submitted >= SUBMIT_SIZE) {
		sync_file_range(f->out, (off_t)f->submitted, (off_t)(f->there - f->submitted),
				SYNC_FILE_RANGE_WRITE);
		f->submitted = f->there;
	}
	return 0;
}

int fetch_end(struct fetch *f, struct cor_error *err)
{
	char found[DIGEST_SIZE];

	if (f->complete)
		return 0;
	if (f->there != f->size)
		return cor_fail(err, COR_CORRUPT, EBADMSG, "%s is shorter than its manifest says", f->digest);
	hash_finish(&f->hash, found);
	if (strcmp(found, f->digest) == 0)
		return keep(f, err);
	discard(f);
	fetch_cancel(f);
	return cor_fail(err, COR_CORRUPT, EBADMSG,
			"what came as %s has digest %s: it was thrown away, and will be fetched anew when "
			"you pull again",
			f->digest, found);
}

void fetch_cancel(struct fetch *f)
{
	pthread_mutex_lock(&f->mutex);
	f->failed = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->mutex);
}

/* ---- reading ---- */

struct follower {
	struct fetch *fetch;
	int fd;
	uint64_t at;
	bool stopped; /* below the fetch's mutex */
};

/* With the mutex held. */
static int open_follower(struct follower *reader)
{
	struct fetch *f = reader->fetch;

	if (reader->fd < 0)
		reader->fd = f->complete ? openat(f->work, name(f), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
					 : fcntl(f->part, F_DUPFD_CLOEXEC, 3);
	return reader->fd < 0 ? -errno : 0;
}

/* How many bytes may be read now; 0 at the end. */
static int wait_for_bytes(struct follower *reader, uint64_t *ret, struct cor_error *err)
{
	struct fetch *f = reader->fetch;
	int r = 0;

	pthread_mutex_lock(&f->mutex);
	while (!f->failed && !reader->stopped && f->there == reader->at && !f->complete)
		pthread_cond_wait(&f->changed, &f->mutex);
	if (f->failed || reader->stopped)
		r = cor_fail(err, COR_CANCELLED, ECANCELED, "its layers do not come any more");
	else if (f->there > reader->at)
		r = open_follower(reader);
	*ret = f->there - reader->at;
	pthread_mutex_unlock(&f->mutex);
	return r < 0 && r != -ECANCELED ? cor_fail_errno(err, r, "read a layer") : r;
}

static int follower_read(void *userdata, void *data, size_t size, size_t *ret_size, struct cor_error *err)
{
	struct follower *reader = userdata;
	uint64_t have = 0;
	ssize_t n = 0;
	int r = wait_for_bytes(reader, &have, err);

	if (r < 0)
		return r;
	if (have) {
		n = pread(reader->fd, data, MIN((uint64_t)size, have), (off_t)reader->at);
		if (n <= 0)
			return cor_fail_errno(err, n < 0 ? errno : EIO, "read a layer");
	}
	reader->at += (uint64_t)n;
	*ret_size = (size_t)n;
	return 0;
}

static void follower_stop(void *userdata)
{
	struct follower *reader = userdata;

	pthread_mutex_lock(&reader->fetch->mutex);
	reader->stopped = true;
	pthread_cond_broadcast(&reader->fetch->changed);
	pthread_mutex_unlock(&reader->fetch->mutex);
}

static void follower_release(void *userdata)
{
	struct follower *reader = userdata;

	close_fd(&reader->fd);
	free(reader);
}

struct source fetch_source(struct fetch *f)
{
	struct follower *reader = xcalloc(1, sizeof(*reader));

	reader->fetch = f;
	reader->fd = -1;
	return (struct source){.read = follower_read,
			       .stop = follower_stop,
			       .release = follower_release,
			       .userdata = reader};
}
