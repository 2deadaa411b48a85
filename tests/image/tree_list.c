/* SPDX-License-Identifier: Apache-2.0 */
/* tree_list FOLDER|FILE.ext4: one line for every entry below a folder, or in an ext4 file system that nobody has mounted, with all that a layer can say of
 * it: so that two trees can be compared by diff. Sorted by path; of hard links all but the first line name the first. */
#include "base/cleanup.h"
#include "base/str.h"
#include "oci/hash.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wundef"
#include <ext2fs/ext2fs.h>
#pragma GCC diagnostic pop

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

struct entry {
	char *path;
	mode_t mode;
	uint32_t uid, gid;
	uint64_t inode, size;
	uint32_t links;
	int64_t mtime;
	uint32_t mtime_ns;
	unsigned major, minor;
	char *target, *xattrs;
	char digest[DIGEST_SIZE];
};

static struct entry *entries;
static size_t entry_count, entry_capacity;

static struct entry *new_entry(const char *path)
{
	if (entry_count == entry_capacity) {
		entry_capacity = entry_capacity ? entry_capacity * 2 : 1024;
		entries = xreallocarray(entries, entry_capacity, sizeof(*entries));
	}
	entries[entry_count] = (struct entry){.path = xstrdup(path)};
	return &entries[entry_count++];
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *xattr_line(const char *name, const uint8_t *value, size_t size)
{
	_free_ char *hex = xcalloc(1, 2 * size + 1);
	char digest[DIGEST_SIZE];

	hash_bytes(value, size, digest);
	if (size > 128)
		return str_format("%s=%zu:%s", name, size, digest);
	for (size_t i = 0; i < size; i++)
		sprintf(hex + 2 * i, "%02x", value[i]);
	return str_format("%s=%s", name, hex);
}

static char *join_xattrs(struct strv *v)
{
	if (v->count)
		qsort(v->items, v->count, sizeof(*v->items), by_text);
	return strv_join(v, ",");
}

/* ---- a folder ---- */

static void hash_file(const char *path, char digest[DIGEST_SIZE])
{
	_file_ FILE *f = fopen(path, "re");
	_free_ char *buffer = xmalloc(1 << 20);
	_hash_ struct hash hash;
	size_t n;

	if (!f)
		err(1, "%s", path);
	hash_init(&hash);
	while ((n = fread(buffer, 1, 1 << 20, f)) > 0)
		hash_update(&hash, buffer, n);
	hash_finish(&hash, digest);
}

static char *folder_xattrs(const char *path)
{
	_free_ char *names = xmalloc(65536), *value = xmalloc(65536);
	ssize_t size = llistxattr(path, names, 65536);
	_strv_ struct strv v = {0};

	for (ssize_t i = 0; i < size; i += (ssize_t)strlen(names + i) + 1) {
		ssize_t n = lgetxattr(path, names + i, value, 65536);

		if (n >= 0)
			strv_take(&v, xattr_line(names + i, (uint8_t *)value, (size_t)n));
	}
	return join_xattrs(&v);
}

static void list_folder(const char *root, const char *path)
{
	_free_ char *full = str_format("%s/%s", root, path);
	struct entry *e = new_entry(path);
	struct dirent *entry;
	char target[8192];
	struct stat st;

	if (lstat(full, &st) < 0)
		err(1, "%s", full);
	e->mode = st.st_mode;
	e->uid = st.st_uid;
	e->gid = st.st_gid;
	e->inode = st.st_ino;
	e->links = (uint32_t)st.st_nlink;
	e->size = (uint64_t)st.st_size;
	e->mtime = st.st_mtim.tv_sec;
	e->mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
	e->major = major(st.st_rdev);
	e->minor = minor(st.st_rdev);
	e->xattrs = folder_xattrs(full);
	if (S_ISREG(st.st_mode))
		hash_file(full, e->digest);
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(full, target, sizeof(target));

		e->target = xstrndup(target, n < 0 ? 0 : (size_t)n);
	}
	if (!S_ISDIR(st.st_mode))
		return;
	_dir_ DIR *d = opendir(full);
	if (!d)
		err(1, "%s", full);
	while ((entry = readdir(d))) {
		_free_ char *child = str_format("%s%s%s", path, *path ? "/" : "", entry->d_name);

		if (!str_equal(entry->d_name, ".") && !str_equal(entry->d_name, ".."))
			list_folder(root, child);
	}
}

/* ---- an ext4 file system ---- */

static ext2_filsys fs;

static void check(errcode_t code, const char *what)
{
	if (code)
		errx(1, "%s: %s", what, error_message(code));
}

/* ext4 keeps lists of access rights without the ids that mean nothing; the kernel shows them with all ids (linux/posix_acl_xattr.h). */
static char *acl_line(const char *name, const uint8_t *disk, size_t size)
{
	_free_ uint8_t *value = xcalloc(2, size + 4);
	size_t used = 4;

	value[0] = 2;
	for (size_t at = 4; at + 4 <= size;) {
		bool named = disk[at] == 2 || disk[at] == 8; /* ACL_USER, ACL_GROUP */

		memcpy(value + used, disk + at, 4);
		memset(value + used + 4, 0xff, 4);
		if (named && at + 8 <= size)
			memcpy(value + used + 4, disk + at + 4, 4);
		at += named ? 8 : 4;
		used += 8;
	}
	return xattr_line(name, value, used);
}

static int add_xattr(char *name, char *value, size_t size, void *userdata)
{
	if (str_after(name, "system.posix_acl_")) {
		strv_take(userdata, acl_line(name, (uint8_t *)value, size));
		return 0;
	}
	strv_take(userdata, xattr_line(name, (uint8_t *)value, size));
	return 0;
}

static char *ext4_xattrs(ext2_ino_t number)
{
	struct ext2_xattr_handle *handle;
	_strv_ struct strv v = {0};

	check(ext2fs_xattrs_open(fs, number, &handle), "xattrs");
	check(ext2fs_xattrs_read(handle), "xattrs");
	check(ext2fs_xattrs_iterate(handle, add_xattr, &v), "xattrs");
	ext2fs_xattrs_close(&handle);
	return join_xattrs(&v);
}

static void ext4_content(ext2_ino_t number, struct entry *e)
{
	_free_ char *buffer = xmalloc(1 << 20);
	_hash_ struct hash hash;
	ext2_file_t file;
	unsigned n;

	check(ext2fs_file_open(fs, number, 0, &file), e->path);
	hash_init(&hash);
	for (;;) {
		check(ext2fs_file_read(file, buffer, 1 << 20, &n), e->path);
		if (!n)
			break;
		hash_update(&hash, buffer, n);
		if (S_ISLNK(e->mode))
			e->target = xstrndup(buffer, n);
	}
	hash_finish(&hash, e->digest);
	if (S_ISLNK(e->mode))
		e->digest[0] = '\0';
	ext2fs_file_close(file);
}

static void ext4_device(const struct ext2_inode_large *raw, struct entry *e)
{
	uint32_t old = raw->i_block[0], new = raw->i_block[1];

	e->major = old ? old >> 8 : (new >> 8) & 0xfff;
	e->minor = old ? old & 0xff : (new & 0xff) | (new >> 12 & 0xfff00);
}

static void list_ext4(ext2_ino_t number, const char *path);

struct walk {
	const char *path;
};

static int visit(ext2_ino_t dir, int kind, struct ext2_dir_entry *entry, int offset, int size, char *buffer,
		 void *userdata)
{
	const struct walk *walk = userdata;
	_free_ char *name = xstrndup(entry->name, (size_t)ext2fs_dirent_name_len(entry));
	_free_ char *child = str_format("%s%s%s", walk->path, *walk->path ? "/" : "", name);

	if (!str_equal(name, ".") && !str_equal(name, ".."))
		list_ext4(entry->inode, child);
	return 0;
}

static void list_ext4(ext2_ino_t number, const char *path)
{
	struct ext2_inode_large raw;
	struct entry *e = new_entry(path);
	struct walk walk = {.path = path};

	check(ext2fs_read_inode_full(fs, number, (struct ext2_inode *)&raw, sizeof(raw)), path);
	e->mode = raw.i_mode;
	e->uid = inode_uid(raw);
	e->gid = inode_gid(raw);
	e->inode = number;
	e->links = raw.i_links_count;
	e->size = EXT2_I_SIZE(&raw);
	e->mtime = (int32_t)raw.i_mtime + ((int64_t)(raw.i_mtime_extra & 3) << 32);
	e->mtime_ns = raw.i_mtime_extra >> 2;
	e->xattrs = ext4_xattrs(number);
	if (S_ISLNK(e->mode) && ext2fs_is_fast_symlink((struct ext2_inode *)&raw))
		e->target = xstrndup((char *)raw.i_block, e->size);
	else if (S_ISREG(e->mode) || S_ISLNK(e->mode))
		ext4_content(number, e);
	else if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
		ext4_device(&raw, e);
	else if (S_ISDIR(e->mode))
		check(ext2fs_dir_iterate2(fs, number, 0, NULL, visit, &walk), path);
}

/* ---- */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

/* Names hold any byte; a line of ours must be a line. */
static void print_text(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == '\\')
			printf("\\%03o", *text);
		else
			putchar(*text);
}

static void print_entry(const struct entry *e, const char *first)
{
	print_text(*e->path ? e->path : ".");
	printf(" %06o %u:%u %lld.%09u", e->mode, e->uid, e->gid, (long long)e->mtime, e->mtime_ns);
	if (S_ISREG(e->mode))
		printf(" size=%llu %s", (unsigned long long)e->size, e->digest);
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
		printf(" device=%u:%u", e->major, e->minor);
	if (!S_ISDIR(e->mode))
		printf(" links=%u", e->links);
	if (e->target) {
		printf(" -> ");
		print_text(e->target);
	}
	if (first) {
		printf(" same-as=");
		print_text(first);
	}
	if (*e->xattrs) {
		printf(" xattrs=");
		print_text(e->xattrs);
	}
	putchar('\n');
}

static const char *first_of(const struct entry *e)
{
	if (S_ISDIR(e->mode) || e->links < 2)
		return NULL;
	for (const struct entry *other = entries; other < e; other++)
		if (other->inode == e->inode)
			return other->path;
	return NULL;
}

int main(int argc, char **argv)
{
	struct stat st;

	if (argc != 2 || stat(argv[1], &st) < 0)
		errx(2, "usage: tree_list FOLDER|FILE.ext4");
	if (S_ISDIR(st.st_mode)) {
		list_folder(argv[1], "");
	} else {
		check(ext2fs_open(argv[1], EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs), argv[1]);
		list_ext4(EXT2_ROOT_INO, "");
		ext2fs_close_free(&fs);
	}
	qsort(entries, entry_count, sizeof(*entries), by_path);
	for (size_t i = 0; i < entry_count; i++)
		print_entry(&entries[i], first_of(&entries[i]));
	for (size_t i = 0; i < entry_count; i++) {
		free(entries[i].path);
		free(entries[i].target);
		free(entries[i].xattrs);
	}
	free(entries);
	return 0;
}
