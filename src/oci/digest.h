/* SPDX-License-Identifier: Apache-2.0 */
/* Content digests as text (image-spec, descriptor.md#digests). Only sha256 is taken: it is the one that every registry and tool writes. */
#pragma once

#include <stdbool.h>

#define DIGEST_SIZE     72 /* "sha256:", 64 hexadecimal digits, a NUL */
#define DIGEST_HEX_SIZE 65

/* True for exactly "sha256:" and 64 lower-case hexadecimal digits. What is not valid must never become part of a path. */
bool digest_valid(const char *digest);

/* What is wrong with a text that digest_valid refuses, as the end of a sentence ("…: it has no algorithm"): what breaks the grammar, and what is legal and not taken here. */
const char *digest_problem(const char *digest);

/* The 64 digits of a valid digest, borrowed from it. */
const char *digest_hex(const char *digest);
