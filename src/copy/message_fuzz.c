/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile guest sends, up to a writer that keeps it in its folder: no input may make a file anywhere else. */
#include "copy/message.h"

#include "copy/write.h"

#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A folder for what comes, in one that must stay as it is. */
static int make_cage(char path[static 32], int *ret_inner)
{
	int outer;

	strcpy(path, "/tmp/copy-fuzz.XXXXXX");
	if (!mkdtemp(path))
		abort();
	outer = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (outer < 0 || mkdirat(outer, "in", 0700) < 0)
		abort();
	*ret_inner = openat(outer, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return outer;
}

static void check_cage(int outer)
{
	_dir_ DIR *dir = fdopendir(dup(outer));
	const struct dirent *entry;

	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "in") != 0)
			abort();
}

/* Each place is read as far as the piece goes: the sanitizer sees one that leads out. */
static int fetch(void *user, uint64_t offset, uint32_t place, size_t size, struct cor_error *err)
{
	static uint8_t mailbox[MAILBOX_SIZE];
	const struct copy_sink *sink = user;

	if (place + size > sizeof(mailbox))
		abort();
	return sink->data(sink->user, offset, mailbox + place, size, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct copy_writing how = {.hostile = true, .name = size && data[0] == 1 ? "name" : ""};
	struct copy_unpacker unpacker = {0};
	struct copy_writer *writer;
	char path[32];
	int inner, outer = make_cage(path, &inner);
	struct cor_error err;

	writer = copy_writer_new(inner, &how);
	unpacker.sink = copy_writer_sink(writer);
	unpacker.fetch = size && data[0] == 2 ? fetch : NULL;
	unpacker.user = &unpacker.sink;
	if (size > 1 && copy_unpack(&unpacker, data + 1, size - 1, &err) == 0)
		(void)copy_writer_end(writer, &err);
	copy_writer_free(writer);
	check_cage(outer);
	close(inner);
	close(outer);
	tree_remove(AT_FDCWD, path);
	return 0;
}
