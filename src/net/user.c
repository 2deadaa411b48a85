/* SPDX-License-Identifier: Apache-2.0 */
/* passt's death: as an ordinary user's it has our PR_SET_PDEATHSIG, but root's loses that when it changes its user. Its line ends in any case: the guards, which hold the
 * other end, change nothing and die with us at once.
 *
 * A guard is a fork of ours that closes all but its two sockets and enters seccomp's strict mode: what a guest could make of it can read, write and end. */
#include "net/user.h"

#include "base/file.h"
#include "base/netlink.h"
#include "net/child.h"
#include "net/guard.h"
#include "net/link.h"
#include "net/passt_args.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PASST        "passt"
#define READY_MS     10000
#define MESSAGE_MAX  300
#define GUARD_BUFFER (256u << 10)
/* The kernel keeps what is written at once in pieces of 32 KiB and gives them out one by one; passt loses its place when a frame's length lies in two. */
#define GUARD_WRITE (32u << 10)

/* ---- the guards ---- */

static bool write_all(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

/* What could be taken of the buffer is written; returns how much of it is still there, in front, or -1 at the end. */
static ssize_t pass_on(struct guard *guard, guard_fn *passes, uint8_t *buffer, size_t size, int to)
{
	struct guard_take take;

	for (size_t start = 0;; start += take.used) {
		if (guard_take(guard, passes, buffer + start, size - start, GUARD_WRITE, &take) < 0 ||
		    !write_all(to, buffer + start, take.passed))
			return -1;
		if (take.used == 0) {
			memmove(buffer, buffer + start, size - start);
			return (ssize_t)(size - start);
		}
	}
}

static _Noreturn void guard_main(struct guard *guard, guard_fn *passes, int from, int to, pid_t parent)
{
	static uint8_t buffer[GUARD_BUFFER];
	ssize_t n, kept = 0;

	setsid();
	prctl(PR_SET_NAME, "coracle-guard");
	signal(SIGPIPE, SIG_DFL);
	if (dup2(from, 0) < 0 || dup2(to, 1) < 0 || syscall(SYS_close_range, 2, ~0U, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
		_exit(1);
	do {
		n = read(0, buffer + kept, sizeof(buffer) - (size_t)kept);
		kept = n <= 0 ? -1 : pass_on(guard, passes, buffer, (size_t)(kept + n), 1);
	} while (kept >= 0);
	/* glibc's would end all threads, which is another call, and forbidden. */
	for (;;)
		syscall(SYS_exit, 0);
}

static int add_process(struct net_process *process, pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (pidfd < 0) {
		int r = -errno;

		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return r;
	}
	*process = (struct net_process){.pid = pid, .pidfd = pidfd};
	return 0;
}

static int start_guard(struct guard *guard, guard_fn *passes, int from, int to, struct net_process *process)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		guard_main(guard, passes, from, to, parent);
	return add_process(process, pid);
}

static struct guard *guard_new(const struct net_port *port, const struct publish_list *ports)
{
	struct guard *guard =
		mmap(NULL, sizeof(*guard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (guard == MAP_FAILED)
		return NULL;
	guard->v4 = port->v4;
	guard->v6 = port->v6;
	net_prefix_parse(PASST_V4_GATE, &guard->gateway4);
	net_prefix_parse(PASST_V6_GATE, &guard->gateway6);
	(void)!getrandom(&guard->key, sizeof(guard->key), 0);
	for (size_t i = 0; ports && i < ports->count; i++)
		if (ports->items[i].protocol == IPPROTO_UDP)
			guard_publish(guard, ports->items[i].container_port);
	return guard;
}

/* Two pairs with the guards between them; the outer ends are the caller's. */
static int start_guards(const struct net_port *port, const struct publish_list *ports, struct net_user *user,
			int *ret_vmm, int *ret_passt)
{
	struct guard *guard = guard_new(port, ports);
	uint8_t announcement[GUARD_ANNOUNCE_SIZE];
	int near[2] = {-1, -1}, far[2] = {-1, -1}, r = guard ? 0 : -ENOMEM;

	if (r == 0 && (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, near) < 0 ||
		       socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, far) < 0))
		r = -errno;
	if (r == 0)
		r = fd_write_all(far[1], announcement, guard_announce(guard, port->lease.mac, announcement));
	r = r ?: start_guard(guard, guard_out, near[1], far[1], &user->processes[0]);
	r = r ?: start_guard(guard, guard_in, far[1], near[1], &user->processes[1]);
	if (guard)
		munmap(guard, sizeof(*guard));
	close_fd(&near[1]);
	close_fd(&far[1]);
	if (r < 0) {
		close_fd(&near[0]);
		close_fd(&far[0]);
		return r;
	}
	*ret_vmm = near[0];
	*ret_passt = far[0];
	return 0;
}

/* ---- passt ---- */

static int make_pipe(int *ret_reader, int *ret_writer)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*ret_reader = ends[0];
	*ret_writer = ends[1];
	return 0;
}

/* The last line that it wrote. */
static void read_message(int fd, char out[MESSAGE_MAX])
{
	char text[MESSAGE_MAX], *end;
	ssize_t n, used = 0;

	while (used < MESSAGE_MAX - 1 && (n = read(fd, text + used, (size_t)(MESSAGE_MAX - 1 - used))) > 0)
		used += n;
	text[used] = '\0';
	while ((end = strrchr(text, '\n'))) {
		*end = '\0';
		if (end[1])
			break;
	}
	end = end ? end + 1 : text;
	snprintf(out, MESSAGE_MAX, "%s", *end ? end : "it ended at once");
}

static int await_ready(int ready, int messages, struct cor_error *err)
{
	struct pollfd poll_fd = {.fd = ready, .events = POLLIN};
	char text[MESSAGE_MAX];
	int n;

	while ((n = poll(&poll_fd, 1, READY_MS)) < 0 && errno == EINTR)
		;
	if (n == 0)
		return cor_fail(err, COR_TIMEOUT, ETIMEDOUT, "passt does not get ready");
	if (read(ready, text, sizeof(text)) > 0)
		return 0;
	read_message(messages, text);
	return cor_fail(err, COR_UNAVAILABLE, EIO, "passt: %s", text);
}

static int start_passt(struct passt_spec *spec, struct net_user *user, struct cor_error *err)
{
	_fd_ int ready = -1, messages = -1, ready_writer = -1;
	_strv_ struct strv args = {0};
	pid_t pid;
	int r = make_pipe(&ready, &ready_writer);

	r = r ?: make_pipe(&user->messages, &messages);
	if (r < 0)
		return cor_fail_errno(err, r, "pipe");
	/* It opens the pipe by its name, as the user that it has become. */
	if (spec->uid != (uid_t)-1 && fchown(ready_writer, spec->uid, (gid_t)spec->uid) < 0)
		return cor_fail_errno(err, errno, "pipe");
	spec->ready_fd = ready_writer;
	r = passt_args(spec, &args, err);
	if (r < 0)
		return r;
	r = child_start((const char *const *)args.items, messages, (const int[]){spec->line_fd, ready_writer},
			2, &pid);
	r = r ?: add_process(&user->processes[NET_USER_PROCESSES - 1], pid);
	if (r < 0)
		return cor_fail_errno(err, r, "start passt");
	close_fd(&ready_writer);
	close_fd(&messages);
	return await_ready(ready, user->messages, err);
}

/* ---- what the host has ---- */

static int look_at_host(char template[IF_NAMESIZE], struct net_port *port, struct passt_spec *spec)
{
	_fd_ int netlink = netlink_open();
	bool leads_out = false;
	int index = 0, r = netlink < 0 ? netlink : link_find_v6(netlink, &index, &leads_out);

	if (r < 0)
		return r;
	spec->v6 = index && if_indextoname((unsigned)index, template);
	if (!spec->v6)
		snprintf(template, IF_NAMESIZE, "lo");
	spec->template = template;
	net_prefix_parse(PASST_V4, &port->v4);
	net_prefix_parse(PASST_V4_GATE, &port->gateway4);
	if (spec->v6)
		net_prefix_parse(PASST_V6, &port->v6);
	/* Without a route of the host's, the guest's would make it wait for what cannot come. */
	if (spec->v6 && leads_out)
		net_prefix_parse(PASST_V6_GATE, &port->gateway6);
	return 0;
}

/* ---- both ways ---- */

int net_user_check(const struct net_request *request, struct cor_error *err)
{
	if (request->v4.family || request->v6.family || request->aliases.count)
		return cor_fail(err, COR_INVALID, EINVAL,
				"network '" NETWORK_USER
				"' has no neighbours: ip=, ip6= and alias= have no sense there");
	return 0;
}

static void take_resolvers(struct net_user *user, struct passt_spec *spec)
{
	struct resolvers *resolvers = &user->resolvers;

	resolvers_read("/etc/resolv.conf", resolvers);
	spec->dns4 = resolvers->forward4;
	spec->dns6 = resolvers->forward6 && spec->v6;
	if (spec->dns4)
		strv_add(&resolvers->servers, PASST_V4_DNS);
	if (spec->dns6)
		strv_add(&resolvers->servers, PASST_V6_DNS);
}

static int join(const struct net_user_wish *wish, const char *program, struct net_port *port,
		struct net_user *user, struct cor_error *err)
{
	struct passt_spec spec = {.program = program,
				  .mtu = wish->request->mtu ?: PASST_MTU,
				  .uid = geteuid() == 0 ? wish->uid : (uid_t)-1,
				  .ports = wish->ports};
	char template[IF_NAMESIZE];
	int r = look_at_host(template, port, &spec);

	snprintf(port->network, sizeof(port->network), NETWORK_USER);
	port->user = true;
	port->mtu = spec.mtu;
	net_choose_mac(wish->request, wish->member, port->lease.mac);
	take_resolvers(user, &spec);
	r = r ?: start_guards(port, wish->ports, user, &port->tap.queues[0], &spec.line_fd);
	if (r < 0)
		return cor_fail_errno(err, r, "network '" NETWORK_USER "'");
	r = start_passt(&spec, user, err);
	close(spec.line_fd);
	return cor_context(err, r, "network '" NETWORK_USER "'");
}

int net_user_join(const struct net_user_wish *wish, struct net_port *ret_port, struct net_user *ret,
		  struct cor_error *err)
{
	_free_ char *program = program_path(PASST);
	struct net_port port;
	struct net_user user = {.messages = -1};
	int r = net_user_check(wish->request, err);

	net_port_init(&port);
	port.tap.count = 1;
	if (r == 0 && !program)
		r = net_user_usable(err);
	r = r ?: join(wish, program, &port, &user, err);
	if (r < 0) {
		tap_close(&port.tap);
		net_user_leave(&user);
		return r;
	}
	fd_set_nonblocking(user.messages, true);
	*ret_port = port;
	*ret = user;
	return 0;
}

void net_user_leave(struct net_user *user)
{
	for (size_t i = 0; i < NET_USER_PROCESSES; i++) {
		struct net_process *process = &user->processes[i];

		if (!process->pid)
			continue;
		kill(process->pid, SIGKILL);
		while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
			;
		close_fd(&process->pidfd);
		process->pid = 0;
	}
	if (user->messages > 0)
		close_fd(&user->messages);
	resolvers_release(&user->resolvers);
}

/* ---- whether at all ---- */

int net_user_usable(struct cor_error *err)
{
	_free_ char *program = program_path(PASST);
	int status;
	pid_t pid;

	if (!program)
		return cor_fail(err, COR_UNSUPPORTED, ENOENT,
				"there is no passt for the user-mode network: install the package passt");
	pid = fork();
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) < 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		return cor_fail(err, COR_UNSUPPORTED, EPERM,
				"this host lets no user make namespaces, without which passt does not run");
	return 0;
}
