/* SPDX-License-Identifier: Apache-2.0 */
/* The program for devices, run by a few lines that know the instructions it is made of. */
#include "init/devices.h"

#include "base/macro.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define READ  BPF_DEVCG_ACC_READ
#define WRITE BPF_DEVCG_ACC_WRITE
#define MAKE  BPF_DEVCG_ACC_MKNOD

static uint64_t run(const struct bpf_insn *program, int count, const struct bpf_cgroup_dev_ctx *device)
{
	uint64_t registers[11] = {0};

	for (int i = 0; i < count; i++) {
		const struct bpf_insn *p = &program[i];
		uint64_t *to = &registers[p->dst_reg];
		uint32_t value;

		switch (p->code) {
		case BPF_LDX | BPF_MEM | BPF_W:
			memcpy(&value, (const char *)device + p->off, sizeof(value));
			*to = value;
			break;
		case BPF_ALU64 | BPF_AND | BPF_K:
			*to &= (uint64_t)(int64_t)p->imm;
			break;
		case BPF_ALU64 | BPF_RSH | BPF_K:
			*to >>= p->imm;
			break;
		case BPF_ALU64 | BPF_MOV | BPF_K:
			*to = (uint64_t)(int64_t)p->imm;
			break;
		case BPF_JMP32 | BPF_JNE | BPF_K:
			i += (uint32_t)*to != (uint32_t)p->imm ? p->off : 0;
			break;
		case BPF_JMP32 | BPF_JSET | BPF_K:
			i += (uint32_t)*to & (uint32_t)p->imm ? p->off : 0;
			break;
		case BPF_JMP | BPF_EXIT:
			return registers[0];
		default:
			fail_msg("instruction %d is unknown", i);
		}
	}
	fail_msg("the program has no end");
	return 0;
}

static bool allowed(const struct oci_spec *spec, char type, uint32_t major, uint32_t minor, uint32_t access)
{
	struct bpf_insn program[DEVICES_PROGRAM_MAX];
	struct bpf_cgroup_dev_ctx device = {
		.access_type = access << 16 | (type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR),
		.major = major,
		.minor = minor,
	};
	int count = devices_compile(spec, program);

	assert_true(count > 0);
	return run(program, count, &device);
}

static void test_usual(void **state)
{
	const struct oci_spec spec = {0};

	assert_true(allowed(&spec, 'c', 1, 3, READ | WRITE));
	assert_true(allowed(&spec, 'c', 5, 0, READ | WRITE));
	assert_true(allowed(&spec, 'c', 136, 77, READ | WRITE));
	assert_false(allowed(&spec, 'b', 1, 3, READ));
	assert_false(allowed(&spec, 'b', 254, 0, READ));
	assert_false(allowed(&spec, 'b', 254, 0, READ | MAKE));
	assert_false(allowed(&spec, 'c', 1, 1, WRITE));
	assert_false(allowed(&spec, 'c', 10, 229, READ));
	assert_true(allowed(&spec, 'b', 254, 0, MAKE));
}

static void test_given(void **state)
{
	struct oci_device devices[] = {
		{.type = 'c', .major = 10, .minor = 229},
		{.type = 'p'},
		{.type = 'b', .major = 7, .minor = 0xfffff},
	};
	const struct oci_spec spec = {.devices = devices, .device_count = ARRAY_SIZE(devices)};

	assert_true(allowed(&spec, 'c', 10, 229, READ | WRITE));
	assert_true(allowed(&spec, 'b', 7, 0xfffff, READ));
	assert_false(allowed(&spec, 'b', 10, 229, READ));
	assert_false(allowed(&spec, 'c', 10, 228, READ));
	assert_false(allowed(&spec, 'c', 0, 0, READ));
}

static void test_too_many(void **state)
{
	struct oci_device devices[200] = {{.type = 'c'}};
	const struct oci_spec spec = {.devices = devices, .device_count = ARRAY_SIZE(devices)};
	struct bpf_insn program[DEVICES_PROGRAM_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		devices[i].type = 'c';
	assert_int_equal(devices_compile(&spec, program), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
