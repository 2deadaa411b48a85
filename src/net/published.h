/* SPDX-License-Identifier: Apache-2.0 */
/* What the host answers for on behalf of a container in a network, while it is up: RUN/net/NS/n/NAME/ports/NUMBER, beside its lease (net/state.h), written
 * before the rules and removed after them. All calls need the lock of net/state.h. */
#pragma once

#include "net/firewall.h"
#include "net/publish.h"

struct firewall_targets {
	struct firewall_target *items;
	size_t count;
};
void firewall_targets_release(struct firewall_targets *targets);

/* dir: RUN/net/NS/n/NAME. ports: with the addresses and ports that are bound. 0 or -errno. */
int published_write(int dir, uint32_t number, const struct publish_list *ports);
/* Whether there are some of that lease. */
bool published_is(int dir, uint32_t number);
/* Appends them; none where there are none. */
void published_read(int dir, const struct network *network, uint32_t number,
		    struct firewall_targets *targets);
/* Nobody has them any more, and the rules are gone: the kernel forgets connections that were led there, since the address may soon be another's. */
void published_forget(int dir, const struct network *network, uint32_t number);
