// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that the module allocates for DMA: a file of its own, which outlives the session. Nothing
 * can take its pages away, so mappings of it need neither pins nor notifiers.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/sched/mm.h>

#include "upu.h"

#define UPU_HUGE_ORDER	(21 - PAGE_SHIFT)

struct upu_buffer {
	u64 size;
	unsigned int order;
	unsigned long count;		/* of @pages that are there */
	struct page **pages;		/* each of 2^@order pages */
	struct mm_struct *mm;		/* grabbed: whose limit it counts against */
	bool accounted;
};

static void upu_buffer_free(struct upu_buffer *buffer)
{
	unsigned long i;

	for (i = 0; i < buffer->count; i++) {
		/*
		 * A page that somebody else has pinned (another device, say) is freed
		 * when he lets go.
		 */
		put_page(buffer->pages[i]);
		cond_resched();
	}
	kvfree(buffer->pages);
	if (buffer->accounted)
		account_locked_vm(buffer->mm, buffer->size >> PAGE_SHIFT, false);
	mmdrop(buffer->mm);
	kfree(buffer);
}

static int upu_buffer_release(struct inode *inode, struct file *file)
{
	upu_buffer_free(file->private_data);
	return 0;
}

static vm_fault_t upu_buffer_fault(struct vm_fault *vmf)
{
	struct upu_buffer *buffer = vmf->vma->vm_file->private_data;
	struct page *page;

	if (vmf->pgoff >= buffer->size >> PAGE_SHIFT)
		return VM_FAULT_SIGBUS;
	/* A piece is one allocation, so its pages follow each other in every memory model. */
	page = buffer->pages[vmf->pgoff >> buffer->order] +
	       (vmf->pgoff & (BIT(buffer->order) - 1));
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct upu_buffer_vm_ops = {
	.fault = upu_buffer_fault,
};

static int upu_buffer_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct upu_buffer *buffer = file->private_data;
	u64 pages = buffer->size >> PAGE_SHIFT;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_pgoff >= pages || vma_pages(vma) > pages - vma->vm_pgoff)
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND);
	vma->vm_ops = &upu_buffer_vm_ops;
	return 0;
}

static const struct file_operations upu_buffer_fops = {
	.owner = THIS_MODULE,
	.release = upu_buffer_release,
	.mmap = upu_buffer_mmap,
};

/* The file behind @fd, referenced: -EBADF if there is none, -EINVAL if it is not a buffer. */
struct file *upu_buffer_get(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op != &upu_buffer_fops) {
		fput(file);
		return ERR_PTR(-EINVAL);
	}
	return file;
}

u64 upu_buffer_size(struct file *file)
{
	struct upu_buffer *buffer = file->private_data;

	return buffer->size;
}

/* The page at @index, and how many lie one after the other from there. */
struct page *upu_buffer_page(struct file *file, unsigned long index, unsigned long *count)
{
	struct upu_buffer *buffer = file->private_data;
	unsigned long inside = index & (BIT(buffer->order) - 1);

	*count = BIT(buffer->order) - inside;
	return buffer->pages[index >> buffer->order] + inside;
}

static int upu_buffer_fill(struct upu_buffer *buffer, int node)
{
	gfp_t gfp = GFP_USER | __GFP_ZERO | __GFP_ACCOUNT | __GFP_NOWARN;
	unsigned long wanted = buffer->size >> (PAGE_SHIFT + buffer->order);
	struct page *page;
	int ret;

	ret = account_locked_vm(buffer->mm, buffer->size >> PAGE_SHIFT, true);
	if (ret)
		return ret;
	buffer->accounted = true;
	buffer->pages = kvmalloc_array(wanted, sizeof(*buffer->pages),
				       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!buffer->pages)
		return -ENOMEM;
	if (buffer->order)
		gfp |= __GFP_COMP;
	if (node != NUMA_NO_NODE)
		gfp |= __GFP_THISNODE;
	while (buffer->count < wanted) {
		page = alloc_pages_node(node, gfp, buffer->order);
		if (!page)
			return -ENOMEM;
		buffer->pages[buffer->count++] = page;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

int upu_dma_alloc(struct upu_session *session, void __user *user)
{
	struct upu_dma_alloc arg;
	struct upu_buffer *buffer;
	struct file *file;
	int fd, ret;

	ret = upu_copy_in(&arg, user, sizeof(arg), UPU_ALLOC_HUGE);
	if (ret)
		return ret;
	if (!arg.size || arg.size & ((arg.flags & UPU_ALLOC_HUGE ? SZ_2M : PAGE_SIZE) - 1))
		return -EINVAL;
	if (arg.numa_node != NUMA_NO_NODE &&
	    (arg.numa_node < 0 || arg.numa_node >= MAX_NUMNODES || !node_online(arg.numa_node)))
		return -EINVAL;
	if (arg.size >> PAGE_SHIFT > totalram_pages() || !current->mm)
		return -ENOMEM;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return -ENOMEM;
	buffer->size = arg.size;
	buffer->order = arg.flags & UPU_ALLOC_HUGE ? UPU_HUGE_ORDER : 0;
	buffer->mm = current->mm;
	mmgrab(buffer->mm);
	ret = upu_buffer_fill(buffer, arg.numa_node);
	if (ret) {
		upu_buffer_free(buffer);
		return ret;
	}

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		upu_buffer_free(buffer);
		return fd;
	}
	file = anon_inode_getfile("[uio_pci_user]", &upu_buffer_fops, buffer, O_RDWR | O_CLOEXEC);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		upu_buffer_free(buffer);
		return PTR_ERR(file);
	}
	arg.fd = fd;
	if (copy_to_user(user, &arg, sizeof(arg))) {
		put_unused_fd(fd);
		fput(file);		/* frees the buffer */
		return -EFAULT;
	}
	fd_install(fd, file);
	return 0;
}
