/* SPDX-License-Identifier: Apache-2.0 */
/* `stats`: one question to the shim, which asks the guest and looks at the host. What a guest tells of itself is its word and nothing more. */
#include "container/context.h"
#include "container/shim_client.h"
#include "container/store.h"

#define ANSWER_MS 3000 /* a guest that does not answer holds up the list of all */

static void fill(const Coracle__Shim__V1__StatisticsResponse *response, struct cor_statistics *ret)
{
	const Coracle__Agent__V1__Statistics *guest = response->guest;

	*ret = (struct cor_statistics){
		.at_ns = (int64_t)response->at_ns,
		.host_cpu_ns = response->host_cpu_ns,
		.host_memory = response->host_memory_bytes,
		.host_private = response->host_private_bytes,
	};
	if (!guest)
		return;
	ret->cpu_ns = guest->cpu_ns;
	ret->memory = guest->memory_bytes;
	ret->memory_limit = guest->memory_limit_bytes;
	ret->processes = guest->processes;
	ret->block_read = guest->block_read_bytes;
	ret->block_written = guest->block_written_bytes;
	for (size_t i = 0; i < guest->n_interfaces; i++) {
		if (str_equal(guest->interfaces[i]->name, "lo"))
			continue;
		ret->network_received += guest->interfaces[i]->received_bytes;
		ret->network_sent += guest->interfaces[i]->sent_bytes;
	}
}

int cor_container_statistics(struct cor_context *ctx, const char *ref, struct cor_statistics *ret,
			     struct cor_error *err)
{
	_cleanup_(shim_client_freep) struct shim_client *client = NULL;
	Coracle__Shim__V1__Empty request = CORACLE__SHIM__V1__EMPTY__INIT;
	ProtobufCMessage *response = NULL;
	char id[ID_SIZE];
	int r = container_find(&ctx->roots, ref, id, err);

	r = r ?: shim_connect(&ctx->roots, id, &client, err);
	r = r
		    ?: shim_call(client, SHIM_METHOD("Statistics"), &request.base,
				 &coracle__shim__v1__statistics_response__descriptor, ANSWER_MS, &response,
				 err);
	if (r < 0)
		return cor_context(err, r, "statistics of '%s'", ref);
	fill((const Coracle__Shim__V1__StatisticsResponse *)response, ret);
	protobuf_c_message_free_unpacked(response, NULL);
	return 0;
}
