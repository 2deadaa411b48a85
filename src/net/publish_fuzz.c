/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind --publish and --expose. */
#include "net/publish.h"

#include "base/json.h"

#include <assert.h>
#include <netinet/in.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_publish_list_ struct publish_list list = {0}, again = {0};
	_free_ char *text = xstrndup((const char *)data, size);
	_json_ json_t *record = NULL;

	(void)publish_parse(text, &list, NULL);
	(void)publish_parse_exposed(text, &list, NULL);
	assert(list.count <= PUBLISH_MAX);
	for (size_t i = 0; i < list.count; i++) {
		const struct publish *p = &list.items[i];

		assert(p->container_port && p->host_last >= p->host_port);
		assert(p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_UDP);
	}
	/* What was taken can be written down and read. */
	record = publish_list_to_json(&list);
	assert(publish_list_from_json(record, &again) == 0);
	assert(again.count == list.count);
	return 0;
}
