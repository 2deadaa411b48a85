/* SPDX-License-Identifier: Apache-2.0 */
/* The library by its name of the ABI. It is never unloaded: OpenSSL, which it brings, leaves handlers for the end of the process. */
#include "registry/curl.h"

#include "base/macro.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#define LIBRARY     "libcurl.so.4"
#define VERSION_MIN 0x075500 /* 7.85: CURLOPT_PROTOCOLS_STR */

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
#define SYMBOL(member)                                                                                       \
	{                                                                                                    \
		"curl_" #member, offsetof(struct curl_calls, member)                                         \
	}
	SYMBOL(global_init),  SYMBOL(version_info),     SYMBOL(easy_init),           SYMBOL(easy_setopt),
	SYMBOL(easy_getinfo), SYMBOL(easy_strerror),    SYMBOL(easy_cleanup),        SYMBOL(multi_init),
	SYMBOL(multi_setopt), SYMBOL(multi_add_handle), SYMBOL(multi_remove_handle), SYMBOL(multi_perform),
	SYMBOL(multi_poll),   SYMBOL(multi_info_read),  SYMBOL(multi_strerror),      SYMBOL(multi_cleanup),
	SYMBOL(slist_append), SYMBOL(slist_free_all),
#undef SYMBOL
};

int curl_load(struct curl_calls *ret, struct cor_error *err)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	struct curl_calls calls;
	void *symbol;

	if (!library)
		return cor_fail(
			err, COR_UNSUPPORTED, ENOENT,
			"registries need libcurl, which is not there: install the package libcurl4 (%s)",
			dlerror());
	for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
		symbol = dlsym(library, symbols[i].name);
		if (!symbol)
			return cor_fail(err, COR_UNSUPPORTED, ENOSYS, "%s has no %s: it is too old", LIBRARY,
					symbols[i].name);
		memcpy((char *)&calls + symbols[i].offset, &symbol, sizeof(symbol));
	}
	if (calls.version_info(CURLVERSION_NOW)->version_num < VERSION_MIN)
		return cor_fail(err, COR_UNSUPPORTED, ENOSYS, "libcurl %s is too old: 7.85 is needed",
				calls.version_info(CURLVERSION_NOW)->version);
	if (calls.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return cor_fail(err, COR_INTERNAL, EIO, "libcurl does not start");
	*ret = calls;
	return 0;
}
