/* SPDX-License-Identifier: Apache-2.0 */
/* Either shuts itself into namespaces in which there is nothing but the folder, and drops all capabilities
 * but those that files need. Making device nodes is not
 * one of these: a node that a guest made with open modes would be one that the host's users could open.
 *
 * cache=auto: what was read stays in the guest's page cache until the file is opened again and has changed;
 * names and attributes are believed for a second.
 * Nothing that was written waits in the guest (no writeback), since the host's processes are to see it.
 *
 * No extended attributes: whoever makes a file would be asked for its capabilities twice, two requests of
 * thirteen, and in them a guest could write what only its own rules are for. */
#include "share/share_args.h"

static void add_c(const struct share_spec *spec, struct strv *args)
{
	strv_addf(args, "--fd=%d", spec->listen_fd);
	strv_add(args, "-f");
	strv_add(args, "-o");
	/* In its language a comma ends a value; the folder is ours and has none. */
	strv_addf(args,
		  "source=%s,sandbox=namespace,cache=auto,no_writeback,no_posix_lock,no_flock,no_xattr,"
		  "announce_submounts,modcaps=-mknod:-setfcap,log_level=warn",
		  spec->folder);
}

static void add_rust(const struct share_spec *spec, struct strv *args)
{
	static const char *const constant[] = {
		"--sandbox=namespace",       "--seccomp=kill",   "--cache=auto", "--announce-submounts",
		"--modcaps=-mknod:-setfcap", "--log-level=warn",
	};

	strv_addf(args, "--fd=%d", spec->listen_fd);
	strv_addf(args, "--shared-dir=%s", spec->folder);
	for (size_t i = 0; i < ARRAY_SIZE(constant); i++)
		strv_add(args, constant[i]);
}

bool share_program_is_qemus(const char *program)
{
	return strstr(program, "/qemu/") != NULL;
}

void share_args(const struct share_spec *spec, struct strv *ret_args)
{
	_strv_ struct strv args = {0};

	strv_add(&args, spec->program);
	if (share_program_is_qemus(spec->program))
		add_c(spec, &args);
	else
		add_rust(spec, &args);
	/* As many open files as its limit, which whoever starts it has raised: one for each file that the guest knows. */
	strv_add(&args, "--rlimit-nofile=0");
	strv_add(&args, "--thread-pool-size=0");
	*ret_args = args;
	args = (struct strv){0};
}
