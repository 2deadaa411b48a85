/* SPDX-License-Identifier: Apache-2.0 */
#include "net/nft.h"

#include "base/json.h"
#include "net/child.h"

#include <errno.h>
#include <sys/wait.h>

/* What nft says in one line: the first that holds words. */
static void shorten(char *text)
{
	size_t length;

	memmove(text, text + strspn(text, "\n"), strlen(text + strspn(text, "\n")) + 1);
	length = strcspn(text, "\n");
	text[length] = '\0';
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = ' ';
}

int nft_apply(const json_t *commands, int lock, struct cor_error *err)
{
	_json_ json_t *document = json_pack("{s:O}", "nftables", commands);
	_free_ char *program = program_path("nft"), *text = json_dumps(document, JSON_COMPACT);
	_free_ char *complaint = NULL;
	int status = 0, r;

	if (!program)
		return cor_fail(err, COR_UNSUPPORTED, ENOENT,
				"there is no nft, which networks need: install the package nftables");
	if (!text)
		return cor_fail(err, COR_INTERNAL, EINVAL, "rules that are no JSON");
	r = child_run((const char *const[]){program, "-j", "-f", "-", NULL}, text, strlen(text), lock,
		      &status, &complaint);
	if (r < 0)
		return cor_fail_errno(err, r, "run '%s'", program);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	shorten(complaint);
	return cor_fail(err, COR_UNSUPPORTED, EOPNOTSUPP, "the firewall's rules were not taken: nft: %.200s",
			complaint);
}
