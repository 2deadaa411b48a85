/* SPDX-License-Identifier: Apache-2.0 */
/* The locale that libarchive runs in, for one thread: the program's own is left alone. */
#include "image/utf8.h"

#include <errno.h>

int utf8_enter(struct utf8 *utf8, struct cor_error *err)
{
	utf8->mine = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!utf8->mine)
		return cor_fail(err, COR_UNSUPPORTED, ENOTSUP,
				"this system has no C.UTF-8 locale: it is part of libc-bin");
	utf8->before = uselocale(utf8->mine);
	return 0;
}

void utf8_leave(struct utf8 *utf8)
{
	if (!utf8->mine)
		return;
	uselocale(utf8->before);
	freelocale(utf8->mine);
	*utf8 = (struct utf8){0};
}
