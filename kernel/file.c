// SPDX-License-Identifier: GPL-2.0
/* The file descriptor: everything a user can do comes in here. */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "upu.h"

static int upu_open(struct inode *inode, struct file *file)
{
	struct upu_device *udev = container_of(inode->i_cdev, struct upu_device, cdev);
	struct upu_file *ufile;
	int ret = 0;

	ufile = kzalloc(sizeof(*ufile), GFP_KERNEL_ACCOUNT);
	if (!ufile)
		return -ENOMEM;
	ufile->udev = udev;

	if ((file->f_flags & O_ACCMODE) == UPU_O_CONTROL) {
		if (!uid_eq(current_fsuid(), inode->i_uid) && !capable(CAP_SYS_ADMIN))
			ret = -EPERM;
	} else if ((file->f_flags & O_ACCMODE) == O_RDWR) {
		ret = upu_device_open(udev, file, &ufile->session);
	} else {
		ret = -EINVAL;		/* every call writes to the device in the end */
	}
	if (ret) {
		kfree(ufile);
		return ret;
	}
	get_device(&udev->dev);
	file->private_data = ufile;
	return 0;
}

static int upu_release(struct inode *inode, struct file *file)
{
	struct upu_file *ufile = file->private_data;
	struct upu_session *session = ufile->session;

	if (session) {
		mutex_lock(&ufile->udev->lock);
		upu_session_end(session);
		mutex_unlock(&ufile->udev->lock);
		/* Pages and accounting are back when close() returns. */
		upu_dma_flush(session);
		upu_session_put(session);
	}
	put_device(&ufile->udev->dev);
	kfree(ufile);
	return 0;
}

static int upu_group_count(struct device *dev, void *data)
{
	(*(u32 *)data)++;
	return 0;
}

/*
 * What the device and its group are. upu_device.lock is held, and the device is there: when it
 * goes, its group goes with it.
 */
static void upu_info_device(struct upu_device *udev, struct upu_info *info)
{
	struct pci_dev *pdev = udev->pdev;
	struct iommu_group *group = iommu_group_get(&pdev->dev);

	info->reset_kinds = upu_reset_kinds(pdev);
	info->numa_node = dev_to_node(&pdev->dev);
	info->group = -1;
	info->group_devices = 0;
	if (group) {
		info->group = iommu_group_id(group);
		iommu_group_for_each_dev(group, &info->group_devices, upu_group_count);
		info->flags |= UPU_INFO_IOMMU;
		if (device_iommu_capable(&pdev->dev, IOMMU_CAP_CACHE_COHERENCY))
			info->flags |= UPU_INFO_COHERENT;
		iommu_group_put(group);
	} else {
		info->flags |= UPU_INFO_COHERENT;
	}
	if (upu_irq_msi_safe(pdev))
		info->flags |= UPU_INFO_MSI_SAFE;
	if (pdev->is_virtfn)
		info->flags |= UPU_INFO_VF;
	if (pdev->broken_intx_masking)
		info->flags |= UPU_INFO_INTX_EXCLUSIVE;
	if (pdev->msix_cap && upu_msix_dynamic(pdev))
		info->flags |= UPU_INFO_MSIX_DYNAMIC;
	if (upu_dma_viable(udev))
		info->flags |= UPU_INFO_VIABLE;

	info->intx = upu_irq_count(pdev, UPU_IRQ_INTX);
	info->msi = upu_irq_count(pdev, UPU_IRQ_MSI);
	info->msix = upu_irq_count(pdev, UPU_IRQ_MSIX);
}

static int upu_get_info(struct upu_device *udev, struct upu_session *session, void __user *user)
{
	struct upu_dma *dma = session ? &session->dma : NULL;
	struct upu_info info;
	u32 fit;
	int ret;

	ret = upu_copy_in(&info, user, sizeof(info), 0);
	if (ret)
		return ret;

	mutex_lock(&udev->lock);
	/* A user has his device until the end of his session, also while it is being removed. */
	if (session ? session->dead : udev->gone)
		ret = -ENODEV;
	else
		upu_info_device(udev, &info);
	mutex_unlock(&udev->lock);
	if (ret)
		return ret;

	info.api_version = UPU_API_VERSION;
	info.locked_limit = rlimit(RLIMIT_MEMLOCK);
	if (rlimit(RLIMIT_MEMLOCK) == RLIM_INFINITY)
		info.locked_limit = ~0ull;
	info.locked = current->mm ? (u64)READ_ONCE(current->mm->locked_vm) << PAGE_SHIFT : 0;
	info.dma_maximum = READ_ONCE(upu_dma_entry_limit);
	/* These are set before the session is anybody's, and stay until its last close. */
	info.page_sizes = dma ? dma->page_sizes : 0;
	info.aperture_start = dma ? dma->aperture_start : 0;
	info.aperture_last = dma ? dma->aperture_last : 0;
	info.pinned = dma ? atomic64_read(&dma->pinned) : 0;
	info.dma_count = dma ? READ_ONCE(dma->count) : 0;
	fit = info.range_capacity;
	info.range_count = dma ? dma->reserved_count : 0;
	if (dma && copy_to_user(u64_to_user_ptr(info.ranges), dma->reserved,
				min(fit, info.range_count) * sizeof(struct upu_range)))
		return -EFAULT;
	return copy_to_user(user, &info, sizeof(info)) ? -EFAULT : 0;
}

static int upu_plain(void __user *user)
{
	struct upu_plain plain;

	return upu_copy_in(&plain, user, sizeof(plain), 0);
}

static int upu_revoke(struct upu_device *udev, void __user *user)
{
	int ret = upu_plain(user);

	if (ret)
		return ret;
	mutex_lock(&udev->lock);
	if (udev->gone)
		ret = -ENODEV;
	else if (udev->session)
		upu_session_end(udev->session);
	mutex_unlock(&udev->lock);
	return ret;
}

static int upu_reset(struct upu_session *session, void __user *user)
{
	struct upu_device *udev = session->udev;
	int ret = upu_plain(user);

	if (ret)
		return ret;
	/*
	 * An error is handled with @lock free but the function's own lock held, so this does not
	 * wait for the handling, and the one who handles it can go on to reply.
	 */
	mutex_lock(&udev->lock);
	ret = session->dead ? -ENODEV : upu_device_reset(udev, session);
	if (!ret)
		udev->dirty = true;
	mutex_unlock(&udev->lock);
	return ret;
}

static long upu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct upu_file *ufile = file->private_data;
	struct upu_session *session = ufile->session;
	void __user *user = (void __user *)arg;

	if (_IOC_TYPE(cmd) != UPU_IOCTL_TYPE)
		return -ENOTTY;
	if (!session) {
		switch (cmd) {
		case UPU_GET_INFO:
			return upu_get_info(ufile->udev, NULL, user);
		case UPU_REVOKE:
			return upu_revoke(ufile->udev, user);
		default:
			return -EPERM;
		}
	}
	if (upu_session_dead(session))
		return -ENODEV;

	switch (cmd) {
	case UPU_GET_INFO:
		return upu_get_info(ufile->udev, session, user);
	case UPU_GET_BAR:
		return upu_get_bar(session, user);
	case UPU_DMA_MAP:
		return upu_dma_map(session, user);
	case UPU_DMA_UNMAP:
		return upu_dma_unmap(session, user);
	case UPU_DMA_ALLOC:
		return upu_dma_alloc(session, user);
	case UPU_GET_INVALIDATIONS:
		return upu_get_invalidations(session, user);
	case UPU_SET_IRQS:
		return upu_set_irqs(session, user);
	case UPU_SET_AFFINITY:
		return upu_set_affinity(session, user);
	case UPU_GET_AFFINITY:
		return upu_get_affinity(session, user);
	case UPU_SET_ERR_EVENTFD:
		return upu_set_eventfd(session, UPU_EVENTFD_ERR, user);
	case UPU_SET_REQ_EVENTFD:
		return upu_set_eventfd(session, UPU_EVENTFD_REQ, user);
	case UPU_SET_INVALIDATION_EVENTFD:
		return upu_set_eventfd(session, UPU_EVENTFD_INVALIDATION, user);
	case UPU_GET_EVENT:
		return upu_get_event(session, user);
	case UPU_REPLY:
		return upu_reply(session, user);
	case UPU_RESET:
		return upu_reset(session, user);
	case UPU_REVOKE:
		return -EPERM;
	default:
		return -ENOTTY;
	}
}

static ssize_t upu_window_rw(struct upu_session *session, char __user *user, size_t count,
			     loff_t offset, bool write)
{
	unsigned int window;

	if (offset < 0)
		return -EINVAL;
	if (offset < 1ll << UPU_WINDOW_SHIFT)
		return -EINVAL;		/* the event counter is at 0 alone */
	if ((u64)offset >= UPU_WINDOW_OFFSET(UPU_WINDOW_COUNT))
		return -ENXIO;
	window = (offset >> UPU_WINDOW_SHIFT) - 1;
	offset &= (1ll << UPU_WINDOW_SHIFT) - 1;
	count = min_t(size_t, count, INT_MAX);
	if (window == UPU_WINDOW_CONFIG)
		return upu_config_rw(session, user, count, offset, write);
	return upu_bar_rw(session, window, user, count, offset, write);
}

static ssize_t upu_read(struct file *file, char __user *user, size_t count, loff_t *ppos)
{
	struct upu_file *ufile = file->private_data;

	if (upu_session_dead(ufile->session))
		return -ENODEV;
	if (*ppos == 0)			/* stays 0: as with UIO, each read is the next event */
		return upu_counter_read(ufile->session, file, user, count);
	return upu_window_rw(ufile->session, user, count, *ppos, false);
}

static ssize_t upu_write(struct file *file, const char __user *user, size_t count, loff_t *ppos)
{
	struct upu_file *ufile = file->private_data;

	if (upu_session_dead(ufile->session))
		return -ENODEV;
	if (*ppos == 0)
		return upu_counter_write(ufile->session, user, count);
	return upu_window_rw(ufile->session, (char __user *)user, count, *ppos, true);
}

static __poll_t upu_poll(struct file *file, poll_table *wait)
{
	struct upu_file *ufile = file->private_data;

	if (!ufile->session)
		return EPOLLERR;
	return upu_counter_poll(ufile->session, file, wait);
}

static int upu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct upu_file *ufile = file->private_data;

	if (!ufile->session)
		return -EPERM;
	if (upu_session_dead(ufile->session))
		return -ENODEV;
	return upu_bar_mmap(ufile->session, vma);
}

const struct file_operations upu_fops = {
	.owner = THIS_MODULE,
	.open = upu_open,
	.release = upu_release,
	.unlocked_ioctl = upu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = upu_read,
	.write = upu_write,
	.poll = upu_poll,
	.mmap = upu_mmap,
};
