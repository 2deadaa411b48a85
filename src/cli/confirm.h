/* SPDX-License-Identifier: Apache-2.0 */
/* The question before what cannot be undone. */
#pragma once

struct arguments;
struct cor_error;

/* Without "--force" says on standard error what is about to happen ("WARNING! This will remove:" and the lines of what, "  - …\n" each), and takes an answer
 * from standard input: 0 for a yes. -ECANCELED for anything else; an end without an answer tells of --force. */
int confirm(const struct arguments *args, const char *what, struct cor_error *err);
