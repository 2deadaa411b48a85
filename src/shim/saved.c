/* SPDX-License-Identifier: Apache-2.0 */
/* The VMM is started first and gets its memory and state while it gets ready. The memory is a memfd that another shim holds, or a new copy of the template's file, sealed
 * before the first byte of the state is there. So a machine finds what was saved, and can change nothing of what others will find. */
#include "shim/saved.h"

#include "base/file.h"
#include "base/str.h"
#include "shim/saved_memory.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define BRAND_SIZE 49
/* Of the devices that every machine has: another number where qemu_args.c makes them otherwise. */
#define DEVICES "devices 2"

/* ---- shapes ---- */

static void cpu_brand(char out[BRAND_SIZE])
{
	memset(out, 0, BRAND_SIZE);
#if defined(__x86_64__)
	unsigned *words = (unsigned[12]){0};

	for (unsigned i = 0; i < 3; i++)
		__get_cpuid(0x80000002 + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2],
			    &words[4 * i + 3]);
	memcpy(out, words, BRAND_SIZE - 1);
#endif
}

static void add_file(struct strv *words, int fd, const char *path)
{
	struct stat st = {0};

	if (fd >= 0)
		fstat(fd, &st);
	else if (path)
		stat(path, &st);
	strv_addf(words, "%llx-%llx-%llx-%llx.%lx", (unsigned long long)st.st_dev,
		  (unsigned long long)st.st_ino, (unsigned long long)st.st_size,
		  (unsigned long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

char *saved_disks(const struct vm_spec *spec)
{
	char *letters = xcalloc(spec->disk_count + 1, 1);

	for (size_t i = 0; i < spec->disk_count; i++)
		letters[i] = spec->disks[i].overlay_fd >= 0 || spec->disks[i].writable ? 'w' : 'r';
	return letters;
}

char *saved_nics(const struct vm_spec *spec)
{
	char *letters = xcalloc(spec->nic_count + 1, 1);

	for (size_t i = 0; i < spec->nic_count; i++)
		letters[i] = spec->nics[i].kind == VM_NIC_TAP ? 't' : 's';
	return letters;
}

void saved_mac(size_t index, uint8_t mac[6])
{
	memcpy(mac, (const uint8_t[]){0x02, 0, 0, 0, 0, (uint8_t)index}, 6);
}

char *saved_shape(const struct vm_spec *spec)
{
	_free_ char *program = qemu_program(), *environment = NULL, *disks = saved_disks(spec),
		    *nics = saved_nics(spec);
	_strv_ struct strv words = {0};
	char brand[BRAND_SIZE];
	struct utsname host = {0};

	uname(&host);
	cpu_brand(brand);
	strv_add(&words, CORACLE_VERSION);
	strv_add(&words, DEVICES);
	strv_addf(&words, "%s %s %s", host.machine, host.release, host.version);
	strv_add(&words, brand);
	add_file(&words, -1, program);
	add_file(&words, spec->kernel_fd, NULL);
	add_file(&words, spec->initramfs_fd, NULL);
	strv_addf(&words, "%llu kHz", (unsigned long long)spec->tsc_khz);
	environment = strv_join(&words, "|");
	/* Labels and names come from outside; a line must stay one. */
	for (char *p = environment; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	return str_format("%s\n%s cpus=%u memory=%llu nested=%d disks=%s nics=%s", environment,
			  vm_accelerator_name(spec->accelerator), spec->cpus,
			  (unsigned long long)spec->memory, spec->nested, disks, nics);
}

const char *saved_obstacle(const struct machine_config *machine, const struct vm_spec *spec)
{
	if (!str_empty(machine->kernel) || !str_empty(machine->initramfs) || machine->kernel_args.count)
		return "a kernel, an init or arguments of its own";
	if (spec->share_count)
		return "shared directories";
	for (size_t i = 0; i < spec->nic_count; i++)
		if (spec->nics[i].vhost_fds || spec->nics[i].queues != 1)
			return "cards that the host's kernel serves";
	return spec->extra_devices ? "further devices" : NULL;
}

/* ---- going on ---- */

/* Somebody's, or a new one that saved_feed fills. */
static int get_memory(const struct roots *roots, struct saved *saved)
{
	const struct template *template = &saved->template;

	saved->memory.fd = saved_memory_find(roots->run_fd, template->memory_digest, template->memory_size);
	saved->is_new = saved->memory.fd < 0;
	if (!saved->is_new)
		return 0;
	saved->memory.fd = saved_memory_make(template->memory_digest);
	return saved->memory.fd < 0                                             ? saved->memory.fd
	       : ftruncate(saved->memory.fd, (off_t) template->memory_size) < 0 ? -errno
										: 0;
}

static int get_pipe(struct saved *saved)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	saved->memory.state_fd = fds[0];
	saved->state_fd = fds[1];
	return fcntl(saved->state_fd, F_SETPIPE_SZ, TEMPLATE_STATE_MAX) < 0 ? -errno : 0;
}

int saved_use(const struct roots *roots, struct vm_spec *spec, struct saved *ret, struct cor_error *err)
{
	_free_ char *shape = saved_shape(spec);
	int r;

	*ret = (struct saved){.memory = {.fd = -1, .state_fd = -1}, .state_fd = -1};
	r = template_open(roots, shape, &ret->template, err);
	if (r < 0)
		return r;
	r = ret->template.memory_size == spec->memory ? get_memory(roots, ret) : -EBADMSG;
	r = r ?: get_pipe(ret);
	if (r < 0) {
		saved_release(roots, ret);
		return cor_fail_errno(err, r, "memory for a saved machine");
	}
	spec->saved = &ret->memory;
	return 0;
}

int saved_feed(const struct roots *roots, struct saved *saved, struct cor_error *err)
{
	int r = saved->is_new ? template_copy_memory(&saved->template, saved->memory.fd, err) : 0;

	if (r == 0)
		r = fd_write_all(saved->state_fd, saved->template.state, saved->template.state_size);
	/* The VMM reads to the end. */
	close_fd(&saved->state_fd);
	close_fd(&saved->memory.state_fd);
	free(steal_ptr(saved->template.state));
	close_fd(&saved->template.memory_fd);
	if (r < 0)
		return cor_fail_errno(err, r, "feed the machine");
	saved_memory_offer(roots->run_fd, saved->template.memory_digest, saved->memory.fd);
	return 0;
}

void saved_release(const struct roots *roots, struct saved *saved)
{
	if (saved->memory.fd >= 0)
		saved_memory_withdraw(roots->run_fd, saved->template.memory_digest, saved->memory.fd);
	template_release(&saved->template);
	close_fd(&saved->memory.fd);
	close_fd(&saved->memory.state_fd);
	close_fd(&saved->state_fd);
}
