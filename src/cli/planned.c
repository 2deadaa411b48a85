/* SPDX-License-Identifier: Apache-2.0 */
/* Said of itself, because the nearest word that is there would be a wrong guess: 'top' is not 'stop'. */
#include "cli/planned.h"

#include "cli/text.h"

#include <stddef.h>
#include <string.h>

#define YET     "is not there yet"
#define NO_LINK "is not there: containers of one network find each other by name"

static const struct {
	const char *paths, *words, *text;
} table[] = {
	{"coracle", "pause unpause rename top restart build compose", YET},
	{"coracle image", "build", YET},
	{"coracle run|coracle create", "--restart --gpus", YET},
	{"coracle run|coracle create", "--ip", "is written --network NAME,ip=ADDRESS here"},
	{"coracle run|coracle create", "--ip6", "is written --network NAME,ip6=ADDRESS here"},
	{"coracle run|coracle create", "--mac-address", "is written --network NAME,mac=ADDRESS here"},
	{"coracle run|coracle create", "--network-alias --net-alias",
	 "is written --network NAME,alias=NAME here"},
	{"coracle run|coracle create", "--net", "is written --network here"},
	{"coracle run|coracle create", "--link", NO_LINK},
	{"coracle inspect|coracle image inspect|coracle network inspect|coracle volume inspect", "-f",
	 "is not there: pipe what is printed into jq, as in: coracle inspect NAME | jq '.[0].State'"},
};

/* Among paths with a bar between them. Docker's name for the commands on containers does not count. */
static bool is_path(const char *paths, const char *path)
{
	_text_ char *bars = text_format("|%s|", paths);
	const char *rest = text_after(path, "coracle container");
	_text_ char *wanted = rest ? text_format("|coracle%s|", rest) : text_format("|%s|", path);

	return strstr(bars, wanted);
}

const char *planned(const char *path, const char *word)
{
	for (size_t i = 0; i < COUNT(table); i++)
		if (text_among(table[i].words, word) && is_path(table[i].paths, path))
			return table[i].text;
	return NULL;
}
