// SPDX-License-Identifier: GPL-2.0
/*
 * An eventfd that unmasks INTx when somebody signals it, as KVM does when a guest acknowledges. The
 * signal may come in interrupt context, so the unmasking is work.
 */
#include <linux/file.h>
#include <linux/slab.h>

#include "upu.h"

struct upu_resample {
	struct upu_session *session;	/* referenced */
	struct eventfd_ctx *ctx;
	wait_queue_entry_t entry;
	poll_table table;
	struct work_struct work;
	struct work_struct free;
};

static int upu_resample_wake(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct upu_resample *resample = container_of(entry, struct upu_resample, entry);
	u64 count;

	if (key_to_poll(key) & EPOLLIN) {
		/* Its lock is held: we are in its wake-up. */
		eventfd_ctx_do_read(resample->ctx, &count);
		queue_work(upu_wq, &resample->work);
	}
	return 0;
}

static void upu_resample_queue(struct file *file, wait_queue_head_t *head, poll_table *table)
{
	struct upu_resample *resample = container_of(table, struct upu_resample, table);

	add_wait_queue(head, &resample->entry);
}

static void upu_resample_work(struct work_struct *work)
{
	upu_intx_resample(container_of(work, struct upu_resample, work)->session);
}

/* The work takes upu_device.lock, so it cannot be waited for by whoever holds that. */
static void upu_resample_free_work(struct work_struct *work)
{
	struct upu_resample *resample = container_of(work, struct upu_resample, free);

	cancel_work_sync(&resample->work);
	eventfd_ctx_put(resample->ctx);
	upu_session_put(resample->session);
	kfree(resample);
}

struct upu_resample *upu_resample_new(struct upu_session *session, int fd)
{
	struct upu_resample *resample;
	struct file *file;
	int ret;

	resample = kzalloc(sizeof(*resample), GFP_KERNEL_ACCOUNT);
	if (!resample)
		return ERR_PTR(-ENOMEM);
	file = fget(fd);
	ret = -EBADF;
	if (!file)
		goto err_free;
	resample->ctx = eventfd_ctx_fileget(file);
	ret = PTR_ERR_OR_ZERO(resample->ctx);
	if (ret)
		goto err_file;

	kref_get(&session->ref);
	resample->session = session;
	INIT_WORK(&resample->work, upu_resample_work);
	INIT_WORK(&resample->free, upu_resample_free_work);
	init_waitqueue_func_entry(&resample->entry, upu_resample_wake);
	init_poll_funcptr(&resample->table, upu_resample_queue);
	if (vfs_poll(file, &resample->table) & EPOLLIN)
		queue_work(upu_wq, &resample->work);		/* signalled already */
	fput(file);
	return resample;

err_file:
	fput(file);
err_free:
	kfree(resample);
	return ERR_PTR(ret);
}

void upu_resample_free(struct upu_resample *resample)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(resample->ctx, &resample->entry, &count);
	queue_work(upu_wq, &resample->free);
}
