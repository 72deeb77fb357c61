// SPDX-License-Identifier: GPL-2.0-only
/*
 * Payload pages: a shmem file whose pages are all there when it is made, so that
 * shortage shows there and never as SIGBUS. They are ordinary pages, good for
 * direct I/O and io_uring's fixed buffers.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/mqshm.h>
#include <linux/mutex.h>
#include <linux/numa.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "compat.h"
#include "payload.h"
#include "user.h"

/**
 * struct mqshm_payload - payload of a pool
 * @file: the pages; mappings have references of their own
 * @user: who is charged until the last mapping is gone
 * @bytes: size
 * @huge_bytes: of them, on huge pages
 *
 * Lives in the file's private_data and dies with the file.
 */
struct mqshm_payload {
	struct file *file;
	struct mqshm_user *user;
	u64 bytes;
	u64 huge_bytes;
};

static const struct file_operations *shmem_fops;
static struct file_operations payload_fops;
static DEFINE_MUTEX(fops_lock);

static int payload_release(struct inode *inode, struct file *file)
{
	struct mqshm_payload *payload = file->private_data;

	mqshm_user_uncharge_bytes(payload->user, payload->bytes);
	mqshm_user_put(payload->user);
	kfree(payload);
	return 0;
}

/* The device's mmap checks rights and flags; no other way in (remap_file_pages). */
static int payload_mmap_refused(struct file *file, struct vm_area_struct *vma)
{
	return -EPERM;
}

/*
 * From here on the file behaves as shmem, except that it cannot be mapped or
 * punched through itself, keeps this module loaded, and gives back its charge.
 */
static void payload_take_over(struct file *file, struct mqshm_payload *payload)
{
	mutex_lock(&fops_lock);
	if (!shmem_fops) {
		payload_fops = *file->f_op;
		payload_fops.owner = THIS_MODULE;
		payload_fops.mmap = payload_mmap_refused;
		payload_fops.fallocate = NULL;
		payload_fops.release = payload_release;
		shmem_fops = file->f_op;
	}
	mutex_unlock(&fops_lock);

	__module_get(THIS_MODULE);
	file->private_data = payload;
	file->f_op = &payload_fops;
}

/*
 * In chunks: shmem gives up, and undoes the whole call, at any signal, and at what io_uring
 * has to do in this thread, which looks like one. The system call begins anew then, unless
 * there is a handler that is to see EINTR.
 */
static int payload_reserve(struct file *file, u64 bytes)
{
	u64 done, step;
	int ret;

	for (done = 0; done < bytes; done += step) {
		step = min_t(u64, bytes - done, SZ_2M);
		ret = vfs_fallocate(file, 0, done, step);
		if (ret == -EINTR)
			return -ERESTARTSYS;
		if (ret)
			return ret == -ENOSPC ? -ENOMEM : ret;
	}
	return 0;
}

/*
 * The size of pages, and their node, are settings of a tmpfs mount: this payload has one of
 * its own, which nobody sees, and which ends with the file.
 */
static struct file *payload_file_placed(u64 bytes, u32 flags, int node)
{
	struct vfsmount *mount;
	char options[48];
	struct file *file;
	int n;

	n = snprintf(options, sizeof(options), "huge=%s",
		     flags & MQSHM_POOL_F_HUGE ? "always" : "never");
	/* without CONFIG_NUMA there is but one, and no such setting */
	if (IS_ENABLED(CONFIG_NUMA) && node != NUMA_NO_NODE)
		snprintf(options + n, sizeof(options) - n, ",mpol=bind:%d", node);
	mount = vfs_kern_mount(get_fs_type("tmpfs"), SB_KERNMOUNT, "mqshm", options);
	if (IS_ERR(mount))
		return ERR_CAST(mount);
	file = shmem_file_setup_with_mnt(mount, "mqshm", bytes, 0);
	mntput(mount);
	return file;
}

static struct file *payload_file(u64 bytes, u32 flags, int node)
{
	return flags ? payload_file_placed(bytes, flags, node) :
		       shmem_file_setup("mqshm", bytes, 0);
}

/* What the kernel gave: it takes small pages where it finds no huge ones. */
static u64 payload_count_huge(struct file *file, u64 bytes)
{
	u64 at, huge = 0;
	struct page *page;

	for (at = 0; at < bytes; at += PMD_SIZE) {
		page = find_get_page(file->f_mapping, at >> PAGE_SHIFT);
		if (!page)
			continue;
		if (folio_size(page_folio(page)) >= PMD_SIZE)
			huge += min_t(u64, bytes - at, PMD_SIZE);
		put_page(page);
		cond_resched();
	}
	return huge;
}

struct mqshm_payload *mqshm_payload_new(struct mqshm_user *user, u64 bytes, u32 flags,
					int node)
{
	struct mqshm_payload *payload;
	struct file *file;
	int ret;

	payload = kzalloc(sizeof(*payload), GFP_KERNEL_ACCOUNT);
	if (!payload)
		return ERR_PTR(-ENOMEM);
	/* the last huge page is taken whole */
	if (flags & MQSHM_POOL_F_HUGE)
		bytes = ALIGN(bytes, PMD_SIZE);
	ret = mqshm_user_charge_bytes(user, bytes);
	if (ret)
		goto err_free;

	file = payload_file(bytes, flags, node);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto err_uncharge;
	}
	/* fail rather than have somebody killed for it */
	mapping_set_gfp_mask(file->f_mapping, GFP_HIGHUSER | __GFP_RETRY_MAYFAIL |
			     __GFP_NOWARN);
	mapping_set_unevictable(file->f_mapping);
	ret = payload_reserve(file, bytes);
	if (ret)
		goto err_put_file;

	payload->file = file;
	payload->bytes = bytes;
	payload->huge_bytes = payload_count_huge(file, bytes);
	payload->user = mqshm_user_get(user);
	payload_take_over(file, payload);
	return payload;

err_put_file:
	fput(file);
err_uncharge:
	mqshm_user_uncharge_bytes(user, bytes);
err_free:
	kfree(payload);
	return ERR_PTR(ret);
}

void mqshm_payload_put(struct mqshm_payload *payload)
{
	fput(payload->file);
}

u64 mqshm_payload_bytes(const struct mqshm_payload *payload)
{
	return payload->bytes;
}

u64 mqshm_payload_huge_bytes(const struct mqshm_payload *payload)
{
	return payload->huge_bytes;
}

/*
 * Makes @vma, of the device, a mapping of the payload from @first_page on. shmem's
 * own operations serve it: io_uring takes no fixed buffers otherwise.
 */
int mqshm_payload_mmap(struct mqshm_payload *payload, struct vm_area_struct *vma,
		       unsigned long first_page, bool writable)
{
	unsigned long pages = payload->bytes >> PAGE_SHIFT;

	if (first_page >= pages || vma_pages(vma) > pages - first_page)
		return -EINVAL;
	if (!writable && vma->vm_flags & VM_WRITE)
		return -EACCES;
	vma_set_file(vma, payload->file);
	vma->vm_pgoff = first_page;
	mqshm_vm_flags_mod(vma, VM_DONTCOPY | VM_DONTDUMP,
			   VM_MAYEXEC | (writable ? 0 : VM_MAYWRITE));
	return shmem_fops->mmap(payload->file, vma);
}
