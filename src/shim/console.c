/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest's kernel writes: kept in a bounded file for `logs --boot`, and searched for the reason of a death. The guest can write what it likes here;
 * nothing but a message for people follows from it. */
#include "shim/shim.h"

#include <ctype.h>

#define LINE_MAX_SIZE 1024

void text_copy(char *out, size_t size, const char *text)
{
	size_t i = 0;

	for (; i + 1 < size && text[i] && isprint((unsigned char)text[i]); i++)
		out[i] = text[i];
	out[i] = '\0';
}

static void look_at(struct shim *shim, const char *line)
{
	static const char panic[] = "Kernel panic - not syncing: ";
	const char *found = strstr(line, panic);

	if (!found || shim->panic[0])
		return;
	text_copy(shim->panic, sizeof(shim->panic), found + sizeof(panic) - 1);
	/* As mm/oom_kill.c words them. A process that was killed for its memory is no reason for the kernel to die. */
	shim->guest_oom = str_after(shim->panic, "System is deadlocked on memory") ||
			  str_after(shim->panic, "Out of memory");
}

void console_feed(struct shim *shim, const char *data, size_t size)
{
	struct buffer *line = &shim->console_line;

	rotating_write(&shim->console_log, data, size);
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '\n' || buffer_size(line) == LINE_MAX_SIZE) {
			buffer_append(line, "", 1);
			look_at(shim, (const char *)buffer_bytes(line));
			buffer_clear(line);
		}
		if (data[i] != '\n' && data[i] != '\0')
			buffer_append(line, data + i, 1);
	}
}
