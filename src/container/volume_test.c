/* SPDX-License-Identifier: Apache-2.0 */
#include "container/volume.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef int (*parse_fn)(const char *text, struct volume_request *ret, struct cor_error *err);

struct expected {
	const char *text;
	enum volume_kind kind;
	const char *source, *target;
	bool read_only;
};

static void check(parse_fn parse, const struct expected *expected)
{
	_cleanup_(volume_request_release) struct volume_request request = {0};
	struct cor_error err = {0};

	if (parse(expected->text, &request, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(request.kind, expected->kind);
	assert_true(str_equal(request.source, expected->source));
	assert_string_equal(request.target, expected->target);
	assert_int_equal(request.read_only, expected->read_only);
}

static void refuse(parse_fn parse, const char *text, const char *word)
{
	struct volume_request request;
	struct cor_error err = {0};

	if (parse(text, &request, &err) == 0)
		fail_msg("'%s' was taken", text);
	assert_int_equal(err.status, COR_INVALID);
	if (!strstr(err.msg, word))
		fail_msg("'%s' does not say '%s'", err.msg, word);
}

static void volumes(void **state)
{
	static const struct expected cases[] = {
		{"/data", VOLUME_ANONYMOUS, NULL, "/data", false},
		{"//data/./x/", VOLUME_ANONYMOUS, NULL, "/data/x", false},
		{"cache:/data", VOLUME_NAMED, "cache", "/data", false},
		{"cache:/data:ro,nocopy", VOLUME_NAMED, "cache", "/data", true},
		{"/a b:/data", VOLUME_BIND, "/a b", "/data", false},
		{"./x.sock:/x.sock:ro", VOLUME_BIND, "./x.sock", "/x.sock", true},
		{"..:/up", VOLUME_BIND, "..", "/up", false},
		{"~/x:/x:rw,z", VOLUME_BIND, "~/x", "/x", false},
		{"/a:/b:rslave", VOLUME_BIND, "/a", "/b", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(volume_parse, &cases[i]);
}

static void volumes_that_are_none(void **state)
{
	refuse(volume_parse, "", "absolute");
	refuse(volume_parse, "data", "absolute");
	refuse(volume_parse, "/", "absolute");
	refuse(volume_parse, "/a:/", "absolute");
	refuse(volume_parse, "/a:/..", "absolute");
	refuse(volume_parse, "/a:/b/../c", "absolute");
	refuse(volume_parse, "/a:b", "absolute");
	refuse(volume_parse, ":/b", "name of a volume");
	refuse(volume_parse, "a/b:/c", "name of a volume");
	refuse(volume_parse, "-a:/c", "name of a volume");
	refuse(volume_parse, "~user:/c", "name of a volume");
	refuse(volume_parse, "/a:/b:ro:x", "colons");
	refuse(volume_parse, "/a:/b:", "option");
	refuse(volume_parse, "/a:/b:no", "option");
	refuse(volume_parse, "/a:/b:nocopy", "option");
	refuse(volume_parse, "a:/b:rslave", "option");
}

static void mounts(void **state)
{
	static const struct expected cases[] = {
		{"target=/x", VOLUME_ANONYMOUS, NULL, "/x", false},
		{"type=volume,dst=/x,src=cache,readonly", VOLUME_NAMED, "cache", "/x", true},
		{"src=cache,dst=/x,volume-nocopy,volume-opt=size=1g", VOLUME_NAMED, "cache", "/x", false},
		{"source=/a:b,target=/x/,type=bind,ro=true", VOLUME_BIND, "/a:b", "/x", true},
		{"type=bind,\"source=/a,\"\"b\"\"\",destination=/x,readonly=false", VOLUME_BIND, "/a,\"b\"",
		 "/x", false},
		{"type=bind,src=./a,dst=/x,bind-propagation=rprivate,consistency=cached", VOLUME_BIND, "./a",
		 "/x", false},
		{"type=tmpfs,dst=/x,tmpfs-size=64m,tmpfs-mode=1770", VOLUME_TMPFS, NULL, "/x", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		check(volume_parse_mount, &cases[i]);
}

static void options_of_mounts(void **state)
{
	_cleanup_(volume_request_release) struct volume_request tmpfs = {0}, volume = {0};

	assert_int_equal(volume_parse_mount("tmpfs-size=64k,tmpfs-mode=1770,type=tmpfs,dst=/x", &tmpfs, NULL),
			 0);
	assert_true(tmpfs.has_mode);
	assert_int_equal(tmpfs.tmpfs_mode, 01770);
	assert_int_equal(tmpfs.tmpfs_size, 65536);
	assert_int_equal(volume_parse_mount("dst=/x,src=v,volume-opt=a=b,volume-opt=c", &volume, NULL), 0);
	assert_int_equal(volume.options.count, 2);
	assert_string_equal(volume.options.items[0], "a=b");
}

static void mounts_that_are_none(void **state)
{
	refuse(volume_parse_mount, "", "cannot stand");
	refuse(volume_parse_mount, "src=v", "target= is missing");
	refuse(volume_parse_mount, "type=bind,dst=/x", "source= is missing");
	refuse(volume_parse_mount, "type=bind,src=v,dst=/x", "is no path");
	refuse(volume_parse_mount, "src=/v,dst=/x", "is no name");
	refuse(volume_parse_mount, "type=tmpfs,src=/v,dst=/x", "no source");
	refuse(volume_parse_mount, "type=npipe,src=v,dst=/x", "type=npipe");
	refuse(volume_parse_mount, "type,dst=/x", "'type'");
	refuse(volume_parse_mount, "dst=x", "dst=x");
	refuse(volume_parse_mount, "dst=/x,readonly=maybe", "maybe");
	refuse(volume_parse_mount, "dst=/x,tmpfs-size=1", "tmpfs-size");
	refuse(volume_parse_mount, "type=tmpfs,dst=/x,tmpfs-size=99999999999g", "tmpfs-size");
	refuse(volume_parse_mount, "type=tmpfs,dst=/x,tmpfs-size=", "tmpfs-size");
	refuse(volume_parse_mount, "type=tmpfs,dst=/x,tmpfs-mode=8", "tmpfs-mode");
	refuse(volume_parse_mount, "\"dst=/x", "cannot stand");
	refuse(volume_parse_mount, "\"dst=/x\"y", "cannot stand");
	refuse(volume_parse_mount, "dst=/x\"", "cannot stand");
	refuse(volume_parse_mount, "dst=/x,", "cannot stand");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(volumes),
		cmocka_unit_test(volumes_that_are_none),
		cmocka_unit_test(mounts),
		cmocka_unit_test(options_of_mounts),
		cmocka_unit_test(mounts_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
