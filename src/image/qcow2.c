/* SPDX-License-Identifier: Apache-2.0 */
/* An empty qcow2 file is four regions of whole clusters: header, table of reference counts, one block of counts, and the first-level table
 * of the mapping, which is all zeros: "not here, ask the backing node". Writing these few bytes costs less than starting qemu-img. */
#include "image/qcow2.h"

#include "base/file.h"
#include "base/macro.h"
#include "base/size.h"
#include "base/str.h"

#include <endian.h>
#include <errno.h>

#define CLUSTER_BITS 16
#define CLUSTER_SIZE (UINT64_C(1) << CLUSTER_BITS)
#define L2_ENTRIES   (CLUSTER_SIZE / 8)
#define SIZE_MAX_    (UINT64_C(8) << 40)

/* All big-endian; 104 bytes. */
struct header {
	uint32_t magic, version;
	uint64_t backing_file_offset;
	uint32_t backing_file_size, cluster_bits;
	uint64_t size;
	uint32_t crypt_method, l1_size;
	uint64_t l1_table_offset, refcount_table_offset;
	uint32_t refcount_table_clusters, nb_snapshots;
	uint64_t snapshots_offset, incompatible_features, compatible_features, autoclear_features;
	uint32_t refcount_order, header_length;
};
_Static_assert(sizeof(struct header) == 104, "the header has no padding");

enum { HEADER_CLUSTER, REFCOUNT_TABLE_CLUSTER, REFCOUNT_BLOCK_CLUSTER, L1_CLUSTER };

int qcow2_create(int fd, uint64_t virtual_size, struct cor_error *err)
{
	uint64_t l1_entries = (virtual_size + CLUSTER_SIZE * L2_ENTRIES - 1) / (CLUSTER_SIZE * L2_ENTRIES);
	uint64_t clusters = L1_CLUSTER + (l1_entries * 8 + CLUSTER_SIZE - 1) / CLUSTER_SIZE;
	uint64_t block_offset = htobe64(REFCOUNT_BLOCK_CLUSTER * CLUSTER_SIZE);
	uint16_t counts[64];
	struct header header = {
		.magic = htobe32(0x514649fb),
		.version = htobe32(3),
		.cluster_bits = htobe32(CLUSTER_BITS),
		.size = htobe64(virtual_size),
		.l1_size = htobe32((uint32_t)l1_entries),
		.l1_table_offset = htobe64(L1_CLUSTER * CLUSTER_SIZE),
		.refcount_table_offset = htobe64(REFCOUNT_TABLE_CLUSTER * CLUSTER_SIZE),
		.refcount_table_clusters = htobe32(1),
		.refcount_order = htobe32(4), /* 16 bits each */
		.header_length = htobe32(sizeof(header)),
	};

	if (virtual_size == 0 || virtual_size % 512 || virtual_size > SIZE_MAX_)
		return cor_fail(err, COR_INVALID, EINVAL, "a disk of %llu bytes cannot be made",
				(unsigned long long)virtual_size);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		counts[i] = htobe16(i < clusters);
	if (pwrite(fd, &header, sizeof(header), 0) != sizeof(header) ||
	    pwrite(fd, &block_offset, sizeof(block_offset), REFCOUNT_TABLE_CLUSTER * CLUSTER_SIZE) !=
		    sizeof(block_offset) ||
	    pwrite(fd, counts, sizeof(counts), REFCOUNT_BLOCK_CLUSTER * CLUSTER_SIZE) != sizeof(counts) ||
	    ftruncate(fd, (off_t)(clusters * CLUSTER_SIZE)) < 0)
		return cor_fail_errno(err, errno ? errno : ENOSPC, "write the overlay disk");
	return 0;
}
