/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the detach sequence in what is typed. A beginning of it is held back until the next key tells. */
#include "container/detach_keys.h"

#include "base/str.h"

#include <ctype.h>
#include <errno.h>

static int parse_key(const char *key, uint8_t *ret)
{
	const char *control = str_after(key, "ctrl-");

	if (strlen(key) == 1) {
		*ret = (uint8_t)*key;
		return 0;
	}
	if (!control || strlen(control) != 1)
		return -EINVAL;
	if (islower((unsigned char)*control))
		*ret = (uint8_t)(*control - 'a' + 1);
	else if (*control == '@' || (*control >= '[' && *control <= '_'))
		*ret = (uint8_t)(*control - '@');
	else
		return -EINVAL;
	return 0;
}

int detach_keys_parse(const char *text, struct detach_keys *ret)
{
	struct detach_keys keys = {.length = 0};
	_strv_ struct strv parts = {0};

	if (!str_empty(text))
		parts = strv_split(text, ',');
	if (parts.count > DETACH_KEYS_MAX)
		return -EINVAL;
	for (; keys.length < parts.count; keys.length++)
		if (parse_key(parts.items[keys.length], &keys.sequence[keys.length]) < 0)
			return -EINVAL;
	*ret = keys;
	return 0;
}

/* After a mismatch: the longest beginning of the sequence that the held keys and the new one end with. What comes before it is passed on. */
static void fall_back(struct detach_keys *keys, uint8_t key, uint8_t *out, size_t *used)
{
	uint8_t held[DETACH_KEYS_MAX + 1];
	size_t count = keys->matched + 1, skip = 1;

	memcpy(held, keys->sequence, keys->matched);
	held[keys->matched] = key;
	while (skip < count && memcmp(held + skip, keys->sequence, count - skip) != 0)
		skip++;
	memcpy(out + *used, held, skip);
	*used += skip;
	keys->matched = count - skip;
}

bool detach_keys_feed(struct detach_keys *keys, const uint8_t *data, size_t size, uint8_t *out,
		      size_t *ret_size)
{
	size_t used = 0;

	if (!keys->length) {
		memcpy(out, data, size);
		*ret_size = size;
		return false;
	}
	for (size_t i = 0; i < size; i++) {
		if (data[i] == keys->sequence[keys->matched])
			keys->matched++;
		else
			fall_back(keys, data[i], out, &used);
		if (keys->matched == keys->length) {
			keys->matched = 0;
			*ret_size = used;
			return true;
		}
	}
	*ret_size = used;
	return false;
}
