/* SPDX-License-Identifier: Apache-2.0 */
/* A writer against senders who mean harm, and a walk, through messages, into another folder. */
#include "copy/message.h"
#include "copy/walk.h"
#include "copy/write.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/stat.h>

struct fixture {
	char path[32];
	int top, from, to, beside; /* folders */
};

static int open_folder(int top, const char *name)
{
	assert_int_equal(mkdirat(top, name, 0700), 0);
	return openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	strcpy(f->path, "/tmp/copy-test.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->top = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->from = open_folder(f->top, "from");
	f->to = open_folder(f->top, "to");
	f->beside = open_folder(f->top, "beside");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	tree_remove(AT_FDCWD, f->path);
	close(f->top);
	close(f->from);
	close(f->to);
	close(f->beside);
	free(f);
	return 0;
}

static bool is_empty(int dir)
{
	_dir_ DIR *stream = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t count = 0;

	while (readdir(stream))
		count++;
	return count == 2;
}

static void put_text(int dir, const char *name, const char *text)
{
	assert_int_equal(file_write_new(dir, name, text, strlen(text), 0644), 0);
}

static void assert_text(int dir, const char *name, const char *text)
{
	_free_ char *found = NULL;

	assert_int_equal(file_read(dir, name, 1 << 20, &found, NULL), 0);
	assert_string_equal(found, text);
}

/* ---- a sender who means harm ---- */

static int write_as(struct fixture *f, enum copy_owners owners, const char *name,
		    const struct copy_entry *entries, size_t count, uint64_t *ret_left_out)
{
	const struct copy_writing how = {.owners = owners, .hostile = true, .name = name};
	_cleanup_(copy_writer_freep) struct copy_writer *writer = copy_writer_new(f->to, &how);
	struct copy_sink sink = copy_writer_sink(writer);
	struct cor_error err;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = sink.entry(sink.user, &entries[i], &err);
	r = r ?: copy_writer_end(writer, &err);
	if (ret_left_out)
		*ret_left_out = copy_writer_left_out(writer);
	return r;
}

static int write_all(struct fixture *f, const char *name, const struct copy_entry *entries, size_t count,
		     uint64_t *ret_left_out)
{
	return write_as(f, COPY_OWNERS_MINE, name, entries, count, ret_left_out);
}

#define FILE_ENTRY(p, ...)                                                                                   \
	{                                                                                                    \
		.path = (p), .mode = S_IFREG | 0644, ##__VA_ARGS__                                           \
	}
#define LINK_ENTRY(p, t)                                                                                     \
	{                                                                                                    \
		.path = (p), .mode = S_IFLNK | 0777, .target = (t)                                           \
	}
#define FOLDER_ENTRY(p)                                                                                      \
	{                                                                                                    \
		.path = (p), .mode = S_IFDIR | 0755                                                          \
	}

static void links_are_not_followed(void **state)
{
	static const char *const targets[] = {"../beside", "/tmp", ".", "/proc/self/root/tmp"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		const struct copy_entry entries[] = {LINK_ENTRY("link", targets[i]), FILE_ENTRY("link/evil")};

		assert_true(write_all(f, "", entries, 2, NULL) < 0);
		assert_int_equal(faccessat(f->to, "evil", F_OK, AT_SYMLINK_NOFOLLOW), -1);
	}
	assert_true(is_empty(f->beside));
	/* Nor is one that was there before, be it made by us. */
	assert_int_equal(unlinkat(f->to, "link", 0), 0);
	assert_int_equal(symlinkat("../beside", f->to, "link"), 0);
	assert_true(write_all(f, "", (const struct copy_entry[]){FILE_ENTRY("link/evil")}, 1, NULL) < 0);
	assert_true(write_all(f, "", (const struct copy_entry[]){FOLDER_ENTRY("link")}, 1, NULL) < 0);
	assert_true(is_empty(f->beside));
	/* A file replaces it. */
	assert_int_equal(write_all(f, "", (const struct copy_entry[]){FILE_ENTRY("link")}, 1, NULL), 0);
	assert_true(is_empty(f->beside));
}

static void hard_links_lead_to_what_was_sent(void **state)
{
	struct fixture *f = *state;
	const struct copy_entry good[] = {FILE_ENTRY("a", .links = 2),
					  FILE_ENTRY("b", .links = 2, .hard_link = "a")};
	const struct copy_entry bad[] = {FILE_ENTRY("stolen", .links = 2, .hard_link = "secret")};
	struct stat st;

	put_text(f->to, "secret", "mine");
	assert_true(write_all(f, "", bad, 1, NULL) < 0);
	assert_int_equal(write_all(f, "", good, 2, NULL), 0);
	assert_int_equal(fstatat(f->to, "b", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	/* What takes the place of a link is another file. */
	assert_int_equal(linkat(f->to, "secret", f->to, "alias", 0), 0);
	assert_int_equal(write_all(f, "", (const struct copy_entry[]){FILE_ENTRY("alias")}, 1, NULL), 0);
	assert_text(f->to, "secret", "mine");
}

static void nothing_but_what_was_asked_for(void **state)
{
	struct fixture *f = *state;
	const struct copy_entry good[] = {FOLDER_ENTRY("name"), FILE_ENTRY("name/x")};
	static const char *const others[] = {".bashrc", "names", "nam", "other/name", ""};

	assert_int_equal(write_all(f, "name", good, 2, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		const struct copy_entry entry = {.path = others[i], .mode = S_IFDIR | 0755};

		assert_true(write_all(f, "name", &entry, 1, NULL) < 0);
	}
}

static void devices_and_set_ids_stay_away(void **state)
{
	struct fixture *f = *state;
	const struct copy_attribute capability = {"security.capability", "x", 1};
	const struct copy_entry entries[] = {
		{.path = "disk", .mode = S_IFBLK | 0666, .major = 8},
		{.path = "null", .mode = S_IFCHR | 0666, .major = 1, .minor = 3},
		/* Its second name says what kind it is, too. */
		{.path = "null2", .mode = S_IFCHR | 0666, .hard_link = "null", .links = 2},
		{.path = "su", .mode = S_IFREG | 06755, .attributes = &capability, .attribute_count = 1},
	};
	uint64_t left_out = 0;
	struct stat st;

	assert_int_equal(write_all(f, "", entries, 4, &left_out), 0);
	assert_int_equal(left_out, 3);
	assert_int_equal(faccessat(f->to, "disk", F_OK, 0), -1);
	assert_int_equal(fstatat(f->to, "su", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void ordinary_users_get_no_set_ids(void **state)
{
	struct fixture *f = *state;
	bool root = geteuid() == 0;
	const struct copy_entry entries[] = {
		/* One who cannot be, and one who the user is. */
		{.path = "other", .mode = S_IFREG | 06755, .uid = 1, .gid = 1},
		{.path = "own", .mode = S_IFREG | 06755, .uid = 54321, .gid = getegid()},
	};
	struct stat st;
	int r;

	assert_int_equal(fchmod(f->to, 0777), 0);
	assert_int_equal(fchmod(f->top, 0755), 0);
	if (root)
		assert_int_equal(seteuid(54321), 0);
	r = write_as(f, COPY_OWNERS_KEPT, "", entries, 2, NULL);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(r, 0);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		assert_int_equal(fstatat(f->to, entries[i].path, &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0755);
	}
	if (!root)
		return;
	assert_int_equal(write_as(f, COPY_OWNERS_KEPT, "", entries, 1, NULL), 0);
	assert_int_equal(fstatat(f->to, "other", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 06755);
	assert_int_equal(st.st_uid, 1);
}

static void folders_that_were_there_stay_as_they_are(void **state)
{
	static const enum copy_owners owners[] = {COPY_OWNERS_MINE, COPY_OWNERS_KEPT};
	struct fixture *f = *state;
	const struct copy_attribute attribute = {"user.x", "x", 1};
	const struct copy_entry entries[] = {
		{.path = "etc",
		 .mode = S_IFDIR | 01777,
		 .uid = 1,
		 .mtime = 1,
		 .attributes = &attribute,
		 .attribute_count = 1},
		{.path = "etc/new", .mode = S_IFDIR | 0777, .uid = getuid(), .gid = getgid(), .mtime = 1},
	};
	struct stat st;

	assert_int_equal(mkdirat(f->to, "etc", 0750), 0);
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
		assert_int_equal(write_as(f, owners[i], "", entries, 2, NULL), 0);
		assert_int_equal(fstatat(f->to, "etc", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0750);
		assert_int_equal(st.st_uid, geteuid());
		assert_true(st.st_mtime > 1);
		assert_int_equal(fstatat(f->to, "etc/new", &st, 0), 0);
		assert_int_equal(st.st_mode & 07777, 0777);
		assert_int_equal(st.st_mtime, 1);
	}
}

/* Until nothing more is done in it: who owns it may put other things into it. */
static void folders_are_given_away_at_last(void **state)
{
	struct fixture *f = *state;
	const struct copy_writing how = {.owners = COPY_OWNERS_KEPT, .hostile = true};
	_cleanup_(copy_writer_freep) struct copy_writer *writer = copy_writer_new(f->to, &how);
	struct copy_sink sink = copy_writer_sink(writer);
	const struct copy_entry entries[] = {
		{.path = "d", .mode = S_IFDIR | 02770, .uid = 12, .gid = 34},
		{.path = "d/link", .mode = S_IFLNK | 0777, .target = "x", .uid = 12, .gid = 34},
	};
	struct cor_error err;
	struct stat st;

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		assert_int_equal(sink.entry(sink.user, &entries[i], &err), 0);
		assert_int_equal(fstatat(f->to, "d", &st, 0), 0);
		assert_int_equal(st.st_uid, 0);
		assert_int_equal(st.st_mode & 07777, 0700);
	}
	assert_int_equal(copy_writer_end(writer, &err), 0);
	assert_int_equal(fstatat(f->to, "d", &st, 0), 0);
	assert_int_equal(st.st_uid, 12);
	assert_int_equal(st.st_gid, 34);
	assert_int_equal(st.st_mode & 07777, 02770);
}

static void broken_messages(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} broken[] = {
		{"\x0a", 1},                                          /* no length */
		{"\x0a\x05\x0a\x01", 4},                              /* cut off */
		{"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, /* longer than memory */
		{"\x0a\x03\x12\x01x", 5},                             /* contents of nothing */
		{"\x0a\x05\x0a\x03\x0a\x01/", 7},                     /* a path that is "/" */
		{"\x0a\x06\x0a\x04\x0a\x02..", 8},                    /* … and ".." */
		{"\x0a\x08\x0a\x06\x0a\x01x\x10\x80\x80", 10},        /* a number without an end */
		{"\x07", 1},                                          /* a field of no kind */
	};
	struct fixture *f = *state;
	const struct copy_writing how = {.hostile = true};

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		_cleanup_(copy_writer_freep) struct copy_writer *writer = copy_writer_new(f->to, &how);
		struct copy_unpacker unpacker = {.sink = copy_writer_sink(writer)};
		struct cor_error err = {0};

		assert_true(copy_unpack(&unpacker, (const uint8_t *)broken[i].bytes, broken[i].size, &err) <
			    0);
		assert_int_equal(err.status, COR_CORRUPT);
	}
	assert_true(is_empty(f->to));
}

/* ---- all the way ---- */

struct pipe_to {
	struct copy_unpacker unpacker;
};

static int hand_over(void *user, const void *head, size_t head_size, const void *body, size_t body_size,
		     struct cor_error *err)
{
	struct pipe_to *to = user;
	_free_ uint8_t *message = xmalloc(head_size + body_size);

	memcpy(message, head, head_size);
	if (body_size)
		memcpy(message + head_size, body, body_size);
	return copy_unpack(&to->unpacker, message, head_size + body_size, err);
}

static int copy_tree(struct fixture *f, const char *name, const uint8_t *wanted, size_t wanted_size)
{
	const struct copy_writing how = {.hostile = true, .name = name};
	_cleanup_(copy_writer_freep) struct copy_writer *writer = copy_writer_new(f->to, &how);
	struct pipe_to to = {.unpacker.sink = copy_writer_sink(writer)};
	_cleanup_(copy_packer_release) struct copy_packer packer = {.send = hand_over, .user = &to};
	const struct copy_walk walk = {.sink = copy_packer_sink(&packer),
				       .name = name,
				       .attributes = COPY_ALL_ATTRIBUTES,
				       .wanted = wanted,
				       .wanted_size = wanted_size};
	struct cor_error err = {0};
	int r = copy_walk(f->from, ".", &walk, &err);

	r = r ?: copy_packer_flush(&packer, &err);
	r = r ?: copy_writer_end(writer, &err);
	if (r < 0)
		print_message("%s\n", err.msg);
	return r;
}

static void whole_trees(void **state)
{
	struct fixture *f = *state;
	static const size_t large = 700000;
	_free_ char *data = xmalloc(large + 1), *found = NULL;
	size_t size = 0;
	struct stat st;
	int fd;

	for (size_t i = 0; i < large; i++)
		data[i] = (char)('a' + i % 23);
	data[large] = '\0';
	put_text(f->from, "small", "text");
	put_text(f->from, "large", data);
	assert_int_equal(linkat(f->from, "small", f->from, "twin", 0), 0);
	assert_int_equal(symlinkat("small", f->from, "link"), 0);
	assert_int_equal(mkdirat(f->from, "closed", 0500), 0);
	fd = openat(f->from, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 1 << 30), 0);
	assert_int_equal(pwrite(fd, "x", 1, 1 << 29), 1);
	close(fd);
	assert_int_equal(copy_tree(f, "new", NULL, 0), 0);
	assert_text(f->to, "new/small", "text");
	assert_int_equal(file_read(f->to, "new/large", 1 << 20, &found, &size), 0);
	assert_int_equal(size, large);
	assert_memory_equal(found, data, large);
	assert_int_equal(fstatat(f->to, "new/twin", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(fstatat(f->to, "new/closed", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0500);
	assert_int_equal(fstatat(f->to, "new/sparse", &st, 0), 0);
	assert_int_equal(st.st_size, 1 << 30);
	assert_true(st.st_blocks < 1000);
}

/* Deeper than descriptors are kept. */
static void deep_trees(void **state)
{
	struct fixture *f = *state;
	int dir = dup(f->from), found = dup(f->to);

	for (int i = 0; i < 300; i++) {
		int next;

		put_text(dir, "a", "before");
		put_text(dir, "z", "behind");
		assert_int_equal(mkdirat(dir, "d", 0755), 0);
		next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(dir);
		dir = next;
	}
	close(dir);
	assert_int_equal(copy_tree(f, "", NULL, 0), 0);
	for (int i = 0; i < 300; i++) {
		int next;

		assert_text(found, "a", "before");
		assert_text(found, "z", "behind");
		next = openat(found, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(found);
		found = next;
	}
	assert_true(found >= 0);
	close(found);
}

/* Entries are numbered in their order: the top, a, b, b/c, d. */
static void chosen_entries(void **state)
{
	struct fixture *f = *state;
	const uint8_t wanted = 1u << 1 | 1u << 3;

	put_text(f->from, "d", "d");
	put_text(f->from, "a", "a");
	assert_int_equal(mkdirat(f->from, "b", 0755), 0);
	put_text(f->from, "b/c", "c");
	assert_int_equal(copy_tree(f, "", &wanted, 1), 0);
	assert_text(f->to, "a", "a");
	assert_text(f->to, "b/c", "c");
	assert_int_equal(faccessat(f->to, "d", F_OK, 0), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(links_are_not_followed),
		TEST(hard_links_lead_to_what_was_sent),
		TEST(nothing_but_what_was_asked_for),
		TEST(devices_and_set_ids_stay_away),
		TEST(ordinary_users_get_no_set_ids),
		TEST(folders_that_were_there_stay_as_they_are),
		TEST(folders_are_given_away_at_last),
		TEST(broken_messages),
		TEST(whole_trees),
		TEST(deep_trees),
		TEST(chosen_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
