/* SPDX-License-Identifier: Apache-2.0 */
/* passt's command line, and what it makes of the guest's addresses. Pure. */
#pragma once

#include "base/error.h"
#include "base/str.h"
#include "net/address.h"
#include "net/publish.h"

#include <sys/types.h>

/* What is the same for every guest, since each is alone behind its passt: addresses that no real network has (RFC 7335 and an RFC 4193 subnet), and a gateway that
 * stands for the host where somebody speaks to the guest from there. */
#define PASST_V4      "192.0.0.2/29"
#define PASST_V4_GATE "192.0.0.1"
#define PASST_V4_DNS  "192.0.0.3"
#define PASST_V6      "fd63:6f72:6163::2/64"
#define PASST_V6_GATE "fe80::1"
#define PASST_V6_DNS  "fd63:6f72:6163::3"
#define PASST_MTU     65520u /* packets need not be those of the real network: the longer, the fewer */

struct passt_spec {
	const char *program;
	int line_fd,
		ready_fd; /* its end of the line of frames; a pipe that its process id is written to when it is ready */
	const char
		*template; /* a device of the host, whatever its state; with a link-local address for IPv6 */
	bool v6;
	uint32_t mtu;
	bool dns4, dns6; /* the host's first name server answers at PASST_V4_DNS, PASST_V6_DNS */
	uid_t uid;       /* that root's takes; (uid_t)-1: stays */
	const struct publish_list *ports; /* with host ports that are chosen; may be NULL */
};

/* COR_UNSUPPORTED for ports that passt cannot have at once: one of the host's at two addresses. */
int passt_args(const struct passt_spec *spec, struct strv *ret, struct cor_error *err);
