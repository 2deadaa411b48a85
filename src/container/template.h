/* SPDX-License-Identifier: Apache-2.0 */
/* Saved machines that others begin from: DATA/templates/ID/, each written once, by one maker, and there as a whole or not at all.
 *
 *   template.json  its shape (what the machine was made from, as text that is compared), sizes and digests of the two others
 *   memory         the guest's memory, sparse
 *   state          its CPUs and devices, in the VMM's words
 *
 * ID is a hash of the shape and finds it; only the comparison counts. Nobody but the owner of the data root can write there, and that is checked. */
#pragma once

#include "container/roots.h"
#include "oci/digest.h"

#include <stdbool.h>
#include <stdint.h>

#define TEMPLATE_ID_SIZE   17         /* 16 digits and a NUL */
#define TEMPLATE_STATE_MAX (1u << 20) /* bytes of a state: what fits into a pipe */

struct template
{
	char id[TEMPLATE_ID_SIZE];
	int memory_fd; /* open for reading */
	char memory_digest[DIGEST_SIZE];
	uint64_t memory_size;
	char *state;
	size_t state_size;
};

/* What is there for this shape. COR_NOT_FOUND; one that is damaged, or that another could have written, is removed first. The digest of the memory is not
 * looked at (template_check does). */
int template_open(const struct roots *roots, const char *shape, struct template *ret, struct cor_error *err);
void template_release(struct template *template);
/* Fills a memfd as large as the guest's memory, and seals it: nobody can change it any more, not even who may write to it. */
int template_copy_memory(const struct template *template, int memfd, struct cor_error *err);
void template_forget(const struct roots *roots, const char *id);

struct template_maker {
	char id[TEMPLATE_ID_SIZE];
	int dir; /* DATA/templates/ID.new, locked */
};
/* COR_BUSY while somebody else makes it, COR_EXISTS when it is there. */
int template_begin(const struct roots *roots, const char *shape, struct template_maker *ret,
		   struct cor_error *err);
/* memory and state are copied from their beginnings. Templates of other environments (shapes differ before their first newline) are removed. */
int template_publish(const struct roots *roots, struct template_maker *maker, const char *shape, int memory,
		     int state, struct cor_error *err);
/* Removes what was not published. */
void template_maker_release(const struct roots *roots, struct template_maker *maker);

/* All templates: their digests too. Damaged ones are told of, and removed if repair. */
typedef void template_problem_fn(const char *id, const char *problem, void *context);
int template_check(const struct roots *roots, bool repair, template_problem_fn *tell, void *context,
		   struct cor_error *err);
/* How many there are, and what they take of the disk. */
int template_usage(const struct roots *roots, unsigned *ret_count, uint64_t *ret_bytes,
		   struct cor_error *err);
/* Removes all that nobody is making, and tells the same of them. Machines that run do not notice. */
int template_prune(const struct roots *roots, unsigned *ret_count, uint64_t *ret_bytes,
		   struct cor_error *err);
