/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/hosts.h"

void hosts_release(struct hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++) {
		struct host *host = &hosts->items[i];

		free(host->domain);
		free(host->base);
		free(host->cert);
		free(host->key);
		strv_release(&host->cas);
	}
	free(hosts->items);
	*hosts = (struct hosts){0};
}
