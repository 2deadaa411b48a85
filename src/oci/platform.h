/* SPDX-License-Identifier: Apache-2.0 */
/* What an image runs on: operating system and architecture in the words that OCI takes from Go. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

#define PLATFORM_WORD_SIZE 24

struct platform {
	char os[PLATFORM_WORD_SIZE];           /* "linux" */
	char architecture[PLATFORM_WORD_SIZE]; /* "amd64" */
	char variant[PLATFORM_WORD_SIZE];      /* "v8", often empty */
};

#define PLATFORM_TEXT_SIZE (3 * PLATFORM_WORD_SIZE)

/* Reads "os/arch[/variant]" or "arch". "x86_64" and "aarch64" are taken too. COR_INVALID. */
int platform_parse(const char *text, struct platform *ret, struct cor_error *err);

/* Puts the three words together, each of which may be NULL or empty, and normalises them. COR_INVALID for a word that is too long or odd. */
int platform_set(struct platform *p, const char *os, const char *architecture, const char *variant,
		 struct cor_error *err);

/* The machine that we run on. */
struct platform platform_host(void);

/* True if an image for `image` runs where `wanted` is asked for. A variant counts only where both have one. */
bool platform_matches(const struct platform *image, const struct platform *wanted);

/* "linux/arm64/v8". Returns out. */
char *platform_format(const struct platform *p, char out[PLATFORM_TEXT_SIZE]);
