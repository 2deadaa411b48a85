/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that several machines begin from: sealed memfds, which live as long as somebody holds them. Every shim that holds one says so in RUN/memory/NAME/PID.FD, NAME
 * being the first digits of the memory's digest; there is no other owner. Copying takes 20 ms and more, finding none. */
#pragma once

#include <stdint.h>

/* digest: "sha256:…". A descriptor of one that a living process of ours holds, or -ENOENT. What the dead have said is removed. */
int saved_memory_find(int run_fd, const char *digest, uint64_t size);
/* A new one, not sealed yet, or -errno. */
int saved_memory_make(const char *digest);
/* From here on others find it. Call after sealing. */
void saved_memory_offer(int run_fd, const char *digest, int fd);
void saved_memory_withdraw(int run_fd, const char *digest, int fd);
