/* SPDX-License-Identifier: Apache-2.0 */
/* The bundle is made by what makes all bundles. Its program is a few instructions in an ELF file: there is no other program that every installation has, and one of an image's
 * would be a stranger's in a machine that another container gets. */
#include "container/rehearsal.h"

#include "base/file.h"
#include "base/json.h"
#include "container/guest_files.h"
#include "container/seccomp.h"
#include "container/spec.h"
#include "image/ext4.h"
#include "image/qcow2.h"
#include "image/rootfs.h"

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>

#define PROGRAM "bin/rehearsal"
#define ADDRESS 0x400000u

/* Writes a byte to its output and ends. */
#if defined(__aarch64__)
#define MACHINE EM_AARCH64
static const uint8_t code[] = {
	0x20, 0x00, 0x80, 0xd2, /* mov x0, 1 */
	0xe1, 0x03, 0x00, 0x91, /* mov x1, sp */
	0x22, 0x00, 0x80, 0xd2, /* mov x2, 1 */
	0x08, 0x08, 0x80, 0xd2, /* mov x8, 64: write */
	0x01, 0x00, 0x00, 0xd4, /* svc 0 */
	0x00, 0x00, 0x80, 0xd2, /* mov x0, 0 */
	0xc8, 0x0b, 0x80, 0xd2, /* mov x8, 94: exit_group */
	0x01, 0x00, 0x00, 0xd4, /* svc 0 */
};
#else
#define MACHINE EM_X86_64
static const uint8_t code[] = {
	0xbf, 0x01, 0x00, 0x00, 0x00, /* mov edi, 1 */
	0x48, 0x89, 0xe6,             /* mov rsi, rsp */
	0xba, 0x01, 0x00, 0x00, 0x00, /* mov edx, 1 */
	0xb8, 0x01, 0x00, 0x00, 0x00, /* mov eax, 1: write */
	0x0f, 0x05,                   /* syscall */
	0x31, 0xff,                   /* xor edi, edi */
	0xb8, 0xe7, 0x00, 0x00, 0x00, /* mov eax, 231: exit_group */
	0x0f, 0x05,                   /* syscall */
};
#endif

struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	uint8_t code[sizeof(code)];
};

static struct program make_program(void)
{
	struct program program = {
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
				       EV_CURRENT},
			   .e_type = ET_EXEC,
			   .e_machine = MACHINE,
			   .e_version = EV_CURRENT,
			   .e_entry = ADDRESS + offsetof(struct program, code),
			   .e_phoff = offsetof(struct program, segment),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_phentsize = sizeof(Elf64_Phdr),
			   .e_phnum = 1},
		.segment = {.p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_vaddr = ADDRESS,
			    .p_paddr = ADDRESS,
			    .p_filesz = sizeof(struct program),
			    .p_memsz = sizeof(struct program),
			    .p_align = 4096},
	};

	memcpy(program.code, code, sizeof(code));
	return program;
}

/* ---- its disk ---- */

static int put_folders(struct tree *tree, struct cor_error *err)
{
	static const char *const folders[] = {"bin", "dev", "etc", "proc", "sys", "tmp"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++)
		r = tree_put(tree, folders[i], inode_new(S_IFDIR | 0755), 1, err);
	return r;
}

static int put_program(struct ext4 *disk, struct tree *tree, struct cor_error *err)
{
	struct program program = make_program();
	struct inode *inode = inode_new(S_IFREG | 0755);
	int r;

	inode->size = sizeof(program);
	r = ext4_add_content(disk, inode, 0, &program, sizeof(program), err);
	r = r ?: ext4_end_content(disk, inode, err);
	if (r == 0)
		return tree_put(tree, PROGRAM, inode, 1, err);
	inode_free(inode);
	return r;
}

static int write_root(int dir, struct cor_error *err)
{
	static const uint8_t uuid[16] = {'r', 'e', 'h', 'e', 'a', 'r', 's', 'a', 'l'};
	_fd_ int fd = openat(dir, REHEARSAL_DISK, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	_cleanup_(ext4_freep) struct ext4 *disk = NULL;
	struct tree tree;
	int r;

	if (fd < 0)
		return cor_fail_errno(err, errno, "a disk for rehearsals");
	r = ext4_create(fd, DISK_SIZE, uuid, &disk, err);
	if (r < 0)
		return r;
	tree_init(&tree);
	r = put_folders(&tree, err);
	r = r ?: put_program(disk, &tree, err);
	r = r ?: ext4_write_tree(disk, &tree, err);
	tree_release(&tree);
	return r;
}

static int write_overlay(int dir, struct cor_error *err)
{
	_fd_ int fd = openat(dir, "root.qcow2", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? cor_fail_errno(err, errno, "a disk for rehearsals")
		      : qcow2_create(fd, DISK_SIZE, err);
}

/* ---- its bundle ---- */

static int write_filter(int dir, uint64_t caps, struct cor_error *err)
{
	_free_ void *bpf = NULL;
	size_t size;
	int r = seccomp_default(caps, &bpf, &size, err);

	if (r < 0)
		return r;
	r = file_write_new(dir, "seccomp.bpf", bpf, size, 0600);
	return r < 0 ? cor_fail_errno(err, r, "a filter for rehearsals") : 0;
}

static int write_bundle(int dir, const char *id, struct cor_error *err)
{
	const struct cor_container_options options = {
		.image = "rehearsal", .process = {.args = (const char *const[]){"/" PROGRAM, NULL}}};
	_cleanup_(container_spec_release) struct container_spec spec = {0};
	_json_ json_t *image = json_pack("{s:{}}", "config");
	int r = container_spec_build(&options, image, id, &spec, err);

	r = r ?: write_filter(dir, spec.caps, err);
	r = r ?: guest_files_write(dir, &options, spec.hostname, err);
	return r ?: json_write_new(dir, "config.json", spec.config, 0600, err);
}

int rehearsal_write(int dir, const char *path, const char *id, const struct machine_config *machine,
		    struct container_record *ret, struct cor_error *err)
{
	int r = write_bundle(dir, id, err);

	r = r ?: write_overlay(dir, err);
	r = r ?: write_root(dir, err);
	if (r < 0)
		return r;
	memcpy(ret->id, id, ID_SIZE);
	ret->name = xstrdup("rehearsal");
	ret->image = xstrdup("rehearsal");
	ret->rootfs = str_format("%s/" REHEARSAL_DISK, path);
	ret->machine.cpus = machine->cpus;
	ret->machine.memory = machine->memory;
	ret->machine.accelerator = xstrdup("auto");
	ret->auto_remove = true;
	return 0;
}
