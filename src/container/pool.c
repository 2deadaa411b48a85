/* SPDX-License-Identifier: Apache-2.0 */
/* Both sides of a claim. The claimer connects first and takes the name away then: a shim whose name is gone and to whom nobody is connected any more knows that nobody will come. */
#include "container/pool.h"

#include "base/file.h"
#include "base/json.h"
#include "base/unix_socket.h"
#include "container/shim_client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define FOLDER    "pool"
#define BACKLOG   16
#define ANSWER_MS 2000
#define YES       'y'
#define NO        'n'

struct claim {
	char magic[16];
	char id[ID_SIZE];
};
static const char magic[16] = "coracle-claim-1";

/* ---- what both must have in common ---- */

static const char *const variables[] = {
	"CORACLE_INITRAMFS", "CORACLE_KERNEL", "CORACLE_LOG", "CORACLE_QEMU", "CORACLE_SHIM",
};
static const char *const namespaces[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};

/* FNV-1a: it finds, and proves nothing. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	while (*text++);
	return hash;
}

static uint64_t hash_number(uint64_t hash, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	return hash_text(hash, text);
}

static uint64_t hash_file(uint64_t hash, const char *path)
{
	struct stat st = {0};

	stat(path, &st);
	return hash_number(hash_number(hash, st.st_dev), st.st_ino);
}

/* What PATH decides: which QEMU. The places are those of vmm/qemu.c. */
static uint64_t hash_vmm(uint64_t hash)
{
	_free_ char *path = str_format("%s:/usr/local/bin:/usr/bin:/usr/libexec", getenv("PATH") ?: "");
	_strv_ struct strv folders = strv_split(path, ':');
	struct utsname host = {0};
	const char *folder;

	uname(&host);
	strv_foreach (&folders, i, folder) {
		_free_ char *program = str_format("%s/qemu-system-%s", folder, host.machine);

		if (*folder == '/' && access(program, X_OK) == 0)
			return hash_file(hash, program);
	}
	return hash;
}

/* What HOME decides: where kernels are that were built here (shim/installation.c). */
static uint64_t hash_kernels(uint64_t hash)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	_free_ char *folder = cache && *cache == '/' ? str_format("%s/coracle/kernels", cache)
						     : str_format("%s/.cache/coracle/kernels", home ?: "");

	return hash_file(hash, folder);
}

/* What a process has from whoever started it. */
static uint64_t hash_process(uint64_t hash)
{
	_free_ char *adjustment = NULL;
	struct rlimit limit = {0};

	hash = hash_number(hash, (uint64_t)getpriority(PRIO_PROCESS, 0));
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		getrlimit((__rlimit_resource_t)i, &limit);
		hash = hash_number(hash_number(hash, limit.rlim_cur), limit.rlim_max);
	}
	file_read(AT_FDCWD, "/proc/self/oom_score_adj", 64, &adjustment, NULL);
	return hash_text(hash, adjustment ?: "");
}

void pool_key(const char *shim, unsigned cpus, uint64_t memory, char out[POOL_KEY_SIZE])
{
	uint64_t hash = hash_text(UINT64_C(0xcbf29ce484222325), CORACLE_VERSION);
	struct stat st = {0};

	stat(shim, &st);
	hash = hash_number(hash_number(hash, st.st_dev), st.st_ino);
	hash = hash_number(hash_number(hash, (uint64_t)st.st_mtim.tv_sec), (uint64_t)st.st_mtim.tv_nsec);
	hash = hash_number(hash_number(hash, cpus), memory);
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		hash = hash_text(hash, getenv(variables[i]) ?: "");
	hash = hash_process(hash_kernels(hash_vmm(hash)));
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
		_free_ char *path = str_format("/proc/self/ns/%s", namespaces[i]);

		st.st_ino = 0;
		stat(path, &st);
		hash = hash_number(hash, st.st_ino);
	}
	snprintf(out, POOL_KEY_SIZE, "%016" PRIx64, hash);
}

bool pool_fits(const struct container_record *record)
{
	const struct machine_config *machine = &record->machine;

	return (str_empty(machine->accelerator) || str_equal(machine->accelerator, "auto")) &&
	       str_empty(machine->kernel) && str_empty(machine->initramfs) && !machine->kernel_args.count &&
	       !machine->virtualization && !machine->no_template && !record->read_only &&
	       !record->volume_count && !record->shares.count && !record->sockets.count &&
	       !record->networks.count && !record->publish.count;
}

/* ---- claiming ---- */

static int send_claim(int socket, const char *id, int log_fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS}};
	struct claim claim = {0};
	struct iovec bytes = {.iov_base = &claim, .iov_len = sizeof(claim)};
	struct msghdr message = {.msg_iov = &bytes,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control.room)};

	memcpy(claim.magic, magic, sizeof(magic));
	memcpy(claim.id, id, ID_SIZE);
	memcpy(CMSG_DATA(&control.header), &log_fd, sizeof(log_fd));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == sizeof(claim) ? 0 : -EIO;
}

static int await_answer(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	char answer = NO;

	bool late = poll(&ready, 1, ANSWER_MS) != 1;

	/* After this it cannot answer any more, so that what has not come by now never comes. */
	if (late)
		shutdown(fd, SHUT_RDWR);
	if (recv(fd, &answer, 1, MSG_DONTWAIT) == 1 && answer == YES)
		return 0;
	return late ? -ETIMEDOUT : -ENOENT;
}

static int try_entry(int folder, const char *name, const char *id, int log_fd, int *ret_fd)
{
	_fd_ int file = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), fd = -1;
	int r = file < 0 ? -errno : unix_connect(file, &fd);

	if (r == -EAGAIN || r == -ENOENT)
		return -ENOENT;
	/* Also of one that has died. */
	if (unlinkat(folder, name, 0) < 0 || r < 0)
		return -ENOENT;
	r = send_claim(fd, id, log_fd) < 0 ? -ENOENT : await_answer(fd);
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

int pool_claim(const struct roots *roots, const struct container_record *record, int log_fd, int *ret_fd)
{
	int folder = openat(roots->run_fd, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	_dir_ DIR *dir = folder < 0 ? NULL : fdopendir(folder);
	_free_ char *shim = dir ? shim_program() : NULL;
	char key[POOL_KEY_SIZE];
	struct dirent *entry;
	int r = -ENOENT;

	if (!shim || str_equal(getenv("CORACLE_TEMPLATES"), "off") || !pool_fits(record))
		return -ENOENT;
	pool_key(shim, record->machine.cpus, record->machine.memory, key);
	while (r == -ENOENT && (entry = readdir(dir)))
		if (strncmp(entry->d_name, key, POOL_KEY_SIZE - 1) == 0)
			r = try_entry(folder, entry->d_name, record->id, log_fd, ret_fd);
	return r;
}

/* ---- being claimed ---- */

/* A socket under its last name whose shim has died. */
static bool is_dead_name(int folder, const char *name)
{
	_fd_ int file = -1;

	if (strspn(name, "0123456789abcdef") != POOL_KEY_SIZE - 1 || name[POOL_KEY_SIZE - 1] != '.')
		return false;
	file = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return file >= 0 && unix_is_dead(file);
}

/* A rehearsal's folder that nobody has the slot of: *ret_slot holds it, the caller's. */
static bool is_dead_folder(int folder, const char *name, int *ret_slot)
{
	_free_ char *slot = NULL;
	unsigned number;
	int end = 0;

	if (sscanf(name, "%u.d%n", &number, &end) != 1 || !end || name[end])
		return false;
	slot = str_format("%u.slot", number);
	*ret_slot = openat(folder, slot, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *ret_slot >= 0 && fcntl(*ret_slot, F_OFD_SETLK, &(struct flock){.l_type = F_WRLCK}) == 0;
}

static void sweep(int folder, bool remove, void (*found)(const char *name, void *context), void *context)
{
	_dir_ DIR *dir = dir_list(folder, ".");
	const struct dirent *entry;

	while ((entry = dir_next(dir))) {
		_fd_ int slot = -1;

		if (!is_dead_name(folder, entry->d_name) && !is_dead_folder(folder, entry->d_name, &slot))
			continue;
		if (remove)
			tree_remove(folder, entry->d_name);
		if (found)
			found(entry->d_name, context);
	}
}

void pool_check(const struct roots *roots, bool repair, void (*found)(const char *name, void *context),
		void *context)
{
	_fd_ int folder = openat(roots->run_fd, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (folder >= 0)
		sweep(folder, repair, found, context);
}

int pool_place_take(const struct roots *roots, const struct pool_config *config, struct pool_place *ret)
{
	*ret = (struct pool_place){.folder = -1, .slot = -1};
	int r = config->size ? dir_open_make(roots->run_fd, FOLDER, 0700, &ret->folder) : -ENOENT;

	for (unsigned i = 0; r == 0 && i < config->size; i++) {
		_free_ char *name = str_format("%u.slot", i);
		_fd_ int fd = openat(ret->folder, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &(struct flock){.l_type = F_WRLCK}) == 0) {
			ret->slot = steal_fd(&fd);
			ret->number = i;
			sweep(ret->folder, true, NULL, NULL);
			pool_place_tell(ret, 0, false);
			return 0;
		}
	}
	pool_place_release(ret);
	return r ?: -ENOENT;
}

void pool_place_tell(const struct pool_place *place, pid_t vmm, bool ready)
{
	char text[64];
	int size = snprintf(text, sizeof(text), "%d %d %d\n", getpid(), vmm, ready);

	if (ftruncate(place->slot, 0) == 0)
		(void)!pwrite(place->slot, text, (size_t)size, 0);
}

int pool_place_open(struct pool_place *place, const char *key, int *ret_fd)
{
	char name[32];
	_fd_ int fd = -1;
	int r;

	/* Under its name it listens already: who finds nobody there takes the name away. */
	snprintf(name, sizeof(name), "new.%d", getpid());
	unlinkat(place->folder, name, 0);
	r = unix_listen_at(place->folder, name, BACKLOG, &fd);
	if (r < 0)
		return r;
	snprintf(place->name, sizeof(place->name), "%.16s.%d", key, getpid());
	if (renameat(place->folder, name, place->folder, place->name) < 0) {
		r = -errno;
		unlinkat(place->folder, name, 0);
		return r;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

bool pool_place_is_open(const struct pool_place *place)
{
	return faccessat(place->folder, place->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void pool_place_close(struct pool_place *place)
{
	if (place->folder >= 0 && place->name[0])
		unlinkat(place->folder, place->name, 0);
	place->name[0] = '\0';
}

void pool_place_release(struct pool_place *place)
{
	pool_place_close(place);
	if (place->slot >= 0)
		(void)!ftruncate(place->slot, 0);
	close_fd(&place->slot);
	close_fd(&place->folder);
}

int pool_claim_receive(int fd, char ret_id[ID_SIZE], int *ret_log_fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct claim claim;
	struct iovec bytes = {.iov_base = &claim, .iov_len = sizeof(claim)};
	struct msghdr message = {.msg_iov = &bytes,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control.room)};
	ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	_fd_ int log_fd = -1;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
		memcpy(&log_fd, CMSG_DATA(header), sizeof(log_fd));
	if (n != sizeof(claim) || log_fd < 0 || memcmp(claim.magic, magic, sizeof(magic)) != 0 ||
	    claim.id[ID_SIZE - 1] || !id_valid(claim.id))
		return -ECONNRESET;
	memcpy(ret_id, claim.id, ID_SIZE);
	*ret_log_fd = steal_fd(&log_fd);
	return 0;
}

int pool_claim_answer(int fd, bool yes)
{
	char answer = yes ? YES : NO;
	struct pollfd gone = {.fd = fd, .events = POLLRDHUP};

	/* He may have lost patience before we looked. */
	if (poll(&gone, 1, 0) == 1)
		return -EPIPE;
	return send(fd, &answer, 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -EPIPE;
}
