// SPDX-License-Identifier: GPL-2.0
/* The event counter, as /dev/uioX has it: one count of all vectors; read(), poll(), write(). */
#include <linux/sched/signal.h>

#include "upu.h"

/*
 * A program for /dev/uioX expects its interrupt to be there from the start: write() of 1 with
 * nothing armed arms what the device has, heard by the counter alone.
 */
static int upu_counter_arm(struct upu_session *session)
{
	struct eventfd_ctx **trigger;
	u32 kind, count, i;
	bool *armed;
	int ret;

	for (kind = UPU_IRQ_INTX; kind < UPU_IRQ_MSIX; kind++)
		if (session->irqs.have[kind])
			break;
	count = kind == UPU_IRQ_MSI ? 1 : session->irqs.have[kind];
	if (!count)
		return -EIO;
	if (kind != UPU_IRQ_INTX && !upu_irq_msi_safe(session->udev->pdev))
		return -EPERM;
	trigger = kvcalloc(count, sizeof(*trigger), GFP_KERNEL_ACCOUNT);
	armed = kvcalloc(count, sizeof(*armed), GFP_KERNEL_ACCOUNT);
	ret = -ENOMEM;
	if (trigger && armed) {
		for (i = 0; i < count; i++)
			armed[i] = true;
		ret = upu_irq_arm_awake(session, kind, 0, count, 0, trigger, armed);
	}
	kvfree(trigger);
	kvfree(armed);
	return ret;
}

ssize_t upu_counter_write(struct upu_session *session, const char __user *user, size_t count)
{
	struct upu_irqs *irqs = &session->irqs;
	int ret = 0;
	s32 on;

	if (count != sizeof(on))
		return -EINVAL;
	if (copy_from_user(&on, user, sizeof(on)))
		return -EFAULT;
	if (on != 0 && on != 1)
		return -EINVAL;

	mutex_lock(&session->udev->lock);
	if (session->dead)
		ret = -ENODEV;
	else if (irqs->kind == UPU_IRQ_NONE)
		ret = on ? upu_counter_arm(session) : 0;
	else
		ret = upu_irq_mask(session, 0, irqs->size, !on);
	mutex_unlock(&session->udev->lock);
	return ret ?: sizeof(on);
}

/* Whether a read() need not wait (any more). */
static bool upu_counter_ready(struct upu_session *session, u32 *events)
{
	struct upu_irqs *irqs = &session->irqs;

	*events = atomic_read(&irqs->events);
	return *events != READ_ONCE(irqs->events_seen) || upu_session_dead(session) ||
	       READ_ONCE(irqs->kind) == UPU_IRQ_NONE;
}

ssize_t upu_counter_read(struct upu_session *session, struct file *file, char __user *user,
			 size_t count)
{
	struct upu_irqs *irqs = &session->irqs;
	u32 events;
	int ret;

	if (count != sizeof(events))
		return -EINVAL;
	if (file->f_flags & O_NONBLOCK) {
		events = atomic_read(&irqs->events);
		ret = upu_session_dead(session) ? -ENODEV :
		      READ_ONCE(irqs->kind) == UPU_IRQ_NONE ? -EIO :
		      events == READ_ONCE(irqs->events_seen) ? -EAGAIN : 0;
	} else {
		ret = wait_event_interruptible(irqs->wait, upu_counter_ready(session, &events));
		if (!ret && upu_session_dead(session))
			ret = -ENODEV;
		else if (!ret && READ_ONCE(irqs->kind) == UPU_IRQ_NONE)
			ret = -EIO;
	}
	if (ret)
		return ret;
	if (copy_to_user(user, &events, sizeof(events)))
		return -EFAULT;
	WRITE_ONCE(irqs->events_seen, events);
	return sizeof(events);
}

__poll_t upu_counter_poll(struct upu_session *session, struct file *file, poll_table *wait)
{
	struct upu_irqs *irqs = &session->irqs;

	poll_wait(file, &irqs->wait, wait);
	if (upu_session_dead(session))
		return EPOLLERR | EPOLLHUP;
	if (READ_ONCE(irqs->kind) == UPU_IRQ_NONE)
		return EPOLLERR;
	if ((u32)atomic_read(&irqs->events) != READ_ONCE(irqs->events_seen))
		return EPOLLIN | EPOLLRDNORM;
	return 0;
}
