// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a mapping when its memory goes away, and whose memory may be mapped at all.
 *
 *	UNMAP		munmap, mremap, MAP_FIXED, OOM reaper: cut before the callback returns
 *	RELEASE		exit, exec: the same, and no more bus mastering
 *	CLEAR, others	content may be gone or not, the event does not say: a worker compares the
 *			pages that are there now with the pinned ones, and cuts if they differ
 *	PROTECTION_*,	nothing is gone
 *	SOFT_DIRTY
 *
 * Callbacks may come where nothing can sleep; they take upu_mapping.lock and tree_lock alone.
 */
#include <linux/sched/mm.h>

#include "trace.h"
#include "upu.h"

#define UPU_CHECK_BATCH		(PAGE_SIZE / sizeof(struct page *))

/* The process whose memory is mapped. */
struct upu_owner {
	struct mmu_notifier notifier;
	struct upu_session *session;
	struct mm_struct *mm;		/* kept by the notifier */
	unsigned int calls;		/* DMA_MAPs under way; under owner_lock */
	bool mapped;			/* one has succeeded; under owner_lock */
	bool ended;
	bool let_go;			/* by us: the end of the process is none of our business */
};

/* ---- records ---- */

static struct upu_invalidation *upu_record_at(struct upu_dma *dma, unsigned int i)
{
	return &dma->record[(dma->record_head + i) % UPU_RECORDS];
}

/* tree_lock is held; any context. */
void upu_record(struct upu_mapping *map, u32 cause)
{
	struct upu_dma *dma = &map->session->dma;
	struct upu_invalidation *merged = &dma->merged;
	struct upu_invalidation record = {
		.iova = map->iova,
		.size = map->size,
		.vaddr = map->vaddr,
		.sequence = ++dma->sequence,
		.cause = cause,
		.flags = dma->domain ? 0 : UPU_INVALIDATION_PINNED,
	};

	lockdep_assert_held(&dma->tree_lock);
	trace_upu_invalidate(pci_name(map->session->udev->pdev), map->iova, map->size, cause);
	if (dma->record_count < UPU_RECORDS && !merged->cause) {
		*upu_record_at(dma, dma->record_count++) = record;
	} else if (!merged->cause) {
		*merged = record;
	} else {
		u64 start = min(merged->iova, record.iova);
		u64 last = max(merged->iova + (merged->size - 1), record.iova + (record.size - 1));

		record.iova = start;
		record.size = last - start + 1;
		record.vaddr = 0;
		record.flags |= UPU_INVALIDATION_MERGED;
		*merged = record;
	}
	upu_eventfd_signal(map->session, UPU_EVENTFD_INVALIDATION);
}

int upu_get_invalidations(struct upu_session *session, void __user *user)
{
	struct upu_dma *dma = &session->dma;
	struct upu_get_invalidations arg;
	struct upu_invalidation *copy;
	unsigned int i, count;
	int ret;

	ret = upu_copy_in(&arg, user, sizeof(arg), 0);
	if (ret)
		return ret;
	if (!arg.capacity)
		return -EINVAL;
	count = min_t(u32, arg.capacity, UPU_RECORDS);
	copy = kvmalloc_array(count, sizeof(*copy), GFP_KERNEL_ACCOUNT);
	if (!copy)
		return -ENOMEM;

	mutex_lock(&dma->read_lock);
	spin_lock(&dma->tree_lock);
	count = min(count, dma->record_count);
	for (i = 0; i < count; i++)
		copy[i] = *upu_record_at(dma, i);
	spin_unlock(&dma->tree_lock);

	arg.count = count;
	if (!count)
		ret = -EAGAIN;
	else if (copy_to_user(u64_to_user_ptr(arg.records), copy, count * sizeof(*copy)) ||
		 copy_to_user(user, &arg, sizeof(arg)))
		ret = -EFAULT;
	if (!ret) {
		/* Only readers take out, so the oldest are still those. */
		spin_lock(&dma->tree_lock);
		dma->record_head = (dma->record_head + count) % UPU_RECORDS;
		dma->record_count -= count;
		if (dma->merged.cause) {
			*upu_record_at(dma, dma->record_count++) = dma->merged;
			dma->merged.cause = 0;
		}
		spin_unlock(&dma->tree_lock);
	}
	mutex_unlock(&dma->read_lock);
	kvfree(copy);
	return ret;
}

/* ---- one mapping ---- */

/* Any context: writing to configuration space takes a raw spinlock. */
static void upu_quiet(struct upu_session *session)
{
	WRITE_ONCE(session->dma.quiet, true);
	smp_mb();		/* pairs with upu_keep_quiet() */
	pci_clear_master(session->udev->pdev);
}

/* tree_lock is held; any context. */
static void upu_start_checks(struct upu_session *session)
{
	kref_get(&session->ref);
	if (!queue_work(upu_wq, &session->dma.check))
		upu_session_put(session);	/* never the last one */
}

/* To the end of the queue, if it is not in there. tree_lock is held; any context. */
static void upu_ask_for_check(struct upu_mapping *map)
{
	if (!map->in_tree || map->busy || map->leaving || map->told)
		return;
	if (list_empty(&map->check))
		list_add_tail(&map->check, &map->session->dma.to_check);
	upu_start_checks(map->session);
}

static bool upu_invalidate(struct mmu_interval_notifier *notifier,
			   const struct mmu_notifier_range *range, unsigned long sequence)
{
	struct upu_mapping *map = container_of(notifier, struct upu_mapping, notifier);
	struct upu_session *session = map->session;

	switch (range->event) {
	case MMU_NOTIFY_PROTECTION_VMA:
	case MMU_NOTIFY_PROTECTION_PAGE:
	case MMU_NOTIFY_SOFT_DIRTY:
		return true;
	default:
		break;
	}

	spin_lock(&map->lock);
	mmu_interval_set_seq(notifier, sequence);
	spin_unlock(&map->lock);

	switch (range->event) {
	case MMU_NOTIFY_UNMAP:
		upu_mapping_dismiss(map, UPU_CAUSE_UNMAPPED);
		break;
	case MMU_NOTIFY_RELEASE:
		/*
		 * What the end of the session has cut is watched until the reaper comes to it, and
		 * the device may be somebody else's by then.
		 */
		spin_lock(&map->lock);
		if (map->live)
			upu_quiet(session);
		spin_unlock(&map->lock);
		upu_mapping_dismiss(map, UPU_CAUSE_EXITED);
		break;
	default:
		/* A DMA_MAP under way sees the sequence itself. */
		spin_lock(&session->dma.tree_lock);
		upu_ask_for_check(map);
		spin_unlock(&session->dma.tree_lock);
		break;
	}
	return true;
}

static const struct mmu_interval_notifier_ops upu_interval_ops = {
	.invalidate = upu_invalidate,
};

int upu_mapping_watch(struct upu_mapping *map)
{
	int ret;

	if (map->buffer)
		return 0;		/* its pages are nobody's to take away */
	ret = mmu_interval_notifier_insert(&map->notifier, map->mm, map->vaddr, map->size,
					   &upu_interval_ops);
	map->watched = !ret;
	return ret;
}

/* Sleeps until callbacks under way are done. */
void upu_mapping_unwatch(struct upu_mapping *map)
{
	if (map->watched)
		mmu_interval_notifier_remove(&map->notifier);
	map->watched = false;
}

/*
 * Whether the user's addresses still lead to the pinned pages. Faults in what is missing, since a
 * look without faulting does not see a hole in hugetlbfs; what comes in then is not the pinned
 * page. FOLL_FORCE, for memory that the user has protected against himself is still there.
 */
static bool upu_mapping_intact(struct upu_mapping *map)
{
	unsigned long left = map->size >> PAGE_SHIFT, address = map->vaddr;
	unsigned long run = 0, at = 0;
	struct page **batch;
	bool same = true;
	long got, i;

	batch = (struct page **)__get_free_page(GFP_KERNEL | __GFP_NOFAIL);
	while (left && same) {
		mmap_read_lock(map->mm);
		got = upu_gup_remote(map->mm, address, min_t(unsigned long, left, UPU_CHECK_BATCH),
				     FOLL_FORCE, batch);
		mmap_read_unlock(map->mm);
		if (got <= 0) {
			same = false;
			break;
		}
		for (i = 0; i < got; i++) {
			same &= run < map->run_count && page_to_pfn(batch[i]) ==
						       page_to_pfn(map->runs[run].page) + at;
			if (run < map->run_count && ++at == map->runs[run].count) {
				run++;
				at = 0;
			}
			put_page(batch[i]);
		}
		address += got << PAGE_SHIFT;
		left -= got;
		cond_resched();
	}
	free_page((unsigned long)batch);
	return same;
}

/* The mapping is referenced. Returns false if it has to be looked at again. */
static bool upu_check(struct upu_mapping *map)
{
	unsigned long sequence;
	bool same, again;

	sequence = mmu_interval_read_begin(&map->notifier);
	if (!mmget_not_zero(map->mm))
		return true;		/* RELEASE sees to it */
	same = upu_mapping_intact(map);
	/* If this was the last user of the memory, its end must not run in here. */
	mmput_async(map->mm);

	spin_lock(&map->lock);
	again = mmu_interval_read_retry(&map->notifier, sequence);
	spin_unlock(&map->lock);
	if (again)
		return false;
	if (!same)
		upu_mapping_dismiss(map, UPU_CAUSE_DROPPED);
	return true;
}

static struct upu_mapping *upu_next_to_check(struct upu_dma *dma)
{
	struct upu_mapping *map;

	map = list_first_entry_or_null(&dma->to_check, struct upu_mapping, check);
	if (map) {
		list_del_init(&map->check);
		kref_get(&map->ref);
	}
	return map;
}

/* One round: a mapping that changes again and again is looked at again after all the others. */
void upu_check_work(struct work_struct *work)
{
	struct upu_dma *dma = container_of(work, struct upu_dma, check);
	struct upu_session *session = container_of(dma, struct upu_session, dma);
	struct upu_mapping *map;
	bool again;

	do {
		spin_lock(&dma->tree_lock);
		map = upu_next_to_check(dma);
		spin_unlock(&dma->tree_lock);
		if (!map)
			break;
		again = !upu_check(map);
		if (again) {
			spin_lock(&dma->tree_lock);
			upu_ask_for_check(map);
			/* It may be gone, and the others still wait. */
			if (!list_empty(&dma->to_check))
				upu_start_checks(session);
			spin_unlock(&dma->tree_lock);
		}
		upu_mapping_put(map);
		cond_resched();
	} while (!again);
	upu_session_put(session);
}

/* ---- the process ---- */

static void upu_owner_ended(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct upu_owner *owner = container_of(notifier, struct upu_owner, notifier);
	struct upu_session *session = owner->session;

	WRITE_ONCE(owner->ended, true);
	if (READ_ONCE(owner->let_go))
		return;
	upu_quiet(session);
	if (session->dma.domain)
		upu_dma_revoke_all(session, UPU_CAUSE_EXITED);
	else
		upu_dma_tell_all(session, UPU_CAUSE_EXITED);
}

static const struct mmu_notifier_ops upu_owner_ops = {
	.release = upu_owner_ended,
};

static void upu_owner_free(struct upu_owner *owner)
{
	if (!owner)
		return;
	WRITE_ONCE(owner->let_go, true);
	mmu_notifier_unregister(&owner->notifier, owner->mm);
	kfree(owner);
}

/* Whether the caller may map, once more. owner_lock is held. -EAGAIN: nobody has, so far. */
static int upu_owner_join(struct upu_dma *dma, struct upu_owner **ended)
{
	struct upu_owner *owner = dma->owner;

	if (dma->closed)
		return -ENODEV;
	if (owner && READ_ONCE(owner->ended) && !owner->calls) {
		dma->owner = NULL;
		*ended = owner;
		owner = NULL;
	}
	if (!owner)
		return -EAGAIN;
	if (owner->mm != current->mm || READ_ONCE(owner->ended))
		return -EPERM;
	owner->calls++;
	return 0;
}

/*
 * The caller starts a DMA_MAP. Registration takes mmap_lock, and is therefore outside of
 * our lock.
 */
int upu_owner_claim(struct upu_session *session)
{
	struct upu_dma *dma = &session->dma;
	struct upu_owner *owner, *old = NULL;
	int ret;

	if (!current->mm)
		return -EPERM;
	mutex_lock(&dma->owner_lock);
	ret = upu_owner_join(dma, &old);
	mutex_unlock(&dma->owner_lock);
	upu_owner_free(old);
	if (ret != -EAGAIN)
		return ret;

	owner = kzalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);
	if (!owner)
		return -ENOMEM;
	owner->session = session;
	owner->mm = current->mm;
	owner->notifier.ops = &upu_owner_ops;
	ret = mmu_notifier_register(&owner->notifier, owner->mm);
	if (ret) {
		kfree(owner);
		return ret;
	}

	old = NULL;
	mutex_lock(&dma->owner_lock);
	ret = upu_owner_join(dma, &old);
	if (ret == -EAGAIN) {
		owner->calls = 1;
		dma->owner = owner;
		WRITE_ONCE(dma->quiet, false);
		owner = NULL;
		ret = 0;
	}
	mutex_unlock(&dma->owner_lock);
	upu_owner_free(old);
	upu_owner_free(owner);		/* another thread was faster */
	return ret;
}

/* The DMA_MAP is over. One that failed leaves the device to whoever maps first. */
void upu_owner_unclaim(struct upu_session *session, bool mapped)
{
	struct upu_dma *dma = &session->dma;
	struct upu_owner *owner;

	mutex_lock(&dma->owner_lock);
	owner = dma->owner;
	if (owner) {
		owner->calls--;
		owner->mapped |= mapped;
		if (owner->calls || owner->mapped)
			owner = NULL;
		else
			dma->owner = NULL;
	}
	mutex_unlock(&dma->owner_lock);
	upu_owner_free(owner);
}

/* Whether the caller may unmap. */
int upu_owner_check(struct upu_session *session)
{
	struct upu_dma *dma = &session->dma;
	int ret = 0;

	mutex_lock(&dma->owner_lock);
	if (dma->owner && dma->owner->mm != current->mm)
		ret = -EPERM;
	mutex_unlock(&dma->owner_lock);
	return ret;
}

/* The session ends. */
void upu_owner_release(struct upu_session *session)
{
	struct upu_dma *dma = &session->dma;
	struct upu_owner *owner;

	mutex_lock(&dma->owner_lock);
	owner = dma->owner;
	dma->owner = NULL;
	mutex_unlock(&dma->owner_lock);
	upu_owner_free(owner);
}
