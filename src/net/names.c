/* SPDX-License-Identifier: Apache-2.0 */
#include "net/names.h"

#include "base/buffer.h"
#include "base/file.h"
#include "net/child.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define HOSTS "hosts"
#define LOG   "names.log"
/* Just below those of VMMs (shim/boot.c). */
#define NAMES_UID    1999999999u
#define LOG_LIMIT    (1u << 20)
#define TERM_MS      1000
#define CAP_BIT(cap) (1u << (cap))

/* ---- text ---- */

static bool is_name(const char *name)
{
	return network_domain_valid(name) && strlen(name) < 64;
}

static void add_line(struct buffer *text, const struct net_prefix *address, const struct network *network,
		     const char *const *names)
{
	bool any = false;

	if (!address->family)
		return;
	for (; names && *names; names++) {
		if (!is_name(*names))
			continue;
		/* The first is what the address leads back to. */
		buffer_printf(text, "%s%s.%s %s", any ? " " : "", *names, network->domain, *names);
		any = true;
	}
}

char *names_hosts(const struct network *network, const struct names_host *host)
{
	const struct net_prefix *addresses[] = {&host->v4, &host->v6};
	_buffer_ struct buffer text = {0};
	char written[NET_TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		_buffer_ struct buffer names = {0};

		add_line(&names, addresses[i], network, host->names);
		if (buffer_size(&names))
			buffer_printf(&text, "%s %.*s\n", net_address_format(addresses[i], written),
				      (int)buffer_size(&names), (char *)buffer_bytes(&names));
	}
	return xstrndup(buffer_size(&text) ? (char *)buffer_bytes(&text) : "", buffer_size(&text));
}

void names_arguments(const struct network *network, const char *program, const char *bridge,
		     const char *hosts_folder, struct strv *ret)
{
	struct net_prefix gateway = net_prefix_host(&network->v4, NETWORK_GATEWAY);
	char v4[NET_TEXT_SIZE], v6[NET_TEXT_SIZE] = "", subnet[NET_TEXT_SIZE];
	const char *comma = network->v6.family ? "," : "";

	net_address_format(&gateway, v4);
	if (network->v6.family) {
		gateway = net_prefix_host(&network->v6, NETWORK_GATEWAY);
		net_address_format(&gateway, v6);
	}
	strv_add(ret, program);
	strv_add(ret, "--keep-in-foreground");
	strv_add(ret, "--conf-file=/dev/null");
	strv_add(ret, "--pid-file");
	strv_add(ret, "--log-facility=-");
	strv_add(ret, "--no-hosts");
	strv_addf(ret, "--hostsdir=%s", hosts_folder);
	strv_addf(ret, "--interface=%s", bridge);
	strv_add(ret, "--except-interface=lo");
	strv_add(ret, "--bind-interfaces");
	strv_addf(ret, "--listen-address=%s%s%s", v4, comma, v6);
	strv_addf(ret, "--domain=%s", network->domain);
	strv_addf(ret, "--local=/%s/", network->domain);
	strv_addf(ret, "--host-record=host.%s,%s%s%s", network->domain, v4, comma, v6);
	/* Nobody else knows who has these addresses. */
	strv_addf(ret, "--rev-server=%s", net_prefix_format(&network->v4, subnet));
	if (network->v6.family)
		strv_addf(ret, "--rev-server=%s", net_prefix_format(&network->v6, subnet));
	/* A bare word is a container's name or none. */
	strv_add(ret, "--domain-needed");
	strv_add(ret, "--local-ttl=0");
	strv_add(ret, "--cache-size=1000");
	/* Ten seconds, after which it forgets a question, of what one port may ask (firewall_port.c): one guest's questions that nobody answers do not stop the
	 * others'. */
	strv_add(ret, "--dns-forward-max=12000");
	if (network->internal)
		strv_add(ret, "--no-resolv");
}

/* ---- the process ---- */

struct rights {
	int log;
	int hosts_tree;      /* a mount of the folder of hosts files, that is nowhere yet */
	const char *mounted; /* where it will be seen */
};

/* Folders that are there on every system and that dnsmasq has no use for. */
static const char *choose_mount_point(void)
{
	static const char *const folders[] = {"/mnt", "/media", "/srv", "/opt", "/home"};
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (stat(folders[i], &st) == 0 && S_ISDIR(st.st_mode))
			return folders[i];
	return NULL;
}

/* The run root is closed to other users; so the folder is mounted where that one user can get at it, in a mount namespace of its own. */
static int mount_hosts(const struct rights *rights)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    move_mount(rights->hosts_tree, "", AT_FDCWD, rights->mounted, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -errno;
	/* When its log is full it would write to the host's. */
	(void)mount("/dev/null", "/dev/log", NULL, MS_BIND, NULL);
	return 0;
}

static int keep_one_capability(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	uint32_t bit = CAP_BIT(CAP_NET_BIND_SERVICE);
	struct __user_cap_data_struct data[2] = {{.effective = bit, .permitted = bit, .inheritable = bit}};

	if (syscall(SYS_capset, &header, data) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) < 0)
		return -errno;
	return 0;
}

/* Its number, as the log's first line: written before anybody else can get the lock of net/state.h, which this process shares until its execve. */
static int sign_log(int log)
{
	char line[16];
	size_t size = sizeof(line);

	line[--size] = '\n';
	for (unsigned pid = (unsigned)getpid(); pid; pid /= 10)
		line[--size] = (char)('0' + pid % 10);
	if (ftruncate(log, 0) < 0)
		return -errno;
	return fd_write_all(log, line + size, sizeof(line) - size);
}

static int give_up_rights(void *context)
{
	const struct rights *rights = context;
	struct rlimit log = {LOG_LIMIT, LOG_LIMIT}, none = {0};
	int r = sign_log(rights->log);

	r = r ?: mount_hosts(rights);
	if (r < 0)
		return r;
	setrlimit(RLIMIT_CORE, &none);
	/* A log that is full goes on without words. */
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &log);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(NAMES_UID, NAMES_UID, NAMES_UID) < 0 || setresuid(NAMES_UID, NAMES_UID, NAMES_UID) < 0)
		return -errno;
	r = keep_one_capability();
	if (r < 0)
		return r;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int open_hosts(int dir)
{
	int fd, r = dir_open_make(dir, HOSTS, 0755, &fd);

	if (r < 0)
		return r;
	/* Whatever the mask of who makes it. */
	if (fchmod(fd, 0755) < 0) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int start(int dir, const struct network *network, const char *bridge, const char *program, int log)
{
	_fd_ int hosts = open_hosts(dir), tree = -1;
	_strv_ struct strv args = {0};
	struct rights rights = {.log = log, .mounted = choose_mount_point()};

	if (hosts < 0)
		return hosts;
	if (!rights.mounted)
		return -ENOTDIR;
	tree = open_tree(hosts, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0)
		return -errno;
	rights.hosts_tree = tree;
	names_arguments(network, program, bridge, rights.mounted, &args);
	return child_detach((const char *const *)args.items, log, give_up_rights, &rights);
}

/* Opens the log; 1 when it is a living one's, 0 when it is ours now. */
static int lock_log(int dir, int *ret_fd)
{
	_fd_ int fd = openat(dir, LOG, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int names_start(int dir, const struct network *network, const char *bridge)
{
	_free_ char *program = NULL;
	_fd_ int log = -1;
	int r = lock_log(dir, &log);

	if (r != 0)
		return r < 0 ? r : 0;
	program = program_path("dnsmasq");
	return program ? start(dir, network, bridge, program, log) : -ENOENT;
}

bool names_usable(void)
{
	_free_ char *program = program_path("dnsmasq");

	return program != NULL;
}

bool names_alive(int dir)
{
	_fd_ int log = -1;

	return lock_log(dir, &log) == 1;
}

void names_stop(int dir)
{
	_free_ char *text = NULL;
	_fd_ int pidfd = -1, log = -1;
	struct pollfd wait = {.events = POLLIN};
	long pid;

	if (file_read(dir, LOG, 2 * LOG_LIMIT, &text, NULL) < 0)
		return;
	pid = strtol(text, NULL, 10);
	pidfd = pid > 1 ? (int)syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;
	/* As long as the log is held, the number is that of its holder. */
	if (pidfd < 0 || lock_log(dir, &log) != 1)
		return;
	wait.fd = pidfd;
	syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0);
	if (poll(&wait, 1, TERM_MS) == 0) {
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		poll(&wait, 1, -1);
	}
}

/* ---- the files ---- */

/* Beside its place first: dnsmasq overlooks what begins with a dot, and reads it when it gets its name. */
int names_add(int dir, const struct network *network, const struct names_host *host)
{
	_free_ char *text = names_hosts(network, host), *beside = str_format(".%s", host->file);
	_fd_ int hosts = open_hosts(dir), fd = -1;
	int r;

	if (hosts < 0)
		return hosts;
	fd = openat(hosts, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, text, strlen(text));
	if (r == 0 && (fchmod(fd, 0644) < 0 || renameat(hosts, beside, hosts, host->file) < 0))
		r = -errno;
	return r;
}

void names_remove(int dir, const char *file)
{
	_fd_ int hosts = open_hosts(dir);

	if (hosts >= 0)
		unlinkat(hosts, file, 0);
}
