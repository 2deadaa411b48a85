/* SPDX-License-Identifier: Apache-2.0 */
/* hosts, hostname and resolv.conf: what is in them, and that no option can write a line of its own. */
#include "container/guest_files.h"

#include "base/file.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

struct folder {
	char path[40];
	int fd;
};

static int setup(void **state)
{
	struct folder *folder = xcalloc(1, sizeof(*folder));

	strcpy(folder->path, "/tmp/coracle-files-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = folder;
	return folder->fd < 0;
}

static int teardown(void **state)
{
	struct folder *folder = *state;

	close(folder->fd);
	tree_remove(AT_FDCWD, folder->path);
	free(folder);
	return 0;
}

static void assert_file(const struct folder *folder, const char *name, const char *expected)
{
	_free_ char *path = str_format("files/%s", name), *text = NULL;
	struct stat st;

	assert_int_equal(file_read(folder->fd, path, 4096, &text, NULL), 0);
	assert_string_equal(text, expected);
	assert_int_equal(fstatat(folder->fd, path, &st, 0), 0);
	assert_int_equal(st.st_mode & 0444, 0444);
}

static void test_usual(void **state)
{
	struct cor_container_options options = {0};
	struct folder *folder = *state;

	assert_int_equal(guest_files_write(folder->fd, &options, "boat", NULL), 0);
	assert_file(folder, "hostname", "boat\n");
	assert_file(folder, "hosts",
		    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tboat\n");
	assert_file(folder, "resolv.conf", "");
}

static void test_everything(void **state)
{
	struct cor_container_options options = {
		.hostname = "boat.example.org",
		.add_hosts = LIST("db:10.0.0.1", "six:fe80::1", "bracketed:[::2]"),
		.dns = LIST("10.0.0.53", "fd00::53"),
		.dns_search = LIST("example.org", "example.net"),
		.dns_options = LIST("ndots:2"),
	};
	struct folder *folder = *state;

	assert_int_equal(guest_files_write(folder->fd, &options, "boat", NULL), 0);
	assert_file(folder, "hosts",
		    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
		    "127.0.1.1\tboat.example.org boat\n10.0.0.1\tdb\nfe80::1\tsix\n::2\tbracketed\n");
	assert_file(folder, "resolv.conf",
		    "nameserver 10.0.0.53\nnameserver fd00::53\nsearch example.org example.net\noptions "
		    "ndots:2\n");
}

static void test_no_dns(void **state)
{
	struct cor_container_options options = {.no_dns = true};
	struct folder *folder = *state;

	assert_int_equal(guest_files_write(folder->fd, &options, "boat", NULL), 0);
	assert_true(faccessat(folder->fd, "files/resolv.conf", F_OK, 0) < 0);
}

static void refused(const struct folder *folder, const struct cor_container_options *options)
{
	struct cor_error err = {0};

	assert_int_equal(tree_remove(folder->fd, "files"), 0);
	assert_true(guest_files_write(folder->fd, options, "boat", &err) < 0);
	assert_int_equal(err.status, COR_INVALID);
	assert_null(strchr(err.msg, '\r'));
}

static void test_refused(void **state)
{
	static const char *const hosts[] = {"",
					    "db",
					    "db:",
					    ":10.0.0.1",
					    "db:ten",
					    "d b:10.0.0.1",
					    "db:10.0.0.1\n1.1.1.1 x",
					    "db\n:10.0.0.1",
					    "db:[::1",
					    "db:[]"};
	static const char *const servers[] = {"", "example.org", "10.0.0.1\nsearch evil",
					      "10.0.0.1 10.0.0.2"};
	static const char *const words[] = {"", "a b", "a\nnameserver 6.6.6.6", "a\t"};
	struct folder *folder = *state;

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
		refused(folder, &(struct cor_container_options){.add_hosts = LIST(hosts[i])});
	for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
		refused(folder, &(struct cor_container_options){.dns = LIST(servers[i])});
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		refused(folder, &(struct cor_container_options){.dns_search = LIST(words[i])});
		refused(folder, &(struct cor_container_options){.dns_options = LIST(words[i])});
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {TEST(test_usual), TEST(test_everything), TEST(test_no_dns),
					   TEST(test_refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
