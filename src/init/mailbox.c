/* SPDX-License-Identifier: Apache-2.0 */
/* All goes past the page cache: a page that is copied through it costs the emulated processor forty times what the host takes to copy it. */
#include "init/mailbox.h"

#include "base/cleanup.h"
#include "base/macro.h"
#include "copy/mailbox.h"
#include "init/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

void mailbox_open(struct mailbox *mailbox)
{
	_free_ char *path = NULL;
	_fd_ int disk = -1;
	void *bytes;

	*mailbox = (struct mailbox){.disk = -1};
	if (disk_find(MAILBOX_SERIAL, &path) < 0)
		return;
	disk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	/* A worker that was killed may still have a write under way. */
	if (disk < 0 || flock(disk, LOCK_EX | LOCK_NB) < 0)
		return;
	bytes = mmap(NULL, MAILBOX_SLOT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED)
		return;
	mailbox->bytes = bytes;
	mailbox->disk = steal_fd(&disk);
}

void mailbox_add_room(struct mailbox *mailbox, uint32_t room)
{
	mailbox->room += MIN(room, MAILBOX_SLOTS - mailbox->room);
}

static size_t round_up(size_t size)
{
	return (size + MAILBOX_ALIGN - 1) / MAILBOX_ALIGN * MAILBOX_ALIGN;
}

static int transfer(ssize_t (*call)(struct mailbox *, size_t, size_t, off_t), struct mailbox *mailbox,
		    size_t size, off_t place)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = call(mailbox, done, size - done, place + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static ssize_t to_disk(struct mailbox *mailbox, size_t from, size_t size, off_t place)
{
	return pwrite(mailbox->disk, mailbox->bytes + from, size, place);
}

static ssize_t from_disk(struct mailbox *mailbox, size_t from, size_t size, off_t place)
{
	return pread(mailbox->disk, mailbox->bytes + from, size, place);
}

/* Fewer bytes than wanted at the end of a file that has become shorter, or an error. */
static ssize_t read_on(int fd, uint8_t *bytes, size_t done, size_t size, uint64_t offset)
{
	while (done < size) {
		ssize_t n = pread(fd, bytes + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* What cannot be read directly (a file system may have no way to) is read as usual. */
static ssize_t read_piece(int fd, uint8_t *bytes, size_t size, uint64_t offset)
{
	ssize_t n = 0;

	if (offset % MAILBOX_ALIGN == 0 && fcntl(fd, F_SETFL, O_DIRECT) == 0) {
		n = pread(fd, bytes, round_up(size), (off_t)offset);
		fcntl(fd, F_SETFL, 0);
	}
	return read_on(fd, bytes, n < 0 ? 0 : MIN((size_t)n, size), size, offset);
}

int mailbox_put(struct mailbox *mailbox, int fd, uint64_t offset, const void *data, size_t size,
		uint32_t *ret_place, struct cor_error *err)
{
	uint32_t place = (uint32_t)(mailbox->pieces % MAILBOX_SLOTS) * MAILBOX_SLOT;
	ssize_t n = (ssize_t)size;
	int r;

	if (fd < 0)
		memcpy(mailbox->bytes, data, size);
	else
		n = read_piece(fd, mailbox->bytes, size, offset);
	if (n < 0)
		return cor_fail_errno(err, (int)n, "a file cannot be read");
	memset(mailbox->bytes + n, 0, round_up(size) - (size_t)n);
	r = transfer(to_disk, mailbox, round_up(size), (off_t)place);
	if (r < 0)
		return cor_fail_errno(err, r, "the mailbox");
	mailbox->pieces++;
	mailbox->room--;
	*ret_place = place;
	return 0;
}

int mailbox_take(struct mailbox *mailbox, uint32_t place, size_t size, struct cor_error *err)
{
	int r = transfer(from_disk, mailbox, round_up(size), (off_t)place);

	return r < 0 ? cor_fail_errno(err, r, "the mailbox") : 0;
}

void mailbox_close(struct mailbox *mailbox)
{
	if (mailbox->disk >= 0)
		munmap(mailbox->bytes, MAILBOX_SLOT);
	close_fd(&mailbox->disk);
}
