/* SPDX-License-Identifier: Apache-2.0 */
/* What docker's hands type and Coracle is to have, but has not yet. */
#pragma once

#include <stdbool.h>

/* word, as it was typed ("pull", "--publish", "-p"), behind path ("coracle run"). */
bool planned(const char *path, const char *word);
