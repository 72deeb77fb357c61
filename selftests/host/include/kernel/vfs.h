/* SPDX-License-Identifier: GPL-2.0-only */
/* Files, mappings, poll, eventfd, the module and its device. */
#ifndef HOST_VFS_H
#define HOST_VFS_H

#include <fcntl.h>
#include <poll.h>

#include "memory.h"
#include "task.h"

struct module {
	atomic_t refs;
};

extern struct module host_module;
#define THIS_MODULE	(&host_module)

#define __module_get(m)	atomic_inc(&(m)->refs)
#define module_put(m)	atomic_dec(&(m)->refs)
#define module_init(fn)	int host_module_init(void); int host_module_init(void) { return fn(); }
#define module_exit(fn)	void host_module_exit(void); void host_module_exit(void) { fn(); }
#define module_param(name, type, mode)	_Static_assert(mode, #name)
#define MODULE_PARM_DESC(name, text)	_Static_assert(1, text)
#define MODULE_DESCRIPTION(text)	_Static_assert(1, text)
#define MODULE_LICENSE(text)		_Static_assert(1, text)

typedef void *fl_owner_t;

struct address_space_operations;
struct file;
struct inode;
struct poll_table_struct;
struct seq_file;
struct vm_area_struct;

struct address_space {
	struct inode *host;
	const struct address_space_operations *a_ops;
};

struct inode {
	struct address_space *i_mapping;
};

struct file_operations {
	struct module *owner;
	int (*open)(struct inode *inode, struct file *file);
	int (*release)(struct inode *inode, struct file *file);
	int (*flush)(struct file *file, fl_owner_t id);
	ssize_t (*read)(struct file *file, char *buffer, size_t bytes, loff_t *pos);
	__poll_t (*poll)(struct file *file, struct poll_table_struct *wait);
	int (*mmap)(struct file *file, struct vm_area_struct *vma);
	unsigned long (*get_unmapped_area)(struct file *file, unsigned long address,
					   unsigned long bytes, unsigned long pgoff,
					   unsigned long flags);
	long (*unlocked_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	long (*compat_ioctl)(struct file *file, unsigned int cmd, unsigned long arg);
	long (*fallocate)(struct file *file, int mode, off_t offset, off_t bytes);
	void (*show_fdinfo)(struct seq_file *m, struct file *file);
};

/**
 * struct file - an open file
 * @ref: descriptors and mappings
 * @f_flags: always O_NONBLOCK
 * @f_op: its operations
 * @f_mapping: what mappings of it belong to
 * @private_data: the module's
 * @inode: the device, or itself
 * @pages: of a shmem file: where its pages lie in the arena
 */
struct file {
	struct kref ref;
	unsigned int f_flags;
	const struct file_operations *f_op;
	struct address_space *f_mapping;
	void *private_data;
	struct inode *inode;
	void *pages;
};

struct file *fget(unsigned int fd);
void fput(struct file *file);
struct file *shmem_file_setup(const char *name, off_t bytes, unsigned long flags);
int vfs_fallocate(struct file *file, int mode, off_t offset, off_t bytes);
long compat_ptr_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* No huge pages and one node: what comes of those settings is for the virtual machines. */
#define thp_get_unmapped_area			NULL
#define has_transparent_hugepage()		false
#define get_fs_type(name)			((void *)(name))
#define vfs_kern_mount(type, flags, name, options) \
	((void)(type), (void)(options), (struct vfsmount *)NULL)
#define shmem_file_setup_with_mnt(mount, name, bytes, flags) \
	((void)(mount), shmem_file_setup(name, (off_t)(bytes), flags))
#define mntput(mount)				((void)(mount))
#define find_get_page(mapping, index)		((void)(mapping), (void)(index), (struct page *)NULL)
#define page_folio(page)			(page)
#define folio_size(folio)			((void)(folio), PAGE_SIZE)
#define put_page(page)				((void)(page))

#define address_space_init_once(mapping)	((void)(mapping))
#define mapping_set_gfp_mask(mapping, mask)	((void)(mapping), (void)(mask))
#define mapping_set_unevictable(mapping)	((void)(mapping))
#define nonseekable_open(inode, file)		((void)(inode), (void)(file), 0)
#define in_compat_syscall()			false

#define VM_WRITE	(1UL << 1)
#define VM_EXEC		(1UL << 2)
#define VM_SHARED	(1UL << 3)
#define VM_MAYWRITE	(1UL << 5)
#define VM_MAYEXEC	(1UL << 6)
#define VM_PFNMAP	(1UL << 10)
#define VM_IO		(1UL << 14)
#define VM_DONTCOPY	(1UL << 17)
#define VM_DONTEXPAND	(1UL << 18)
#define VM_DONTDUMP	(1UL << 26)

typedef unsigned int vm_fault_t;

#define VM_FAULT_OOM	0x1
#define VM_FAULT_SIGBUS	0x2
#define VM_FAULT_NOPAGE	0x100

struct vm_fault {
	struct vm_area_struct *vma;
	unsigned long pgoff;
	unsigned long address;
};

struct vm_operations_struct {
	void (*open)(struct vm_area_struct *vma);
	void (*close)(struct vm_area_struct *vma);
	vm_fault_t (*fault)(struct vm_fault *vmf);
};

/**
 * struct vm_area_struct - a mapping
 * @node: in its memory's mappings
 *
 * The rest is as the kernel's.
 */
struct vm_area_struct {
	struct list_head node;
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_pgoff;
	unsigned long vm_flags;
	struct file *vm_file;
	void *vm_private_data;
	const struct vm_operations_struct *vm_ops;
};

#define vma_pages(vma)	(((vma)->vm_end - (vma)->vm_start) >> PAGE_SHIFT)
#define vm_flags_mod(vma, set, clear) \
	((vma)->vm_flags = ((vma)->vm_flags | (set)) & ~(unsigned long)(clear))

void vma_set_file(struct vm_area_struct *vma, struct file *file);
vm_fault_t vmf_insert_pfn(struct vm_area_struct *vma, unsigned long address,
			  unsigned long pfn);
void unmap_mapping_range(struct address_space *mapping, off_t begin, off_t bytes, int all);

/**
 * struct poll_table_struct - what a poller asks for, and where it will sleep
 * @_key: asked for
 * @_qproc: NULL: it sleeps there already
 * @wq: where
 * @seq: of @wq, from before the look
 */
typedef struct poll_table_struct {
	__poll_t _key;
	void *_qproc;
	wait_queue_head_t *wq;
	u32 seq;
} poll_table;

/**
 * struct poll_wqueues - a call that sleeps for descriptors of the program's own (fds.c)
 * @pt: for each of them
 * @triggered: one was ready while it slept
 * @error: never
 * @fds: array[@n_fds] of them
 * @n_fds: their number
 */
struct poll_wqueues {
	poll_table pt;
	int triggered;
	int error;
	struct pollfd fds[16];
	unsigned int n_fds;
};

void poll_initwait(struct poll_wqueues *table);
void poll_freewait(struct poll_wqueues *table);
__poll_t vfs_poll(struct file *file, poll_table *table);

void poll_wait(struct file *file, wait_queue_head_t *wq, poll_table *table);

#define poll_requested_events(table)	((table)->_key)
#define demangle_poll(events)		((__poll_t)(events))
#define EPOLLIN		((__poll_t)POLLIN)
#define EPOLLOUT	((__poll_t)POLLOUT)
#define EPOLLERR	((__poll_t)POLLERR)
#define EPOLLHUP	((__poll_t)POLLHUP)
#define EPOLLRDNORM	((__poll_t)POLLRDNORM)
#define EPOLLWRNORM	((__poll_t)POLLWRNORM)

/**
 * struct seq_file - text for a reader
 * @text: where it goes
 * @room: how much fits
 * @length: how much there is
 */
struct seq_file {
	char *text;
	size_t room;
	size_t length;
};

__attribute__((format(printf, 2, 3))) void seq_printf(struct seq_file *m,
						      const char *format, ...);

struct eventfd_ctx;

struct eventfd_ctx *eventfd_ctx_fdget(int fd);
void eventfd_ctx_put(struct eventfd_ctx *ctx);
void eventfd_signal(struct eventfd_ctx *ctx);

#define MISC_DYNAMIC_MINOR	255

struct miscdevice {
	int minor;
	const char *name;
	const struct file_operations *fops;
	unsigned int mode;
};

int misc_register(struct miscdevice *device);
void misc_deregister(struct miscdevice *device);

#endif /* HOST_VFS_H */
