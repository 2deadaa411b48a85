/* SPDX-License-Identifier: Apache-2.0 */
/* The fake library's registries, archives and housekeeping. What a pull or a push does is said by the name of its image:
 *
 *   missing, private, broken    fails        absent…       is not here before it was pulled
 *   …unchanged                  is all here  …many         has 60 blobs instead of 4
 *   …endless                    does not end before it is cancelled
 *   …late                       ends well when it is cancelled  …spoilt  fails then, for another reason
 *   …lingers                    does not end when all its blobs have
 *   …deaf                       does not listen and does not end at all
 *   …silent                     the same, before it has called progress
 */
#include "fake.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_US 5000
#define MOST    60

static bool pulled;

bool fake_pulled(void)
{
	return pulled;
}

bool fake_absent(const char *ref)
{
	return strncmp(ref, "absent", 6) == 0 && !pulled;
}

/* ---- transfers ---- */

struct transfers {
	char digests[MOST][80];
	struct cor_transfer items[MOST];
	size_t count;
	bool endless, unpacks;
};

static void transfers_init(struct transfers *t, const char *ref, bool push)
{
	static const uint64_t sizes[] = {1500, 30000000, 120000000, 700};

	*t = (struct transfers){.count = strstr(ref, "many") ? MOST : 4,
				.endless = strstr(ref, "endless") != NULL,
				.unpacks = !push};
	for (size_t i = 0; i < t->count; i++) {
		snprintf(t->digests[i], sizeof(t->digests[i]), "sha256:%012zx%.52s", i, ID);
		t->items[i] = (struct cor_transfer){.digest = t->digests[i], .total = sizes[i % 4]};
		if (i == 0 || strstr(ref, "unchanged"))
			t->items[i].state = COR_TRANSFER_EXISTS;
		if (push && i == 3)
			t->items[i].state = COR_TRANSFER_MOUNTED;
	}
}

/* The third blob's line breaks once, in the middle. */
static void advance(struct transfers *t, size_t i)
{
	struct cor_transfer *item = &t->items[i];

	switch (item->state) {
	case COR_TRANSFER_WAITING:
		item->state = COR_TRANSFER_RUNNING;
		break;
	case COR_TRANSFER_RUNNING:
		if (t->endless && item->done >= item->total / 2)
			break;
		item->done += item->total / 10 ? item->total / 10 : 1;
		if (i == 2 && item->done == item->total / 10 * 5)
			item->state = COR_TRANSFER_RETRYING;
		if (item->done >= item->total) {
			item->done = item->total;
			item->state = t->unpacks ? COR_TRANSFER_UNPACKING : COR_TRANSFER_DONE;
		}
		break;
	case COR_TRANSFER_RETRYING:
		item->state = COR_TRANSFER_RUNNING;
		break;
	default:
		item->state = COR_TRANSFER_DONE;
	}
}

/* Three at a time. True while something is left to do. */
static bool tick(struct transfers *t)
{
	unsigned active = 0;

	for (size_t i = 0; i < t->count && active < 3; i++) {
		enum cor_transfer_state state = t->items[i].state;

		if (state == COR_TRANSFER_DONE || state == COR_TRANSFER_EXISTS ||
		    state == COR_TRANSFER_MOUNTED)
			continue;
		advance(t, i);
		active++;
	}
	return active > 0;
}

/* Says so again after each signal that did not end it. None comes between what is said and the waiting. */
static void hear_nothing(void)
{
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	for (;;) {
		dprintf(STDERR_FILENO, "deaf\n");
		sigsuspend(&before);
	}
}

static int cancel(const char *ref, struct cor_error *err)
{
	if (strstr(ref, "late"))
		return 0;
	if (strstr(ref, "spoilt"))
		return fake_fail(err, COR_CORRUPT, EBADMSG, "'%s': a layer is not what was promised", ref);
	return fake_fail(err, COR_CANCELLED, ECANCELED, "cancelled");
}

/* Documents are on their way, before the blobs of a pull and behind those of a push. */
static bool goes_on(const struct cor_registry_options *options)
{
	return !options->progress || options->progress(options->userdata, NULL, 0) == 0;
}

static int transfer(const char *ref, const struct cor_registry_options *options, bool push,
		    struct cor_error *err)
{
	struct transfers t;

	fake_call("scheme=%s concurrent=%u", options->scheme ? options->scheme : "-", options->concurrent);
	if (strstr(ref, "silent"))
		hear_nothing();
	transfers_init(&t, ref, push);
	if (!goes_on(options))
		return cancel(ref, err);
	do {
		if (options->progress && options->progress(options->userdata, t.items, t.count) != 0)
			return cancel(ref, err);
		if (strstr(ref, "deaf"))
			hear_nothing();
		usleep(TICK_US);
		if (strstr(ref, "broken") && t.items[2].done > t.items[2].total / 4)
			return fake_fail(err, COR_CORRUPT, EBADMSG, "'%s': a layer is not what was promised",
					 ref);
	} while (tick(&t));
	if (strstr(ref, "lingers"))
		hear_nothing();
	return goes_on(options) ? 0 : cancel(ref, err);
}

static int refuse(const char *ref, struct cor_error *err)
{
	if (strcmp(ref, "missing") == 0)
		return fake_fail(err, COR_NOT_FOUND, ENOENT, "the registry has no image '%s'", ref);
	if (strcmp(ref, "private") == 0)
		return fake_fail(err, COR_PERMISSION, EACCES, "'%s': 'coracle login' first", ref);
	return 0;
}

void cor_image_pulled_release(struct cor_image_pulled *image)
{
	free(image->name);
	free(image->digest);
	free(image->id);
	*image = (struct cor_image_pulled){0};
}

int cor_image_pull(struct cor_context *ctx, const char *ref, const struct cor_image_pull_options *options,
		   struct cor_image_pulled *ret, struct cor_error *err)
{
	int r = refuse(ref, err);

	fake_call("pull %s platform=%s all=%d", ref, options->platform ? options->platform : "-",
		  options->all_platforms);
	if (r == 0)
		r = transfer(ref, &options->registry, false, err);
	if (r < 0)
		return r;
	pulled = true;
	*ret = (struct cor_image_pulled){
		.digest = strdup("sha256:" ID),
		.id = strdup("sha256:" ID),
		.unchanged = strstr(ref, "unchanged") != NULL,
	};
	if (!strchr(ref, '@') && asprintf(&ret->name, "docker.io/library/%s:latest", ref) < 0)
		abort();
	return 0;
}

int cor_image_push(struct cor_context *ctx, const char *ref, const struct cor_image_push_options *options,
		   char **ret_digest, struct cor_error *err)
{
	int r = refuse(ref, err);

	fake_call("push %s target=%s platform=%s", ref, options->target ? options->target : "-",
		  options->platform ? options->platform : "-");
	if (r == 0)
		r = transfer(ref, &options->registry, true, err);
	if (r == 0)
		*ret_digest = strdup("sha256:" ID);
	return r;
}

/* ---- who we are ---- */

int cor_registry_login(struct cor_context *ctx, const char *registry, const char *user, const char *password,
		       const struct cor_registry_options *options, char **ret_where, struct cor_error *err)
{
	fake_call("login %s user=%s password=%s scheme=%s", registry, user, password,
		  options->scheme ? options->scheme : "-");
	if (strcmp(user, "nobody") == 0)
		return fake_fail(err, COR_PERMISSION, EACCES, "%s refuses '%s' with this password", registry,
				 user);
	*ret_where = strdup("/etc/keys.json");
	return 0;
}

int cor_registry_logout(struct cor_context *ctx, const char *registry, const char *config_dir,
			struct cor_error *err)
{
	fake_call("logout %s", registry);
	return fake_lookup("registry", registry, err);
}

int cor_registry_list(struct cor_context *ctx, const char *config_dir, char **ret_json, struct cor_error *err)
{
	*ret_json = strdup("[{\"Registry\":\"docker.io\",\"User\":\"me\",\"Source\":\"/etc/keys.json\"},"
			   "{\"Registry\":\"localhost:5000\",\"User\":\"ci\",\"Source\":\"docker-credential-"
			   "pass\"}]");
	return 0;
}

/* ---- archives ---- */

int cor_image_save(struct cor_context *ctx, const char *const *refs, size_t count, int fd,
		   const struct cor_image_save_options *options, struct cor_error *err)
{
	fake_call("save format=%d platform=%s", (int)options->format,
		  options->platform ? options->platform : "-");
	for (size_t i = 0; i < count; i++) {
		int r = fake_lookup("image", refs[i], err);

		if (r < 0)
			return r;
		dprintf(fd, "archive of %s\n", refs[i]);
		while (strcmp(refs[i], "stuck") == 0)
			pause();
	}
	return 0;
}

/* ---- order ---- */

int cor_template_prune(struct cor_context *ctx, unsigned *ret_count, uint64_t *ret_reclaimed,
		       struct cor_error *err)
{
	*ret_count = 1;
	*ret_reclaimed = 0;
	return 0;
}

int cor_image_prune(struct cor_context *ctx, const struct cor_image_prune_options *options,
		    struct cor_strings *ret_removed, uint64_t *ret_reclaimed, struct cor_error *err)
{
	fake_call("prune all=%d before=%lld", options->all, (long long)options->before_ns);
	for (const char *const *label = options->labels; label && *label; label++)
		fake_call("label=%s", *label);
	fake_add(ret_removed, "untagged: docker.io/library/old:1");
	fake_add(ret_removed, "deleted: sha256:" ID);
	*ret_reclaimed = 5300000;
	return 0;
}

int cor_system_df(struct cor_context *ctx, char **ret_json, struct cor_error *err)
{
	*ret_json =
		strdup("{\"Images\":{\"Total\":3,\"Active\":1,\"Size\":2000000000,\"Reclaimable\":500000000},"
		       "\"Containers\":{\"Total\":2,\"Active\":0,\"Size\":4096,\"Reclaimable\":4096},"
		       "\"Disks\":{\"Total\":1,\"Active\":1,\"Size\":0,\"Reclaimable\":0},"
		       "\"Parts\":{\"Total\":0,\"Size\":0,\"Reclaimable\":0}}");
	return 0;
}

/* FAKE_BROKEN: one blob that can be fetched again; FAKE_LOST: a container that cannot. */
int cor_system_check(struct cor_context *ctx, bool repair, char **ret_json, struct cor_error *err)
{
	bool broken = getenv("FAKE_BROKEN") != NULL, lost = getenv("FAKE_LOST") != NULL;

	if (asprintf(ret_json, "[%s%s%s%s%s]",
		     broken ? "{\"What\":\"blob sha256:" ID
			      "\",\"Problem\":\"has another digest\",\"Repaired\":"
			    : "",
		     !broken  ? ""
		     : repair ? "true}"
			      : "false}",
		     broken && lost ? "," : "",
		     lost ? "{\"What\":\"container x\",\"Problem\":\"its \\u001bown disk is missing: remove "
			    "the container\",\"Repaired\":false}"
			  : "",
		     "") < 0)
		abort();
	return 0;
}
