/* SPDX-License-Identifier: Apache-2.0 */
#include "registry/test_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

struct limits test_client_limits(void)
{
	struct limits limits = limits_default;

	limits.backoff_ms = 1;
	limits.stall_s = 1;
	limits.small_ms = 2000;
	limits.attempts = 3;
	limits.chunk = 8;
	return limits;
}

struct registry *test_client_new(const struct test_server *server, const char *scheme, const char *user,
				 enum registry_access access)
{
	struct cor_registry_options options = {.scheme = scheme, .config_dir = "/nonexistent"};
	struct credentials credentials = {.user = xstrdup(user), .password = xstrdup(user ? "secret" : NULL)};
	struct reference ref = {.domain = xstrdup(test_server_place(server)), .path = xstrdup("a/b")};
	struct limits limits = test_client_limits();
	struct registry *registry;
	struct cor_error err;

	if (registry_open_with(&ref, ref.domain, access, &options, &limits, &credentials, &registry, &err) <
	    0)
		fail_msg("%s", err.msg);
	reference_release(&ref);
	return registry;
}

void test_client_run(struct registry *registry)
{
	struct cor_error err;
	size_t running;

	do {
		if (registry_run(registry, 1000, &running, &err) < 0)
			fail_msg("%s", err.msg);
	} while (running > 0);
}

void assert_asked(struct test_server *server, size_t index, const char *text)
{
	const char *request = test_server_request(server, index);

	if (!strstr(request, text))
		fail_msg("no '%s' in '%s'", text, request);
}

void assert_error(const struct cor_error *err, enum cor_status status, const char *says)
{
	assert_int_equal(err->status, status);
	if (!strstr(err->msg, says))
		fail_msg("no '%s' in '%s'", says, err->msg);
}

static int keep(void *userdata, const void *data, size_t size, struct cor_error *err)
{
	struct test_download *download = userdata;

	buffer_append(&download->got, data, size);
	return 0;
}

static void note_state(void *userdata, enum cor_transfer_state state)
{
	struct test_download *download = userdata;

	download->retries += state == COR_TRANSFER_RETRYING;
}

static void note_end(void *userdata, const struct cor_error *status)
{
	struct test_download *download = userdata;

	download->status = *status;
	download->ends++;
}

void test_download_begin(struct test_download *download, struct registry *registry, uint64_t size,
			 uint64_t offset)
{
	*download = (struct test_download){.d = {.size = size,
						 .offset = offset,
						 .on_data = keep,
						 .on_state = note_state,
						 .on_end = note_end}};
	memset(download->d.digest, 'a', sizeof(download->d.digest) - 1);
	memcpy(download->d.digest, "sha256:", 7);
	download->d.digest[DIGEST_SIZE - 1] = '\0';
	download->d.userdata = download;
	registry_download(registry, &download->d);
}

void test_download_release(struct test_download *download)
{
	buffer_release(&download->got);
}
