/* SPDX-License-Identifier: Apache-2.0 */
/* Alone in an initramfs, this is the first process of a guest: it tries each thing that the kernel promises to containers and prints
 * "ok NAME" or "not ok NAME: reason" on the console, then "done". Nothing is looked up in a configuration: only what works counts. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <mqueue.h>
#include <net/if.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* Each check returns 0 or -errno, in a child of its own so that it cannot spoil the next. */

static int mount_at(const char *type, const char *options)
{
	char target[64];

	snprintf(target, sizeof(target), "/tmp/%s", type);
	mkdir(target, 0755);
	return mount(type, target, type, 0, options) < 0 ? -errno : 0;
}

static int fs_tmpfs(void)
{
	int r = mount_at("tmpfs", "size=1m");

	if (r < 0)
		return r;
	close(open("/tmp/tmpfs/f", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	return setxattr("/tmp/tmpfs/f", "trusted.test", "x", 1, 0) < 0 ? -errno : 0;
}

static int fs_overlay(void)
{
	int r = mount_at("tmpfs", NULL);

	if (r < 0)
		return r;
	mkdir("/tmp/tmpfs/lower", 0755);
	mkdir("/tmp/tmpfs/upper", 0755);
	mkdir("/tmp/tmpfs/work", 0755);
	return mount_at("overlay",
			"lowerdir=/tmp/tmpfs/lower,upperdir=/tmp/tmpfs/upper,workdir=/tmp/tmpfs/work");
}

static int fs_mqueue(void)
{
	return mount_at("mqueue", NULL);
}

/* A file system that needs a device is there when the kernel knows its name. */
static int fs_known(const char *name)
{
	char text[2048] = "", wanted[64];
	int fd = open("/proc/filesystems", O_RDONLY | O_CLOEXEC);

	snprintf(wanted, sizeof(wanted), "\t%s\n", name);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return -errno;
	return strstr(text, wanted) ? 0 : -ENODEV;
}

static int fs_fuse(void)
{
	return open("/dev/fuse", O_RDWR | O_CLOEXEC) < 0 ? -errno : 0;
}

static int cgroup_controllers(void)
{
	static const char *const wanted[] = {"cpuset", "cpu", "io", "memory", "pids"};
	char text[256] = " ";
	int r = mount_at("cgroup2", NULL), fd;

	if (r < 0)
		return r;
	fd = open("/tmp/cgroup2/cgroup.controllers", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text + 1, sizeof(text) - 2) < 0)
		return -errno;
	text[strcspn(text, "\n")] = ' ';
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		char name[32];

		snprintf(name, sizeof(name), " %s ", wanted[i]);
		if (!strstr(text, name))
			return -ENOENT;
	}
	return 0;
}

static int seccomp_filter(void)
{
	struct sock_filter deny[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = 4, .filter = deny};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return -errno;
	return syscall(SYS_getppid) < 0 && errno == EDOM ? 0 : -EIO;
}

static int bpf_load(void)
{
	struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insn_cnt = 2,
		.insns = (uintptr_t)code,
		.license = (uintptr_t) "Apache-2.0",
	};

	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int io_uring(void)
{
	struct io_uring_params params = {0};

	return syscall(SYS_io_uring_setup, 4, &params) < 0 ? -errno : 0;
}

static int posix_queue(void)
{
	return mq_open("/q", O_CREAT | O_RDWR, 0600, NULL) < 0 ? -errno : 0;
}

static int sysv_memory(void)
{
	return shmget(IPC_PRIVATE, 4096, 0600) < 0 ? -errno : 0;
}

static int event_files(void)
{
	if (epoll_create1(EPOLL_CLOEXEC) < 0 || eventfd(0, EFD_CLOEXEC) < 0 || inotify_init1(IN_CLOEXEC) < 0)
		return -errno;
	if (fanotify_init(FAN_CLOEXEC, O_RDONLY) < 0 || memfd_create("m", MFD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static int pidfd(void)
{
	return syscall(SYS_pidfd_open, getpid(), 0) < 0 ? -errno : 0;
}

static int binfmt_misc(void)
{
	static const char rule[] = ":test:M::CORACLE::/bin/true:";
	int fd, r = mount_at("binfmt_misc", NULL);

	if (r < 0)
		return r;
	fd = open("/tmp/binfmt_misc/register", O_WRONLY | O_CLOEXEC);
	return fd < 0 || write(fd, rule, strlen(rule)) < 0 ? -errno : 0;
}

/* Netlink: one request, the kernel's answer to it. */

struct request {
	struct nlmsghdr *header; /* the message that attributes are added to */
	size_t size;             /* of all messages */
	union {
		char bytes[4096];
		struct nlmsghdr aligned;
	} data;
};

static void begin(struct request *q, uint16_t type, uint16_t flags, const void *body, size_t size)
{
	q->header = (struct nlmsghdr *)(void *)(q->data.bytes + q->size);
	*q->header = (struct nlmsghdr){.nlmsg_len = (uint32_t)NLMSG_LENGTH(size),
				       .nlmsg_type = type,
				       .nlmsg_flags = NLM_F_REQUEST | flags};
	memcpy(NLMSG_DATA(q->header), body, size);
	q->size += NLMSG_ALIGN(q->header->nlmsg_len);
}

static struct nlattr *attribute(struct request *q, uint16_t type, const void *value, size_t size)
{
	struct nlattr *a = (struct nlattr *)(void *)(q->data.bytes + q->size);

	*a = (struct nlattr){.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + size)};
	if (size)
		memcpy((char *)a + NLA_HDRLEN, value, size);
	q->size += NLA_ALIGN(a->nla_len);
	q->header->nlmsg_len = (uint32_t)(q->data.bytes + q->size - (char *)q->header);
	return a;
}

static void text_attribute(struct request *q, uint16_t type, const char *text)
{
	attribute(q, type, text, strlen(text) + 1);
}

static void number_attribute(struct request *q, uint16_t type, uint32_t big_endian)
{
	attribute(q, type, &big_endian, sizeof(big_endian));
}

static struct nlattr *nest(struct request *q, uint16_t type)
{
	return attribute(q, (uint16_t)(type | NLA_F_NESTED), NULL, 0);
}

static void nest_end(struct request *q, struct nlattr *a)
{
	a->nla_len = (uint16_t)(q->data.bytes + q->size - (char *)a);
}

/* Sends and reads acknowledgements until the one of the last message that asked for it, or an error. */
static int talk(int protocol, struct request *q)
{
	union {
		char bytes[8192];
		struct nlmsghdr aligned;
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	ssize_t n;

	if (fd < 0 || send(fd, q->data.bytes, q->size, 0) < 0)
		return -errno;
	n = recv(fd, &answer, sizeof(answer), 0);
	if (n < 0)
		return -errno;
	if (answer.aligned.nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	return ((struct nlmsgerr *)NLMSG_DATA(&answer.aligned))->error;
}

static int make_link(const char *kind)
{
	struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
	struct request q = {0};
	struct nlattr *info;

	begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &link, sizeof(link));
	info = nest(&q, IFLA_LINKINFO);
	text_attribute(&q, IFLA_INFO_KIND, kind);
	nest_end(&q, info);
	return talk(NETLINK_ROUTE, &q);
}

static int net_tun(void)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	return fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 ? -errno : 0;
}

static int net_ipv6(void)
{
	return socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? -errno : 0;
}

/* A chain of type nat with one masquerading rule, as `nft add rule ip t c masquerade` makes it. */
static int nf_tables_nat(void)
{
	struct nfgenmsg batch = {.res_id = __builtin_bswap16(NFNL_SUBSYS_NFTABLES)},
			generic = {.nfgen_family = AF_INET};
	struct request q = {0};
	struct nlattr *hook, *expressions, *element;

	begin(&q, NFNL_MSG_BATCH_BEGIN, 0, &batch, sizeof(batch));
	begin(&q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE, &generic, sizeof(generic));
	text_attribute(&q, NFTA_TABLE_NAME, "t");
	begin(&q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NLM_F_CREATE, &generic, sizeof(generic));
	text_attribute(&q, NFTA_CHAIN_TABLE, "t");
	text_attribute(&q, NFTA_CHAIN_NAME, "c");
	text_attribute(&q, NFTA_CHAIN_TYPE, "nat");
	hook = nest(&q, NFTA_CHAIN_HOOK);
	number_attribute(&q, NFTA_HOOK_HOOKNUM, __builtin_bswap32(4)); /* postrouting */
	number_attribute(&q, NFTA_HOOK_PRIORITY, __builtin_bswap32(100));
	nest_end(&q, hook);
	begin(&q, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK,
	      &generic, sizeof(generic));
	text_attribute(&q, NFTA_RULE_TABLE, "t");
	text_attribute(&q, NFTA_RULE_CHAIN, "c");
	expressions = nest(&q, NFTA_RULE_EXPRESSIONS);
	element = nest(&q, NFTA_LIST_ELEM);
	text_attribute(&q, NFTA_EXPR_NAME, "masq");
	nest_end(&q, element);
	nest_end(&q, expressions);
	begin(&q, NFNL_MSG_BATCH_END, 0, &batch, sizeof(batch));
	return talk(NETLINK_NETFILTER, &q);
}

static int clock_resolution(void)
{
	struct timespec resolution, first, now;

	clock_getres(CLOCK_MONOTONIC, &resolution);
	if (resolution.tv_sec || resolution.tv_nsec > 1000)
		return -ERANGE;
	/* What it promises it must also show: the smallest step in a while is a microsecond or less … */
	long smallest = 1000000000;
	clock_gettime(CLOCK_MONOTONIC, &first);
	for (int i = 0; i < 100000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		long step = (now.tv_sec - first.tv_sec) * 1000000000 + now.tv_nsec - first.tv_nsec;
		if (step > 0 && step < smallest)
			smallest = step;
		first = now;
	}
	/* … though under emulation one reading of the clock takes longer than that, so allow a few. */
	return smallest <= 10000 ? 0 : -ERANGE;
}

/* What a check is about: a namespace to enter, a name to give to a function, or a function alone. */
static const struct check {
	const char *name;
	int (*check)(void);
	int (*check_named)(const char *argument);
	const char *argument;
	int namespace;
} checks[] = {
	{"namespace mount", .namespace = CLONE_NEWNS},
	{"namespace pid", .namespace = CLONE_NEWPID},
	{"namespace uts", .namespace = CLONE_NEWUTS},
	{"namespace ipc", .namespace = CLONE_NEWIPC},
	{"namespace net", .namespace = CLONE_NEWNET},
	{"namespace cgroup", .namespace = CLONE_NEWCGROUP},
	{"namespace user", .namespace = CLONE_NEWUSER},
	{"namespace time", .namespace = CLONE_NEWTIME},
	{"tmpfs with xattrs", fs_tmpfs},
	{"overlayfs", fs_overlay},
	{"mqueue", fs_mqueue},
	{"ext4", .check_named = fs_known, .argument = "ext4"},
	{"erofs", .check_named = fs_known, .argument = "erofs"},
	{"virtiofs", .check_named = fs_known, .argument = "virtiofs"},
	{"fuse", fs_fuse},
	{"cgroup v2 controllers", cgroup_controllers},
	{"seccomp filter", seccomp_filter},
	{"bpf", bpf_load},
	{"io_uring", io_uring},
	{"POSIX queues", posix_queue},
	{"System V memory", sysv_memory},
	{"event files", event_files},
	{"pidfd", pidfd},
	{"binfmt_misc", binfmt_misc},
	{"veth", .check_named = make_link, .argument = "veth"},
	{"bridge", .check_named = make_link, .argument = "bridge"},
	{"tun", net_tun},
	{"IPv6", net_ipv6},
	{"nf_tables NAT", nf_tables_nat},
	{"clock of 1 us or better", clock_resolution},
};

static int run_check(const struct check *c)
{
	if (c->namespace)
		return unshare(c->namespace) < 0 ? -errno : 0;
	return c->check_named ? c->check_named(c->argument) : c->check();
}

static int in_child(const struct check *c)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(-run_check(c));
	if (waitpid(pid, &status, 0) < 0)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
}

static void prepare(void)
{
	static const struct {
		const char *type, *target;
	} mounts[] = {{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/tmp"}};
	int console;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].target, 0755);
		mount(mounts[i].type, mounts[i].target, mounts[i].type, 0, NULL);
	}
	console = open("/dev/console", O_RDWR | O_NOCTTY);
	for (int fd = 0; fd < 3; fd++)
		dup2(console, fd);
}

int main(int argc, char **argv)
{
	bool rest = argc > 1 && strcmp(argv[1], "rest") == 0;

	prepare();
	for (size_t i = 0; !rest && i < sizeof(checks) / sizeof(checks[0]); i++) {
		int r = in_child(&checks[i]);

		if (r)
			printf("not ok %s: %s\n", checks[i].name, strerror(r));
		else
			printf("ok %s\n", checks[i].name);
	}
	puts("done");
	fflush(stdout);
	while (rest)
		pause();
	reboot(RB_AUTOBOOT);
	return 1;
}
