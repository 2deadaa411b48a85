/* SPDX-License-Identifier: Apache-2.0 */
/* Records of networks and leases, as a crash, a disk or a hand may have left them. */
#include "net/lease.h"
#include "net/network.h"

#include "base/json.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(network_release) struct network network = {0}, again = {0};
	_json_ json_t *document = NULL, *written = NULL;
	struct lease lease = {.number = 2};

	if (json_parse_object((const char *)data, size, "input", &document, NULL) < 0)
		return 0;
	if (network_parse(document, &network) == 0) {
		assert(network_name_valid(network.name) && network_domain_valid(network.domain));
		assert(net_prefix_is_subnet(&network.v4) &&
		       net_prefix_last(&network.v4) >= NETWORK_FIRST_HOST);
		written = network_to_json(&network);
		assert(written && network_parse(written, &again) == 0);
		assert(net_address_equal(&network.v4, &again.v4) &&
		       net_address_equal(&network.v6, &again.v6));
	}
	if (lease_parse(document, &lease) == 0)
		assert(id_valid(lease.id) && lease.device[0] && lease.number == 2);
	return 0;
}
