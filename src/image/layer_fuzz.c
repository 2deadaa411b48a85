/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as two layers of an image: the first two bytes say where the second begins. What can be applied can be written. */
#include "image/layer.h"

#include "base/file.h"
#include "base/size.h"

#include <assert.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUDGET (64 * MIB)

static int apply(const uint8_t *data, size_t size, unsigned layer, struct tree *tree, struct ext4 *disk,
		 uint64_t *budget)
{
	_cleanup_(stream_freep) struct stream *stream = NULL;
	int fd = memfd_with("layer", data, size);
	struct cor_error err = {0};
	int r;

	assert(fd >= 0);
	r = stream_open(source_fd(fd), &stream, &err);
	assert(r == 0);
	r = layer_apply(stream, NULL, layer, tree, disk, budget, &err);
	assert(r == 0 || (err.status != COR_OK && err.status != COR_INTERNAL && *err.msg));
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t uuid[16];
	_fd_ int fd = memfd_create("disk", MFD_CLOEXEC);
	_cleanup_(ext4_freep) struct ext4 *disk = NULL;
	_cleanup_(tree_release) struct tree tree;
	uint64_t budget = BUDGET;
	struct cor_error err = {0};
	size_t split;
	int r;

	tree_init(&tree);
	if (size < 2)
		return 0;
	split = ((size_t)data[0] << 8 | data[1]) % (size - 1);
	data += 2;
	size -= 2;
	split = split < size ? split : size;
	r = ext4_create(fd, 24 * MIB, uuid, &disk, NULL);
	assert(r == 0);
	tree.forget = ext4_forget;
	tree.userdata = disk;
	if (apply(data, split, 1, &tree, disk, &budget) < 0 ||
	    apply(data + split, size - split, 2, &tree, disk, &budget) < 0)
		return 0;
	r = ext4_write_tree(disk, &tree, &err);
	assert(r == 0 || err.status == COR_EXHAUSTED || err.status == COR_UNSUPPORTED);
	return 0;
}
