/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an archive for `image load`, up to the point where its images are chosen. */
#include "image/incoming.h"

#include "base/file.h"
#include "base/str.h"

#include <assert.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct incoming *incoming)
{
	for (size_t i = 0; i < incoming->count; i++) {
		const struct incoming_image *image = &incoming->items[i];

		if (image->is_index)
			continue;
		assert(image->manifest.layer_count == image->config.diff_ids.count);
		assert(image->blob_count == image->manifest.layer_count + 2);
	}
}

static void load(int dir, int fd)
{
	_tarball_ struct tarball tarball = {0};
	_incoming_ struct incoming incoming = {0};
	struct platform wanted = {0};
	struct cor_error err = {0};
	int r = tarball_receive(fd, dir, &tarball, &err);

	assert(r == 0 || (err.status != COR_OK && err.status != COR_INTERNAL && *err.msg));
	if (r < 0)
		return;
	platform_parse("linux/amd64", &wanted, NULL);
	for (int all = 0; all < 2; all++) {
		if (incoming_from_layout(&tarball, &wanted, all, &incoming, &err) == 0)
			check(&incoming);
		incoming_release(&incoming);
	}
	if (incoming_from_docker(&tarball, &wanted, &incoming, &err) == 0)
		check(&incoming);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/tarball-fuzz.XXXXXX";
	_fd_ int dir = -1, fd = memfd_with("archive", data, size);

	assert(fd >= 0 && mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(dir >= 0);
	load(dir, fd);
	assert(tree_remove(AT_FDCWD, path) == 0);
	return 0;
}
