/* SPDX-License-Identifier: Apache-2.0 */
#include "image/qcow2.h"

#include "base/file.h"
#include "base/size.h"

#include <endian.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static uint64_t number(int fd, off_t offset, size_t size)
{
	uint64_t value = 0;

	assert_int_equal(pread(fd, (uint8_t *)&value + 8 - size, size, offset), size);
	return be64toh(value);
}

static void test_header(void **state)
{
	_fd_ int fd = memfd_create("disk", MFD_CLOEXEC);
	struct stat st;

	assert_int_equal(qcow2_create(fd, 64 * GIB, NULL), 0);
	assert_int_equal(number(fd, 0, 4), 0x514649fb);
	assert_int_equal(number(fd, 4, 4), 3);
	/* No backing name: nothing for anybody to follow. */
	assert_int_equal(number(fd, 8, 8), 0);
	assert_int_equal(number(fd, 16, 4), 0);
	assert_true(number(fd, 24, 8) == 64 * GIB);
	/* A first-level entry maps 512 MiB. */
	assert_int_equal(number(fd, 36, 4), 128);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size % 65536, 0);
	assert_int_equal(number(fd, (off_t)number(fd, 40, 8), 8), 0);
	/* Every cluster of the file is counted once, none beyond it. */
	for (off_t i = 0; i < 16; i++)
		assert_int_equal(number(fd, (off_t)number(fd, (off_t)number(fd, 48, 8), 8) + 2 * i, 2),
				 i < st.st_size / 65536);
}

static void test_sizes(void **state)
{
	static const uint64_t bad[] = {0, 1, 511, 513, (UINT64_C(8) << 40) + 512, UINT64_MAX - 511};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_fd_ int fd = memfd_create("disk", MFD_CLOEXEC);
		struct cor_error err = {0};

		assert_true(qcow2_create(fd, bad[i], &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
	}
	for (uint64_t size = 512; size <= UINT64_C(8) << 40; size *= 2) {
		_fd_ int fd = memfd_create("disk", MFD_CLOEXEC);

		assert_int_equal(qcow2_create(fd, size, NULL), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_header), cmocka_unit_test(test_sizes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
