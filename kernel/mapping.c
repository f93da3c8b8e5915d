// SPDX-License-Identifier: GPL-2.0
/*
 * One mapping: its pages, what the IOMMU and the user's limit know of it, and its end. The states
 * are dma.c's.
 */
#include <linux/file.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "upu.h"

#define UPU_PIN_BATCH		(PAGE_SIZE / sizeof(struct page *))

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
	ret = upu_pin_user(map, FOLL_WRITE, batch);
	if (ret == -EFAULT && !(map->flags & UPU_DMA_WRITE)) {
		upu_mapping_unpin(map);
		map->run_count = 0;
		map->pinned = true;
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

int upu_mapping_attach(struct upu_mapping *map)
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

int upu_account(struct upu_mapping *map)
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

void upu_unaccount(struct upu_mapping *map)
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
void upu_mapping_bury(struct upu_mapping *map)
{
	upu_mapping_unwatch(map);
	upu_mapping_unpin(map);
	upu_unaccount(map);
	upu_mapping_put(map);
}

void upu_reap_work(struct work_struct *work)
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
void upu_doom(struct upu_mapping *map)
{
	struct upu_session *session = map->session;

	list_add_tail(&map->link, &session->dma.doomed);
	kref_get(&session->ref);
	if (!queue_work(upu_wq, &session->dma.reap))
		upu_session_put(session);	/* queued already; never the last one */
}
