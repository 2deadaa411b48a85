/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a template, and reading it. */
#include "container/template_internal.h"

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "oci/hash.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#define FOLDER       "templates"
#define DOCUMENT_MAX 16384

/* FNV-1a: it finds, and proves nothing. */
void template_name(const char *shape, char id[TEMPLATE_ID_SIZE])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *p = shape; *p; p++)
		hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	snprintf(id, TEMPLATE_ID_SIZE, "%016" PRIx64, hash);
}

static bool is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 022);
}

int template_open_folder(const struct roots *roots, struct cor_error *err)
{
	int fd = -1, r = dir_open_make(roots->data_fd, FOLDER, 0700, &fd);

	if (r < 0)
		return cor_fail_errno(err, r, "the folder of templates");
	if (!is_ours(fd)) {
		close(fd);
		return cor_fail(err, COR_PERMISSION, EPERM, "others can write to the folder of templates");
	}
	return fd;
}

DIR *template_list(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		close_fd(&fd);
	return dir;
}

int template_read_facts(int dir, struct template_facts *ret)
{
	struct cor_error ignored;
	int64_t format = 0;
	int r = json_read_file(dir, "template.json", DOCUMENT_MAX, &ret->document, &ignored);

	if (r < 0)
		return r;
	r = json_get_int(ret->document, "format", &format);
	r = r ?: json_get_string(ret->document, "shape", &ret->shape);
	r = r ?: json_get_string(ret->document, "memoryDigest", &ret->memory_digest);
	r = r ?: json_get_string(ret->document, "stateDigest", &ret->state_digest);
	r = r ?: json_get_int(ret->document, "memorySize", &ret->memory_size);
	if (r == 0 && (format != TEMPLATE_FORMAT || !ret->shape || !ret->memory_digest || !ret->state_digest))
		r = -EBADMSG;
	return r;
}

void template_facts_release(struct template_facts *facts)
{
	json_decref(facts->document);
}

int template_read(int dir, struct template *template)
{
	_cleanup_(template_facts_release) struct template_facts facts = {0};
	char digest[DIGEST_SIZE];
	struct stat st;
	int r = is_ours(dir) ? template_read_facts(dir, &facts) : -EPERM;

	r = r ?: file_read(dir, "state", TEMPLATE_STATE_MAX, &template->state, &template->state_size);
	if (r < 0)
		return r;
	template->memory_fd = open_beneath(dir, "memory", O_RDONLY | O_CLOEXEC, 0);
	if (template->memory_fd < 0)
		return template->memory_fd;
	hash_bytes(template->state, template->state_size, digest);
	if (!digest_valid(facts.memory_digest) || fstat(template->memory_fd, &st) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_size != facts.memory_size ||
	    strcmp(digest, facts.state_digest) != 0)
		return -EBADMSG;
	template->memory_size = (uint64_t)st.st_size;
	strcpy(template->memory_digest, facts.memory_digest);
	return 0;
}

static bool has_shape(int dir, const char *shape)
{
	_cleanup_(template_facts_release) struct template_facts facts = {0};

	return template_read_facts(dir, &facts) == 0 && strcmp(facts.shape, shape) == 0;
}

int template_open(const struct roots *roots, const char *shape, struct template *ret, struct cor_error *err)
{
	_fd_ int folder = template_open_folder(roots, err), dir = -1;
	int r;

	*ret = (struct template){.memory_fd = -1};
	if (folder < 0)
		return folder;
	template_name(shape, ret->id);
	dir = open_beneath(folder, ret->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir < 0)
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "no machine of this shape is saved");
	r = template_read(dir, ret);
	if (r == 0 && !has_shape(dir, shape))
		r = -ESTALE;
	if (r < 0) {
		template_release(ret);
		tree_remove(folder, ret->id);
		return cor_fail(err, COR_CORRUPT, ENOENT,
				"the saved machine of this shape was damaged, and is removed");
	}
	return 0;
}

void template_release(struct template *template)
{
	close_fd(&template->memory_fd);
	free(steal_ptr(template->state));
}

int template_copy_memory(const struct template *template, int memfd, struct cor_error *err)
{
	int r = template_copy_pages(template->memory_fd, memfd);

	if (r == 0 && fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		r = -errno;
	return r < 0 ? cor_fail_errno(err, r, "the saved machine's memory") : 0;
}

void template_forget(const struct roots *roots, const char *id)
{
	_fd_ int folder = template_open_folder(roots, NULL);

	if (folder >= 0)
		tree_remove(folder, id);
}
