/* SPDX-License-Identifier: Apache-2.0 */
/* The processes below this one: its VMM, and what serves shares and networks. */
#pragma once

typedef void descendant_fn(int pid, void *context);

/* Calls visit for each, a process before its children are looked for: whatever they inherit of what visit does, none is missed. At most 64. */
void descendants_visit(descendant_fn *visit, void *context);
