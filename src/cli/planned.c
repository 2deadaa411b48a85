/* SPDX-License-Identifier: Apache-2.0 */
/* Said of itself, because the nearest word that is there would be a wrong guess: 'top' is not 'stop'. */
#include "cli/planned.h"

#include "cli/text.h"

#include <stddef.h>

#define RUN_OPTIONS "--restart --gpus"

static const struct {
	const char *path, *words;
} table[] = {
	{"coracle", "stats pause unpause rename top "
		    "restart build compose"},
	{"coracle image", "build"},
	{"coracle run", RUN_OPTIONS},
	{"coracle create", RUN_OPTIONS},
};

bool planned(const char *path, const char *word)
{
	for (size_t i = 0; i < COUNT(table); i++)
		if (text_same(table[i].path, path) && text_among(table[i].words, word))
			return true;
	return false;
}
