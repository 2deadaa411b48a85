/* SPDX-License-Identifier: Apache-2.0 */
#include "net/lease.h"

#include "base/file.h"
#include "base/json.h"
#include "base/size.h"

#include <errno.h>
#include <sys/file.h>

#define LEASE_MAX 4096u
#define NAME_SIZE 12

static void file_name(uint32_t number, char out[static NAME_SIZE])
{
	snprintf(out, NAME_SIZE, "%u", number);
}

int lease_parse(const json_t *document, struct lease *ret)
{
	const char *id = NULL, *device = NULL, *mac = NULL;
	struct lease lease = {0};
	int r = json_get_string(document, "id", &id);

	r = r ?: json_get_string(document, "device", &device);
	r = r ?: json_get_string(document, "mac", &mac);
	if (r < 0 || !id || !id_valid(id) || !device ||
	    !str_made_of(device, LEASE_DEVICE_SIZE - 1, "abcdefghijklmnopqrstuvwxyz0123456789") || !mac ||
	    mac_parse(mac, lease.mac) < 0)
		return -EINVAL;
	memcpy(lease.id, id, ID_SIZE);
	snprintf(lease.device, sizeof(lease.device), "%s", device);
	lease.number = ret->number;
	*ret = lease;
	return 0;
}

static int write_lease(int fd, const struct lease *lease)
{
	char mac[MAC_TEXT_SIZE];
	_json_ json_t *document = json_pack("{s:s, s:s, s:s}", "id", lease->id, "device", lease->device,
					    "mac", mac_format(lease->mac, mac));
	_free_ char *text = json_dumps(document, JSON_COMPACT);

	return text ? fd_write_all(fd, text, strlen(text)) : -EINVAL;
}

/* -EEXIST when it is somebody's. */
static int try_take(int dir, uint32_t number, int *ret_fd)
{
	char name[NAME_SIZE];
	_fd_ int fd = -1;

	file_name(number, name);
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static uint32_t place_of(const char *id)
{
	char digits[9];

	snprintf(digits, sizeof(digits), "%.8s", id);
	return (uint32_t)strtoul(digits, NULL, 16);
}

static int take(int dir, uint32_t first, uint32_t last, uint32_t wanted, struct lease *lease, int *ret_fd)
{
	uint32_t count = last - first + 1, start = place_of(lease->id) % count;
	int r = -EEXIST;

	if (wanted) {
		lease->number = wanted;
		return try_take(dir, wanted, ret_fd);
	}
	for (uint32_t i = 0; r == -EEXIST && i < count; i++) {
		lease->number = first + (start + i) % count;
		r = try_take(dir, lease->number, ret_fd);
	}
	return r == -EEXIST ? -ENOSPC : r;
}

int lease_take(int dir, uint32_t first, uint32_t last, uint32_t wanted, struct lease *lease, int *ret_fd,
	       struct cor_error *err)
{
	int fd = -1, r = take(dir, first, last, wanted, lease, &fd);

	if (r == -ENOSPC && !wanted)
		return cor_fail(err, COR_EXHAUSTED, ENOSPC, "all %u addresses are in use", last - first + 1);
	if (r == -EEXIST)
		return cor_fail(err, COR_EXISTS, EADDRINUSE, "another container has that address");
	if (r == 0) {
		r = write_lease(fd, lease);
		if (r < 0)
			lease_give_back(dir, lease, &fd);
	}
	if (r < 0)
		return cor_fail_errno(err, r, "the record of an address");
	*ret_fd = fd;
	return 0;
}

void lease_forget(int dir, uint32_t number)
{
	char name[NAME_SIZE];

	file_name(number, name);
	unlinkat(dir, name, 0);
}

void lease_give_back(int dir, const struct lease *lease, int *fd)
{
	lease_forget(dir, lease->number);
	close_fd(fd);
}

static void look(int dir, uint32_t number, lease_fn *each, void *context)
{
	struct lease lease = {.number = number};
	_json_ json_t *document = NULL;
	char name[NAME_SIZE];
	_fd_ int fd = -1;

	file_name(number, name);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	if (json_read_file(dir, name, LEASE_MAX, &document, NULL) == 0)
		(void)lease_parse(document, &lease);
	/* Shared: two who look do not take each other for an owner. */
	each(&lease, flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK, context);
}

int lease_each(int dir, lease_fn *each, void *context)
{
	_dir_ DIR *stream = dir_list(dir, ".");
	const struct dirent *entry;
	int64_t number;

	if (!stream)
		return -errno;
	while ((entry = dir_next(stream)))
		if (number_parse(entry->d_name, 1, UINT32_MAX, &number) == 0)
			look(dir, (uint32_t)number, each, context);
	return 0;
}
