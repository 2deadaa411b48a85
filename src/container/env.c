/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of KEY=VALUE: environments and labels. Order is kept, since people read it. */
#include "container/process.h"

static size_t key_length(const char *assignment)
{
	return strcspn(assignment, "=");
}

static size_t env_find(const struct strv *env, const char *key, size_t length)
{
	size_t i;

	for (i = 0; i < env->count; i++)
		if (key_length(env->items[i]) == length && memcmp(env->items[i], key, length) == 0)
			break;
	return i;
}

const char *env_get(const struct strv *env, const char *key)
{
	size_t i = env_find(env, key, strlen(key));

	return i < env->count && env->items[i][strlen(key)] == '=' ? env->items[i] + strlen(key) + 1 : NULL;
}

void env_set(struct strv *env, const char *assignment)
{
	size_t length = key_length(assignment), i = env_find(env, assignment, length);

	if (i == env->count) {
		if (assignment[length] == '=')
			strv_add(env, assignment);
		return;
	}
	if (assignment[length] == '=') {
		str_set(&env->items[i], assignment);
		return;
	}
	free(env->items[i]);
	memmove(&env->items[i], &env->items[i + 1], (env->count - i) * sizeof(*env->items));
	env->count--;
}
