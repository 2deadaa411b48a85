/* SPDX-License-Identifier: Apache-2.0 */
/* The memory behind the guest's disk "mailbox" (copy/mailbox.h): made here, written and read by the VMM and by who copies, who finds it among our
 * descriptors. Its size is sealed, so that the VMM can neither make it grow nor take pages away from under a reader. */
#include "shim/shim.h"

#include "copy/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static int make(void)
{
	_fd_ int fd = memfd_create(MAILBOX_MEMFD, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, MAILBOX_SIZE) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return steal_fd(&fd);
}

void mailbox_add(struct shim *shim, struct vm_spec *spec, struct vm_disk *disk)
{
	if (!vm_has_room(spec))
		return;
	if (shim->mailbox_fd < 0)
		shim->mailbox_fd = make();
	if (shim->mailbox_fd < 0) {
		log_warning("no memory for a mailbox (%s): copies will be slow", strerror(-shim->mailbox_fd));
		shim->mailbox_fd = -1;
		return;
	}
	*disk = (struct vm_disk){
		.serial = MAILBOX_SERIAL, .overlay_fd = -1, .base_fd = shim->mailbox_fd, .writable = true};
	spec->disk_count++;
}

int mailbox_tell(void *service, struct rpc_call *call, const ProtobufCMessage *request, struct cor_error *err)
{
	Coracle__Shim__V1__MailboxResponse response = CORACLE__SHIM__V1__MAILBOX_RESPONSE__INIT;
	const struct shim *shim = service;
	struct stat st;

	if (shim->mailbox_fd < 0 || !guest_knows(shim, MAILBOX_SERIAL))
		return cor_fail(err, COR_NOT_FOUND, ENOENT, "this machine has no mailbox");
	if (fstat(shim->mailbox_fd, &st) < 0)
		return cor_fail_errno(err, errno, "the mailbox");
	response.device = st.st_dev;
	response.inode = st.st_ino;
	response.pid = (uint32_t)getpid();
	response.number = (uint32_t)shim->mailbox_fd;
	rpc_call_reply(call, &response.base);
	return 0;
}
