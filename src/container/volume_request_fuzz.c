/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind --volume and --mount. */
#include "container/volume.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct volume_request *request)
{
	assert(request->target && *request->target == '/' && request->target[1]);
	assert(!strstr(request->target, "//") && !strstr(request->target, "/../"));
	assert((request->source != NULL) == (request->kind == VOLUME_BIND || request->kind == VOLUME_NAMED));
	assert(request->kind != VOLUME_NAMED || !strchr(request->source, '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(volume_request_release) struct volume_request volume = {0}, mount = {0};
	_free_ char *text = xstrndup((const char *)data, size);

	if (volume_parse(text, &volume, NULL) == 0)
		check(&volume);
	if (volume_parse_mount(text, &mount, NULL) == 0)
		check(&mount);
	return 0;
}
