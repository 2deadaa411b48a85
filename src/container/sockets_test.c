/* SPDX-License-Identifier: Apache-2.0 */
/* Relayed sockets: from options to the record and back, and the files of published ones. */
#include "container/sockets.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/json.h"
#include "base/unix_socket.h"
#include "container/published.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

struct folder {
	char path[40];
	int fd, run, listener;
};

static int setup(void **state)
{
	struct folder *folder = xcalloc(1, sizeof(*folder));

	strcpy(folder->path, "/tmp/coracle-sock-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	assert_int_equal(chdir(folder->path), 0);
	folder->fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(dir_open_make(folder->fd, "run", 0700, &folder->run), 0);
	*state = folder;
	return unix_listen_at(folder->fd, "h.sock", 1, &folder->listener);
}

static int teardown(void **state)
{
	struct folder *folder = *state;

	assert_int_equal(chdir("/"), 0);
	close(folder->listener);
	close(folder->run);
	close(folder->fd);
	tree_remove(AT_FDCWD, folder->path);
	free(folder);
	return 0;
}

static void options_become_a_list(void **state)
{
	_cleanup_(container_sockets_release) struct container_sockets sockets = {0}, again = {0};
	struct folder *folder = *state;
	_free_ char *host = str_format("%s/./h.sock", folder->path),
		    *out = str_format("%s/out", folder->path),
		    *bind = str_format("type=bind,src=%s/h.sock,dst=/c", folder->path);
	struct cor_container_options options = {.volumes = LIST("v:/x", "/y", "./h.sock:/var//a.sock:ro"),
						.mounts = LIST(bind, "type=tmpfs,dst=/z"),
						.publish_sockets = LIST("out:/run/x.sock"),
						.ssh = true};
	_json_ json_t *json = NULL, *mounts = json_array();

	assert_int_equal(container_sockets_choose(&options, &sockets, NULL), 0);
	json = container_sockets_to_json(&sockets);
	assert_int_equal(container_sockets_from_json(json, &again), 0);
	assert_int_equal(again.count, 4);
	assert_int_equal(again.items[0].kind, SOCKET_MOUNTED);
	assert_string_equal(again.items[0].host, host);
	assert_string_equal(again.items[0].container, "/var/a.sock");
	assert_true(again.items[0].read_only);
	assert_string_equal(again.items[1].container, "/c");
	assert_false(again.items[1].read_only);
	assert_int_equal(again.items[2].kind, SOCKET_SSH_AGENT);
	assert_null(again.items[2].host);
	assert_int_equal(again.items[3].kind, SOCKET_PUBLISHED);
	assert_string_equal(again.items[3].host, out);
	assert_string_equal(again.items[3].container, "/run/x.sock");
	container_sockets_mount(&sockets, "ID", mounts);
	assert_int_equal(json_array_size(mounts), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(mounts, 2), "source")),
			    "/run/coracle/ID/sockets/2");
}

static void refuse(const struct cor_container_options *options, enum cor_status status, const char *word)
{
	struct container_sockets sockets;
	struct cor_error err = {0};

	assert_true(container_sockets_choose(options, &sockets, &err) < 0);
	assert_int_equal(err.status, status);
	if (!strstr(err.msg, word))
		fail_msg("'%s' does not say '%s'", err.msg, word);
}

static void what_is_no_socket(void **state)
{
	struct cor_container_options others = {.volumes = LIST("./run:/x", "./nothing:/y")};
	_cleanup_(container_sockets_release) struct container_sockets none = {0};

	/* Left to others. */
	assert_int_equal(container_sockets_choose(&others, &none, NULL), 0);
	assert_int_equal(none.count, 0);
	refuse(&(struct cor_container_options){.volumes = LIST("./h.sock:/x", "./h.sock:/x/")}, COR_INVALID,
	       "twice");
	refuse(&(struct cor_container_options){.publish_sockets = LIST("a:/x", "./a:/y", "a:/z")},
	       COR_INVALID, "twice");
	refuse(&(struct cor_container_options){.publish_sockets = LIST("a")}, COR_INVALID, "HOST:CONTAINER");
	refuse(&(struct cor_container_options){.publish_sockets = LIST("a/:/x")}, COR_INVALID,
	       "HOST:CONTAINER");
	refuse(&(struct cor_container_options){.publish_sockets = LIST(":/x")}, COR_INVALID,
	       "HOST:CONTAINER");
	refuse(&(struct cor_container_options){.publish_sockets = LIST("a:x")}, COR_INVALID,
	       "HOST:CONTAINER");
}

static void damaged_records(void **state)
{
	static const char *const texts[] = {
		"{\"a\":[{}]}",
		"{\"a\":[1]}",
		"{\"a\":[{\"kind\":\"mounted\",\"container\":\"/x\"}]}",
		"{\"a\":[{\"kind\":\"other\",\"host\":\"/x\",\"container\":\"/x\"}]}",
		"{\"a\":[{\"kind\":\"mounted\",\"host\":\"x\",\"container\":\"/x\"}]}",
		"{\"a\":[{\"kind\":\"ssh-agent\",\"container\":\"x\"}]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_(container_sockets_release) struct container_sockets sockets = {0};
		_json_ json_t *json = NULL;

		assert_int_equal(json_parse_object(texts[i], strlen(texts[i]), "test", &json, NULL), 0);
		assert_int_equal(container_sockets_from_json(json_object_get(json, "a"), &sockets), -EINVAL);
	}
}

/* ---- published ones ---- */

static bool is_there(const struct folder *folder, const char *name)
{
	return faccessat(folder->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void published_sockets_come_and_go(void **state)
{
	struct folder *folder = *state;
	_free_ char *a = str_format("%s/a", folder->path), *b = str_format("%s/b", folder->path);
	_fd_ int one = -1, two = -1;
	struct stat st;

	assert_int_equal(published_socket_make(folder->run, a, &one, NULL), 0);
	assert_int_equal(published_socket_make(folder->run, b, &two, NULL), 0);
	assert_int_equal(fstatat(folder->fd, "a", &st, 0), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	/* Somebody else's by now. */
	unlinkat(folder->fd, "b", 0);
	assert_int_equal(file_write_new(folder->fd, "b", "", 0, 0600), 0);
	published_sockets_remove(folder->run);
	assert_false(is_there(folder, "a"));
	assert_true(is_there(folder, "b"));
	published_sockets_remove(folder->run);
}

static void only_dead_sockets_are_replaced(void **state)
{
	struct folder *folder = *state;
	_free_ char *live = str_format("%s/h.sock", folder->path), *file = str_format("%s/f", folder->path),
		    *dead = str_format("%s/dead", folder->path), *link = str_format("%s/link", folder->path);
	_fd_ int one = -1;
	struct cor_error err = {0};

	assert_int_equal(published_socket_make(folder->run, live, &one, &err), -EEXIST);
	assert_int_equal(err.status, COR_EXISTS);
	assert_int_equal(file_write_new(folder->fd, "f", "", 0, 0600), 0);
	assert_int_equal(published_socket_make(folder->run, file, &one, NULL), -EEXIST);
	assert_int_equal(unix_listen_at(folder->fd, "dead", 1, &one), 0);
	close_fd(&one);
	assert_int_equal(symlinkat("dead", folder->fd, "link"), 0);
	assert_int_equal(published_socket_make(folder->run, link, &one, NULL), -EEXIST);
	assert_int_equal(published_socket_make(folder->run, dead, &one, NULL), 0);
	assert_true(is_there(folder, "h.sock") && is_there(folder, "f"));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(options_become_a_list),
		TEST(what_is_no_socket),
		TEST(damaged_records),
		TEST(published_sockets_come_and_go),
		TEST(only_dead_sockets_are_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
