/* SPDX-License-Identifier: Apache-2.0 */
/* The challenge of a registry that wants to know who asks: the value of a WWW-Authenticate header (RFC 9110, section 11.6.1; Basic is RFC 7617, Bearer RFC 6750 with the
 * parameters of the distribution project's token authentication). What a challenge says decides where a password may go, so nothing is guessed. */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"

#define CHALLENGE_SIZE_MAX 8192 /* of a header's value in bytes */

/* The greater, the better: of two headers the challenge with the greater scheme is to be answered. */
enum challenge_scheme {
	CHALLENGE_OTHER, /* a scheme that we do not know: the members below are NULL */
	CHALLENGE_BASIC,
	CHALLENGE_BEARER,
};

struct challenge {
	enum challenge_scheme scheme;
	/* Basic: any text. Bearer: a URL "https://host…" or "http://host…" of visible ASCII, without user, password and fragment. It is the registry's word, not more:
	 * whether that host may get a password is for the caller to decide. */
	char *realm;
	char *service; /* printable ASCII, or NULL */
	char *scope;   /* words of visible ASCII with a space between, or NULL */
	char *error;   /* "invalid_token", "insufficient_scope", …: printable ASCII, or NULL */
};

/* header: the value of one header, which may hold several challenges: *ret is the first Bearer, else the first Basic, else CHALLENGE_OTHER. COR_CORRUPT, with the reason, for what
 * the RFCs forbid in any of them: repeated parameters, parameters without comma, open quotes, control characters; Bearer and Basic without realm. */
int challenge_parse(const char *header, struct challenge *ret, struct cor_error *err);
void challenge_release(struct challenge *challenge);

#define _challenge_ _cleanup_(challenge_release)
