/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of passwd(5) and group(5). Lines that are malformed are passed over, as the C library does; a hostile file can at most name
 * other numbers, which its root could become anyway. */
#include "init/user.h"

#include "base/size.h"
#include "base/str.h"

#include <errno.h>

#define MAX_GROUPS 65536u /* the kernel's NGROUPS_MAX */

/* A line's fields, in place: start and length. */
struct field {
	const char *start;
	size_t length;
};

struct line {
	struct field fields[7];
	size_t count;
};

/* Takes the next line off *text. False at the end. */
static bool next_line(const char **text, struct line *line)
{
	const char *p = *text, *end;

	if (!p || !*p)
		return false;
	end = p + strcspn(p, "\n");
	*text = *end ? end + 1 : end;
	line->count = 0;
	for (;;) {
		const char *colon = memchr(p, ':', (size_t)(end - p));
		const char *stop = colon ? colon : end;

		if (line->count < ARRAY_SIZE(line->fields))
			line->fields[line->count++] = (struct field){p, (size_t)(stop - p)};
		if (!colon)
			return true;
		p = colon + 1;
	}
}

static bool field_is(const struct field *field, const char *text)
{
	return field->length == strlen(text) && memcmp(field->start, text, field->length) == 0;
}

static int parse_id(const char *text, size_t length, uint32_t *ret)
{
	char copy[16];
	int64_t value;

	if (length == 0 || length >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	/* The last number means "no id" to the kernel. */
	if (copy[0] == '+' || number_parse(copy, 0, UINT32_MAX - 1, &value) < 0)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static bool field_id(const struct field *field, uint32_t *ret)
{
	return parse_id(field->start, field->length, ret) == 0;
}

/* ---- passwd ---- */

struct passwd_entry {
	char *name;
	uint32_t uid, gid;
	char *home;
};

/* The line with this name, or with this uid where name is NULL. */
static bool find_passwd(const char *passwd, const char *name, uint32_t uid, struct passwd_entry *ret)
{
	struct line line;

	while (next_line(&passwd, &line)) {
		struct passwd_entry entry = {0};

		if (line.count < 6 || line.fields[0].length == 0 || !field_id(&line.fields[2], &entry.uid) ||
		    !field_id(&line.fields[3], &entry.gid))
			continue;
		if (name ? !field_is(&line.fields[0], name) : entry.uid != uid)
			continue;
		entry.name = xstrndup(line.fields[0].start, line.fields[0].length);
		entry.home = xstrndup(line.fields[5].start, line.fields[5].length);
		*ret = entry;
		return true;
	}
	return false;
}

char *user_home(const char *passwd, uint32_t uid)
{
	struct passwd_entry entry;

	if (!find_passwd(passwd, NULL, uid, &entry))
		return NULL;
	free(entry.name);
	return entry.home;
}

/* ---- group ---- */

static bool is_member(const struct field *members, const char *name)
{
	const char *p = members->start, *end = p + members->length;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct field member = {p, (size_t)((comma ? comma : end) - p)};

		if (field_is(&member, name))
			return true;
		p = comma ? comma + 1 : end;
	}
	return false;
}

static void find_memberships(const char *group, const char *name, struct user *user)
{
	struct line line;
	uint32_t gid;

	while (user->group_count < MAX_GROUPS && next_line(&group, &line)) {
		if (line.count < 4 || !field_id(&line.fields[2], &gid) || !is_member(&line.fields[3], name))
			continue;
		user->groups = xreallocarray(user->groups, user->group_count + 1, sizeof(*user->groups));
		user->groups[user->group_count++] = gid;
	}
}

static int find_group(const char *group, const char *wanted, uint32_t *ret, struct cor_error *err)
{
	struct line line;
	uint32_t gid;

	while (next_line(&group, &line))
		if (line.count >= 3 && field_is(&line.fields[0], wanted) && field_id(&line.fields[2], &gid)) {
			*ret = gid;
			return 0;
		}
	if (parse_id(wanted, strlen(wanted), ret) == 0)
		return 0;
	return cor_fail(err, COR_NOT_FOUND, ENOENT, "the container has no group '%.64s'", wanted);
}

/* ---- both ---- */

static int find_name(const char *passwd, const char *group, const char *name, bool memberships,
		     struct user *user, struct cor_error *err)
{
	struct passwd_entry entry = {0};
	uint32_t uid = 0;
	bool numeric = parse_id(name, strlen(name), &uid) == 0;

	if (!find_passwd(passwd, name, 0, &entry) && !(numeric && find_passwd(passwd, NULL, uid, &entry))) {
		if (!numeric)
			return cor_fail(err, COR_NOT_FOUND, ENOENT, "the container has no user '%.64s'",
					name);
		user->uid = uid;
		return 0;
	}
	user->uid = entry.uid;
	user->gid = entry.gid;
	user->home = entry.home;
	if (memberships)
		find_memberships(group, entry.name, user);
	free(entry.name);
	return 0;
}

int user_find(const char *passwd, const char *group, const char *who, struct user *ret, struct cor_error *err)
{
	_cleanup_(user_release) struct user user = {0};
	size_t length = strcspn(who, ":");
	_free_ char *name = xstrndup(who, length);
	const char *group_name = who[length] ? who + length + 1 : NULL;
	int r;

	if (group_name && (!*group_name || strchr(group_name, ':')))
		return cor_fail(err, COR_INVALID, EINVAL, "'%.64s' is no user: NAME[:GROUP] is needed", who);
	r = find_name(passwd, group, *name ? name : "0", !group_name, &user, err);
	if (r == 0 && group_name)
		r = find_group(group, group_name, &user.gid, err);
	if (r < 0)
		return r;
	*ret = user;
	user = (struct user){0};
	return 0;
}

void user_release(struct user *user)
{
	free(user->groups);
	free(user->home);
	*user = (struct user){0};
}
