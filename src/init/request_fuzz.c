/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the agent as they come from the line: the first byte chooses the method's message. */
#include "agent.pb-c.h"
#include "init/files.h"
#include "init/guest.h"
#include "init/network_text.h"
#include "rpc/rpc.h"

#include "base/macro.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a method looks at before it does anything. */
static void look(const ProtobufCMessage *message)
{
	struct network_address address;
	uint8_t mac[6];

	if (message->descriptor == &coracle__agent__v1__create_container_request__descriptor) {
		guest_id_valid(((const Coracle__Agent__V1__CreateContainerRequest *)message)->container_id);
	} else if (message->descriptor == &coracle__agent__v1__mount_request__descriptor) {
		files_target_valid(((const Coracle__Agent__V1__MountRequest *)message)->target);
	} else if (message->descriptor == &coracle__agent__v1__configure_network_request__descriptor) {
		const Coracle__Agent__V1__ConfigureNetworkRequest *request = (const void *)message;

		for (size_t i = 0; i < request->n_interfaces; i++)
			network_parse_mac(request->interfaces[i]->mac, mac);
		for (size_t i = 0; i < request->n_routes; i++)
			if (network_parse_address(request->routes[i]->destination, &address) == 0)
				assert(address.prefix <= 8 * address.size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const ProtobufCMessageDescriptor *const types[] = {
		&coracle__agent__v1__create_container_request__descriptor,
		&coracle__agent__v1__create_process_request__descriptor,
		&coracle__agent__v1__attach_process_request__descriptor,
		&coracle__agent__v1__mount_request__descriptor,
		&coracle__agent__v1__write_file_request__descriptor,
		&coracle__agent__v1__configure_network_request__descriptor,
		&coracle__agent__v1__signal_process_request__descriptor,
		&coracle__agent__v1__listen_request__descriptor,
		&coracle__agent__v1__relay_request__descriptor,
	};
	struct cor_error err = {0};
	ProtobufCMessage *message;

	if (!size)
		return 0;
	message = rpc_decode(types[data[0] % ARRAY_SIZE(types)], data + 1, size - 1, &err);
	assert(message || err.status != COR_OK);
	if (!message)
		return 0;
	look(message);
	protobuf_c_message_free_unpacked(message, NULL);
	return 0;
}
