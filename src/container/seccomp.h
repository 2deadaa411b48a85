/* SPDX-License-Identifier: Apache-2.0 */
/* System call filters: a profile becomes BPF on the host, so that the guest needs no compiler. */
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <stddef.h>
#include <stdint.h>

/* The default profile for a container with these capabilities. *ret_bpf is an array of struct sock_filter, the caller's. */
int seccomp_default(uint64_t caps, void **ret_bpf, size_t *ret_size, struct cor_error *err);

/* A profile in the JSON form of Docker and Podman. COR_INVALID for what it does not understand. */
int seccomp_from_json(const json_t *profile, uint64_t caps, void **ret_bpf, size_t *ret_size,
		      struct cor_error *err);
