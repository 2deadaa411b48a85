/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/accelerator.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <cmocka.h>

#define MANY 8

struct folder {
	char path[32];
	int fd;
};

static int setup(void **state)
{
	struct folder *folder = xcalloc(1, sizeof(*folder));

	strcpy(folder->path, "/tmp/accelerator-XXXXXX");
	if (!mkdtemp(folder->path))
		return -1;
	folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = folder;
	return folder->fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct folder *folder = *state;

	close(folder->fd);
	tree_remove(AT_FDCWD, folder->path);
	free(folder);
	return 0;
}

/* As if measured at the boot of that name; NULL is this one. */
static void know(const struct folder *folder, const char *boot, bool kvm)
{
	_free_ char *this_boot = NULL, *text = NULL;

	assert_int_equal(file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, &this_boot, NULL), 0);
	this_boot[strcspn(this_boot, "\n")] = '\0';
	text = str_format(
		"{\"boot\": \"%s\", \"kvm\": %s, \"reason\": \"told\", \"tscKhz\": 7, \"failed\": []}",
		boot ? boot : this_boot, kvm ? "true" : "false");
	assert_int_equal(file_write_atomic(folder->fd, "accelerator.json", text, strlen(text), 0600), 0);
}

static void test_measure_refuses(void **state)
{
	struct accelerator_measurement found;

	accelerator_measure("/no/such/device", &found);
	assert_false(found.usable);
	assert_non_null(strstr(found.reason, "/no/such/device"));
	/* It opens, but makes no machines. */
	accelerator_measure("/dev/null", &found);
	assert_false(found.usable);
	assert_non_null(strstr(found.reason, "/dev/null"));
}

static void test_recalls(void **state)
{
	struct folder *folder = *state;
	struct accelerator_choice choice;

	know(folder, NULL, true);
	assert_int_equal(accelerator_choose(folder->fd, "auto", -1, NULL, &choice, NULL), 0);
	assert_int_equal(choice.accelerator, VM_KVM);
	assert_string_equal(choice.reason, "told");
	assert_int_equal(choice.tsc_khz, 7);
	assert_int_equal(accelerator_choose(folder->fd, "tcg", -1, NULL, &choice, NULL), 0);
	assert_int_equal(choice.accelerator, VM_TCG);
	assert_true(choice.asked);
}

static void test_asked_for_in_vain(void **state)
{
	struct folder *folder = *state;
	struct accelerator_choice choice;
	struct cor_error err = {0};

	know(folder, NULL, false);
	assert_int_equal(accelerator_choose(folder->fd, "kvm", -1, NULL, &choice, &err), -ENOTSUP);
	assert_int_equal(err.status, COR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "told"));
	assert_int_equal(accelerator_choose(folder->fd, "hvf", -1, NULL, &choice, &err), -EINVAL);
	assert_int_equal(err.status, COR_INVALID);
}

/* Another boot may have another processor: it is measured again. So is what a damaged file held. */
static void test_measures_again(void **state)
{
	struct folder *folder = *state;
	uint64_t first;
	struct accelerator_choice choice;

	know(folder, "another-boot", true);
	assert_int_equal(accelerator_choose(folder->fd, NULL, -1, NULL, &choice, NULL), 0);
	assert_string_not_equal(choice.reason, "told");
	first = choice.tsc_khz;
	assert_int_equal(file_write_atomic(folder->fd, "accelerator.json", "{", 1, 0600), 0);
	assert_int_equal(accelerator_choose(folder->fd, NULL, -1, NULL, &choice, NULL), 0);
	assert_string_not_equal(choice.reason, "told");
	/* A counter that is found steady has one rate, however often it is measured. */
	assert_true(choice.tsc_khz <= first + first / 100 && first <= choice.tsc_khz + choice.tsc_khz / 100);
}

/* Another who measured would have put another file in its place, before or after the others looked. */
static void test_measures_once_for_many(void **state)
{
	struct folder *folder = *state;
	struct accelerator_choice choice;
	struct stat first = {0}, found;
	int go[2], told[2];
	char byte;

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	for (int i = 0; i < MANY; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			close(go[1]);
			(void)!read(go[0], &byte, 1);
			if (accelerator_choose(folder->fd, NULL, -1, NULL, &choice, NULL) < 0 ||
			    fstatat(folder->fd, "accelerator.json", &found, 0) < 0)
				memset(&found, 0, sizeof(found));
			_exit(write(told[1], &found, sizeof(found)) != sizeof(found));
		}
	}
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(read(told[0], &found, sizeof(found)), sizeof(found));
		first = i ? first : found;
		assert_true(found.st_ino && found.st_ino == first.st_ino);
		assert_true(found.st_ctim.tv_nsec == first.st_ctim.tv_nsec);
	}
	while (wait(NULL) > 0)
		;
	close(told[0]);
	close(told[1]);
}

static void test_distrust(void **state)
{
	struct folder *folder = *state;
	_free_ char *text = NULL, *key = NULL;
	struct utsname host;
	struct accelerator_choice choice;
	_fd_ int one = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), other = memfd_with("kernel", "x", 1);

	know(folder, NULL, true);
	assert_int_equal(accelerator_distrust(folder->fd, one, "/bin/sh", NULL), 0);
	assert_int_equal(accelerator_distrust(folder->fd, one, "/bin/sh", NULL), 0);
	assert_int_equal(accelerator_choose(folder->fd, "auto", one, "/bin/sh", &choice, NULL), 0);
	assert_int_equal(choice.accelerator, VM_TCG);
	assert_non_null(strstr(choice.reason, "did not answer"));
	assert_int_equal(uname(&host), 0);
	assert_int_equal(file_read(folder->fd, "accelerator.json", 65536, &text, NULL), 0);
	key = str_format("\"%s-", host.machine);
	assert_non_null(strstr(text, key));
	/* Another kernel, another VMM and an explicit wish are not concerned. */
	assert_int_equal(accelerator_choose(folder->fd, "auto", other, "/bin/sh", &choice, NULL), 0);
	assert_int_equal(choice.accelerator, VM_KVM);
	assert_int_equal(accelerator_choose(folder->fd, "auto", one, "/proc/self/exe", &choice, NULL), 0);
	assert_int_equal(choice.accelerator, VM_KVM);
	assert_int_equal(accelerator_choose(folder->fd, "kvm", one, "/bin/sh", &choice, NULL), 0);
	assert_int_equal(choice.accelerator, VM_KVM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_measure_refuses),
		cmocka_unit_test_setup_teardown(test_recalls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_asked_for_in_vain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_measures_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_measures_once_for_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_distrust, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
