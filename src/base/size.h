/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that people write. */
#pragma once

#include <stdint.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

#define SIZE_TEXT_SIZE 24

/* As people write it, without loss: "10m", "3g", "1000k", "100" for bytes. Returns out. */
char *size_format(uint64_t bytes, char out[SIZE_TEXT_SIZE]);

/* "512", "64k", "20g", "2GiB", any case: bytes, powers of 1024, whole numbers only. 0, -EINVAL or -ERANGE. */
int size_parse(const char *text, uint64_t *ret_bytes);

/* A whole decimal number from min to max, nothing around it. 0, -EINVAL or -ERANGE. */
int number_parse(const char *text, int64_t min, int64_t max, int64_t *ret_value);
