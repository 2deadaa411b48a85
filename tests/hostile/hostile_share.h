/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Speaks to a virtiofsd as a guest and a VMM do that both have been taken over: no kernel is between. server: the socket that a VMM gets (vhost-user). Writes a line for each
 * thing tried to out: what, and what came of it. Returns when all is tried. */
void hostile_share(int server, int out);
