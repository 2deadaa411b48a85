/* SPDX-License-Identifier: Apache-2.0 */
/* Both kinds of virtiofsd: neither needs to be there. */
#include "share/share_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct strv make(const char *program)
{
	struct strv args = {0};

	share_args(&(struct share_spec){.program = program, .folder = "/run/share", .listen_fd = 7}, &args);
	assert_string_equal(args.items[0], program);
	return args;
}

static void each_is_known_by_its_path(void **state)
{
	assert_true(share_program_is_qemus("/usr/lib/qemu/virtiofsd"));
	assert_false(share_program_is_qemus("/usr/libexec/virtiofsd"));
}

static void qemus(void **state)
{
	_strv_ struct strv args = make("/usr/lib/qemu/virtiofsd");
	const char *options = args.items[4];

	assert_true(strv_contains(&args, "--fd=7"));
	assert_true(strv_contains(&args, "-f"));
	assert_string_equal(args.items[3], "-o");
	assert_non_null(str_after(options, "source=/run/share,sandbox=namespace,"));
	assert_non_null(strstr(options, ",cache=auto,no_writeback,"));
	assert_non_null(strstr(options, ",no_xattr,"));
	assert_non_null(strstr(options, ",modcaps=-mknod:-setfcap"));
	assert_false(strv_contains(&args, "--sandbox=namespace"));
}

static void the_rust_one(void **state)
{
	_strv_ struct strv args = make("/usr/libexec/virtiofsd");

	assert_true(strv_contains(&args, "--fd=7"));
	assert_true(strv_contains(&args, "--shared-dir=/run/share"));
	assert_true(strv_contains(&args, "--sandbox=namespace"));
	assert_true(strv_contains(&args, "--seccomp=kill"));
	assert_true(strv_contains(&args, "--modcaps=-mknod:-setfcap"));
	assert_false(strv_contains(&args, "-o"));
	assert_true(strv_contains(&args, "--cache=auto"));
	assert_true(strv_contains(&args, "--announce-submounts"));
	assert_true(strv_contains(&args, "--thread-pool-size=0"));
	assert_true(strv_contains(&args, "--rlimit-nofile=0"));
	assert_false(strv_contains(&args, "--writeback"));
	assert_false(strv_contains(&args, "--xattr"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_known_by_its_path),
		cmocka_unit_test(qemus),
		cmocka_unit_test(the_rust_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
