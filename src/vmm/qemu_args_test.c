/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/qemu_args.h"

#include "base/size.h"

#include <errno.h>

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct qemu_fds fds = {.agent = 10, .console = 11, .control = 12};

static struct vm_spec usual(void)
{
	return (struct vm_spec){.name = "coracle0",
				.cpus = 2,
				.memory = 512 * MIB,
				.kernel_fd = 5,
				.initramfs_fd = 6,
				.tsc_khz = 2000000};
}

static struct strv make(enum vm_arch arch, const struct vm_spec *spec)
{
	struct strv args = {0};

	assert_int_equal(qemu_args(arch, spec, &fds, &args, NULL), 0);
	return args;
}

/* What follows an option; NULL where the option is not there. */
static const char *after(const struct strv *args, const char *option)
{
	for (size_t i = 0; i + 1 < args->count; i++)
		if (strcmp(args->items[i], option) == 0)
			return args->items[i + 1];
	return NULL;
}

static size_t count(const struct strv *args, const char *prefix)
{
	size_t n = 0;

	for (size_t i = 0; i < args->count; i++)
		n += str_after(args->items[i], prefix) != NULL;
	return n;
}

static void test_x86(void **state)
{
	struct vm_spec spec = usual();
	_strv_ struct strv args = make(VM_X86_64, &spec);

	assert_string_equal(args.items[0], "qemu-system-x86_64");
	assert_string_equal(after(&args, "-machine"), "microvm,acpi=off,isa-serial=on");
	assert_string_equal(after(&args, "-accel"), "tcg,thread=multi,tb-size=64");
	assert_string_equal(after(&args, "-cpu"), "max,svm=off,erms=off,fsrm=off");
	assert_string_equal(after(&args, "-smp"), "2");
	assert_string_equal(after(&args, "-m"), "size=524288k");
	assert_string_equal(after(&args, "-kernel"), "/proc/self/fd/5");
	assert_string_equal(after(&args, "-initrd"), "/proc/self/fd/6");
	assert_string_equal(after(&args, "-append"), "console=ttyS0 loglevel=3 panic=-1 dummy.numdummies=0 "
						     "reboot=t acpi=off lpj=1500000 no_timer_check "
						     "apic_timer_khz=1000000 tsc=reliable "
						     "tsc_early_khz=2000000");
	assert_non_null(str_after(after(&args, "-sandbox"), "on,"));
	assert_true(strv_contains(&args, "-nodefaults"));
	assert_true(strv_contains(&args, "-no-user-config"));
	assert_true(strv_contains(&args, "-no-reboot"));
	assert_true(strv_contains(&args, "virtserialport,id=line,chardev=agent,name=coracle.agent"));
	assert_true(strv_contains(&args, "socket,id=agent,fd=10"));
}

/* One that is to be saved, and one that goes on from there, have the same machine. */
static void test_saved(void **state)
{
	static const char object[] =
		"memory-backend-file,id=memory,size=536870912,mem-path=/proc/self/fd/20,share=";
	struct vm_memory memory = {.fd = 20, .shared = true, .state_fd = -1};
	struct vm_disk disk = {
		.serial = "root", .base_fd = -1, .overlay_fd = -1, .writable = true, .blank = 64 * GIB};
	struct vm_spec spec = usual();

	spec.saved = &memory;
	spec.disks = &disk;
	spec.disk_count = 1;
	_strv_ struct strv first = make(VM_X86_64, &spec);
	assert_string_equal(after(&first, "-machine"),
			    "microvm,acpi=off,isa-serial=on,memory-backend=memory");
	assert_string_equal(str_after(after(&first, "-object"), object), "on");
	assert_null(after(&first, "-incoming"));
	assert_int_equal(count(&first, "driver=null-co,node-name=blank0,size=68719476736,"), 1);
	assert_int_equal(count(&first, "virtio-blk-device,drive=blank0,serial=root"), 1);

	memory = (struct vm_memory){.fd = 20, .state_fd = 21};
	disk = (struct vm_disk){.serial = "root", .base_fd = 22, .overlay_fd = 23};
	_strv_ struct strv second = make(VM_X86_64, &spec);
	assert_string_equal(after(&second, "-machine"), after(&first, "-machine"));
	assert_string_equal(str_after(after(&second, "-object"), object), "off");
	assert_string_equal(after(&second, "-incoming"), "defer");
	assert_int_equal(count(&second, "virtio-blk-device,drive=root0,serial=root"), 1);
}

static void test_kvm(void **state)
{
	static const char *const more[] = {"debug", "a=b", NULL};
	struct vm_spec spec = usual();

	spec.accelerator = VM_KVM;
	spec.kernel_args = more;
	_strv_ struct strv args = make(VM_X86_64, &spec);
	assert_string_equal(after(&args, "-accel"), "kvm");
	assert_string_equal(after(&args, "-cpu"), "host,vmx=off,svm=off");
	/* A real processor knows its own rates. */
	assert_string_equal(
		after(&args, "-append"),
		"console=ttyS0 loglevel=3 panic=-1 dummy.numdummies=0 reboot=t acpi=off debug a=b");
	spec.nested = true;
	_strv_ struct strv nested = make(VM_X86_64, &spec);
	assert_string_equal(after(&nested, "-cpu"), "host");
}

static void test_arm64(void **state)
{
	struct vm_disk disk = {.serial = "root", .base_fd = 8, .overlay_fd = 9};
	struct vm_spec spec = usual();

	spec.disks = &disk;
	spec.disk_count = 1;
	_strv_ struct strv args = make(VM_ARM64, &spec);
	assert_string_equal(args.items[0], "qemu-system-aarch64");
	assert_string_equal(after(&args, "-machine"), "virt,gic-version=max,usb=off,its=off");
	assert_string_equal(after(&args, "-cpu"), "max");
	assert_string_equal(after(&args, "-append"),
			    "console=ttyAMA0 loglevel=3 panic=-1 dummy.numdummies=0 lpj=1500000");
	assert_int_equal(count(&args, "virtio-blk-device,"), 1);
	spec.accelerator = VM_KVM;
	_strv_ struct strv kvm = make(VM_ARM64, &spec);
	assert_string_equal(after(&kvm, "-cpu"), "host");
}

/* The backing node is named on the command line, so that a name inside the overlay counts for nothing. */
static void test_disks(void **state)
{
	struct vm_disk disks[] = {{.serial = "root", .base_fd = 8, .overlay_fd = 9, .ephemeral = true},
				  {.serial = "data", .base_fd = 20, .overlay_fd = -1}};
	struct vm_spec spec = usual();

	spec.disks = disks;
	spec.disk_count = ARRAY_SIZE(disks);
	_strv_ struct strv args = make(VM_X86_64, &spec);
	assert_true(strv_contains(&args, "fd=8,set=1"));
	assert_true(strv_contains(&args, "fd=9,set=2"));
	assert_true(strv_contains(&args, "fd=20,set=3"));
	assert_int_equal(count(&args, "driver=qcow2,node-name=root0,backing=base0,"), 1);
	/* CVE-2026-24834, CVE-2020-2025: what machines share, none of them can write to, whatever its guest does. */
	assert_int_equal(count(&args, "driver=raw,node-name=base0,read-only=on,"), 1);
	assert_int_equal(count(&args, "virtio-blk-device,drive=root0,serial=root,"), 1);
	assert_true(strv_contains(&args, "virtio-blk-device,drive=base1,serial=data"));
	for (size_t i = 0; i < args.count; i++)
		if (str_after(args.items[i], "driver=qcow2,"))
			assert_non_null(strstr(args.items[i], "cache.no-flush=on"));
}

/* A volume is written as the guest says, flushes and all; one that is only read is not, whatever it says. */
static void test_volumes(void **state)
{
	struct vm_disk disks[] = {{.serial = "root",
				   .base_fd = 8,
				   .overlay_fd = 9,
				   .ephemeral = true,
				   .overlay_limit = 89 * MIB},
				  {.serial = "volume-0", .base_fd = 20, .overlay_fd = -1, .writable = true},
				  {.serial = "volume-1", .base_fd = 21, .overlay_fd = -1}};
	struct vm_spec spec = usual();

	spec.disks = disks;
	spec.disk_count = ARRAY_SIZE(disks);
	_strv_ struct strv args = make(VM_X86_64, &spec);
	assert_int_equal(count(&args, "driver=raw,node-name=base1,discard=unmap,file.driver=file,"), 1);
	assert_int_equal(count(&args, "driver=raw,node-name=base2,read-only=on,"), 1);
	assert_true(strv_contains(
		&args, "virtio-blk-device,drive=base1,serial=volume-0,werror=report,rerror=report"));
	for (size_t i = 0; i < args.count; i++) {
		if (str_after(args.items[i], "driver=raw,node-name=base1"))
			assert_null(strstr(args.items[i], "no-flush"));
		/* The window is between the format and the file. */
		if (str_after(args.items[i], "driver=qcow2,"))
			assert_non_null(strstr(args.items[i], ",file.driver=raw,file.size=93323264,"));
	}
}

static void test_nics(void **state)
{
	static const int taps[] = {30, 31, 32}, vhosts[] = {40, 41, 42};
	struct vm_nic nics[] = {
		{.fds = taps, .queues = 1, .mac = "02:00:00:00:00:01"},
		{.fds = taps + 1, .queues = 2, .vhost_fds = vhosts + 1, .mac = "02:00:00:00:00:02"}};
	struct vm_spec spec = usual();

	spec.nics = nics;
	spec.nic_count = ARRAY_SIZE(nics);
	_strv_ struct strv args = make(VM_X86_64, &spec);
	assert_true(strv_contains(&args, "tap,id=net0,fd=30"));
	assert_true(strv_contains(&args, "virtio-net-device,netdev=net0,mac=02:00:00:00:00:01"));
	assert_true(strv_contains(&args, "tap,id=net1,fds=31:32,vhostfds=41:42"));
	assert_true(strv_contains(&args, "virtio-net-device,netdev=net1,mac=02:00:00:00:00:02,mq=on"));
	nics[0].vhost_fds = vhosts;
	_strv_ struct strv served = make(VM_X86_64, &spec);
	assert_true(strv_contains(&served, "tap,id=net0,fd=30,vhostfd=40"));
	assert_true(strv_contains(&served, "virtio-net-device,netdev=net0,mac=02:00:00:00:00:01"));
	/* They take slots: with five more it is nine. */
	spec.extra_devices = 5;
	_strv_ struct strv more = make(VM_X86_64, &spec);
	assert_non_null(strstr(after(&more, "-machine"), "acpi=on"));
	nics[0].mac = "02:00:00:00:00:01,x";
	assert_int_equal(qemu_args(VM_X86_64, &spec, &fds, &(struct strv){0}, NULL), -EINVAL);
	nics[0].mac = "02:00:00:00:0,=01";
	assert_int_equal(qemu_args(VM_X86_64, &spec, &fds, &(struct strv){0}, NULL), -EINVAL);
}

static void test_slots(void **state)
{
	struct vm_spec spec = usual();

	spec.extra_devices = 6;
	_strv_ struct strv full = make(VM_X86_64, &spec);
	assert_non_null(strstr(after(&full, "-machine"), "acpi=off"));
	spec.extra_devices = 12;
	_strv_ struct strv more = make(VM_X86_64, &spec);
	assert_non_null(strstr(after(&more, "-machine"), "acpi=on"));
	assert_null(strstr(after(&more, "-append"), "acpi=off"));
	assert_int_equal(count(&more, "virtio-rng-device"), 13);
	/* Without a clock that it can trust such a machine would never boot. */
	spec.tsc_khz = 0;
	assert_int_equal(qemu_args(VM_X86_64, &spec, &fds, &(struct strv){0}, NULL), -EOPNOTSUPP);
	spec.tsc_khz = 2000000;
	spec.extra_devices = 23;
	assert_int_equal(qemu_args(VM_X86_64, &spec, &fds, &(struct strv){0}, NULL), -EINVAL);
}

static void test_shares(void **state)
{
	struct vm_share shares[8] = {{.tag = "share-0", .fd = 40}, {.tag = "share-1", .fd = 41}};
	struct vm_memory memory = {.fd = 50};
	struct vm_spec spec = usual();

	spec.shares = shares;
	spec.share_count = 2;
	_strv_ struct strv args = make(VM_X86_64, &spec);
	assert_string_equal(after(&args, "-machine"), "microvm,acpi=off,isa-serial=on,memory-backend=memory");
	assert_string_equal(after(&args, "-object"),
			    "memory-backend-memfd,id=memory,size=536870912,share=on");
	assert_true(strv_contains(&args, "socket,id=share0,fd=40"));
	assert_true(strv_contains(&args, "vhost-user-fs-device,chardev=share1,tag=share-1"));

	/* They take slots as all devices do, and one that is saved has none. */
	for (size_t i = 0; i < 8; i++)
		shares[i] = (struct vm_share){.tag = "s", .fd = 40};
	spec.share_count = 8;
	_strv_ struct strv many = make(VM_X86_64, &spec);
	assert_non_null(str_after(after(&many, "-machine"), "microvm,acpi=on,"));
	spec.saved = &memory;
	assert_int_equal(qemu_args(VM_X86_64, &spec, &fds, &many, NULL), -EINVAL);
	spec.saved = NULL;
	shares[0] = (struct vm_share){.tag = "a,b", .fd = 40};
	assert_int_equal(qemu_args(VM_X86_64, &spec, &fds, &many, NULL), -EINVAL);
}

static void test_refused(void **state)
{
	struct vm_disk disk = {.serial = "root,readonly=off", .base_fd = 8, .overlay_fd = -1};
	struct cor_error err = {0};
	char long_argument[2048] = {0};
	const char *const more[] = {long_argument, NULL};
	struct vm_spec spec = usual();

	spec.disks = &disk;
	spec.disk_count = 1;
	assert_int_equal(qemu_args(VM_X86_64, &spec, &fds, &(struct strv){0}, &err), -EINVAL);
	assert_int_equal(err.status, COR_INVALID);
	disk.serial = "a-serial-that-is-too-long";
	assert_int_equal(qemu_args(VM_X86_64, &spec, &fds, &(struct strv){0}, NULL), -EINVAL);
	spec = usual();
	spec.name = "a,process=b";
	assert_int_equal(qemu_args(VM_X86_64, &spec, &fds, &(struct strv){0}, NULL), -EINVAL);
	spec = usual();
	memset(long_argument, 'x', sizeof(long_argument) - 1);
	spec.kernel_args = more;
	assert_int_equal(qemu_args(VM_X86_64, &spec, &fds, &(struct strv){0}, &err), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_saved),   cmocka_unit_test(test_x86),    cmocka_unit_test(test_kvm),
		cmocka_unit_test(test_arm64),   cmocka_unit_test(test_disks),  cmocka_unit_test(test_slots),
		cmocka_unit_test(test_nics),    cmocka_unit_test(test_shares), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_volumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
