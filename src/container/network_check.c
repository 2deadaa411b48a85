/* SPDX-License-Identifier: Apache-2.0 */
/* The networks' part of `system check`. */
#include "container/network_check.h"

#include "net/check.h"
#include "net/use.h"

struct problems {
	json_t *list;
	bool repaired, any;
};

static void add(const char *what, const char *problem, bool repairable, void *context)
{
	struct problems *problems = context;

	problems->any |= repairable;
	json_array_append_new(problems->list, json_pack("{s:s, s:s, s:b}", "What", what, "Problem", problem,
							"Repaired", (int)(repairable && problems->repaired)));
}

int network_check(const struct roots *roots, bool repair, json_t *list, struct cor_error *err)
{
	_json_ json_t *found = json_array();
	struct problems problems = {.list = found, .repaired = repair};
	int r = net_look(roots->run_fd, add, &problems, err);

	if (r == 0 && repair && problems.any)
		r = net_repair(roots->run_fd, &(struct net_repairs){0}, err);
	return r < 0 ? r : json_array_extend(list, found);
}
