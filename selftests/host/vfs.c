// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors and mappings of the device, and what the library's sys.c calls in
 * the place of system calls.
 *
 * A mapping is a view: the pages of the arena that the module's own fault handler
 * names, mapped once more, side by side and with the rights that the module gave.
 */
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

struct module host_module;
const struct file_operations *host_device_fops;

static struct address_space device_mapping;
static struct inode device_inode = { .i_mapping = &device_mapping };

int misc_register(struct miscdevice *device)
{
	host_device_fops = device->fops;
	return 0;
}

void misc_deregister(struct miscdevice *device)
{
	(void)device;
	host_device_fops = NULL;
}

/* -- files ---------------------------------------------------------------------------- */

static struct file *file_new(const struct file_operations *fops, struct inode *inode)
{
	struct file *file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);

	if (!file)
		return NULL;
	kref_init(&file->ref);
	file->f_op = fops;
	file->f_flags = O_NONBLOCK;
	if (fops->owner)
		__module_get(fops->owner);
	file->inode = inode;
	file->f_mapping = inode ? inode->i_mapping : NULL;
	return file;
}

/* The owner of its operations is let go, whichever they are by now. */
static void file_free(struct kref *ref)
{
	struct file *file = container_of(ref, struct file, ref);

	if (file->f_op->release)
		file->f_op->release(file->inode, file);
	if (file->f_op->owner)
		module_put(file->f_op->owner);
	host_free_pages(file->pages);
	kfree(file);
}

void fput(struct file *file)
{
	if (host_own_fd(file) >= 0)
		return;
	kref_put(&file->ref, file_free);
}

static struct file *file_get(struct file *file)
{
	kref_get(&file->ref);
	return file;
}

/* Free in @process; the caller has its memory's lock. */
static struct file **fd_free(struct host_process *process)
{
	unsigned int i;

	for (i = 0; i < HOST_FILES; i++)
		if (!process->files[i])
			return &process->files[i];
	return NULL;
}

/* With a reference; NULL if there is none. */
static struct file *fd_get(int fd)
{
	struct host_process *process = current->process;
	struct file *file = NULL;
	unsigned int i = (unsigned int)fd - HOST_FD_FIRST;

	if (i >= HOST_FILES)
		return NULL;
	mutex_lock(&process->mm->lock);
	if (process->files[i])
		file = file_get(process->files[i]);
	mutex_unlock(&process->mm->lock);
	return file;
}

void host_files_inherit(struct host_process *child, struct host_process *parent)
{
	unsigned int i;

	mutex_lock(&parent->mm->lock);
	for (i = 0; i < HOST_FILES; i++)
		if (parent->files[i])
			child->files[i] = file_get(parent->files[i]);
	mutex_unlock(&parent->mm->lock);
}

static void fd_close(struct host_process *process, unsigned int i)
{
	struct file *file;

	mutex_lock(&process->mm->lock);
	file = process->files[i];
	process->files[i] = NULL;
	mutex_unlock(&process->mm->lock);
	if (!file)
		return;
	if (file->f_op->flush)
		file->f_op->flush(file, process);
	fput(file);
}

void host_files_close(struct host_process *process)
{
	unsigned int i;

	for (i = 0; i < HOST_FILES; i++)
		fd_close(process, i);
}

static int device_open(void)
{
	struct host_process *process = current->process;
	struct file *file, **slot;
	int ret;

	if (!host_device_fops)
		return -ENODEV;
	file = file_new(host_device_fops, &device_inode);
	if (!file)
		return -ENOMEM;
	ret = file->f_op->open(file->inode, file);
	if (ret) {
		module_put(file->f_op->owner);
		kfree(file);
		return ret;
	}
	mutex_lock(&process->mm->lock);
	slot = fd_free(process);
	if (slot)
		*slot = file;
	mutex_unlock(&process->mm->lock);
	if (!slot) {
		fput(file);
		return -EMFILE;
	}
	return HOST_FD_FIRST + (int)(slot - process->files);
}

int host_sys_open(void)
{
	int ret;

	host_enter();
	ret = device_open();
	host_exit();
	return ret;
}

int host_sys_ioctl(int fd, unsigned int cmd, void *args)
{
	struct file *file;
	long ret = -EBADF;

	host_enter();
	file = fd_get(fd);
	if (file) {
		ret = file->f_op->unlocked_ioctl(file, cmd, (unsigned long)args);
		fput(file);
	}
	host_exit();
	return (int)ret;
}

int host_sys_read(int fd, void *buffer, size_t bytes)
{
	struct file *file;
	ssize_t ret = -EBADF;

	host_enter();
	file = fd_get(fd);
	if (file) {
		ret = file->f_op->read(file, buffer, bytes, NULL);
		fput(file);
	}
	host_exit();
	return (int)ret;
}

void host_sys_close(int fd)
{
	if ((unsigned int)fd - HOST_FD_FIRST >= HOST_FILES)
		return;
	host_enter();
	fd_close(current->process, (unsigned int)fd - HOST_FD_FIRST);
	host_exit();
}

long compat_ptr_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return file->f_op->unlocked_ioctl(file, cmd, (u32)arg);
}

void seq_printf(struct seq_file *m, const char *format, ...)
{
	size_t left = m->room - m->length;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(m->text + m->length, left, format, args);
	va_end(args);
	m->length += min((size_t)max(n, 0), left ? left - 1 : 0);
}

size_t host_fdinfo(int fd, char *text, size_t room)
{
	struct seq_file m = { .text = text, .room = room };
	struct file *file;

	host_enter();
	file = fd_get(fd);
	if (file) {
		file->f_op->show_fdinfo(&m, file);
		fput(file);
	}
	host_exit();
	return m.length;
}

/* -- poll and eventfd ------------------------------------------------------------------- */

void poll_wait(struct file *file, wait_queue_head_t *wq, poll_table *table)
{
	(void)file;
	if (table->wq)
		host_bug("two queues in one poll");
	table->wq = wq;
	table->seq = host_wait_begin(wq);
}

static __poll_t poll_file(struct file *file, __poll_t events, u64 deadline_ns)
{
	__poll_t mask;
	int ret = 0;

	for (;;) {
		poll_table table = { ._key = events };

		mask = file->f_op->poll(file, &table) & (events | EPOLLERR | EPOLLHUP);
		if (!mask && !ret && table.wq)
			ret = host_wait_sleep(table.wq, table.seq, deadline_ns);
		if (table.wq)
			host_wait_end(table.wq);
		if (mask || ret)
			return mask;
	}
}

int host_poll(int fd, unsigned int events, uint64_t deadline_ns)
{
	struct file *file;
	int mask = -EBADF;

	host_enter();
	file = fd_get(fd);
	if (file) {
		mask = (int)poll_file(file, events, deadline_ns);
		fput(file);
	}
	host_exit();
	return mask;
}

/**
 * struct eventfd_ctx - an eventfd of some process
 * @pid: the process
 * @fd: descriptor there
 *
 * It ends with that process or descriptor, where the kernel's would go on.
 */
struct eventfd_ctx {
	int pid;
	int fd;
};

struct eventfd_ctx *eventfd_ctx_fdget(int fd)
{
	struct eventfd_ctx *ctx;

	if (fd < 0 || syscall(SYS_fcntl, fd, 1 /* F_GETFD */) < 0)
		return ERR_PTR(-EBADF);
	ctx = kzalloc(sizeof(*ctx), GFP_KERNEL_ACCOUNT);
	if (!ctx)
		return ERR_PTR(-ENOMEM);
	ctx->pid = getpid();
	ctx->fd = fd;
	/* so that others may fetch the descriptor */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
	return ctx;
}

void eventfd_ctx_put(struct eventfd_ctx *ctx)
{
	kfree(ctx);
}

void eventfd_signal(struct eventfd_ctx *ctx)
{
	int process, fd;

	host_lock_rules("eventfd_signal");
	if (ctx->pid == getpid()) {
		eventfd_write(ctx->fd, 1);
		return;
	}
	process = (int)syscall(SYS_pidfd_open, ctx->pid, 0);
	if (process < 0)
		return;
	fd = (int)syscall(SYS_pidfd_getfd, process, ctx->fd, 0);
	if (fd >= 0) {
		eventfd_write(fd, 1);
		close(fd);
	}
	close(process);
}

/* -- mappings --------------------------------------------------------------------------- */

static int view_prot(const struct vm_area_struct *vma)
{
	return PROT_READ | (vma->vm_flags & VM_WRITE ? PROT_WRITE : 0);
}

static int view_pages(struct vm_area_struct *vma, unsigned long address,
		      unsigned long pfn, size_t bytes)
{
	void *at = (void *)address;

	if (mmap(at, bytes, view_prot(vma), MAP_SHARED | MAP_FIXED, host_arena_fd(),
		 (off_t)(pfn << PAGE_SHIFT)) != at)
		return -errno;
	if (vma->vm_flags & VM_DONTCOPY && !current->process->clonable)
		madvise(at, bytes, MADV_DONTFORK);
	host_view_set(address, pfn, bytes, vma->vm_flags & VM_WRITE);
	return 0;
}

vm_fault_t vmf_insert_pfn(struct vm_area_struct *vma, unsigned long address,
			  unsigned long pfn)
{
	return view_pages(vma, address, pfn, PAGE_SIZE) ? VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
}

static int shmem_mmap(struct file *file, struct vm_area_struct *vma)
{
	return view_pages(vma, vma->vm_start, host_pfn(file->pages) + vma->vm_pgoff,
			  vma->vm_end - vma->vm_start);
}

static const struct file_operations shmem_file_operations = {
	.mmap = shmem_mmap,
};

struct file *shmem_file_setup(const char *name, off_t bytes, unsigned long flags)
{
	struct file *file = file_new(&shmem_file_operations, NULL);

	(void)name;
	(void)flags;
	if (!file)
		return ERR_PTR(-ENOMEM);
	file->pages = host_alloc_pages((size_t)bytes);
	if (!file->pages) {
		kfree(file);
		return ERR_PTR(-ENOMEM);
	}
	return file;
}

/* Its pages are all there already. */
int vfs_fallocate(struct file *file, int mode, off_t offset, off_t bytes)
{
	(void)file;
	(void)mode;
	(void)offset;
	(void)bytes;
	host_may_sleep("fallocate");
	return 0;
}

void vma_set_file(struct vm_area_struct *vma, struct file *file)
{
	struct file *old = vma->vm_file;

	vma->vm_file = file_get(file);
	fput(old);
}

static void view_revoke(struct vm_area_struct *vma)
{
	size_t bytes = vma->vm_end - vma->vm_start;

	mmap((void *)vma->vm_start, bytes, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
	host_view_clear(vma->vm_start, bytes);
}

static void view_unmap(struct vm_area_struct *vma)
{
	size_t bytes = vma->vm_end - vma->vm_start;

	host_view_clear(vma->vm_start, bytes);
	munmap((void *)vma->vm_start, bytes);
}

/*
 * Only in the memory of the caller, as when it detaches: what another process
 * has mapped stays until that process ends.
 */
void unmap_mapping_range(struct address_space *mapping, off_t begin, off_t bytes, int all)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;

	(void)begin;
	(void)bytes;
	(void)all;
	mutex_lock(&mm->lock);
	list_for_each_entry(vma, &mm->vmas, node)
		if (vma->vm_file->f_mapping == mapping)
			view_revoke(vma);
	mutex_unlock(&mm->lock);
}

/* All pages at once: they cannot come one by one when they are touched. */
static int vma_populate(struct vm_area_struct *vma, unsigned long first_page)
{
	struct vm_fault vmf = { .vma = vma };
	unsigned long i;
	vm_fault_t ret;

	if (!vma->vm_ops || !vma->vm_ops->fault)
		return 0;
	for (i = 0; i < vma_pages(vma); i++) {
		vmf.pgoff = first_page + i;
		vmf.address = vma->vm_start + (i << PAGE_SHIFT);
		ret = vma->vm_ops->fault(&vmf);
		if (ret != VM_FAULT_NOPAGE)
			return ret == VM_FAULT_OOM ? -ENOMEM : -EFAULT;
	}
	return 0;
}

static void vma_close(struct vm_area_struct *vma)
{
	if (vma->vm_ops && vma->vm_ops->close)
		vma->vm_ops->close(vma);
	fput(vma->vm_file);
	kfree(vma);
}

static int vma_map(struct file *file, struct vm_area_struct *vma)
{
	unsigned long first_page = vma->vm_pgoff;
	int ret;

	vma->vm_file = file_get(file);
	ret = file->f_op->mmap(file, vma);
	if (ret) {
		fput(vma->vm_file);
		kfree(vma);
		return ret;
	}
	ret = vma_populate(vma, first_page);
	if (ret) {
		vma_close(vma);
		return ret;
	}
	mutex_lock(&current->mm->lock);
	list_add(&vma->node, &current->mm->vmas);
	mutex_unlock(&current->mm->lock);
	return 0;
}

#ifndef HOST_TSAN
void *host_view_reserve(size_t bytes)
{
	return mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}
#endif

static int device_map(int fd, uint64_t offset, size_t bytes, bool writable, void **out)
{
	struct vm_area_struct *vma;
	struct file *file = fd_get(fd);
	void *at;
	int ret;

	if (!file)
		return -EBADF;
	bytes = PAGE_ALIGN(bytes);
	at = host_view_reserve(bytes);
	vma = kzalloc(sizeof(*vma), GFP_KERNEL_ACCOUNT);
	ret = -ENOMEM;
	if (at == MAP_FAILED || !vma)
		goto out;
	vma->vm_start = (unsigned long)at;
	vma->vm_end = vma->vm_start + bytes;
	vma->vm_pgoff = offset >> PAGE_SHIFT;
	vma->vm_flags = VM_SHARED | VM_MAYWRITE | VM_MAYEXEC | (writable ? VM_WRITE : 0);
	ret = vma_map(file, vma);
out:
	fput(file);
	if (!ret)
		*out = at;
	else if (at != MAP_FAILED)
		munmap(at, bytes);
	return ret;
}

int host_sys_map(int fd, uint64_t offset, size_t bytes, bool writable, void **out)
{
	int ret;

	host_enter();
	ret = device_map(fd, offset, bytes, writable, out);
	host_exit();
	return ret;
}

static struct vm_area_struct *vma_take(struct mm_struct *mm, unsigned long address)
{
	struct vm_area_struct *vma, *found = NULL;

	mutex_lock(&mm->lock);
	list_for_each_entry(vma, &mm->vmas, node)
		if (vma->vm_start == address || !address)
			found = vma;
	if (found)
		list_del(&found->node);
	mutex_unlock(&mm->lock);
	return found;
}

void host_sys_unmap(void *address)
{
	struct vm_area_struct *vma;

	host_enter();
	vma = vma_take(current->mm, (unsigned long)address);
	if (!vma)
		host_bug("%p is unmapped but was not mapped", address);
	view_unmap(vma);
	vma_close(vma);
	host_exit();
}

/* @unmap: they are in this program's own address space. */
void host_vmas_close(struct mm_struct *mm, bool unmap)
{
	struct vm_area_struct *vma;

	while ((vma = vma_take(mm, 0))) {
		if (unmap)
			view_unmap(vma);
		vma_close(vma);
	}
}
