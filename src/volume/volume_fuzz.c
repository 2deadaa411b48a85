/* SPDX-License-Identifier: Apache-2.0 */
/* A record as it stands on the disk, and names. */
#include "volume/volume.h"

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_json_ json_t *document = json_loadb((const char *)data, size, 0, NULL);
	_volume_ struct volume volume = {0}, again = {0};
	_json_ json_t *written = NULL;

	if (!document || volume_from_json(document, &volume) < 0)
		return 0;
	/* What was read can be written, and means the same then. */
	written = volume_to_json(&volume);
	if (!written || volume_from_json(written, &again) < 0 || strcmp(volume.name, again.name) != 0 ||
	    volume.size != again.size)
		__builtin_trap();
	return 0;
}
