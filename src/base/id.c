/* SPDX-License-Identifier: Apache-2.0 */
/* Random identifiers from the kernel's generator. */
#include "base/id.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

int id_generate(char out[ID_SIZE])
{
	uint8_t bytes[32];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return -EIO;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		snprintf(out + (size_t)2 * i, 3, "%02x", bytes[i]);
	return 0;
}

bool id_valid(const char *id)
{
	return strlen(id) == ID_SIZE - 1 && strspn(id, "0123456789abcdef") == ID_SIZE - 1;
}
