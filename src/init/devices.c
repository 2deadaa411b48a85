/* SPDX-License-Identifier: Apache-2.0 */
/* Version 2 of control groups has no file for devices: a small program answers for each that is opened or made. Making a node is always
 * allowed, since image builders and package managers do it; opening is what counts. */
#include "init/devices.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stddef.h>
#include <sys/syscall.h>

#define ANY (-1)

struct rule {
	char type;
	int64_t major, minor; /* or ANY */
};

static const struct rule usual[] = {
	{'c', 1, 3},     /* null */
	{'c', 1, 5},     /* zero */
	{'c', 1, 7},     /* full */
	{'c', 1, 8},     /* random */
	{'c', 1, 9},     /* urandom */
	{'c', 5, 0},     /* tty */
	{'c', 5, 1},     /* console */
	{'c', 5, 2},     /* ptmx */
	{'c', 136, ANY}, /* pts */
};

struct program {
	struct bpf_insn *items;
	size_t count;
};

static void add(struct program *program, struct bpf_insn instruction)
{
	/* What goes beyond is counted, and refused at the end. */
	if (program->count < DEVICES_PROGRAM_MAX)
		program->items[program->count] = instruction;
	program->count++;
}

static void load(struct program *program, unsigned to, size_t offset)
{
	add(program, (struct bpf_insn){.code = BPF_LDX | BPF_MEM | BPF_W,
				       .dst_reg = to & 0xf,
				       .src_reg = BPF_REG_1,
				       .off = (int16_t)offset});
}

static void compute(struct program *program, unsigned operation, unsigned to, int32_t value)
{
	add(program, (struct bpf_insn){.code = (uint8_t)(BPF_ALU64 | operation | BPF_K),
				       .dst_reg = to & 0xf,
				       .imm = value});
}

static void jump(struct program *program, unsigned condition, unsigned reg, int64_t value, int16_t distance)
{
	add(program, (struct bpf_insn){.code = (uint8_t)(BPF_JMP32 | condition | BPF_K),
				       .dst_reg = reg & 0xf,
				       .imm = (int32_t)value,
				       .off = distance});
}

static void answer(struct program *program, int32_t value)
{
	compute(program, BPF_MOV, BPF_REG_0, value);
	add(program, (struct bpf_insn){.code = BPF_JMP | BPF_EXIT});
}

/* Registers: 2 the type, 3 the access, 4 and 5 the numbers. */
static void add_rule(struct program *program, const struct rule *rule)
{
	bool any = rule->minor == ANY;

	jump(program, BPF_JNE, BPF_REG_2, rule->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
	     any ? 3 : 4);
	jump(program, BPF_JNE, BPF_REG_4, rule->major, any ? 2 : 3);
	if (!any)
		jump(program, BPF_JNE, BPF_REG_5, rule->minor, 2);
	answer(program, 1);
}

int devices_compile(const struct oci_spec *spec, struct bpf_insn items[DEVICES_PROGRAM_MAX])
{
	struct program program = {.items = items};

	load(&program, BPF_REG_2, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	load(&program, BPF_REG_3, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	compute(&program, BPF_AND, BPF_REG_2, 0xffff);
	compute(&program, BPF_RSH, BPF_REG_3, 16);
	load(&program, BPF_REG_4, offsetof(struct bpf_cgroup_dev_ctx, major));
	load(&program, BPF_REG_5, offsetof(struct bpf_cgroup_dev_ctx, minor));
	jump(&program, BPF_JSET, BPF_REG_3, BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE, 2);
	answer(&program, 1);
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		add_rule(&program, &usual[i]);
	for (size_t i = 0; i < spec->device_count; i++) {
		const struct oci_device *device = &spec->devices[i];

		if (device->type != 'p')
			add_rule(&program, &(struct rule){device->type, device->major, device->minor});
	}
	answer(&program, 0);
	return program.count <= DEVICES_PROGRAM_MAX ? (int)program.count : -E2BIG;
}

static int bpf(int command, union bpf_attr *attributes)
{
	int r = (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));

	return r < 0 ? -errno : r;
}

int devices_restrict(int group, const struct oci_spec *spec, struct cor_error *err)
{
	struct bpf_insn program[DEVICES_PROGRAM_MAX];
	int count = devices_compile(spec, program), r;
	union bpf_attr attributes = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uint64_t)(uintptr_t)program,
		.insn_cnt = (uint32_t)count,
		.license = (uint64_t)(uintptr_t) "Apache-2.0",
	};
	_fd_ int fd = count < 0 ? count : bpf(BPF_PROG_LOAD, &attributes);

	if (fd < 0)
		return cor_fail_errno(err, fd, "the rules for devices");
	attributes = (union bpf_attr){
		.target_fd = (uint32_t)group,
		.attach_bpf_fd = (uint32_t)fd,
		.attach_type = BPF_CGROUP_DEVICE,
	};
	r = bpf(BPF_PROG_ATTACH, &attributes);
	return r < 0 ? cor_fail_errno(err, r, "the rules for devices") : 0;
}
