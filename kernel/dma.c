// SPDX-License-Identifier: GPL-2.0
/*
 * DMA mappings: the tree of them, map and unmap.
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
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "trace.h"
#include "upu.h"

/* Memory that keeps changing under DMA_MAP is given up on after so many attempts. */
#define UPU_MAP_ATTEMPTS	16

void upu_dma_init(struct upu_session *session)
{
	struct upu_dma *dma = &session->dma;

	mutex_init(&dma->owner_lock);
	mutex_init(&dma->read_lock);
	spin_lock_init(&dma->tree_lock);
	dma->tree = RB_ROOT;
	init_waitqueue_head(&dma->left);
	INIT_LIST_HEAD(&dma->doomed);
	INIT_LIST_HEAD(&dma->to_check);
	INIT_WORK(&dma->reap, upu_reap_work);
	INIT_WORK(&dma->check, upu_check_work);
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
	list_del_init(&map->check);
	map->in_tree = false;
	dma->count--;
	if (map->leaving && !--dma->leaving)
		wake_up_all(&dma->left);
}

/* From here on it is the caller's to take out. tree_lock is held. */
static void upu_tree_leave(struct upu_mapping *map)
{
	map->leaving = true;
	map->session->dma.leaving++;
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
			upu_tree_leave(map);
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

/*
 * One attempt without an IOMMU: one piece, where it is, and where the device can reach it. -EAGAIN
 * if it is not the user's any more.
 */
static int upu_map_bare_once(struct upu_mapping *map, struct upu_dma_map *arg)
{
	struct upu_dma *dma = &map->session->dma;
	unsigned long sequence = 0;
	u64 address;
	int ret;

	if (map->watched)
		sequence = mmu_interval_read_begin(&map->notifier);
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
	if (map->watched && mmu_interval_read_retry(&map->notifier, sequence)) {
		ret = -EAGAIN;
	} else {
		spin_lock(&dma->tree_lock);
		ret = upu_tree_insert(map);
		if (!ret) {
			map->live = true;
			arg->iova = address;
		}
		spin_unlock(&dma->tree_lock);
	}
	spin_unlock(&map->lock);
	if (!ret)
		return 0;
err_unpin:
	upu_mapping_unpin(map);
	return ret;
}

static int upu_map_bare(struct upu_mapping *map, struct upu_dma_map *arg)
{
	int attempt, ret = -EAGAIN;

	for (attempt = 0; attempt < UPU_MAP_ATTEMPTS && ret == -EAGAIN; attempt++)
		ret = upu_map_bare_once(map, arg);
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
	INIT_LIST_HEAD(&map->check);

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
		if (undo)
			upu_tree_leave(map);
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
			upu_tree_leave(map);
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
	/* What another has begun to take out is not ours to do, but to be over as well. */
	if (all)
		return wait_event_killable(dma->left, !READ_ONCE(dma->leaving));
	return 0;
}
