/* SPDX-License-Identifier: Apache-2.0 */
/* container.json and state.json, as a crash, a disk or a hand may have left them. */
#include "container/record.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "container/state.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(container_record_release) struct container_record record = {0};
	struct container_state state = {0};
	_json_ json_t *document = NULL;

	if (json_parse_object((const char *)data, size, "input", &document, NULL) < 0)
		return 0;
	if (container_record_parse(document, &record) == 0) {
		assert(id_valid(record.id) && record.name && record.rootfs);
		assert(record.machine.cpus >= 1 && record.stop_signal >= 1 && record.stop_signal <= 64);
	}
	if (container_state_parse(document, &state) == 0) {
		assert(state.status <= COR_EXITED && state.exit.code >= 0 && state.exit.code <= 255);
		assert(memchr(state.exit.reason, '\0', sizeof(state.exit.reason)));
	}
	return 0;
}
