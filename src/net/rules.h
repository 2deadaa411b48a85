/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of all networks that are up, as commands of nft (net/firewall.h). */
#pragma once

#include "net/firewall.h"
#include "net/state.h"

#include <jansson.h>

/* All networks but `without` (may be NULL), and what they publish. */
void rules_set_networks(struct net_state *state, const char *without, json_t *commands);
void rules_add_port(const struct net_active *active, const struct lease *lease, const char *table,
		    json_t *commands);
/* Those of all containers in all networks. */
void rules_add_all_ports(struct net_state *state, const char *table, json_t *commands);
/* What all that are up publish: of a table that is there, or else with all rules of networks. */
void rules_publish(struct net_state *state, json_t *commands);
/* What one of them publishes; appends. */
void rules_collect_published(const struct net_active *active, struct firewall_targets *targets);
