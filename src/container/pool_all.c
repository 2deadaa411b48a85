/* SPDX-License-Identifier: Apache-2.0 */
/* The pool as a whole: what is wanted, what is there, its filling and its end. */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "container/context.h"
#include "container/detach.h"
#include "container/machine.h"
#include "container/pool.h"
#include "container/shim_client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define FOLDER     "pool"
#define WANTED     "pool.json"
#define LOG        "pool/log"
#define LOG_MAX    (256 << 10)
#define FORMAT     1
#define GOODBYE_MS 5000 /* until one that was asked to end is ended */
#define NAP_MS     10

/* ---- what is wanted ---- */

int pool_config_read(const struct roots *roots, struct pool_config *ret)
{
	_json_ json_t *document = NULL;
	struct cor_error ignored;
	int64_t size = 0, cpus = 0, memory = 0;
	int r = json_read_file(roots->data_fd, WANTED, 4096, &document, &ignored);

	*ret = (struct pool_config){0};
	if (r == -ENOENT)
		return 0;
	r = r ?: json_get_int(document, "size", &size);
	r = r ?: json_get_int(document, "cpus", &cpus);
	r = r ?: json_get_int(document, "memory", &memory);
	if (r < 0 || size < 0 || size > POOL_SIZE_MAX || cpus < 1 || cpus > 255 || memory < 1)
		return r < 0 ? r : -EBADMSG;
	*ret = (struct pool_config){
		.size = (unsigned)size, .cpus = (unsigned)cpus, .memory = (uint64_t)memory};
	return 0;
}

int pool_config_write(const struct roots *roots, const struct pool_config *config, struct cor_error *err)
{
	_json_ json_t *document =
		json_pack("{s:i, s:I, s:I, s:I}", "format", FORMAT, "size", (json_int_t)config->size, "cpus",
			  (json_int_t)config->cpus, "memory", (json_int_t)config->memory);

	return json_write_file(roots->data_fd, WANTED, document, 0600, err);
}

/* ---- filling ---- */

static int open_log(const struct roots *roots, struct cor_error *err)
{
	_fd_ int folder = -1, fd = -1;
	struct stat st;
	int r = dir_open_make(roots->run_fd, FOLDER, 0700, &folder);

	if (r == 0)
		fd = openat(roots->run_fd, LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return cor_fail_errno(err, r < 0 ? r : errno, "the pool's log");
	if (fstat(fd, &st) == 0 && st.st_size > LOG_MAX)
		(void)!ftruncate(fd, 0);
	return steal_fd(&fd);
}

int pool_fill(const struct roots *roots, struct cor_error *err)
{
	/* It gets the container's id here when it has one, for people who look at lists of processes. */
	static const char no_id[] = "0000000000000000000000000000000000000000000000000000000000000000";
	_free_ char *program = shim_program();
	_fd_ int log = open_log(roots, err);

	if (log < 0)
		return log;
	if (!program)
		return cor_fail(err, COR_UNSUPPORTED, ENOENT, "coracle-shim is not installed");
	return process_detach((const char *const[]){program, "--ready", "--data", roots->data, "--run",
						    roots->run, "--id", no_id, NULL},
			      log, log, err);
}

/* ---- what is there ---- */

struct slot {
	pid_t shim, vmm; /* 0: not told yet */
	bool ready;
};

/* False when nobody holds it. */
static bool read_slot(int folder, const char *name, struct slot *ret)
{
	_fd_ int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct flock lock = {.l_type = F_WRLCK};
	char text[64] = "";
	int ready = 0;

	if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return false;
	*ret = (struct slot){0};
	if (pread(fd, text, sizeof(text) - 1, 0) > 0 &&
	    sscanf(text, "%d %d %d", &ret->shim, &ret->vmm, &ready) == 3)
		ret->ready = ready;
	return true;
}

static uint64_t process_memory(pid_t pid)
{
	_free_ char *path = str_format("/proc/%d/smaps_rollup", (int)pid), *text = NULL;
	unsigned long long kib = 0;
	char *line;

	if (pid <= 0 || file_read(AT_FDCWD, path, 65536, &text, NULL) < 0)
		return 0;
	line = strstr(text, "\nPss:");
	return line && sscanf(line, "\nPss: %llu", &kib) == 1 ? kib * 1024 : 0;
}

static DIR *open_pool(const struct roots *roots)
{
	int fd = openat(roots->run_fd, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		close_fd(&fd);
	return dir;
}

static bool is_slot(const char *name)
{
	return strlen(name) > 5 && str_equal(name + strlen(name) - 5, ".slot");
}

int pool_status(const struct roots *roots, struct pool_status *ret)
{
	_dir_ DIR *dir = open_pool(roots);
	struct dirent *entry;
	struct slot slot;

	*ret = (struct pool_status){0};
	while (dir && (entry = readdir(dir))) {
		if (!is_slot(entry->d_name) || !read_slot(dirfd(dir), entry->d_name, &slot))
			continue;
		ret->ready += slot.ready;
		ret->starting += !slot.ready;
		ret->memory += process_memory(slot.shim) + process_memory(slot.vmm);
	}
	return 0;
}

bool pool_has_room(const struct roots *roots, const struct pool_config *config)
{
	_dir_ DIR *dir = open_pool(roots);
	struct slot slot;
	bool room = false;

	for (unsigned i = 0; !room && i < config->size; i++) {
		_free_ char *name = str_format("%u.slot", i);

		room = !dir || !read_slot(dirfd(dir), name, &slot);
	}
	return room;
}

/* ---- the end ---- */

/* Whether it is one of ours by that number, in this pid namespace. */
static bool is_shim(pid_t pid)
{
	_free_ char *path = str_format("/proc/%d/comm", (int)pid), *text = NULL;

	return file_read(AT_FDCWD, path, 64, &text, NULL) == 0 && str_equal(text, "coracle-shim\n");
}

/* Takes its name away as a claimer would: then nobody else can claim it. False when somebody has done so before. */
static bool take_name(DIR *dir, pid_t shim)
{
	_free_ char *end = str_format(".%d", (int)shim);
	struct dirent *entry;

	rewinddir(dir);
	while ((entry = readdir(dir)))
		if (strlen(entry->d_name) == POOL_KEY_SIZE - 1 + strlen(end) &&
		    str_equal(entry->d_name + POOL_KEY_SIZE - 1, end))
			return unlinkat(dirfd(dir), entry->d_name, 0) == 0;
	return false;
}

/* Only whom nobody has claimed, or can claim, is killed. The lock tells that it was still this one after its pid was turned into a descriptor. */
static void signal_slot(DIR *names, const char *name, int signal)
{
	struct slot slot, again;
	_fd_ int pidfd = -1;

	if (!read_slot(dirfd(names), name, &slot) || slot.shim <= 0)
		return;
	pidfd = (int)syscall(SYS_pidfd_open, slot.shim, 0);
	if (pidfd < 0 || !is_shim(slot.shim) || !read_slot(dirfd(names), name, &again) ||
	    again.shim != slot.shim)
		return;
	if (signal == POOL_DRAIN || !again.ready || take_name(names, slot.shim))
		syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

/* Returns how many there are. */
static unsigned signal_all(const struct roots *roots, int signal)
{
	_dir_ DIR *dir = open_pool(roots), *names = open_pool(roots);
	struct dirent *entry;
	struct slot slot;
	unsigned count = 0;

	while (dir && names && (entry = readdir(dir))) {
		if (!is_slot(entry->d_name) || !read_slot(dirfd(dir), entry->d_name, &slot))
			continue;
		count++;
		signal_slot(names, entry->d_name, signal);
	}
	return count;
}

/* Again and again, for those that had not told their pid. */
static unsigned end_all(const struct roots *roots, int signal)
{
	uint64_t until = clock_monotonic_ns() + GOODBYE_MS * UINT64_C(1000000);
	unsigned left;

	while ((left = signal_all(roots, signal)) && clock_monotonic_ns() < until)
		poll(NULL, 0, NAP_MS);
	return left;
}

int pool_drain(const struct roots *roots, struct cor_error *err)
{
	if (end_all(roots, POOL_DRAIN) && end_all(roots, SIGKILL))
		return cor_fail(err, COR_TIMEOUT, ETIMEDOUT, "a machine of the pool does not end");
	return 0;
}

/* ---- for users of the library ---- */

int cor_pool_set(struct cor_context *ctx, unsigned size, double cpus, uint64_t memory, struct cor_error *err)
{
	struct cor_container_options options = {.cpus = cpus, .memory = memory};
	struct machine_config machine = {0};
	struct pool_config before;
	int r = machine_choose(&options, &machine, err);

	if (r < 0)
		return r;
	free(machine.accelerator);
	if (size > POOL_SIZE_MAX)
		return cor_fail(err, COR_INVALID, ERANGE, "a pool has at most %u machines", POOL_SIZE_MAX);
	struct pool_config config = {.size = size, .cpus = machine.cpus, .memory = machine.memory};

	if (pool_config_read(&ctx->roots, &before) < 0)
		before = (struct pool_config){0};
	r = pool_config_write(&ctx->roots, &config, err);
	if (r == 0 && (size < before.size || before.cpus != config.cpus || before.memory != config.memory))
		r = pool_drain(&ctx->roots, err);
	return r == 0 && size ? pool_fill(&ctx->roots, err) : r;
}

int cor_pool_status(struct cor_context *ctx, char **ret_json, struct cor_error *err)
{
	_json_ json_t *facts = NULL;
	int r = pool_facts(&ctx->roots, &facts, err);

	if (r == 0)
		*ret_json = json_dumps(facts, JSON_INDENT(2));
	return r;
}

int pool_facts(const struct roots *roots, json_t **ret, struct cor_error *err)
{
	struct pool_config config;
	struct pool_status status;
	int r = pool_config_read(roots, &config);

	if (r < 0)
		return cor_fail(
			err, COR_CORRUPT, r,
			"pool.json in the data root is damaged: `coracle system pool SIZE` writes it anew");
	pool_status(roots, &status);
	*ret = json_pack("{s:I, s:I, s:I, s:I}", "size", (json_int_t)config.size, "ready",
			 (json_int_t)status.ready, "starting", (json_int_t)status.starting, "memoryUsed",
			 (json_int_t)status.memory);
	if (config.size) {
		json_object_set_new(*ret, "cpus", json_integer((json_int_t)config.cpus));
		json_object_set_new(*ret, "memory", json_integer((json_int_t)config.memory));
	}
	return 0;
}
