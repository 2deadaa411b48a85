/* SPDX-License-Identifier: Apache-2.0 */
/* Boot and children. The root is bound onto itself first: the initramfs lies at the very bottom of the mounts and cannot be
 * exchanged by pivot_root, which every container's first process needs. */
#include "init/guest.h"

#include "agent.pb-c.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "init/cgroup.h"
#include "init/early.h"
#include "init/machine.h"
#include "init/process.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define ID_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define HOSTNAME      "coracle"

/* ---- boot ---- */

static int bind_root(struct cor_error *err)
{
	mkdir("/root", 0755); /* the kernel may have made it */
	if (mount("/", "/root", NULL, MS_BIND, NULL) < 0 || chdir("/root") < 0 ||
	    mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return cor_fail_errno(err, errno, "a root that can be exchanged");
	return 0;
}

static int mount_basics(struct cor_error *err)
{
	static const struct {
		const char *type, *target, *options;
		unsigned long flags;
	} mounts[] = {
		{"devtmpfs", "/dev", "mode=0755", MS_NOSUID | MS_NOEXEC},
		{"proc", "/proc", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
		{"sysfs", "/sys", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
		{"cgroup2", "/sys/fs/cgroup", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV},
		{"tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV},
	};

	for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
		mkdir(mounts[i].target, 0755);
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
			  mounts[i].options) < 0)
			return cor_fail_errno(err, errno, "mount %s", mounts[i].target);
	}
	mkdir(GUEST_RUN, 0755);
	return 0;
}

/* The kernel was told to keep quiet about what it misses at boot; what is an error from now on (a process out of memory, a broken file system) is worth a
 * line of the console. Somebody who asked for more keeps it. */
static void raise_log_level(void)
{
	_fd_ int fd = open("/proc/sys/kernel/printk", O_RDWR | O_CLOEXEC);
	char level;

	if (fd >= 0 && pread(fd, &level, 1, 0) == 1 && level < '4')
		(void)!pwrite(fd, "4", 1, 0);
}

/* The kernel gives it its addresses. */
static void raise_loopback(void)
{
	_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (fd >= 0)
		(void)ioctl(fd, SIOCSIFFLAGS, &request);
}

int guest_boot(struct guest *guest, struct cor_error *err)
{
	int r = bind_root(err);

	r = r ?: mount_basics(err);
	if (r < 0)
		return r;
	if (!guest->waiting)
		early_begin(guest);
	if (sethostname(HOSTNAME, strlen(HOSTNAME)) < 0)
		return cor_fail_errno(err, errno, "host name");
	raise_log_level();
	cgroup_enable_controllers();
	raise_loopback();
	if (guest->waiting)
		early_prepare(guest);
	return 0;
}

/* ---- children ---- */

/* A child that is none of a container's first or further processes was orphaned by one of those. */
static void reaped(struct guest *guest, pid_t pid, int status)
{
	struct container *next;

	for (struct container *container = guest->containers; container; container = next) {
		next = container->next;
		if (process_reaped(container, pid, status))
			return;
	}
}

static void on_children(uv_poll_t *poll, int unused, int events)
{
	struct guest *guest = poll->data;
	struct signalfd_siginfo info;
	int status, fd;
	pid_t pid;

	uv_fileno((uv_handle_t *)poll, &fd);
	/* One signal may stand for many children. */
	(void)!read(fd, &info, sizeof(info));
	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		reaped(guest, pid, status);
	machine_children_ended(guest);
}

int guest_watch_children(struct guest *guest, struct cor_error *err)
{
	uv_poll_t *poll = xcalloc(1, sizeof(*poll));
	sigset_t children;
	int fd, r;

	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	fd = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	r = fd < 0 ? -errno : uv_poll_init(guest->loop, poll, fd);
	if (r < 0) {
		free(poll);
		return cor_fail_errno(err, r, "children");
	}
	poll->data = guest;
	uv_poll_start(poll, UV_READABLE, on_children);
	return 0;
}

/* ---- small things that all calls share ---- */

bool guest_id_valid(const char *id)
{
	return str_made_of(id, 64, ID_CHARACTERS) && *id != '.';
}

void guest_reply_empty(struct rpc_call *call)
{
	Coracle__Agent__V1__Empty empty = CORACLE__AGENT__V1__EMPTY__INIT;

	rpc_call_reply(call, &empty.base);
}
