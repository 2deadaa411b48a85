/* SPDX-License-Identifier: Apache-2.0 */
/* What a mistyped word may have meant. */
#pragma once

struct nearest {
	const char *word; /* as it was typed */
	const char *best; /* NULL: nothing is near enough */
	unsigned distance;
};

/* Takes the candidate if it is near enough and nearer than the best one. It is borrowed. */
void nearest_offer(struct nearest *nearest, const char *candidate);

/* "; did you mean '--name'?" with the prefix before the best candidate, or "". The caller's. */
char *nearest_question(const struct nearest *nearest, const char *prefix);
