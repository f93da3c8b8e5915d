// SPDX-License-Identifier: GPL-2.0
/* The session's IOMMU domain, and the group that it takes over. */
#include <linux/capability.h>

#include "upu.h"

static int upu_read_reserved(struct upu_dma *dma)
{
	struct iommu_resv_region *region, *next;
	unsigned int count = 0;
	LIST_HEAD(regions);
	int ret;

	ret = iommu_get_group_resv_regions(dma->group, &regions);
	if (ret)
		goto out;
	list_for_each_entry(region, &regions, list)
		count++;
	dma->reserved = kcalloc(count + 1, sizeof(*dma->reserved), GFP_KERNEL_ACCOUNT);
	ret = dma->reserved ? 0 : -ENOMEM;
	if (ret)
		goto out;
	list_for_each_entry(region, &regions, list) {
		/* Firmware's leftovers, which may be overwritten. */
		if (region->type == IOMMU_RESV_DIRECT_RELAXABLE)
			continue;
		if (region->type == IOMMU_RESV_SW_MSI)
			ret = iommu_get_msi_cookie(dma->domain, region->start);
		if (ret && ret != -ENODEV)
			goto out;
		ret = 0;
		dma->reserved[dma->reserved_count++] = (struct upu_range){
			region->start, region->start + region->length - 1 };
	}
out:
	list_for_each_entry_safe(region, next, &regions, list)
		kfree(region);
	return ret;
}

/* Without an IOMMU the device reaches all memory: for those who could anyway. */
static int upu_dma_open_bare(struct upu_session *session)
{
	struct upu_dma *dma = &session->dma;

	if (!READ_ONCE(upu_allow_noiommu) || !capable(CAP_SYS_RAWIO))
		return -EPERM;
	add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	dev_warn_ratelimited(&session->udev->pdev->dev,
			     "opened without an IOMMU by %s: it can reach all memory\n",
			     current->comm);
	dma->page_sizes = PAGE_SIZE;
	dma->aperture_last = ~0ull;
	return 0;
}

int upu_dma_open(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_dma *dma = &session->dma;
	int ret;

	dma->group = iommu_group_get(&pdev->dev);
	if (!dma->group)
		return upu_dma_open_bare(session);

	ret = iommu_group_claim_dma_owner(dma->group, session->udev);
	if (ret) {
		/* EPERM means that somebody else has a member of the group. */
		ret = ret == -EPERM ? -EBUSY : ret;
		goto err;
	}
	dma->claimed = true;
	dma->domain = upu_domain_alloc(&pdev->dev);
	if (IS_ERR(dma->domain)) {
		ret = PTR_ERR(dma->domain);
		dma->domain = NULL;
		goto err;
	}
	ret = iommu_attach_group(dma->domain, dma->group);
	if (ret)
		goto err;
	dma->attached = true;
	if (device_iommu_capable(&pdev->dev, IOMMU_CAP_CACHE_COHERENCY))
		dma->prot = IOMMU_CACHE;
	/* Before anything is mapped. What the IOMMU cannot forbid, configuration space does. */
	dma->may_bypass_caches = !dma->domain->ops->enforce_cache_coherency ||
				 !dma->domain->ops->enforce_cache_coherency(dma->domain);
	dma->page_sizes = dma->domain->pgsize_bitmap;
	dma->aperture_last = ~0ull;
	if (dma->domain->geometry.force_aperture) {
		dma->aperture_start = dma->domain->geometry.aperture_start;
		dma->aperture_last = dma->domain->geometry.aperture_end;
	}
	ret = upu_read_reserved(dma);
	if (ret)
		goto err;
	return 0;

err:
	upu_dma_close(session);
	return ret;
}

/* Whether nobody has a member of the device's group. upu_device.lock is held. */
bool upu_dma_viable(struct upu_device *udev)
{
	struct iommu_group *group;
	bool viable;

	if (udev->session)
		return true;
	group = iommu_group_get(&udev->pdev->dev);
	if (!group)
		return true;
	viable = !iommu_group_claim_dma_owner(group, udev);
	if (viable)
		iommu_group_release_dma_owner(group);
	iommu_group_put(group);
	return viable;
}

/*
 * The device is silent. Unmaps everything and leaves the group; pages are unpinned by the reaper,
 * since that may have to wait for the user's mmap_lock and this may not. Idempotent.
 */
void upu_dma_close(struct upu_session *session)
{
	struct upu_dma *dma = &session->dma;

	spin_lock(&dma->tree_lock);
	dma->closed = true;		/* a DMA_MAP under way undoes itself */
	spin_unlock(&dma->tree_lock);

	upu_dma_revoke_all(session, 0);
	upu_owner_release(session);
	if (dma->attached)
		iommu_detach_group(dma->domain, dma->group);
	dma->attached = false;
	if (dma->claimed)
		iommu_group_release_dma_owner(dma->group);
	dma->claimed = false;
}

/* Waits until every page is unpinned and given back. */
void upu_dma_flush(struct upu_session *session)
{
	flush_work(&session->dma.reap);
}

/* The last reference is gone, so no call and no work is under way. */
void upu_dma_free(struct upu_session *session)
{
	struct upu_dma *dma = &session->dma;

	WARN_ON(!RB_EMPTY_ROOT(&dma->tree) || !list_empty(&dma->doomed));
	if (dma->domain)
		iommu_domain_free(dma->domain);
	if (dma->group)
		iommu_group_put(dma->group);
	kfree(dma->reserved);
}
