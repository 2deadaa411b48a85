/* SPDX-License-Identifier: Apache-2.0 */
/* A profile that somebody found on the net: it compiles to whole instructions that end, or is refused. */
#include "container/seccomp.h"

#include "base/cleanup.h"

#include <assert.h>
#include <linux/filter.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_json_ json_t *profile = NULL;
	_free_ void *bpf = NULL;
	struct cor_error err = {0};
	size_t bpf_size = 0;
	int r;

	if (size > 8192 || json_parse_object((const char *)data, size, "profile", &profile, NULL) < 0)
		return 0;
	r = seccomp_from_json(profile, UINT64_C(0xff), &bpf, &bpf_size, &err);
	assert((r < 0) == (err.status != COR_OK) && (r < 0) == !bpf);
	if (r == 0) {
		const struct sock_filter *code = bpf;
		size_t count = bpf_size / sizeof(*code);

		assert(bpf_size % sizeof(*code) == 0 && count > 0);
		assert(BPF_CLASS(code[count - 1].code) == BPF_RET);
	}
	return 0;
}
