/* SPDX-License-Identifier: Apache-2.0 */
/* Indexes of which only a part is here: which image is meant, what is found, what is needed. */
#include "image/children.h"

#include "base/str.h"
#include "image/sweep.h"
#include "oci/hash.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NAME "docker.io/library/both:1"

struct fixture {
	char path[32];
	int dir;
	struct image_store *store;
	struct index index;
	char top[DIGEST_SIZE], manifests[2][DIGEST_SIZE], configs[2][DIGEST_SIZE], layers[2][DIGEST_SIZE];
};

static const char *const architectures[] = {"mips", "s390x"};

/* Returns its size. */
static size_t put(const struct fixture *f, const char *text, char digest[DIGEST_SIZE])
{
	hash_bytes(text, strlen(text), digest);
	assert_int_equal(file_write_new(f->store->blobs, digest_hex(digest), text, strlen(text), 0400), 0);
	return strlen(text);
}

static void lose(const struct fixture *f, const char *digest)
{
	assert_int_equal(unlinkat(f->store->blobs, digest_hex(digest), 0), 0);
}

static size_t put_image(struct fixture *f, size_t i)
{
	_free_ char *layer = str_format("layer of %s", architectures[i]), *config = NULL, *manifest = NULL;
	size_t config_size, layer_size = put(f, layer, f->layers[i]);

	config = str_format("{\"os\":\"linux\",\"architecture\":\"%s\",\"rootfs\":{\"type\":\"layers\","
			    "\"diff_ids\":[\"%s\"]}}",
			    architectures[i], f->layers[i]);
	config_size = put(f, config, f->configs[i]);
	manifest =
		str_format("{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" MEDIA_TYPE_CONFIG
			   "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"" MEDIA_TYPE_LAYER
			   "\",\"digest\":\"%s\",\"size\":%zu}]}",
			   f->configs[i], config_size, f->layers[i], layer_size);
	return put(f, manifest, f->manifests[i]);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	size_t sizes[2], size;
	_free_ char *text = NULL;

	strcpy(f->path, "/tmp/children-test.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(image_store_open(f->dir, &f->store, NULL), 0);
	for (size_t i = 0; i < 2; i++)
		sizes[i] = put_image(f, i);
	text = str_format(
		"{\"schemaVersion\":2,\"manifests\":["
		"{\"mediaType\":\"" MEDIA_TYPE_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,\"platform\":{"
		"\"os\":\"linux\",\"architecture\":\"mips\"}},"
		"{\"mediaType\":\"" MEDIA_TYPE_MANIFEST "\",\"digest\":\"%s\",\"size\":%zu,\"platform\":{"
		"\"os\":\"linux\",\"architecture\":\"s390x\"}}]}",
		f->manifests[0], sizes[0], f->manifests[1], sizes[1]);
	size = put(f, text, f->top);
	index_set_name(&f->index, index_add(&f->index, MEDIA_TYPE_INDEX, f->top, size), NAME);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	index_release(&f->index);
	image_store_free(f->store);
	close(f->dir);
	assert_int_equal(tree_remove(AT_FDCWD, f->path), 0);
	free(f);
	return 0;
}

static int architecture(struct fixture *f, const char *wanted, char out[PLATFORM_WORD_SIZE],
			struct cor_error *err)
{
	_image_facts_ struct image_facts facts = {0};
	struct platform platform;
	int r = wanted ? platform_parse(wanted, &platform, err) : 0;

	r = r ?: image_facts_read_for(f->store, &f->index.items[0], wanted ? &platform : NULL, &facts, err);
	if (r == 0)
		strcpy(out, facts.parsed.platform.architecture);
	return r;
}

static void test_platform(void **state)
{
	struct fixture *f = *state;
	char has[PLATFORM_WORD_SIZE];
	struct cor_error err = {0};

	/* None is the host's: the first that is here. */
	assert_int_equal(architecture(f, NULL, has, &err), 0);
	assert_string_equal(has, "mips");
	assert_int_equal(architecture(f, "linux/s390x", has, &err), 0);
	assert_string_equal(has, "s390x");
	assert_int_equal(architecture(f, "linux/riscv64", has, &err), -ENOEXEC);
	assert_int_equal(err.status, COR_UNSUPPORTED);
	assert_non_null(strstr(err.msg, "linux/mips, linux/s390x"));
}

static void test_absent(void **state)
{
	struct fixture *f = *state;
	char has[PLATFORM_WORD_SIZE];
	struct cor_error err = {0};

	lose(f, f->manifests[0]);
	assert_int_equal(architecture(f, NULL, has, &err), 0);
	assert_string_equal(has, "s390x");
	assert_int_equal(architecture(f, "linux/mips", has, &err), -ENOENT);
	assert_int_equal(err.status, COR_NOT_FOUND);
	/* The manifest is here, and its layer is not. */
	lose(f, f->layers[1]);
	assert_int_equal(architecture(f, "linux/s390x", has, &err), 0);
	lose(f, f->manifests[1]);
	assert_int_equal(architecture(f, NULL, has, &err), -ENOENT);
	assert_int_equal(err.status, COR_CORRUPT);
}

static void find(struct fixture *f, const char *ref, int expected, const char *chosen, const char *name)
{
	const char *meant = NULL;
	size_t position = 9;

	f->index.items[0].chosen[0] = '\0';
	assert_int_equal(index_find(f->store, &f->index, ref, &position, &meant, NULL), expected);
	if (expected < 0)
		return;
	assert_int_equal(position, 0);
	assert_string_equal(f->index.items[0].chosen, chosen);
	assert_true(str_equal(meant, name));
}

static void test_find(void **state)
{
	struct fixture *f = *state;
	_free_ char *whole = str_format("both@%s", f->top), *child = str_format("both@%s", f->manifests[1]);
	_free_ char *tagged = str_format("both:1@%s", f->top);
	_free_ char *prefix = xstrndup(digest_hex(f->configs[1]), 16);

	find(f, "both:1", 0, "", NAME);
	find(f, whole, 0, "", NULL);
	find(f, tagged, 0, "", NAME);
	find(f, f->top, 0, "", NULL);
	find(f, child, 0, f->manifests[1], NULL);
	find(f, f->manifests[1], 0, f->manifests[1], NULL);
	find(f, prefix, 0, f->manifests[1], NULL);
	/* The one that stands for the index anyway. */
	find(f, f->configs[0], 0, "", NULL);
	lose(f, f->manifests[1]);
	find(f, child, -ENOENT, "", NULL);
	find(f, prefix, -ENOENT, "", NULL);
}

static void test_needed(void **state)
{
	struct fixture *f = *state;
	struct needed needed;

	needed_collect(f->store, &f->index, &needed);
	for (size_t i = 0; i < 2; i++) {
		assert_true(needs_blob(&needed, digest_hex(f->manifests[i])));
		assert_true(needs_blob(&needed, digest_hex(f->layers[i])));
	}
	assert_true(needs_blob(&needed, digest_hex(f->top)));
	assert_false(needs_blob(&needed, "other"));
	assert_int_equal(needed.disks.count, 2);
	needed_release(&needed);

	lose(f, f->manifests[0]);
	needed_collect(f->store, &f->index, &needed);
	assert_false(needs_blob(&needed, digest_hex(f->layers[0])));
	assert_true(needs_blob(&needed, digest_hex(f->layers[1])));
	needed_release(&needed);

	/* Nobody knows what it needed. */
	lose(f, f->top);
	needed_collect(f->store, &f->index, &needed);
	assert_true(needs_blob(&needed, "other"));
	assert_true(needs_disk(&needed, "other"));
	needed_release(&needed);
}

/* An index that somebody made up names a layer or a configuration as one of its manifests: that must not keep everything from being collected. */
static void test_hostile_index(void **state)
{
	struct fixture *f = *state;
	struct index index = {0};
	struct needed needed;
	char top[DIGEST_SIZE];
	_free_ char *text =
		str_format("{\"schemaVersion\":2,\"manifests\":["
			   "{\"mediaType\":\"" MEDIA_TYPE_MANIFEST "\",\"digest\":\"%s\",\"size\":1},"
			   "{\"mediaType\":\"" MEDIA_TYPE_MANIFEST "\",\"digest\":\"%s\",\"size\":1},"
			   "{\"mediaType\":\"" MEDIA_TYPE_MANIFEST "\",\"digest\":\"%s\",\"size\":1}]}",
			   f->manifests[0], f->layers[0], f->configs[0]);

	size_t size = put(f, text, top);

	index_add(&index, MEDIA_TYPE_INDEX, top, size);
	needed_collect(f->store, &index, &needed);
	assert_true(needs_blob(&needed, digest_hex(f->layers[0])));
	assert_false(needs_blob(&needed, "other"));
	assert_false(needs_disk(&needed, "other"));
	needed_release(&needed);
	index_release(&index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_platform, setup, teardown),
		cmocka_unit_test_setup_teardown(test_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_needed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_index, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
