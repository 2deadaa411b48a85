/* SPDX-License-Identifier: Apache-2.0 */
/* vhost-user (QEMU's docs/interop/vhost-user.rst) with the fewest messages that start a queue, and raw FUSE requests (linux/fuse.h) in it, one at a time. */
#include "hostile_share.h"

#include "base/macro.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fuse.h>
#include <linux/virtio_ring.h>

#define MEMORY_SIZE (1 << 20) /* the ring, what is asked, what is answered */
#define ASK_AT      0x10000
#define ANSWER_AT   0x20000
#define ANSWER_SIZE 0x10000
#define RING_SIZE   8
#define REQUESTS    1 /* the queue; 0 is for those in a hurry */
#define PATIENCE_MS 5000

enum {
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13
};

struct message {
	uint32_t request, flags, size;
	uint64_t payload[6];
} __attribute__((packed));

struct share {
	int server, out, kick, call;
	uint8_t *memory;
	struct vring ring;
	uint64_t unique;
};

/* ---- vhost-user ---- */

static void tell(int server, uint32_t request, const void *payload, uint32_t size, int fd)
{
	struct message message = {.request = request, .flags = 1, .size = size};
	struct iovec data = {&message, 12 + size};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};

	if (size)
		memcpy(message.payload, payload, size);
	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		header.msg_control = &control;
		header.msg_controllen = sizeof(control.bytes);
	}
	if (sendmsg(server, &header, MSG_NOSIGNAL) != (ssize_t)data.iov_len)
		exit(3);
}

static void connect_share(struct share *share)
{
	int memory = memfd_create("hostile", MFD_CLOEXEC);
	uint64_t address;

	if (memory < 0 || ftruncate(memory, MEMORY_SIZE) < 0)
		exit(3);
	share->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	share->kick = eventfd(0, EFD_CLOEXEC);
	share->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (share->memory == MAP_FAILED || share->kick < 0 || share->call < 0)
		exit(3);
	vring_init(&share->ring, RING_SIZE, share->memory, 4096);
	address = (uint64_t)(uintptr_t)share->memory;
	tell(share->server, SET_OWNER, NULL, 0, -1);
	/* VIRTIO_F_VERSION_1 and nothing else. */
	tell(share->server, SET_FEATURES, &(uint64_t){UINT64_C(1) << 32}, 8, -1);
	/* One region: the guest's address 0, so many bytes, ours, from the file's beginning. */
	tell(share->server, SET_MEM_TABLE, (uint64_t[]){1, 0, MEMORY_SIZE, address, 0}, 40, memory);
	tell(share->server, SET_VRING_NUM, (uint32_t[]){REQUESTS, RING_SIZE}, 8, -1);
	tell(share->server, SET_VRING_BASE, (uint32_t[]){REQUESTS, 0}, 8, -1);
	tell(share->server, SET_VRING_ADDR,
	     (uint64_t[]){REQUESTS, (uint64_t)(uintptr_t)share->ring.desc,
			  (uint64_t)(uintptr_t)share->ring.used, (uint64_t)(uintptr_t)share->ring.avail, 0},
	     40, -1);
	tell(share->server, SET_VRING_CALL, &(uint64_t){REQUESTS}, 8, share->call);
	tell(share->server, SET_VRING_KICK, &(uint64_t){REQUESTS}, 8, share->kick);
	close(memory);
}

/* ---- FUSE ---- */

/* The answer's body is at share->memory + ANSWER_AT + sizeof(struct fuse_out_header). Returns 0 or -errno, as the server says it. */
static int ask(struct share *share, uint32_t opcode, uint64_t node, const void *body, size_t size)
{
	struct fuse_in_header header = {.len = (uint32_t)(sizeof(header) + size),
					.opcode = opcode,
					.unique = ++share->unique,
					.nodeid = node};
	const struct fuse_out_header *answer = (void *)(share->memory + ANSWER_AT);
	struct vring *ring = &share->ring;
	uint16_t before = *(volatile uint16_t *)&ring->used->idx;

	memcpy(share->memory + ASK_AT, &header, sizeof(header));
	memcpy(share->memory + ASK_AT + sizeof(header), body, size);
	memset(share->memory + ANSWER_AT, 0, ANSWER_SIZE);
	ring->desc[0] =
		(struct vring_desc){.addr = ASK_AT, .len = header.len, .flags = VRING_DESC_F_NEXT, .next = 1};
	ring->desc[1] =
		(struct vring_desc){.addr = ANSWER_AT, .len = ANSWER_SIZE, .flags = VRING_DESC_F_WRITE};
	ring->avail->ring[ring->avail->idx % RING_SIZE] = 0;
	__sync_synchronize();
	ring->avail->idx++;
	if (write(share->kick, &(uint64_t){1}, 8) != 8)
		exit(3);
	for (int waited = 0; *(volatile uint16_t *)&ring->used->idx == before; waited += 10) {
		struct pollfd called = {.fd = share->call, .events = POLLIN};
		uint64_t count;

		if (waited > PATIENCE_MS)
			return -ETIME;
		if (poll(&called, 1, 10) == 1 && read(share->call, &count, sizeof(count)) < 0 &&
		    errno != EAGAIN)
			exit(3);
	}
	__sync_synchronize();
	return answer->unique == header.unique ? answer->error : -EPROTO;
}

static const void *answered(const struct share *share)
{
	return share->memory + ANSWER_AT + sizeof(struct fuse_out_header);
}

static void say(const struct share *share, const char *what, const char *name, int r)
{
	dprintf(share->out, "share: %s %s: %s\n", what, name, r == 0 ? "DONE" : strerror(-r));
}

/* A request that is a structure with one name, or two, behind it. */
static int ask_named(struct share *share, uint32_t opcode, uint64_t node, const void *body, size_t size,
		     const char *name, const char *second)
{
	char bytes[1024];
	size_t length = strlen(name) + 1, more = second ? strlen(second) + 1 : 0;

	if (size)
		memcpy(bytes, body, size);
	memcpy(bytes + size, name, length);
	if (second)
		memcpy(bytes + size + length, second, more);
	return ask(share, opcode, node, bytes, size + length + more);
}

static int look_up(struct share *share, uint64_t parent, const char *name, uint64_t *ret_node)
{
	int r = ask_named(share, FUSE_LOOKUP, parent, NULL, 0, name, NULL);

	*ret_node = r == 0 ? ((const struct fuse_entry_out *)answered(share))->nodeid : 0;
	return r;
}

/* Reads the beginning of a file: what it says, or what kept us from it. */
static void read_node(struct share *share, const char *name, uint64_t node)
{
	int r = ask(share, FUSE_OPEN, node, &(struct fuse_open_in){.flags = O_RDONLY},
		    sizeof(struct fuse_open_in));
	struct fuse_read_in want = {.fh = UINT64_MAX, .size = 64};

	if (r == 0) {
		want.fh = ((const struct fuse_open_out *)answered(share))->fh;
		r = ask(share, FUSE_READ, node, &want, sizeof(want));
	}
	if (r == 0)
		dprintf(share->out, "share: read %s: it says %.64s\n", name, (const char *)answered(share));
	else
		say(share, "read", name, r);
	if (want.fh != UINT64_MAX)
		(void)ask(share, FUSE_RELEASE, node, &(struct fuse_release_in){.fh = want.fh},
			  sizeof(struct fuse_release_in));
}

/* ---- what is tried ---- */

static void try_names(struct share *share)
{
	static const char *const outside[] = {"../secret", "/etc/passwd", "./../secret", "inner/../../secret",
					      ""};
	uint64_t node;

	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		say(share, "look up", outside[i], look_up(share, FUSE_ROOT_ID, outside[i], &node));
		say(share, "make", outside[i],
		    ask_named(share, FUSE_MKDIR, FUSE_ROOT_ID, &(struct fuse_mkdir_in){.mode = 0755},
			      sizeof(struct fuse_mkdir_in), outside[i], NULL));
		say(share, "remove", outside[i],
		    ask_named(share, FUSE_UNLINK, FUSE_ROOT_ID, NULL, 0, outside[i], NULL));
		say(share, "create", outside[i],
		    ask_named(share, FUSE_CREATE, FUSE_ROOT_ID,
			      &(struct fuse_create_in){.flags = O_WRONLY | O_CREAT, .mode = 0644},
			      sizeof(struct fuse_create_in), outside[i], NULL));
		say(share, "rename to", outside[i],
		    ask_named(share, FUSE_RENAME, FUSE_ROOT_ID,
			      &(struct fuse_rename_in){.newdir = FUSE_ROOT_ID}, sizeof(struct fuse_rename_in),
			      "file", outside[i]));
	}
	/* The root's parent is the root. */
	if (look_up(share, FUSE_ROOT_ID, "..", &node) == 0)
		say(share, "look up above the root", "secret", look_up(share, node, "secret", &node));
}

static void try_links(struct share *share)
{
	static const char *const links[] = {"absolute", "relative", "folder"};
	uint64_t node, inner;

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		if (look_up(share, FUSE_ROOT_ID, links[i], &node) < 0) {
			say(share, "MISSING", links[i], -ENOENT);
			continue;
		}
		read_node(share, links[i], node);
		say(share, "look up below", links[i], look_up(share, node, "secret", &inner));
		say(share, "create below", links[i],
		    ask_named(share, FUSE_CREATE, node,
			      &(struct fuse_create_in){.flags = O_WRONLY | O_CREAT, .mode = 0644},
			      sizeof(struct fuse_create_in), "made", NULL));
	}
}

/* Numbers that the server never gave away. */
static void try_numbers(struct share *share)
{
	static const uint64_t nodes[] = {0, 77, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 63};
	int worst = -EBADF;

	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		char name[32];
		uint64_t node;

		snprintf(name, sizeof(name), "node %llu", (unsigned long long)nodes[i]);
		read_node(share, name, nodes[i]);
		say(share, "look up in", name, look_up(share, nodes[i], "secret", &node));
	}
	/* Open files by number, as it might have descriptors. */
	for (uint64_t fh = 0; fh < 256; fh++) {
		int r = ask(share, FUSE_READ, FUSE_ROOT_ID, &(struct fuse_read_in){.fh = fh, .size = 64},
			    sizeof(struct fuse_read_in));

		if (r == 0)
			worst = 0;
	}
	say(share, "read", "open files by number", worst);
}

static void try_devices(struct share *share)
{
	say(share, "make a device", "null",
	    ask_named(share, FUSE_MKNOD, FUSE_ROOT_ID,
		      &(struct fuse_mknod_in){.mode = S_IFCHR | 0666, .rdev = (1 << 8) | 3},
		      sizeof(struct fuse_mknod_in), "null", NULL));
	say(share, "make a device", "disk",
	    ask_named(share, FUSE_MKNOD, FUSE_ROOT_ID,
		      &(struct fuse_mknod_in){.mode = S_IFBLK | 0666, .rdev = 8 << 8},
		      sizeof(struct fuse_mknod_in), "disk", NULL));
}

void hostile_share(int server, int out)
{
	struct share share = {.server = server, .out = out};
	struct fuse_init_in init = {.major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = 65536};
	uint64_t node;
	int r;

	connect_share(&share);
	r = ask(&share, FUSE_INIT, 0, &init, sizeof(init));
	say(&share, "begin", "", r);
	/* That it is served is shown by what it may see. */
	if (look_up(&share, FUSE_ROOT_ID, "file", &node) == 0)
		read_node(&share, "its own file", node);
	try_names(&share);
	try_links(&share);
	try_numbers(&share);
	try_devices(&share);
	say(&share, "end", "",
	    ask(&share, FUSE_GETATTR, FUSE_ROOT_ID, &(struct fuse_getattr_in){0},
		sizeof(struct fuse_getattr_in)));
}
