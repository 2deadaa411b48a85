/* SPDX-License-Identifier: Apache-2.0 */
/* Optimal string alignment: the number of letters that were left out, added, replaced or swapped with their neighbour. A third of a word may be
 * wrong: more would offer what nobody meant. */
#include "cli/nearest.h"

#include "cli/text.h"

#include <limits.h>
#include <string.h>

#define LONGEST 40

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned distance(const char *a, const char *b)
{
	unsigned rows[LONGEST + 1][LONGEST + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > LONGEST || m > LONGEST)
		return UINT_MAX;
	for (size_t i = 0; i <= n; i++)
		rows[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			unsigned d = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			d = least(d, least(rows[i - 1][j], rows[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = least(d, rows[i - 2][j - 2] + 1);
			rows[i][j] = d;
		}
	}
	return rows[n][m];
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
	size_t length = strlen(nearest->word);
	unsigned d = distance(nearest->word, candidate), allowed = length < 6 ? 1 : (unsigned)length / 3;

	if (length < 2)
		return;
	/* Whoever types a beginning means the whole. */
	if (text_after(candidate, nearest->word))
		d = least(d, 1);
	if (d > allowed || (nearest->best && d >= nearest->distance))
		return;
	nearest->best = candidate;
	nearest->distance = d;
}

char *nearest_question(const struct nearest *nearest, const char *prefix)
{
	return nearest->best ? text_format("; did you mean '%s%s'?", prefix, nearest->best) : text_copy("");
}
