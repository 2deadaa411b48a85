/* SPDX-License-Identifier: Apache-2.0 */
/* Where credentials are looked for, and how our own file is changed. */
#include "registry/credentials.h"

#include "base/file.h"
#include "base/str.h"
#include "oci/reference.h"
#include "registry/auth_file.h"
#include "registry/credential_helper.h"
#include "registry/hosts.h"

#include <ctype.h>
#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>

static void wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void credentials_release(struct credentials *credentials)
{
	wipe(&credentials->user);
	wipe(&credentials->password);
	wipe(&credentials->identity_token);
}

static bool known(const struct credentials *credentials)
{
	return credentials->user || credentials->identity_token;
}

static int check_domain(const char *domain, struct cor_error *err)
{
	return reference_domain_valid(domain)
		       ? 0
		       : cor_fail(err, COR_INVALID, EINVAL, "'%.100s' is no name of a registry", domain);
}

/* ---- find ---- */

static int ask_helper(const char *helper, bool own, const char *domain, struct credentials *ret,
		      struct cor_error *err)
{
	_free_ char *key = auth_key(domain);
	struct cor_error reason = {0};
	int r = credential_helper_get(helper, key, ret, &reason);

	/* Docker's file outlives Docker, and is copied between machines: what is public is pulled nevertheless. */
	if (r == -ENOENT && !own)
		return 0;
	if (r < 0 && err)
		*err = reason;
	return r;
}

static int find_in_document(const json_t *document, const char *path, bool own, const char *domain,
			    struct credentials *ret, struct cor_error *err)
{
	const char *helper = auth_file_helper(document, domain);
	int r = helper ? ask_helper(helper, own, domain, ret, err) : 0;

	if (r < 0)
		return cor_context(err, r, "credentials of '%s' (see '%s')", domain, path);
	return known(ret) ? 0 : auth_file_find(document, path, domain, ret, err);
}

static int find_in(const char *path, bool own, const char *domain, struct credentials *ret,
		   struct cor_error *err)
{
	_auth_file_ json_t *document = NULL;
	int r = path ? auth_file_read(path, own, &document, err) : 0;

	return r < 0 || !document ? r : find_in_document(document, path, own, domain, ret, err);
}

int credentials_find(const char *config_dir, const char *domain, struct credentials *ret,
		     struct cor_error *err)
{
	_free_ char *own = auth_file_own(config_dir), *docker = auth_file_docker();
	_credentials_ struct credentials found = {0};
	int r = check_domain(domain, err);

	if (r == 0)
		r = find_in(own, true, domain, &found, err);
	if (r == 0 && !known(&found))
		r = find_in(docker, false, domain, &found, err);
	if (r < 0)
		return r;
	*ret = found;
	found = (struct credentials){0};
	return 0;
}

/* ---- change ---- */

/* Our file while nobody else changes it: the lock is on its folder, since the file itself is replaced. */
struct change {
	char *path;
	int folder;
	json_t *document;
};

static void change_release(struct change *change)
{
	free(change->path);
	cleanup_fd(&change->folder);
	auth_file_free(change->document);
}

static int check_folder(int fd, const char *path, struct cor_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cor_fail_errno(err, errno, "'%s'", path);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return cor_fail(err, COR_PERMISSION, EPERM,
				"'%s' may be written by others: nothing is stored there (chmod 700 helps)",
				path);
	return 0;
}

/* make: the folder, where it is not there; without it there is no document then. */
static int change_begin(const char *config_dir, bool make, struct change *ret, struct cor_error *err)
{
	_free_ char *folder = config_folder(config_dir);
	int r = 0;

	if (!folder)
		return cor_fail(err, COR_INVALID, ENOENT,
				"there is no home to keep credentials in: set CORACLE_CONFIG");
	if (make)
		r = dir_open_make(AT_FDCWD, folder, 0700, &ret->folder);
	else
		ret->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!make && ret->folder < 0 && errno == ENOENT)
		return 0;
	if (r < 0 || ret->folder < 0)
		return cor_fail_errno(err, r < 0 ? r : errno, "open '%s'", folder);
	r = check_folder(ret->folder, folder, err);
	if (r < 0)
		return r;
	while (flock(ret->folder, LOCK_EX) < 0)
		if (errno != EINTR)
			return cor_fail_errno(err, errno, "lock '%s'", folder);
	ret->path = str_format("%s/auth.json", folder);
	r = auth_file_read(ret->path, true, &ret->document, err);
	if (r == 0 && make && !ret->document)
		ret->document = json_object();
	return r;
}

static bool has_control_characters(const char *s)
{
	for (; *s; s++)
		if (iscntrl((unsigned char)*s))
			return true;
	return false;
}

int credentials_check(const struct credentials *credentials, struct cor_error *err)
{
	if (credentials->identity_token)
		return 0;
	if (str_empty(credentials->user) || str_empty(credentials->password))
		return cor_fail(err, COR_INVALID, EINVAL, "no user or no password");
	/* RFC 7617, section 2: what comes behind the first colon would be the password's, and nothing may have control characters. */
	if (strchr(credentials->user, ':'))
		return cor_fail(err, COR_INVALID, EINVAL, "a user's name has no colon in it");
	if (has_control_characters(credentials->user) || has_control_characters(credentials->password))
		return cor_fail(err, COR_INVALID, EINVAL, "user or password have control characters in them");
	return 0;
}

int credentials_store(const char *config_dir, const char *domain, const struct credentials *credentials,
		      char **ret_where, struct cor_error *err)
{
	_cleanup_(change_release) struct change change = {.folder = -1};
	static const struct credentials elsewhere = {0};
	_free_ char *key = auth_key(domain);
	const char *helper;
	int r = check_domain(domain, err) ?: credentials_check(credentials, err);

	if (r == 0)
		r = change_begin(config_dir, true, &change, err);
	if (r < 0)
		return r;
	helper = auth_file_helper(change.document, domain);
	if (helper)
		r = credential_helper_store(helper, key, credentials, err);
	if (r < 0)
		return r;
	auth_file_set(change.document, domain, helper ? &elsewhere : credentials);
	r = auth_file_write(change.path, change.document, err);
	if (r == 0 && ret_where)
		*ret_where = helper ? str_format("docker-credential-%s", helper) : xstrdup(change.path);
	return r;
}

static int erase_from_helper(const char *helper, const char *domain, bool *ret_found, struct cor_error *err)
{
	_credentials_ struct credentials there = {0};
	_free_ char *key = auth_key(domain);
	int r = credential_helper_get(helper, key, &there, err);

	if (r < 0 || !known(&there))
		return r;
	*ret_found = true;
	return credential_helper_erase(helper, key, err);
}

static int nothing_stored(const char *domain, struct cor_error *err)
{
	_free_ char *docker = auth_file_docker();
	_credentials_ struct credentials there = {0};

	if (find_in(docker, false, domain, &there, NULL) == 0 && known(&there))
		return cor_fail(err, COR_NOT_FOUND, ENOENT,
				"not logged in to '%s' but by '%s', which is docker's: docker logout", domain,
				docker);
	return cor_fail(err, COR_NOT_FOUND, ENOENT, "not logged in to '%s'", domain);
}

int credentials_erase(const char *config_dir, const char *domain, struct cor_error *err)
{
	_cleanup_(change_release) struct change change = {.folder = -1};
	bool found = false, in_file;
	const char *helper;
	int r = check_domain(domain, err);

	if (r == 0)
		r = change_begin(config_dir, false, &change, err);
	if (r < 0)
		return r;
	if (!change.document)
		return nothing_stored(domain, err);
	helper = auth_file_helper(change.document, domain);
	if (helper)
		r = erase_from_helper(helper, domain, &found, err);
	if (r < 0)
		return r;
	in_file = auth_file_set(change.document, domain, NULL);
	if (!found && !in_file)
		return nothing_stored(domain, err);
	return in_file ? auth_file_write(change.path, change.document, err) : 0;
}
