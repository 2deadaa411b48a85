/* SPDX-License-Identifier: Apache-2.0 */
/* --pull of run and create. With an image that is here the default costs nothing: only when the container cannot be made for want of it is anything asked
 * for, and the making tried again. */
#include "cli/context.h"
#include "cli/output.h"
#include "cli/pull.h"
#include "cli/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static const struct option policy_options[] = {
	{"pull", '\0', "WHEN",
	 "pull the image: missing (when it is not here and its name is no part of an id, as hexadecimal "
	 "digits "
	 "alone are; the default), always or never",
	 .choices = "always missing never"},
	OPTION_QUIET("say nothing about a pull"),
	{0},
};
const struct option_group pull_policy_group = {"Image", policy_options};

/* An id, or enough hexadecimal digits to be the beginning of one, names what is here or nothing: whoever mistypes one does not want the image that
 * a stranger gave that name. */
static bool may_be_id(const char *ref)
{
	const char *digits = text_after(ref, "sha256:");
	size_t length;

	digits = digits ? digits : ref;
	length = strspn(digits, "0123456789abcdef");
	return digits[length] == '\0' && length >= 4 && length <= 64;
}

/* What can be nothing else: a shorter one may be the name "decade", as whoever asks for a pull means. */
static bool is_id(const char *ref)
{
	return may_be_id(ref) && (text_after(ref, "sha256:") || strlen(ref) == 64);
}

/* "linux/amd64": what is meant where no platform is asked for. The caller's. */
static char *host_platform(void)
{
	struct utsname host;

	uname(&host);
	return text_format("linux/%s", text_same(host.machine, "x86_64")    ? "amd64"
				       : text_same(host.machine, "aarch64") ? "arm64"
									    : host.machine);
}

/* "linux/amd64" of "linux/amd64/v2" is what an image says of itself. */
static bool same_platform(const char *wanted, json_t *facts)
{
	const char *os = json_string_value(json_object_get(facts, "Os"));
	const char *architecture = json_string_value(json_object_get(facts, "Architecture"));
	_text_ char *have = text_format("%s/%s", os ? os : "", architecture ? architecture : "");
	const char *rest = text_after(wanted, have);

	return rest && (*rest == '\0' || *rest == '/');
}

enum presence { NOT_HERE, OTHER_PLATFORM, HERE };

static enum presence presence_of(struct cor_context *ctx, const char *ref, const char *platform)
{
	struct cor_error ignored = {0};
	_json_ json_t *facts = NULL;
	char *text = NULL;

	if (cor_image_inspect(ctx, ref, &text, &ignored) < 0)
		return ignored.status == COR_NOT_FOUND ? NOT_HERE : HERE;
	if (output_parse(text, &facts, &ignored) < 0 || same_platform(platform, facts))
		return HERE;
	return OTHER_PLATFORM;
}

static void tell_why(const char *ref, const char *platform, enum presence presence)
{
	_text_ char *image = text_printable(ref), *wanted = text_printable(platform);

	fflush(stdout);
	if (presence == OTHER_PLATFORM)
		fprintf(stderr, "Unable to find image '%s' for %s locally\n", image, wanted);
	else
		fprintf(stderr, "Unable to find image '%s' locally\n", image);
}

static int pull(struct cor_context *ctx, const struct arguments *args, int *ret_status, struct cor_error *err)
{
	struct cor_image_pull_options options = {.platform = arguments_text(args, "platform")};
	struct cor_image_pulled pulled = {0};
	int r = pull_image(ctx, args->operands[0], &options,
			   progress_mode(NULL, arguments_flag(args, "quiet", false)), &pulled, ret_status,
			   err);

	cor_image_pulled_release(&pulled);
	return r < 0 ? r : progress_stop(ret_status, err);
}

int pull_before(struct cor_context *ctx, const struct arguments *args, int *ret_status, struct cor_error *err)
{
	if (!text_same(arguments_text(args, "pull"), "always") || is_id(args->operands[0]))
		return 0;
	return pull(ctx, args, ret_status, err);
}

int pull_after(struct cor_context *ctx, const struct arguments *args, int r, int *ret_status,
	       struct cor_error *err)
{
	const char *policy = arguments_text(args, "pull"), *asked = arguments_text(args, "platform");
	_text_ char *platform = asked ? text_copy(asked) : host_platform();
	const char *ref = args->operands[0];
	enum presence presence;

	if ((policy && !text_same(policy, "missing")) || may_be_id(ref) ||
	    (err->status != COR_NOT_FOUND && err->status != COR_UNSUPPORTED))
		return r;
	presence = presence_of(ctx, ref, platform);
	/* What the container lacked was something else. */
	if (presence == HERE)
		return r;
	if (!arguments_flag(args, "quiet", false))
		tell_why(ref, platform, presence);
	return pull(ctx, args, ret_status, err);
}
