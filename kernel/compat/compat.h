/* SPDX-License-Identifier: GPL-2.0 */
/* All differences between kernel versions. The rest of the module is written for the newest. */
#ifndef UPU_COMPAT_H
#define UPU_COMPAT_H

#include <linux/eventfd.h>
#include <linux/iommu.h>
#include <linux/irqdomain.h>
#include <linux/mm.h>
#include <linux/msi.h>
#include <linux/pci.h>
#include <linux/version.h>

/* 6.2: the device of a class's devnode is const. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define UPU_DEVNODE_CONST const
#else
#define UPU_DEVNODE_CONST
#endif

/* 6.2: MSI-X vectors can be added one by one. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
static inline bool upu_msix_dynamic(struct pci_dev *pdev)
{
	return pci_msix_can_alloc_dyn(pdev);
}

static inline int upu_msix_add(struct pci_dev *pdev, unsigned int index)
{
	struct msi_map map = pci_msix_alloc_irq_at(pdev, index, NULL);

	return map.index < 0 ? map.index : map.virq;
}

static inline void upu_msix_drop(struct pci_dev *pdev, unsigned int index, int virq)
{
	pci_msix_free_irq(pdev, (struct msi_map){ .index = index, .virq = virq });
}
#else
static inline bool upu_msix_dynamic(struct pci_dev *pdev)
{
	return false;
}

static inline int upu_msix_add(struct pci_dev *pdev, unsigned int index)
{
	return -ENOSPC;
}

static inline void upu_msix_drop(struct pci_dev *pdev, unsigned int index, int virq)
{
}
#endif

/*
 * 6.3: isolation of MSIs is a property of the group; iommu_map takes gfp; VMA flags have
 * setters.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
static inline bool upu_group_isolates_msi(struct iommu_group *group, struct device *dev)
{
	return iommu_group_has_isolated_msi(group);
}

static inline int upu_iommu_map(struct iommu_domain *domain, u64 iova, phys_addr_t addr,
				size_t size, int prot)
{
	return iommu_map(domain, iova, addr, size, prot, GFP_KERNEL);
}
#else
static inline bool upu_group_isolates_msi(struct iommu_group *group, struct device *dev)
{
	return irq_domain_check_msi_remap() || device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
}

static inline int upu_iommu_map(struct iommu_domain *domain, u64 iova, phys_addr_t addr,
				size_t size, int prot)
{
	return iommu_map(domain, iova, addr, size, prot);
}

static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* 6.5: no vmas argument. */
static inline long upu_gup_remote(struct mm_struct *mm, unsigned long start, unsigned long count,
				  unsigned int flags, struct page **pages)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return get_user_pages_remote(mm, start, count, flags, pages, NULL);
#else
	return get_user_pages_remote(mm, start, count, flags, pages, NULL, NULL);
#endif
}

/* 6.8: eventfd_signal adds one. */
static inline void upu_eventfd_add(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/* 6.11: domains are made for a device. */
static inline struct iommu_domain *upu_domain_alloc(struct device *dev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	return iommu_paging_domain_alloc(dev);
#else
	struct iommu_domain *domain = iommu_domain_alloc(dev->bus);

	return domain ?: ERR_PTR(-ENOMEM);
#endif
}

#endif
