/* SPDX-License-Identifier: Apache-2.0 */
/* passwd and group of an image, and a name: three texts with a NUL between them. */
#include "init/user.h"

#include "base/str.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_free_ char *text = xstrndup((const char *)data, size);
	_free_ char *all = xcalloc(size + 3, 1);
	const char *passwd = memcpy(all, data, size), *group = passwd + strlen(passwd) + 1, *who;
	struct cor_error err = {0};
	struct user user;

	who = group < all + size ? group + strlen(group) + 1 : "root";
	if (user_find(passwd, group < all + size ? group : NULL, who < all + size ? who : "root", &user,
		      &err) == 0) {
		assert(user.uid != UINT32_MAX && user.gid != UINT32_MAX);
		for (size_t i = 0; i < user.group_count; i++)
			assert(user.groups[i] != UINT32_MAX);
		user_release(&user);
	} else {
		assert(err.status == COR_NOT_FOUND || err.status == COR_INVALID);
	}
	free(user_home(text, (uint32_t)size));
	return 0;
}
