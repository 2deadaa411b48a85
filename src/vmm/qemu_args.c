/* SPDX-License-Identifier: Apache-2.0 */
/* One place that knows QEMU's command line.
 *
 * x86-64 is the microvm machine, entered at the kernel's PVH note. Its devices are on virtio-mmio, of which it has 8 slots without ACPI. A
 * machine with more devices than that gets ACPI and a second I/O APIC, and so 24 slots; the others start a little faster without. arm64 is the virt
 * machine, which has 32 slots anyway.
 *
 * Disks are explicit block nodes over descriptors. The overlay names its backing node here, so that a name written inside the file
 * (which a guest can reach through nothing, but a user's mistake could) is never followed. */
#include "vmm/qemu_args.h"

#include "base/size.h"

#include <errno.h>

#define SLOTS_PLAIN 8u
#define SLOTS_ACPI  24u
#define SLOTS_ARM   32u
#define MAC_LENGTH  17
#define NAME_SET    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

enum vm_arch vm_arch_native(void)
{
#if defined(__aarch64__)
	return VM_ARM64;
#else
	return VM_X86_64;
#endif
}

const char *qemu_program_name(enum vm_arch arch)
{
	return arch == VM_ARM64 ? "qemu-system-aarch64" : "qemu-system-x86_64";
}

/* The agent's line, the entropy source, the disks, the network cards, the shares, the extras. */
static unsigned count_devices(const struct vm_spec *spec)
{
	return 2 + (unsigned)(spec->disk_count + spec->nic_count + spec->share_count) + spec->extra_devices;
}

/* Only on x86-64. */
static bool needs_acpi(const struct vm_spec *spec)
{
	return count_devices(spec) > SLOTS_PLAIN;
}

static unsigned count_slots(enum vm_arch arch, const struct vm_spec *spec)
{
	return arch == VM_ARM64 ? SLOTS_ARM : needs_acpi(spec) ? SLOTS_ACPI : SLOTS_PLAIN;
}

/* Beside the balloon. */
bool vm_has_room(const struct vm_spec *spec)
{
	return count_devices(spec) + 1 < count_slots(vm_arch_native(), spec);
}

/* Beside the machine, which names it. */
static void add_memory(const struct vm_spec *spec, struct strv *args)
{
	strv_add(args, "-m");
	strv_addf(args, "size=%lluk", (unsigned long long)(spec->memory / KIB));
	/* Who serves shares maps it too. */
	if (spec->share_count) {
		strv_add(args, "-object");
		strv_addf(args, "memory-backend-memfd,id=memory,size=%llu,share=on",
			  (unsigned long long)spec->memory);
	}
	if (!spec->saved)
		return;
	strv_add(args, "-object");
	strv_addf(args, "memory-backend-file,id=memory,size=%llu,mem-path=/proc/self/fd/%d,share=%s",
		  (unsigned long long)spec->memory, spec->saved->fd, spec->saved->shared ? "on" : "off");
	if (!spec->saved->shared) {
		strv_add(args, "-incoming");
		strv_add(args, "defer");
	}
}

static int add_machine(enum vm_arch arch, const struct vm_spec *spec, struct strv *args,
		       struct cor_error *err)
{
	unsigned devices = count_devices(spec);
	unsigned slots = count_slots(arch, spec);
	const char *memory = spec->saved || spec->share_count ? ",memory-backend=memory" : "";

	if (devices > slots)
		return cor_fail(err, COR_INVALID, EINVAL, "a machine takes %u devices, not %u", slots,
				devices);
	strv_add(args, "-machine");
	if (arch == VM_ARM64)
		strv_addf(args, "virt,gic-version=max,usb=off,its=off%s", memory);
	else if (!needs_acpi(spec))
		strv_addf(args, "microvm,acpi=off,isa-serial=on%s", memory);
	/* QEMU's ACPI tables do not say where the old timer's interrupt arrives, so that the kernel cannot measure its clock. */
	else if (spec->accelerator == VM_TCG && !spec->tsc_khz)
		return cor_fail(
			err, COR_UNSUPPORTED, EOPNOTSUPP,
			"a machine with %u devices needs a host whose time stamp counter runs steadily",
			devices);
	else
		strv_addf(args, "microvm,acpi=on,ioapic2=on,pcie=off,isa-serial=on%s", memory);
	return 0;
}

static void add_processor(enum vm_arch arch, const struct vm_spec *spec, struct strv *args)
{
	bool kvm = spec->accelerator == VM_KVM;

	strv_add(args, "-accel");
	/* MB for translated code: a build or a database fills three times as much, and gains nothing by it. With half of this such work takes 1.2 times as long. */
	strv_add(args, kvm ? "kvm" : "tcg,thread=multi,tb-size=64");
	strv_add(args, "-cpu");
	if (arch == VM_ARM64)
		strv_add(args, kvm ? "host" : "max");
	else if (spec->nested)
		strv_add(args, kvm ? "host" : "max");
	else
		/* Told that string instructions are fast, guests copy by them; the translator runs them byte by byte, which costs
		 * two thirds of the throughput. */
		strv_add(args, kvm ? "host,vmx=off,svm=off" : "max,svm=off,erms=off,fsrm=off");
	strv_add(args, "-smp");
	strv_addf(args, "%u", spec->cpus);
}

/* What the kernel is told before what the user tells it. Under TCG it would spend more than a second on finding out how fast its delay loop, its timer
 * and its clock are and whether the timer's interrupt arrives, and then take a clock of 10 ms. */
static int add_kernel(enum vm_arch arch, const struct vm_spec *spec, struct strv *args, struct cor_error *err)
{
	_strv_ struct strv words = {0};
	char *line;

	strv_add(&words, arch == VM_ARM64 ? "console=ttyAMA0" : "console=ttyS0");
	/* Init raises it: from then on errors are worth a line, but what a kernel says of hardware that it misses is not. */
	strv_add(&words, "loglevel=3");
	strv_add(&words, "panic=-1");
	/* One that the kernel makes unasked would be in every container's list of devices. */
	strv_add(&words, "dummy.numdummies=0");
	if (arch == VM_X86_64)
		strv_add(&words, "reboot=t");
	if (arch == VM_X86_64 && !needs_acpi(spec))
		strv_add(&words, "acpi=off");
	if (spec->accelerator == VM_TCG) {
		strv_add(&words, "lpj=1500000");
		if (arch == VM_X86_64) {
			strv_add(&words, "no_timer_check");
			/* QEMU's APIC counts nanoseconds; see kernel/x86_64/apic_timer.c. */
			strv_add(&words, "apic_timer_khz=1000000");
		}
		if (arch == VM_X86_64 && spec->tsc_khz) {
			strv_add(&words, "tsc=reliable");
			strv_addf(&words, "tsc_early_khz=%llu", (unsigned long long)spec->tsc_khz);
		}
	}
	for (size_t i = 0; spec->kernel_args && spec->kernel_args[i]; i++)
		strv_add(&words, spec->kernel_args[i]);
	line = strv_join(&words, " ");
	strv_add(args, "-kernel");
	strv_addf(args, "/proc/self/fd/%d", spec->kernel_fd);
	strv_add(args, "-initrd");
	strv_addf(args, "/proc/self/fd/%d", spec->initramfs_fd);
	strv_add(args, "-append");
	strv_take(args, line);
	/* QEMU adds a line per device of up to 40 bytes. */
	if (strlen(line) + 40 * SLOTS_ACPI > QEMU_COMMAND_LINE_MAX)
		return cor_fail(err, COR_INVALID, E2BIG, "the kernel's command line is too long");
	return 0;
}

/* Writes go through the host's page cache, and what the guest flushes is on the host's disk before it hears so (QEMU's cache=writeback): the loss of the VMM loses
 * nothing that was written, that of the host nothing that was flushed. */
static void add_writable(const struct vm_disk *disk, size_t index, struct strv *args)
{
	strv_add(args, "-blockdev");
	strv_addf(args,
		  "driver=raw,node-name=base%zu,discard=unmap,file.driver=file,file.filename=/dev/fdset/%zu,"
		  "file.locking=off,file.discard=unmap",
		  index, 2 * index + 1);
}

static char *base_text(const char *name, size_t index, size_t set)
{
	return str_format("driver=raw,node-name=%s%zu,read-only=on,file.driver=file,"
			  "file.filename=/dev/fdset/%zu,file.read-only=on,file.locking=off",
			  name, index, set);
}

static void add_read_only(size_t index, struct strv *args)
{
	_free_ char *text = base_text("base", index, 2 * index + 1);

	strv_add(args, "-blockdev");
	strv_add(args, text);
}

/* The device is as that of a disk with files: one can stand for the other when the machine is saved and goes on. */
static void add_blank_disk(const struct vm_disk *disk, size_t index, struct strv *args)
{
	strv_add(args, "-blockdev");
	strv_addf(args, "driver=null-co,node-name=blank%zu,size=%llu,read-zeroes=on,read-only=%s", index,
		  (unsigned long long)disk->blank, disk->writable ? "off" : "on");
	strv_add(args, "-device");
	strv_addf(args, "virtio-blk-device,drive=blank%zu,serial=%s", index, disk->serial);
}

/* The format "raw" between qcow2 and its file is a window of so many bytes: what would be written beyond it is refused there. */
static char *overlay_text(const struct vm_disk *disk, const char *name, const char *backing, size_t index,
			  size_t set)
{
	const char *flush = disk->ephemeral ? "on" : "off",
		   *file = disk->overlay_limit ? "file.file" : "file";
	_free_ char *window = disk->overlay_limit
				      ? str_format("file.driver=raw,file.size=%llu,file.discard=unmap,"
						   "file.cache.no-flush=%s,",
						   (unsigned long long)disk->overlay_limit, flush)
				      : xstrdup("");

	return str_format("driver=qcow2,node-name=%s%zu,backing=%s%zu,discard=unmap,cache.no-flush=%s,%s"
			  "%s.driver=file,%s.filename=/dev/fdset/"
			  "%zu,%s.locking=off,%s.discard=unmap,%s.cache.no-flush=%s",
			  name, index, backing, index, flush, window, file, file, set, file, file, file,
			  flush);
}

static void add_overlay(const struct vm_disk *disk, size_t index, struct strv *args)
{
	_free_ char *text = overlay_text(disk, "root", "base", index, 2 * index + 2);

	strv_add(args, "-add-fd");
	strv_addf(args, "fd=%d,set=%zu", disk->overlay_fd, 2 * index + 2);
	strv_add(args, "-blockdev");
	strv_add(args, text);
}

/* What the device has is a node that only passes on, and to another one later. */
static void add_exchangeable(size_t index, struct strv *args)
{
	strv_add(args, "-blockdev");
	strv_addf(args, "driver=raw,node-name=disk%zu,discard=unmap,file=root%zu", index, index);
}

char *qemu_new_base(size_t index, size_t set)
{
	return base_text("newbase", index, set);
}

char *qemu_new_overlay(const struct vm_disk *disk, size_t index, size_t set)
{
	return overlay_text(disk, "new", "newbase", index, set);
}

static int add_disk(const struct vm_disk *disk, size_t index, struct strv *args, struct cor_error *err)
{
	const char *top = "base";

	if (!str_made_of(disk->serial, VM_SERIAL_MAX, NAME_SET))
		return cor_fail(err, COR_INVALID, EINVAL, "'%s' is no name for a disk", disk->serial);
	if (disk->blank) {
		add_blank_disk(disk, index, args);
		return 0;
	}
	strv_add(args, "-add-fd");
	strv_addf(args, "fd=%d,set=%zu", disk->base_fd, 2 * index + 1);
	if (disk->writable && disk->overlay_fd < 0)
		add_writable(disk, index, args);
	else
		add_read_only(index, args);
	if (disk->overlay_fd >= 0) {
		top = "root";
		add_overlay(disk, index, args);
	}
	if (disk->exchangeable) {
		top = "disk";
		add_exchangeable(index, args);
	}
	/* A full disk of the host is the guest's I/O error, not a machine that stands still. */
	strv_add(args, "-device");
	strv_addf(args, "virtio-blk-device,drive=%s%zu,serial=%s%s", top, index, disk->serial,
		  disk->overlay_fd >= 0 || disk->writable ? ",werror=report,rerror=report" : "");
	return 0;
}

static char *join_fds(const int *fds, unsigned count)
{
	_strv_ struct strv numbers = {0};

	for (unsigned i = 0; i < count; i++)
		strv_addf(&numbers, "%d", fds[i]);
	return strv_join(&numbers, ":");
}

/* The guest's kernel uses as many pairs of queues as it is offered and has CPUs. */
static void add_tap(const struct vm_nic *nic, size_t index, struct strv *args)
{
	const char *plural = nic->queues > 1 ? "s" : "";
	_free_ char *taps = join_fds(nic->fds, nic->queues);
	_free_ char *vhosts = nic->vhost_fds ? join_fds(nic->vhost_fds, nic->queues) : NULL;

	if (vhosts)
		strv_addf(args, "tap,id=net%zu,fd%s=%s,vhostfd%s=%s", index, plural, taps, plural, vhosts);
	else
		strv_addf(args, "tap,id=net%zu,fd%s=%s", index, plural, taps);
}

static int add_nic(const struct vm_nic *nic, size_t index, struct strv *args, struct cor_error *err)
{
	if (strlen(nic->mac) != MAC_LENGTH || !str_made_of(nic->mac, MAC_LENGTH, "0123456789abcdef:"))
		return cor_fail(err, COR_INVALID, EINVAL, "'%s' is no MAC address", nic->mac);
	strv_add(args, "-netdev");
	if (nic->kind == VM_NIC_STREAM)
		strv_addf(args, "stream,id=net%zu,server=off,addr.type=fd,addr.str=%d", index, nic->fds[0]);
	else
		add_tap(nic, index, args);
	strv_add(args, "-device");
	/* What the card offers depends on its queues alone, so that machines that are saved and restored can be alike; init sets the MTU. */
	strv_addf(args, "virtio-net-device,netdev=net%zu,mac=%s%s", index, nic->mac,
		  nic->queues > 1 ? ",mq=on" : "");
	return 0;
}

static int add_share(const struct vm_share *share, size_t index, struct strv *args, struct cor_error *err)
{
	if (!str_made_of(share->tag, sizeof(share->tag), NAME_SET))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.36s' is no name for a share", share->tag);
	strv_add(args, "-chardev");
	strv_addf(args, "socket,id=share%zu,fd=%d", index, share->fd);
	strv_add(args, "-device");
	strv_addf(args, "vhost-user-fs-device,chardev=share%zu,tag=%s", index, share->tag);
	return 0;
}

/* What the guest frees goes back to the host, as the guest tells of it unasked. In a slot that would stay empty: no machine gets ACPI for its sake. */
static void add_balloon(enum vm_arch arch, const struct vm_spec *spec, struct strv *args)
{
	if (count_devices(spec) >= count_slots(arch, spec))
		return;
	strv_add(args, "-device");
	strv_add(args, "virtio-balloon-device,free-page-reporting=on,deflate-on-oom=on");
}

static void add_lines(enum vm_arch arch, const struct qemu_fds *fds, struct strv *args)
{
	strv_add(args, "-chardev");
	strv_addf(args, "socket,id=control,fd=%d", fds->control);
	strv_add(args, "-mon");
	strv_add(args, "chardev=control,mode=control");
	strv_add(args, "-chardev");
	strv_addf(args, "socket,id=console,fd=%d", fds->console);
	strv_add(args, "-serial");
	strv_add(args, "chardev:console");
	strv_add(args, "-chardev");
	strv_addf(args, "socket,id=agent,fd=%d", fds->agent);
	strv_add(args, "-device");
	strv_add(args, "virtio-serial-device");
	strv_add(args, "-device");
	strv_add(args, "virtserialport,id=line,chardev=agent,name=coracle.agent");
}

static int build(enum vm_arch arch, const struct vm_spec *spec, const struct qemu_fds *fds, struct strv *args,
		 struct cor_error *err)
{
	static const char *const constant[] = {
		"-nodefaults",
		"-no-user-config",
		"-no-reboot",
		"-display",
		"none",
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-global",
		"virtio-mmio.force-legacy=false",
	};
	int r;

	if (spec->share_count && spec->saved)
		return cor_fail(err, COR_INVALID, EINVAL, "a machine with shares cannot be a saved one");
	if (!str_made_of(spec->name, 64, NAME_SET))
		return cor_fail(err, COR_INVALID, EINVAL, "'%s' is no name for a machine", spec->name);
	strv_add(args, qemu_program_name(arch));
	strv_add(args, "-name");
	strv_add(args, spec->name);
	for (size_t i = 0; i < ARRAY_SIZE(constant); i++)
		strv_add(args, constant[i]);
	r = add_machine(arch, spec, args, err);
	if (r < 0)
		return r;
	add_processor(arch, spec, args);
	add_memory(spec, args);
	r = add_kernel(arch, spec, args, err);
	if (r < 0)
		return r;
	add_lines(arch, fds, args);
	strv_add(args, "-device");
	strv_add(args, "virtio-rng-device");
	for (size_t i = 0; i < spec->disk_count; i++) {
		r = add_disk(&spec->disks[i], i, args, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < spec->nic_count; i++) {
		r = add_nic(&spec->nics[i], i, args, err);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < spec->share_count; i++) {
		r = add_share(&spec->shares[i], i, args, err);
		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < spec->extra_devices; i++) {
		strv_add(args, "-device");
		strv_add(args, "virtio-rng-device");
	}
	add_balloon(arch, spec, args);
	return 0;
}

int qemu_args(enum vm_arch arch, const struct vm_spec *spec, const struct qemu_fds *fds,
	      struct strv *ret_args, struct cor_error *err)
{
	_strv_ struct strv args = {0};
	int r = build(arch, spec, fds, &args, err);

	if (r < 0)
		return r;
	*ret_args = args;
	args = (struct strv){0};
	return 0;
}
