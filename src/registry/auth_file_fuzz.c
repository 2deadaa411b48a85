/* SPDX-License-Identifier: Apache-2.0 */
/* What begins with a brace is a file of credentials, and all else a helper's answer behind its first byte. */
#include "registry/auth_file.h"

#include "base/str.h"
#include "oci/reference.h"
#include "registry/credential_helper.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct credentials *c)
{
	assert(!c->user == !c->password);
	assert(!c->user || (*c->user && !c->identity_token));
}

static void try_file(const char *text, size_t size)
{
	_auth_file_ json_t *document = NULL;
	struct cor_error err = {0};
	const char *key;
	json_t *entry;

	if (auth_file_parse(text, size, "file", &document, &err) < 0) {
		assert(err.status == COR_CORRUPT && err.msg[0]);
		return;
	}
	json_object_foreach (json_object_get(document, "auths"), key, entry) {
		_free_ char *domain = auth_key_domain(key);
		_credentials_ struct credentials c = {0};
		const char *helper;

		if (!domain)
			continue;
		assert(reference_domain_valid(domain));
		helper = auth_file_helper(document, domain);
		assert(!helper || credential_helper_valid(helper));
		if (auth_file_find(document, "file", domain, &c, &err) == 0)
			check(&c);
	}
	auth_file_set(document, "docker.io", NULL);
	assert(!auth_file_set(document, "docker.io", NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_credentials_ struct credentials c = {0};
	struct cor_error err = {0};

	if (size == 0)
		return 0;
	if (*data == '{')
		try_file((const char *)data, size);
	else if (credential_helper_answer("name", (const char *)data + 1, size - 1, &c, &err) == 0)
		check(&c);
	else
		assert(err.status == COR_CORRUPT);
	return 0;
}
