/* SPDX-License-Identifier: Apache-2.0 */
/* config.json, and the process object alone: what parses keeps what the header promises. */
#include "oci/runtime_spec.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_process(const struct oci_process *process)
{
	const char *variable;

	assert(process->args.count && process->cwd[0] == '/');
	strv_foreach (&process->env, i, variable)
		assert(strchr(variable, '='));
	for (size_t i = 0; i < process->rlimit_count; i++)
		assert(process->rlimits[i].soft <= process->rlimits[i].hard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(oci_process_freep) struct oci_process *process = NULL;
	_cleanup_(oci_spec_freep) struct oci_spec *spec = NULL;

	if (oci_process_parse((const char *)data, size, &process, NULL) == 0)
		check_process(process);
	if (oci_spec_parse((const char *)data, size, &spec, NULL) < 0)
		return 0;
	if (spec->process)
		check_process(spec->process);
	for (size_t i = 0; i < spec->mount_count; i++)
		assert(spec->mounts[i].target[0] == '/');
	for (size_t i = 0; i < spec->sysctl_count; i++)
		assert(!strstr(spec->sysctls[i].name, "..") && spec->sysctls[i].name[0] != '/');
	return 0;
}
