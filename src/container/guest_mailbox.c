/* SPDX-License-Identifier: Apache-2.0 */
/* The shim says which descriptor of its own the memory is. A number of a process says little, and in another PID namespace it is another's: what is found
 * there counts only if it is the very file that the shim means, is called as it must be, was made by the user that we are, and has its size for good, so
 * that no access to it can fail. */
#include "container/guest_mailbox.h"

#include "base/str.h"
#include "copy/mailbox.h"
#include "copy/message.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

/* By what it is called: nothing else is opened, since that alone could do something. */
static int open_memory(const Coracle__Shim__V1__MailboxResponse *where)
{
	char path[48], link[64] = "";
	_fd_ int fd = -1;
	struct stat st;
	int seals;

	snprintf(path, sizeof(path), "/proc/%u/fd/%u", where->pid, where->number);
	if (readlink(path, link, sizeof(link) - 1) < 0 ||
	    strcmp(link, "/memfd:" MAILBOX_MEMFD " (deleted)") != 0)
		return -ENOENT;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	seals = fd < 0 ? -1 : fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
	    st.st_size != MAILBOX_SIZE)
		return -ENOENT;
	if (st.st_dev != where->device || st.st_ino != where->inode)
		return -ENOENT;
	return steal_fd(&fd);
}

void guest_mailbox_open(struct guest_mailbox *mailbox, struct shim_client *client)
{
	Coracle__Shim__V1__Empty request = CORACLE__SHIM__V1__EMPTY__INIT;
	Coracle__Shim__V1__MailboxResponse *answer = NULL;
	_fd_ int fd = -1;
	void *bytes;

	*mailbox = (struct guest_mailbox){0};
	if (shim_call(client, SHIM_METHOD("Mailbox"), &request.base,
		      &coracle__shim__v1__mailbox_response__descriptor, SHIM_CALL_MS,
		      (ProtobufCMessage **)&answer, NULL) < 0)
		return;
	fd = open_memory(answer);
	protobuf_c_message_free_unpacked(&answer->base, NULL);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	bytes = mmap(NULL, MAILBOX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return;
	mailbox->bytes = bytes;
	mailbox->piece = xmalloc(COPY_PIECE_MAX);
	mailbox->fd = steal_fd(&fd);
}

void guest_mailbox_begin(struct guest_mailbox *mailbox)
{
	mailbox->room = 0;
	mailbox->pieces = 0;
}

void guest_mailbox_add_room(struct guest_mailbox *mailbox, uint32_t room)
{
	mailbox->room += MIN(room, MAILBOX_SLOTS - mailbox->room);
}

/* The file's name is what Linux has for it: who reads it here was only given a descriptor. */
static int unreadable(int fd, int error, struct cor_error *err)
{
	char link[32], path[COPY_PATH_MAX + 1];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[MAX(n, 0)] = '\0';
	return cor_fail_errno(err, error, "'%.256s'", n > 0 ? path : "a file");
}

int guest_mailbox_read(int fd, uint8_t *out, size_t size, uint64_t offset, struct cor_error *err)
{
	while (size) {
		ssize_t n = pread(fd, out, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return unreadable(fd, errno, err);
		if (n == 0)
			break;
		out += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	memset(out, 0, size);
	return 0;
}

int guest_mailbox_put(struct guest_mailbox *mailbox, int fd, uint64_t offset, const void *data, size_t size,
		      uint32_t *ret_place, struct cor_error *err)
{
	uint32_t place = (uint32_t)(mailbox->pieces % MAILBOX_SLOTS) * MAILBOX_SLOT;
	int r = 0;

	if (fd < 0)
		memcpy(mailbox->bytes + place, data, size);
	else
		r = guest_mailbox_read(fd, mailbox->bytes + place, size, offset, err);
	if (r < 0)
		return r;
	mailbox->pieces++;
	mailbox->room--;
	*ret_place = place;
	return 0;
}

int guest_mailbox_take(struct guest_mailbox *mailbox, uint32_t place, size_t size, uint64_t offset,
		       const struct copy_sink *sink, struct cor_error *err)
{
	const uint8_t *from = mailbox->bytes + place;
	int r = 0;

	/* Through a cache. */
	for (size_t done = 0, n; r == 0 && done < size; done += n) {
		n = MIN(size - done, (size_t)COPY_PIECE_MAX);
		memcpy(mailbox->piece, from + done, n);
		r = sink->data(sink->user, offset + done, mailbox->piece, n, err);
	}
	return r;
}

void guest_mailbox_close(struct guest_mailbox *mailbox)
{
	if (!mailbox->bytes)
		return;
	munmap(mailbox->bytes, MAILBOX_SIZE);
	free(mailbox->piece);
	fallocate(mailbox->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, MAILBOX_SIZE);
	close_fd(&mailbox->fd);
	mailbox->bytes = NULL;
}
