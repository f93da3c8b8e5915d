// SPDX-License-Identifier: GPL-2.0
/*
 * DMA mappings: the session's IOMMU domain, map, unmap, accounting.
 *
 * A mapping goes through these states. What makes it go away may come from DMA_UNMAP, from an MMU
 * notifier, or from the end of the session, all at once:
 *
 *	busy	in the tree, so that its IOVA is taken; DMA_MAP is pinning. Only DMA_MAP ends this.
 *	live	the IOMMU knows it
 *	cut	the IOMMU does not know it any more, the pages are still pinned
 *	gone	out of the tree, unpinned, given back to the limit
 *
 * live -> cut happens under the mapping's spinlock, in whatever context; the rest where one can
 * sleep. No lock is held while user memory is pinned, since that can take as long as the user
 * likes.
 */
#include <linux/capability.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "trace.h"
#include "upu.h"

/* Memory that keeps changing under DMA_MAP is given up on after so many attempts. */
#define UPU_MAP_ATTEMPTS	16
#define UPU_PIN_BATCH		(PAGE_SIZE / sizeof(struct page *))

static void upu_reap_work(struct work_struct *work);

void upu_dma_init(struct upu_session *session)
{
	struct upu_dma *dma = &session->dma;

	mutex_init(&dma->owner_lock);
	mutex_init(&dma->read_lock);
	spin_lock_init(&dma->tree_lock);
	dma->tree = RB_ROOT;
	INIT_LIST_HEAD(&dma->doomed);
	INIT_WORK(&dma->reap, upu_reap_work);
	INIT_WORK(&dma->check, upu_check_work);
}

/* ---- the domain ---- */

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

/* ---- pages ---- */

static int upu_add_run(struct upu_mapping *map, struct page *page, unsigned long count)
{
	struct upu_run *last = map->run_count ? &map->runs[map->run_count - 1] : NULL;

	if (last && page_to_pfn(last->page) + last->count == page_to_pfn(page)) {
		last->count += count;
		return 0;
	}
	if (map->run_count == map->run_room) {
		unsigned long room = map->run_room ? 2 * map->run_room : 8;
		struct upu_run *runs = kvmalloc_array(room, sizeof(*runs),
						      GFP_KERNEL_ACCOUNT | __GFP_NOWARN);

		if (!runs)
			return -ENOMEM;
		if (map->runs)
			memcpy(runs, map->runs, map->run_count * sizeof(*runs));
		kvfree(map->runs);
		map->runs = runs;
		map->run_room = room;
	}
	map->runs[map->run_count++] = (struct upu_run){ page, count };
	return 0;
}

static int upu_pin_user(struct upu_mapping *map, unsigned int flags, struct page **batch)
{
	unsigned long left = map->size >> PAGE_SHIFT;
	unsigned long address = map->vaddr;
	long got, i;
	int ret;

	while (left) {
		got = pin_user_pages_fast(address, min_t(unsigned long, left, UPU_PIN_BATCH),
					  flags | FOLL_LONGTERM, batch);
		if (got <= 0)
			return got ?: -EFAULT;
		for (i = 0; i < got; i++) {
			ret = upu_add_run(map, batch[i], 1);
			if (ret) {
				unpin_user_pages(batch + i, got - i);
				return ret;
			}
		}
		address += got << PAGE_SHIFT;
		left -= got;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int upu_take_buffer(struct upu_mapping *map)
{
	unsigned long index = map->vaddr >> PAGE_SHIFT, left = map->size >> PAGE_SHIFT, count;
	struct page *page;
	int ret;

	while (left) {
		page = upu_buffer_page(map->buffer, index, &count);
		count = min(count, left);
		ret = upu_add_run(map, page, count);
		if (ret)
			return ret;
		index += count;
		left -= count;
	}
	return 0;
}

/*
 * Gets the pages. Memory is pinned as if it was to be written, if it can be: a page that is only
 * read may be a shared one, and the user's first write would then put another in its place.
 */
int upu_mapping_pin(struct upu_mapping *map)
{
	struct page **batch;
	int ret;

	map->run_count = 0;
	if (map->buffer)
		return upu_take_buffer(map);

	batch = (struct page **)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!batch)
		return -ENOMEM;
	map->pinned = true;
	map->writable = true;
	ret = upu_pin_user(map, FOLL_WRITE, batch);
	if (ret == -EFAULT && !(map->flags & UPU_DMA_WRITE)) {
		upu_mapping_unpin(map);
		map->run_count = 0;
		map->pinned = true;
		map->writable = false;
		ret = upu_pin_user(map, 0, batch);
	}
	free_page((unsigned long)batch);
	if (ret)
		upu_mapping_unpin(map);
	return ret == -EBUSY ? -EAGAIN : ret;
}

void upu_mapping_unpin(struct upu_mapping *map)
{
	unsigned long i;

	for (i = 0; map->pinned && i < map->run_count; i++) {
		unpin_user_page_range_dirty_lock(map->runs[i].page, map->runs[i].count,
						 map->flags & UPU_DMA_WRITE);
		cond_resched();
	}
	map->pinned = false;	/* @runs stays: the checker may be comparing */
}

static int upu_mapping_attach(struct upu_mapping *map)
{
	struct upu_dma *dma = &map->session->dma;
	u64 iova = map->iova;
	unsigned long i;
	int prot = dma->prot;
	int ret = 0;

	if (!dma->domain)
		return 0;
	if (map->flags & UPU_DMA_READ)
		prot |= IOMMU_READ;
	if (map->flags & UPU_DMA_WRITE)
		prot |= IOMMU_WRITE;
	for (i = 0; i < map->run_count && !ret; i++) {
		size_t size = map->runs[i].count << PAGE_SHIFT;

		ret = upu_iommu_map(dma->domain, iova, page_to_phys(map->runs[i].page), size, prot);
		if (!ret)
			iova += size;
		cond_resched();
	}
	if (ret && iova > map->iova)
		iommu_unmap(dma->domain, map->iova, iova - map->iova);
	return ret;
}

/* live -> cut. The mapping's lock is held; any context. */
void upu_mapping_cut(struct upu_mapping *map)
{
	struct upu_dma *dma = &map->session->dma;

	lockdep_assert_held(&map->lock);
	if (!map->live)
		return;
	map->live = false;
	if (dma->domain)
		WARN_ON_ONCE(iommu_unmap(dma->domain, map->iova, map->size) != map->size);
}

/* ---- accounting ---- */

static int upu_account(struct upu_mapping *map)
{
	struct upu_dma *dma = &map->session->dma;
	int ret;

	if (map->buffer)		/* counted when it was allocated */
		return 0;
	ret = account_locked_vm(map->mm, map->size >> PAGE_SHIFT, true);
	if (ret) {
		/* What is on its way out may make room. */
		flush_work(&dma->reap);
		ret = account_locked_vm(map->mm, map->size >> PAGE_SHIFT, true);
	}
	if (!ret) {
		map->accounted = true;
		atomic64_add(map->size, &dma->pinned);
	}
	return ret;
}

static void upu_unaccount(struct upu_mapping *map)
{
	if (!map->accounted)
		return;
	map->accounted = false;
	account_locked_vm(map->mm, map->size >> PAGE_SHIFT, false);
	atomic64_sub(map->size, &map->session->dma.pinned);
}

static void upu_mapping_free(struct kref *ref)
{
	struct upu_mapping *map = container_of(ref, struct upu_mapping, ref);

	if (map->buffer)
		fput(map->buffer);
	mmdrop(map->mm);
	kvfree(map->runs);
	kfree(map);
}

/* May sleep. */
void upu_mapping_put(struct upu_mapping *map)
{
	kref_put(&map->ref, upu_mapping_free);
}

/* cut -> gone. May sleep. */
static void upu_mapping_bury(struct upu_mapping *map)
{
	upu_mapping_unwatch(map);
	upu_mapping_unpin(map);
	upu_unaccount(map);
	upu_mapping_put(map);
}

static void upu_reap_work(struct work_struct *work)
{
	struct upu_dma *dma = container_of(work, struct upu_dma, reap);
	struct upu_session *session = container_of(dma, struct upu_session, dma);
	struct upu_mapping *map, *next;
	LIST_HEAD(doomed);

	spin_lock(&dma->tree_lock);
	list_splice_init(&dma->doomed, &doomed);
	spin_unlock(&dma->tree_lock);
	list_for_each_entry_safe(map, next, &doomed, link)
		upu_mapping_bury(map);
	upu_session_put(session);
}

/* Hands a cut mapping that is out of the tree to the reaper. tree_lock is held; any context. */
static void upu_doom(struct upu_mapping *map)
{
	struct upu_session *session = map->session;

	list_add_tail(&map->link, &session->dma.doomed);
	kref_get(&session->ref);
	if (!queue_work(upu_wq, &session->dma.reap))
		upu_session_put(session);	/* queued already; never the last one */
}

/* ---- the tree ---- */

/* The first mapping that ends after @iova, or NULL. */
static struct upu_mapping *upu_tree_first(struct upu_dma *dma, u64 iova)
{
	struct rb_node *node = dma->tree.rb_node;
	struct upu_mapping *found = NULL;

	while (node) {
		struct upu_mapping *map = rb_entry(node, struct upu_mapping, node);

		if (map->iova + (map->size - 1) >= iova) {
			found = map;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

static struct upu_mapping *upu_tree_next(struct upu_mapping *map)
{
	struct rb_node *node = rb_next(&map->node);

	return node ? rb_entry(node, struct upu_mapping, node) : NULL;
}

static void upu_tree_remove(struct upu_mapping *map)
{
	struct upu_dma *dma = &map->session->dma;

	rb_erase(&map->node, &dma->tree);
	map->in_tree = false;
	dma->count--;
}

static int upu_tree_insert(struct upu_mapping *map)
{
	struct upu_dma *dma = &map->session->dma;
	struct rb_node **link = &dma->tree.rb_node, *parent = NULL;
	struct upu_mapping *other;

	if (dma->closed)
		return -ENODEV;
	if (dma->count >= READ_ONCE(upu_dma_entry_limit))
		return -ENOSPC;
	other = upu_tree_first(dma, map->iova);
	if (other && other->iova <= map->iova + (map->size - 1))
		return -EEXIST;
	while (*link) {
		parent = *link;
		other = rb_entry(parent, struct upu_mapping, node);
		link = map->iova < other->iova ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&map->node, parent, link);
	rb_insert_color(&map->node, &dma->tree);
	map->in_tree = true;
	dma->count++;
	return 0;
}

/* Takes out what the caller has marked as leaving. May sleep. */
static void upu_mapping_take_out(struct upu_mapping *map)
{
	struct upu_dma *dma = &map->session->dma;

	spin_lock(&map->lock);
	upu_mapping_cut(map);
	spin_unlock(&map->lock);
	spin_lock(&dma->tree_lock);
	list_del_init(&map->link);
	upu_tree_remove(map);
	spin_unlock(&dma->tree_lock);
	upu_mapping_bury(map);
}

/*
 * Memory under the mapping has gone away: cut it, tell, and let the reaper have the rest. Any
 * context. Without an IOMMU nothing can be cut; the pages stay pinned, and the user is told that.
 */
void upu_mapping_dismiss(struct upu_mapping *map, u32 cause)
{
	struct upu_dma *dma = &map->session->dma;

	spin_lock(&map->lock);
	if (map->live) {
		if (dma->domain)
			upu_mapping_cut(map);
		spin_lock(&dma->tree_lock);
		if (map->in_tree && !map->leaving && !map->told) {
			map->told = true;
			upu_record(map, cause);
			if (dma->domain) {
				upu_tree_remove(map);
				upu_doom(map);
			}
		}
		spin_unlock(&dma->tree_lock);
	}
	spin_unlock(&map->lock);
}

/*
 * The process has ended, and there is no IOMMU: the pages stay pinned until close, and
 * that is told.
 */
void upu_dma_tell_all(struct upu_session *session, u32 cause)
{
	struct upu_dma *dma = &session->dma;
	struct upu_mapping *map;

	spin_lock(&dma->tree_lock);
	for (map = upu_tree_first(dma, 0); map; map = upu_tree_next(map)) {
		if (!map->leaving && !map->told)
			upu_record(map, cause);
		map->told = true;
	}
	spin_unlock(&dma->tree_lock);
}

/* Takes every mapping out that nobody else is taking out. @cause 0: nobody is told. Idempotent. */
void upu_dma_revoke_all(struct upu_session *session, u32 cause)
{
	struct upu_dma *dma = &session->dma;
	struct upu_mapping *map;

	for (;;) {
		spin_lock(&dma->tree_lock);
		map = upu_tree_first(dma, 0);
		while (map && (map->busy || map->leaving))
			map = upu_tree_next(map);
		if (map)
			map->leaving = true;
		spin_unlock(&dma->tree_lock);
		if (!map)
			return;

		spin_lock(&map->lock);
		upu_mapping_cut(map);
		spin_unlock(&map->lock);

		spin_lock(&dma->tree_lock);
		if (cause)
			upu_record(map, cause);
		upu_tree_remove(map);
		upu_doom(map);
		spin_unlock(&dma->tree_lock);
		cond_resched();
	}
}

/* ---- DMA_MAP ---- */

static int upu_check_range(struct upu_dma *dma, const struct upu_dma_map *arg)
{
	u64 granule = 1ull << __ffs(dma->page_sizes);
	u64 iova_end, vaddr_end;
	unsigned int i;

	granule = max_t(u64, granule, PAGE_SIZE);
	if (!arg->size || (arg->size | arg->iova | arg->vaddr) & (granule - 1))
		return -EINVAL;
	if (check_add_overflow(arg->iova, arg->size - 1, &iova_end) ||
	    check_add_overflow(arg->vaddr, arg->size - 1, &vaddr_end))
		return -EOVERFLOW;
	if (arg->size != (size_t)arg->size || vaddr_end != (unsigned long)vaddr_end)
		return -EOVERFLOW;
	if (arg->address_bits > 64)
		return -EINVAL;
	if (!dma->domain)
		return arg->iova ? -EINVAL : 0;
	if (arg->address_bits && arg->address_bits < 64 && iova_end >> arg->address_bits)
		return -EINVAL;
	if (arg->iova < dma->aperture_start || iova_end > dma->aperture_last)
		return -EINVAL;
	for (i = 0; i < dma->reserved_count; i++)
		if (arg->iova <= dma->reserved[i].last && iova_end >= dma->reserved[i].start)
			return -EINVAL;
	return 0;
}

/* One attempt: pages, IOMMU, and a look whether they are still the user's. -EAGAIN if not. */
static int upu_map_once(struct upu_mapping *map)
{
	struct upu_dma *dma = &map->session->dma;
	unsigned long sequence = 0;
	int ret;

	if (map->watched)
		sequence = mmu_interval_read_begin(&map->notifier);
	ret = upu_mapping_pin(map);
	if (ret)
		return ret;
	ret = upu_mapping_attach(map);
	if (ret)
		goto err_unpin;

	spin_lock(&map->lock);
	if (map->watched && mmu_interval_read_retry(&map->notifier, sequence)) {
		ret = -EAGAIN;
	} else {
		spin_lock(&dma->tree_lock);
		if (dma->closed) {
			ret = -ENODEV;
		} else {
			map->live = true;
			map->busy = false;
		}
		spin_unlock(&dma->tree_lock);
	}
	spin_unlock(&map->lock);
	if (!ret)
		return 0;

	if (dma->domain)
		iommu_unmap(dma->domain, map->iova, map->size);
err_unpin:
	upu_mapping_unpin(map);
	return ret;
}

/* Without an IOMMU: one piece, where it is, and where the device can reach it. */
static int upu_map_bare(struct upu_mapping *map, struct upu_dma_map *arg)
{
	struct upu_dma *dma = &map->session->dma;
	u64 address;
	int ret;

	ret = upu_mapping_pin(map);
	if (ret)
		return ret;
	ret = -EINVAL;
	if (map->run_count != 1)
		goto err_unpin;
	address = page_to_phys(map->runs[0].page);
	if (arg->address_bits && arg->address_bits < 64 &&
	    (address + map->size - 1) >> arg->address_bits)
		goto err_unpin;
	map->iova = address;
	spin_lock(&map->lock);
	spin_lock(&dma->tree_lock);
	ret = upu_tree_insert(map);
	if (!ret) {
		map->live = true;
		arg->iova = address;
	}
	spin_unlock(&dma->tree_lock);
	spin_unlock(&map->lock);
	if (!ret)
		return 0;
err_unpin:
	upu_mapping_unpin(map);
	return ret;
}

static int upu_map_watched(struct upu_mapping *map)
{
	struct upu_dma *dma = &map->session->dma;
	int attempt, ret;

	spin_lock(&dma->tree_lock);
	map->busy = true;
	ret = upu_tree_insert(map);
	spin_unlock(&dma->tree_lock);
	if (ret)
		return ret;
	for (attempt = 0; attempt < UPU_MAP_ATTEMPTS; attempt++) {
		ret = upu_map_once(map);
		if (ret != -EAGAIN)
			break;
	}
	if (ret) {
		spin_lock(&dma->tree_lock);
		upu_tree_remove(map);
		spin_unlock(&dma->tree_lock);
	}
	return ret;
}

int upu_dma_map(struct upu_session *session, void __user *user)
{
	struct upu_dma *dma = &session->dma;
	struct upu_dma_map arg;
	struct upu_mapping *map;
	u64 __user *iova = &((struct upu_dma_map __user *)user)->iova;
	bool undo = false;
	int ret;

	ret = upu_copy_in(&arg, user, sizeof(arg),
			  UPU_DMA_READ | UPU_DMA_WRITE | UPU_DMA_BUFFER);
	if (ret)
		return ret;
	if (!(arg.flags & (UPU_DMA_READ | UPU_DMA_WRITE)))
		return -EINVAL;
	if (!(arg.flags & UPU_DMA_BUFFER) && arg.fd)
		return -EINVAL;
	ret = upu_check_range(dma, &arg);
	if (ret)
		return ret;
	if (!(arg.flags & UPU_DMA_BUFFER) &&
	    (arg.vaddr + arg.size - 1 > TASK_SIZE_MAX || !current->mm))
		return -EFAULT;
	ret = upu_owner_claim(session);
	if (ret)
		return ret;
	map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);
	ret = -ENOMEM;
	if (!map)
		goto err_unclaim;
	kref_init(&map->ref);
	map->session = session;
	map->mm = current->mm;
	mmgrab(map->mm);
	map->iova = arg.iova;
	map->size = arg.size;
	map->vaddr = arg.vaddr;
	map->flags = arg.flags;
	spin_lock_init(&map->lock);
	INIT_LIST_HEAD(&map->link);

	if (arg.flags & UPU_DMA_BUFFER) {
		map->buffer = upu_buffer_get(arg.fd);
		if (IS_ERR(map->buffer)) {
			ret = PTR_ERR(map->buffer);
			map->buffer = NULL;
			goto err_free;
		}
		ret = -EFAULT;
		if (arg.vaddr > upu_buffer_size(map->buffer) ||
		    arg.size > upu_buffer_size(map->buffer) - arg.vaddr)
			goto err_free;
	}
	ret = upu_account(map);
	if (ret)
		goto err_free;
	ret = upu_mapping_watch(map);		/* before the pin: nothing slips between */
	if (ret)
		goto err_unaccount;
	kref_get(&map->ref);
	ret = dma->domain ? upu_map_watched(map) : upu_map_bare(map, &arg);
	if (ret)
		goto err_unwatch;

	/* The mapping may go away at any time; ours is a second reference. */
	if (!dma->domain && put_user(arg.iova, iova)) {
		ret = -EFAULT;
		spin_lock(&dma->tree_lock);
		undo = map->in_tree && !map->leaving;
		map->leaving |= undo;
		spin_unlock(&dma->tree_lock);
		if (undo)
			upu_mapping_take_out(map);
	} else {
		trace_upu_map(pci_name(session->udev->pdev), arg.iova, arg.size, arg.flags);
	}
	upu_mapping_put(map);
	upu_owner_unclaim(session, !ret);
	return ret;

err_unwatch:
	upu_mapping_put(map);
	upu_mapping_unwatch(map);
err_unaccount:
	upu_unaccount(map);
err_free:
	upu_mapping_put(map);
err_unclaim:
	upu_owner_unclaim(session, false);
	return ret;
}

/* ---- DMA_UNMAP ---- */

/* How much lies in [iova, last], in whole mappings. tree_lock is held. */
static int upu_measure(struct upu_dma *dma, u64 iova, u64 last, bool all, u64 *size)
{
	struct upu_mapping *map;

	*size = 0;
	if (dma->closed)
		return -ENODEV;
	for (map = upu_tree_first(dma, iova); map && map->iova <= last; map = upu_tree_next(map)) {
		if (map->busy || map->leaving) {
			if (all)
				continue;
			return -EBUSY;
		}
		if (map->iova < iova || map->iova + (map->size - 1) > last)
			return -EINVAL;
		*size += map->size;
	}
	return *size || all ? 0 : -ENOENT;
}

/* Marks what upu_measure() has found as leaving. tree_lock is still held. */
static void upu_mark_leaving(struct upu_dma *dma, u64 iova, u64 last, struct list_head *mine)
{
	struct upu_mapping *map;

	for (map = upu_tree_first(dma, iova); map && map->iova <= last; map = upu_tree_next(map))
		if (!map->busy && !map->leaving) {
			map->leaving = true;
			list_add_tail(&map->link, mine);
		}
}

int upu_dma_unmap(struct upu_session *session, void __user *user)
{
	struct upu_dma *dma = &session->dma;
	struct upu_mapping *map, *next;
	u64 __user *answer = &((struct upu_dma_unmap __user *)user)->size;
	struct upu_dma_unmap arg;
	LIST_HEAD(mine);
	u64 last, size, told = ~0ull;	/* no size: sizes are multiples of a page */
	bool all;
	int ret;

	ret = upu_copy_in(&arg, user, sizeof(arg), UPU_DMA_UNMAP_ALL);
	if (ret)
		return ret;
	all = arg.flags & UPU_DMA_UNMAP_ALL;
	if (all) {
		if (arg.iova || arg.size)
			return -EINVAL;
		last = ~0ull;
	} else {
		if (!arg.size)
			return -EINVAL;
		if (check_add_overflow(arg.iova, arg.size - 1, &last))
			return -EOVERFLOW;
	}
	ret = upu_owner_check(session);
	if (ret)
		return ret;

	/* The answer is given before anything is done, so that a bad pointer changes nothing. */
	for (;;) {
		spin_lock(&dma->tree_lock);
		ret = upu_measure(dma, arg.iova, last, all, &size);
		if (!ret && size == told)
			upu_mark_leaving(dma, arg.iova, last, &mine);
		spin_unlock(&dma->tree_lock);
		if (ret)
			return ret;
		if (size == told)
			break;
		if (put_user(size, answer))
			return -EFAULT;
		told = size;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}

	list_for_each_entry_safe(map, next, &mine, link) {
		trace_upu_unmap(pci_name(session->udev->pdev), map->iova, map->size, 0);
		upu_mapping_take_out(map);
		cond_resched();
	}
	return 0;
}
