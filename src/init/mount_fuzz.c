/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options, as config.json and Mount give them: one text, split at commas. */
#include "init/mount.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *text = xstrndup((const char *)data, size);
	_strv_ struct strv list = strv_split(text, ',');
	struct mount_options options;

	mount_options_parse(&list, &options);
	assert(!options.data || strlen(options.data) <= strlen(text));
	mount_options_release(&options);
	return 0;
}
