/* SPDX-License-Identifier: Apache-2.0 */
#include "net/nft.h"

#include "base/json.h"
#include "base/netlink.h"
#include "net/child.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/wait.h>

#define COMPLAINT_MAX 4096u
#define RULESET_MAX   (16u << 20)
/* Milliseconds are usual; a host that is overloaded may need seconds. */
#define LIMIT_MS 20000u

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

static int no_program(struct cor_error *err)
{
	return cor_fail(err, COR_UNSUPPORTED, ENOENT,
			"there is no nft, which networks need: install the package nftables");
}

static int did_not_run(const char *program, int r, struct cor_error *err)
{
	if (r == -ETIMEDOUT)
		return cor_fail(err, COR_TIMEOUT, ETIMEDOUT,
				"'%s' did not end within %u seconds and was killed: something holds the "
				"host's firewall "
				"rules, or is changing them all the time",
				program, LIMIT_MS / 1000);
	return cor_fail_errno(err, r, "run '%s'", program);
}

static bool has_table(int fd, uint8_t family, const char *name)
{
	struct nfgenmsg body = {.nfgen_family = family, .version = NFNETLINK_V0};
	struct netlink_message message;

	netlink_begin(&message, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, 0, &body, sizeof(body));
	netlink_put(&message, NFTA_TABLE_NAME, name, strlen(name) + 1);
	return netlink_request(fd, &message) == 0;
}

bool nft_has_tables(const char *name)
{
	_fd_ int fd = netlink_open_protocol(NETLINK_NETFILTER);

	return fd >= 0 && has_table(fd, NFPROTO_INET, name) && has_table(fd, NFPROTO_BRIDGE, name);
}

int nft_list(json_t **ret_ruleset, struct cor_error *err)
{
	_free_ char *program = program_path("nft"), *output = NULL;
	int status = 0, r;

	if (!program)
		return no_program(err);
	r = child_run((const char *const[]){program, "-j", "list", "ruleset", NULL}, "", 0, -1, LIMIT_MS,
		      RULESET_MAX, &status, &output);
	if (r < 0)
		return did_not_run(program, r, err);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		shorten(output);
		return cor_fail(err, COR_UNSUPPORTED, EOPNOTSUPP, "nft does not list its rules: %.200s",
				output);
	}
	return json_parse_object(output, strlen(output), "nft's list of rules", ret_ruleset, err);
}

int nft_apply(const json_t *commands, int lock, struct cor_error *err)
{
	_json_ json_t *document = json_pack("{s:O}", "nftables", commands);
	_free_ char *program = program_path("nft"), *text = json_dumps(document, JSON_COMPACT);
	_free_ char *complaint = NULL;
	int status = 0, r;

	if (!program)
		return no_program(err);
	if (!text)
		return cor_fail(err, COR_INTERNAL, EINVAL, "rules that are no JSON");
	r = child_run((const char *const[]){program, "-j", "-f", "-", NULL}, text, strlen(text), lock,
		      LIMIT_MS, COMPLAINT_MAX, &status, &complaint);
	if (r < 0)
		return did_not_run(program, r, err);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	shorten(complaint);
	return cor_fail(err, COR_UNSUPPORTED, EOPNOTSUPP, "the firewall's rules were not taken: nft: %.200s",
			complaint);
}
