/* SPDX-License-Identifier: Apache-2.0 */
/* What docker's hands type and Coracle has not, or has elsewhere. */
#pragma once

/* What to say of a word, as it was typed ("stats", "--ip", "-f"), behind a path ("coracle run"): "is not there yet". NULL: nothing is known of it. */
const char *planned(const char *path, const char *word);
