/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/labels.h"

#include "cli/text.h"

#include <string.h>

bool labels_have(const struct cor_strings *labels, const char *wanted)
{
	for (size_t i = 0; i < labels->count; i++) {
		const char *rest = text_after(labels->items[i], wanted);

		if (rest && (*rest == '\0' || (*rest == '=' && !strchr(wanted, '='))))
			return true;
	}
	return false;
}

json_t *labels_json(const struct cor_strings *labels)
{
	json_t *object = json_object();

	for (size_t i = 0; i < labels->count; i++) {
		const char *equals = strchr(labels->items[i], '=');
		_text_ char *key = text_format("%.*s", (int)strcspn(labels->items[i], "="), labels->items[i]);

		json_object_set_new(object, key, json_string(equals ? equals + 1 : ""));
	}
	return object;
}
