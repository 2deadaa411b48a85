/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind --network. */
#include "net/request.h"

#include "net/network.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(net_request_release) struct net_request request = {0};
	_free_ char *text = xstrndup((const char *)data, size);
	const char *alias;

	if (net_request_parse(text, &request, NULL) < 0)
		return 0;
	assert(network_name_valid(request.network));
	assert(request.v4.family == 0 || request.v4.family == AF_INET);
	assert(request.v6.family == 0 || request.v6.family == AF_INET6);
	assert(request.mtu == 0 || request.mtu >= 1280);
	strv_foreach (&request.aliases, i, alias)
		assert(network_domain_valid(alias));
	return 0;
}
