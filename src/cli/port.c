/* SPDX-License-Identifier: Apache-2.0 */
/* port: where the ports of a running container are published, as `docker port` tells it. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void print_places(const char *port, const json_t *places, bool with_port)
{
	json_t *place;
	size_t i;

	json_array_foreach (places, i, place) {
		const char *address = json_string_value(json_object_get(place, "HostIp"));
		const char *host = json_string_value(json_object_get(place, "HostPort"));
		bool v6 = address && strchr(address, ':');

		if (with_port)
			printf("%s -> ", port);
		printf(v6 ? "[%s]:%s\n" : "%s:%s\n", address ? address : "", host ? host : "");
	}
}

static int print_one(const char *container, const char *wanted, const json_t *ports, struct cor_error *err)
{
	_text_ char *key = text_format("%s%s", wanted, strchr(wanted, '/') ? "" : "/tcp");
	const json_t *places = json_object_get(ports, key);

	if (!json_array_size(places))
		return report_fail(err, COR_NOT_FOUND, ENOENT, "'%s' does not publish port %s", container,
				   key);
	print_places(key, places, false);
	return 0;
}

static int port_run(const struct arguments *args, int *ret_status, struct cor_error *err)
{
	_context_ struct cor_context *ctx = NULL;
	_json_ json_t *document = NULL;
	json_t *ports, *places;
	char *text = NULL;
	const char *port;
	int r = cor_open(NULL, &ctx, err);

	if (r == 0)
		r = cor_container_inspect(ctx, args->operands[0], &text, err);
	if (r == 0)
		r = output_parse(text, &document, err);
	if (r < 0)
		return r;
	ports = json_object_get(json_object_get(document, "NetworkSettings"), "Ports");
	if (args->operand_count > 1)
		return print_one(args->operands[0], args->operands[1], ports, err);
	json_object_foreach (ports, port, places)
		print_places(port, places, true);
	return 0;
}

const struct command command_port = {
	.name = "port",
	.operands = "CONTAINER [PORT[/udp]]",
	.min = 1,
	.max = 2,
	.summary = "print where a running container's ports are published",
	.examples = "coracle port web\ncurl http://$(coracle port web 80 | head -n 1)/",
	.offer = OFFER_RUNNING,
	.run = port_run,
};
