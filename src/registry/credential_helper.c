/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/credential_helper.h"

#include "base/str.h"

#include <ctype.h>

bool credential_helper_valid(const char *name)
{
	return str_made_of(name, 64, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") &&
	       isalnum((unsigned char)name[0]);
}
