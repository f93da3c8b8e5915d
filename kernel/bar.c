// SPDX-License-Identifier: GPL-2.0
/*
 * Register windows: their size, access by width, and mmap that can be taken back.
 *
 * A mapped page is put in by a fault and taken out by upu_bar_zap(); a fault on a BAR that cannot
 * be reached (memory decoding off, D3, reset, revoked) is SIGBUS. bar_lock keeps the two apart.
 * The user may ask to be spared the last of these: then a page of ones stands in for the device.
 */
#include <linux/io.h>
#include <linux/module.h>
#include <linux/pagemap.h>

#include "upu.h"

/* Faults fill in this much at a time, so that a large BAR does not cost a fault per page. */
#define UPU_FAULT_AROUND	SZ_2M

/* Takes [start, end) out of the ranges of a BAR. */
static void upu_bar_exclude(struct upu_bar_state *bar, u64 start, u64 end)
{
	struct upu_bar_range old[UPU_BAR_RANGES];
	unsigned int i, count = bar->ranges;

	memcpy(old, bar->range, sizeof(old));
	bar->ranges = 0;
	for (i = 0; i < count; i++) {
		u64 first = old[i].offset, last = first + old[i].size;

		if (start >= last || end <= first) {
			bar->range[bar->ranges++] = old[i];
			continue;
		}
		if (first < start)
			bar->range[bar->ranges++] =
				(struct upu_bar_range){ first, start - first };
		if (end < last && bar->ranges < UPU_BAR_RANGES)
			bar->range[bar->ranges++] = (struct upu_bar_range){ end, last - end };
	}
}

struct upu_msix_layout {
	unsigned int table_bar;
	unsigned int pba_bar;
	u64 table;
	u64 table_end;
	u64 pba;
	u64 pba_end;
};

/* Where table and pending bits are; the low bits of the two registers name the BAR. */
static bool upu_msix_layout(struct pci_dev *pdev, struct upu_msix_layout *layout)
{
	int vectors = pci_msix_vec_count(pdev);
	u32 table, pba;

	if (vectors <= 0)
		return false;
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &table);
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_PBA, &pba);
	layout->table_bar = table & PCI_MSIX_TABLE_BIR;
	layout->table = table & PCI_MSIX_TABLE_OFFSET;
	layout->table_end = layout->table + (u64)vectors * PCI_MSIX_ENTRY_SIZE;
	layout->pba_bar = pba & PCI_MSIX_PBA_BIR;
	layout->pba = pba & PCI_MSIX_PBA_OFFSET;
	layout->pba_end = layout->pba + DIV_ROUND_UP(vectors, 64) * 8;
	return true;
}

/*
 * All that depends on registers of the device is read here, once: afterwards they may read as all
 * ones, for the time of a reset or for ever.
 */
void upu_bar_open(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_msix_layout msix;
	bool has_msix = upu_msix_layout(pdev, &msix);
	unsigned int i;

	for (i = 0; i <= UPU_WINDOW_ROM; i++) {
		int res = i == UPU_WINDOW_ROM ? PCI_ROM_RESOURCE : i;
		unsigned long flags = pci_resource_flags(pdev, res);
		struct upu_bar_state *bar = &session->bar[i];

		bar->size = pci_resource_len(pdev, res);
		if (!bar->size || flags & IORESOURCE_UNSET || !pci_resource_start(pdev, res)) {
			bar->size = 0;
			continue;
		}
		bar->flags = UPU_BAR_READ;
		if (i == UPU_WINDOW_ROM)
			continue;
		if (has_msix && msix.table_bar == i) {
			bar->table = msix.table;
			bar->table_end = msix.table_end;
		}
		bar->flags |= UPU_BAR_WRITE;
		if (flags & IORESOURCE_MEM_64)
			bar->flags |= UPU_BAR_64;
		if (flags & IORESOURCE_PREFETCH)
			bar->flags |= UPU_BAR_PREFETCH;
		if (flags & IORESOURCE_IO) {
			bar->flags |= UPU_BAR_IO;
			continue;
		}
		/* Less than a page would map what is next to it, which may be another device's. */
		if (bar->size < PAGE_SIZE || !PAGE_ALIGNED(pci_resource_start(pdev, res)))
			continue;
		bar->ranges = 1;
		bar->range[0] = (struct upu_bar_range){ 0, bar->size & PAGE_MASK };
		if (has_msix && msix.table_bar == i)
			upu_bar_exclude(bar, msix.table & PAGE_MASK, PAGE_ALIGN(msix.table_end));
		if (has_msix && msix.pba_bar == i)
			upu_bar_exclude(bar, msix.pba & PAGE_MASK, PAGE_ALIGN(msix.pba_end));
		if (bar->ranges)
			bar->flags |= UPU_BAR_MMAP;
	}
}

/* From now on the end of the session does not cost the user his process. */
int upu_bar_spare(struct upu_session *session)
{
	struct page *page;

	if (READ_ONCE(session->ones))
		return 0;
	page = alloc_page(GFP_KERNEL_ACCOUNT);
	if (!page)
		return -ENOMEM;
	memset(page_address(page), 0xff, PAGE_SIZE);
	if (cmpxchg(&session->ones, NULL, page))
		__free_page(page);
	return 0;
}

void upu_bar_close(struct upu_session *session)
{
	unsigned int i;

	for (i = 0; i < UPU_WINDOW_ROM; i++) {
		if (session->bar[i].io)
			pci_iounmap(session->udev->pdev, session->bar[i].io);
		session->bar[i].io = NULL;
	}
}

/* Takes every mapped BAR page away. bar_lock is held for writing, so none comes back meanwhile. */
void upu_bar_zap(struct upu_session *session)
{
	lockdep_assert_held_write(&session->bar_lock);
	unmap_mapping_range(session->mapping, UPU_WINDOW_OFFSET(UPU_WINDOW_BAR0),
			    UPU_WINDOW_OFFSET(UPU_WINDOW_COUNT) -
			    UPU_WINDOW_OFFSET(UPU_WINDOW_BAR0), true);
}

/* Whether a register access would reach the device. bar_lock is held. */
bool upu_bar_reachable(struct upu_session *session)
{
	return !session->dead && !session->config->d3 && upu_config_memory_on(session);
}

/*
 * The kernel's own accesses (MSI-X table) need memory decoding whatever the user has set. Around
 * and between these two upu_device.lock is held. Nobody sees the difference: whether a register can
 * be reached is asked of the shadow.
 */
u16 upu_memory_force_on(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	u16 command;

	lockdep_assert_held(&session->udev->lock);
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (!(command & PCI_COMMAND_MEMORY))
		pci_write_config_word(pdev, PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	upu_keep_quiet(session);
	return command;
}

void upu_memory_restore(struct upu_session *session, u16 command)
{
	struct pci_dev *pdev = session->udev->pdev;
	u16 now;

	if (!(command & PCI_COMMAND_MEMORY)) {
		pci_read_config_word(pdev, PCI_COMMAND, &now);
		pci_write_config_word(pdev, PCI_COMMAND, now & ~PCI_COMMAND_MEMORY);
	}
	upu_keep_quiet(session);
}

int upu_get_bar(struct upu_session *session, void __user *user)
{
	struct upu_bar_range none = {};
	struct upu_bar_range *range = &none;
	struct upu_bar bar;
	u32 fit;
	int ret;

	ret = upu_copy_in(&bar, user, sizeof(bar), 0);
	if (ret)
		return ret;
	if (bar.reserved)
		return -EINVAL;
	if (bar.index >= UPU_WINDOW_COUNT)
		return -ENXIO;

	fit = bar.range_capacity;
	bar.offset = UPU_WINDOW_OFFSET(bar.index);
	if (bar.index == UPU_WINDOW_CONFIG) {
		bar.size = session->config->size;
		bar.flags = UPU_BAR_READ | UPU_BAR_WRITE;
		bar.range_count = 0;
	} else {
		bar.size = session->bar[bar.index].size;
		bar.flags = session->bar[bar.index].flags;
		bar.range_count = session->bar[bar.index].ranges;
		range = session->bar[bar.index].range;
	}
	if (copy_to_user(u64_to_user_ptr(bar.ranges), range,
			 min(fit, bar.range_count) * sizeof(*range)))
		return -EFAULT;
	return copy_to_user(user, &bar, sizeof(bar)) ? -EFAULT : 0;
}

/* One access of 1, 2, 4 or 8 bytes, little-endian as the bus is. */
static void upu_bar_access(void __iomem *io, u8 *data, unsigned int width, bool write)
{
	switch (width) {
	case 1:
		if (write)
			iowrite8(*data, io);
		else
			*data = ioread8(io);
		break;
	case 2:
		if (write)
			iowrite16(le16_to_cpup((__le16 *)data), io);
		else
			*(__le16 *)data = cpu_to_le16(ioread16(io));
		break;
	case 4:
		if (write)
			iowrite32(le32_to_cpup((__le32 *)data), io);
		else
			*(__le32 *)data = cpu_to_le32(ioread32(io));
		break;
#ifdef CONFIG_64BIT
	case 8:
		if (write)
			writeq(le64_to_cpup((__le64 *)data), io);
		else
			*(__le64 *)data = cpu_to_le64(readq(io));
		break;
#endif
	}
}

/* Maps the window for the kernel at its first use. */
static int upu_bar_map(struct upu_session *session, unsigned int index)
{
	struct upu_bar_state *bar = &session->bar[index];
	int ret = 0;

	if (READ_ONCE(bar->io))
		return 0;
	mutex_lock(&session->udev->lock);
	if (session->dead) {
		ret = -ENODEV;
	} else if (!bar->io) {
		void __iomem *io = pci_iomap(session->udev->pdev, index, 0);

		if (io)
			WRITE_ONCE(bar->io, io);
		else
			ret = -ENOMEM;
	}
	mutex_unlock(&session->udev->lock);
	return ret;
}

/*
 * The bytes of the images in a ROM, 0 without one: the window is often larger (PCI Firmware
 * Specification, 5.1). The PCI core's own pci_map_rom() looks as well, and complains in the log of
 * each look at a ROM without an image.
 */
static u64 upu_rom_size(void __iomem *rom, u64 window)
{
	u64 image = 0, data;
	u16 blocks;

	while (image + 0x1a <= window && ioread16(rom + image) == 0xaa55) {
		data = image + ioread16(rom + image + 0x18);
		if (data % 4 || data + 0x16 > window || ioread32(rom + data) != 0x52494350)
			break;
		blocks = ioread16(rom + data + 0x10);
		if (!blocks)
			break;
		image += blocks * 512ull;
		if (ioread8(rom + data + 0x15) & 0x80)
			break;
	}
	return min(image, window);
}

/* Reads what the images have of [@offset, @offset + @count). upu_device.lock is held. */
static int upu_rom_copy(struct pci_dev *pdev, u8 *copy, size_t count, u64 offset)
{
	struct resource *res = &pdev->resource[PCI_ROM_RESOURCE];
	u64 window = resource_size(res), size;
	void __iomem *rom;
	int ret = 0;

	if (pci_enable_rom(pdev))
		return -EIO;
	rom = ioremap(res->start, window);
	if (rom) {
		size = upu_rom_size(rom, window);
		if (!size)
			ret = -EIO;	/* no image: its signature is missing */
		else if (offset < size)
			memcpy_fromio(copy, rom + offset, min_t(u64, count, size - offset));
		iounmap(rom);
	} else {
		ret = -ENOMEM;
	}
	if (!(res->flags & IORESOURCE_ROM_ENABLE))
		pci_disable_rom(pdev);
	return ret;
}

/* The ROM is mapped for each read: its decoder may share the one of a BAR. */
static ssize_t upu_rom_read(struct upu_session *session, char __user *user, size_t count,
			    u64 offset)
{
	ssize_t ret;
	u8 *copy;

	count = min_t(size_t, count, PAGE_SIZE);
	copy = kmalloc(count, GFP_KERNEL_ACCOUNT);
	if (!copy)
		return -ENOMEM;
	memset(copy, 0xff, count);	/* beyond the image: as an empty bus reads */

	mutex_lock(&session->udev->lock);
	down_write(&session->bar_lock);
	ret = session->dead ? -ENODEV : upu_bar_reachable(session) ? 0 : -EIO;
	if (!ret)
		ret = upu_rom_copy(session->udev->pdev, copy, count, offset);
	up_write(&session->bar_lock);
	mutex_unlock(&session->udev->lock);
	if (!ret)
		ret = copy_to_user(user, copy, count) ? -EFAULT : count;
	kfree(copy);
	return ret;
}

/* How wide the next access may be. */
static unsigned int upu_bar_width(struct upu_bar_state *bar, size_t left, u64 offset)
{
	unsigned int width = 8;

	if (!IS_ENABLED(CONFIG_64BIT) || bar->flags & UPU_BAR_IO)
		width = 4;
	while (width > left || offset % width)
		width /= 2;
	return width;
}

ssize_t upu_bar_rw(struct upu_session *session, unsigned int index, char __user *user, size_t count,
		   u64 offset, bool write)
{
	struct upu_bar_state *bar = &session->bar[index];
	size_t done = 0;
	int ret;

	if (!bar->size)
		return -ENXIO;
	if (offset >= bar->size || count > bar->size - offset)
		return -EFAULT;
	if (!count)
		return 0;
	if (index == UPU_WINDOW_ROM)
		return write ? -EROFS : upu_rom_read(session, user, count, offset);
	if (!access_ok(user, count))
		return -EFAULT;

	ret = upu_bar_map(session, index);
	if (ret)
		return ret;

	/*
	 * More than one access: no register is touched where the memory is not there. Only memory
	 * that another thread takes away meanwhile ends such a call half way.
	 */
	if (count > upu_bar_width(bar, count, offset) &&
	    (write ? fault_in_readable(user, count) : fault_in_safe_writeable(user, count)))
		return -EFAULT;

	while (done < count) {
		unsigned int width = upu_bar_width(bar, count - done, offset);
		u8 data[8] __aligned(8) = {};
		bool trapped = offset < bar->table_end && offset + width > bar->table;

		if (write && copy_from_user(data, user + done, width))
			return done ?: -EFAULT;

		/* User memory is never touched under bar_lock. */
		ret = 0;
		down_read(&session->bar_lock);
		if (session->dead)
			ret = -ENODEV;
		else if (!(bar->flags & UPU_BAR_IO) && !upu_bar_reachable(session))
			ret = -EIO;
		else if (trapped)
			memset(data, 0xff, width);	/* reads all ones; writes are dropped */
		else
			upu_bar_access(bar->io + offset, data, width, write);
		up_read(&session->bar_lock);
		if (ret)
			return done ?: ret;

		if (!write && copy_to_user(user + done, data, width))
			return done ?: -EFAULT;
		done += width;
		offset += width;
		if (fatal_signal_pending(current))
			return done;
		cond_resched();
	}
	return done;
}

static vm_fault_t upu_bar_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct upu_file *ufile = vma->vm_file->private_data;
	struct upu_session *session = ufile->session;
	unsigned int index = (vma->vm_pgoff >> (UPU_WINDOW_SHIFT - PAGE_SHIFT)) - 1;
	unsigned long base = vma->vm_pgoff & (BIT(UPU_WINDOW_SHIFT - PAGE_SHIFT) - 1);
	unsigned long start, end, address, pfn;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	start = max(ALIGN_DOWN(vmf->address, UPU_FAULT_AROUND), vma->vm_start);
	end = min(ALIGN_DOWN(vmf->address, UPU_FAULT_AROUND) + UPU_FAULT_AROUND, vma->vm_end);
	pfn = (pci_resource_start(session->udev->pdev, index) >> PAGE_SHIFT) + base;

	down_read(&session->bar_lock);
	if (session->dead && READ_ONCE(session->ones)) {
		/* The session, and so its page, stays while a mapping of its file does. */
		ret = vmf_insert_pfn_prot(vma, vmf->address & PAGE_MASK, page_to_pfn(session->ones),
					  vm_get_page_prot(vma->vm_flags));
	} else if (upu_bar_reachable(session)) {
		/* The page that was asked for decides; the others are a favour. */
		ret = vmf_insert_pfn(vma, vmf->address & PAGE_MASK,
				     pfn + ((vmf->address - vma->vm_start) >> PAGE_SHIFT));
		for (address = start; ret == VM_FAULT_NOPAGE && address < end; address += PAGE_SIZE)
			if (address != (vmf->address & PAGE_MASK) &&
			    vmf_insert_pfn(vma, address, pfn +
					   ((address - vma->vm_start) >> PAGE_SHIFT)) &
			    VM_FAULT_ERROR)
				break;
	}
	up_read(&session->bar_lock);
	return ret;
}

static const struct vm_operations_struct upu_bar_vm_ops = {
	.fault = upu_bar_fault,
};

int upu_bar_mmap(struct upu_session *session, struct vm_area_struct *vma)
{
	unsigned int index = vma->vm_pgoff >> (UPU_WINDOW_SHIFT - PAGE_SHIFT);
	u64 offset = (u64)(vma->vm_pgoff & (BIT(UPU_WINDOW_SHIFT - PAGE_SHIFT) - 1)) << PAGE_SHIFT;
	u64 size = vma->vm_end - vma->vm_start;
	struct upu_bar_state *bar;
	unsigned int i;

	if (index == 0)
		return -EINVAL;
	if (--index >= UPU_WINDOW_COUNT)
		return -ENXIO;
	if (index >= UPU_WINDOW_ROM)
		return -EINVAL;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	bar = &session->bar[index];
	if (!bar->size)
		return -ENXIO;
	for (i = 0; i < bar->ranges; i++)
		if (offset >= bar->range[i].offset &&
		    offset - bar->range[i].offset < bar->range[i].size &&
		    size <= bar->range[i].size - (offset - bar->range[i].offset))
			break;
	if (i == bar->ranges)
		return -EINVAL;

	/* Not for a forked child, nor a core dump: reading registers can do anything. */
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY);
	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_ops = &upu_bar_vm_ops;
	return 0;
}
