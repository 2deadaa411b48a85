/* SPDX-License-Identifier: Apache-2.0 */
#include "container/caps.h"

#include "base/macro.h"
#include "base/json.h"

#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BIT(n)    (UINT64_C(1) << (n))

static uint64_t choose(const char *const *add, const char *const *drop, bool privileged)
{
	uint64_t set = 0;

	assert_int_equal(caps_choose(add, drop, privileged, &set, NULL), 0);
	return set;
}

/* The numbers are the kernel's, and the default set is Docker's. */
static void test_default(void **state)
{
	static const unsigned usual[] = {
		CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,     CAP_FSETID,           CAP_KILL,
		CAP_SETGID, CAP_SETUID,       CAP_SETPCAP,    CAP_NET_BIND_SERVICE, CAP_NET_RAW,
		CAP_MKNOD,  CAP_AUDIT_WRITE,  CAP_SYS_CHROOT, CAP_SETFCAP};
	uint64_t expected = 0;

	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		expected |= BIT(usual[i]);
	assert_int_equal(choose(NULL, NULL, false), expected);
}

static void test_names(void **state)
{
	uint64_t usual = choose(NULL, NULL, false);

	assert_int_equal(choose(LIST("NET_ADMIN"), NULL, false), usual | BIT(CAP_NET_ADMIN));
	assert_int_equal(choose(LIST("cap_net_admin"), NULL, false), usual | BIT(CAP_NET_ADMIN));
	assert_int_equal(choose(LIST("Cap_Bpf", "checkpoint_restore"), NULL, false),
			 usual | BIT(CAP_BPF) | BIT(CAP_CHECKPOINT_RESTORE));
	assert_int_equal(choose(NULL, LIST("CHOWN"), false), usual & ~BIT(CAP_CHOWN));
}

static void test_adds_and_drops(void **state)
{
	uint64_t all = choose(LIST("ALL"), NULL, false);

	assert_int_equal(all, BIT(CAP_LAST_CAP + 1) - 1);
	assert_int_equal(choose(NULL, NULL, true), all);
	assert_int_equal(choose(NULL, LIST("all"), false), CAPS_NONE);
	assert_int_equal(choose(LIST("CHOWN"), LIST("ALL"), false), BIT(CAP_CHOWN));
	assert_int_equal(choose(LIST("ALL"), LIST("CHOWN"), false), all & ~BIT(CAP_CHOWN));
	assert_int_equal(choose(NULL, LIST("SYS_ADMIN"), true), all & ~BIT(CAP_SYS_ADMIN));
	/* Of one that is named on both sides the add counts. */
	assert_true(caps_has(choose(LIST("CHOWN"), LIST("CHOWN"), false), "CAP_CHOWN"));
}

static void test_unknown(void **state)
{
	static const char *const bad[] = {"", "CAP_", "NOTHING", "CAP_CAP_CHOWN", "CHOWN ", "ALLE"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cor_error err = {0};
		uint64_t set = 7;

		assert_true(caps_choose(LIST(bad[i]), NULL, false, &set, &err) < 0);
		assert_int_equal(err.status, COR_INVALID);
		assert_true(caps_choose(NULL, LIST(bad[i]), false, &set, &err) < 0);
		assert_int_equal(set, 7);
		assert_false(caps_has(~UINT64_C(0), bad[i]));
	}
}

static void test_json(void **state)
{
	_json_ json_t *none = caps_to_json(CAPS_NONE),
		      *two = caps_to_json(BIT(CAP_CHOWN) | BIT(CAP_SYS_ADMIN));

	assert_int_equal(json_array_size(none), 0);
	assert_int_equal(json_array_size(two), 2);
	assert_string_equal(json_string_value(json_array_get(two, 0)), "CAP_CHOWN");
	assert_string_equal(json_string_value(json_array_get(two, 1)), "CAP_SYS_ADMIN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),        cmocka_unit_test(test_names),
		cmocka_unit_test(test_adds_and_drops), cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
