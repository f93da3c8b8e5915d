// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts: one eventfd per vector, signalled from the handler; arming, masks, triggers.
 *
 * upu_device.lock keeps the arrangement still; upu_vector.lock is for what the handler sees. MSI
 * and MSI-X vectors are masked by disable_irq(), which with IRQ_DISABLE_UNLAZY is the device's mask
 * bit where it has one, and else makes the kernel remember one interrupt: nothing is lost either
 * way.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/overflow.h>

#include "trace.h"
#include "upu.h"

#define UPU_VECTORS_MAX	2048

void upu_irq_init(struct upu_session *session)
{
	init_waitqueue_head(&session->irqs.wait);
	session->irqs.kind = UPU_IRQ_NONE;
}

/* Vectors of a kind that the device has. A session asks its irqs.have instead. */
u32 upu_irq_count(struct pci_dev *pdev, u32 kind)
{
	u8 pin = 0;

	switch (kind) {
	case UPU_IRQ_INTX:
		if (pdev->is_virtfn || !pdev->irq || pdev->irq == IRQ_NOTCONNECTED)
			return 0;
		pci_read_config_byte(pdev, PCI_INTERRUPT_PIN, &pin);
		return pin ? 1 : 0;
	case UPU_IRQ_MSI:
		return max(pci_msi_vec_count(pdev), 0);
	case UPU_IRQ_MSIX:
		return max(pci_msix_vec_count(pdev), 0);
	default:
		return 0;
	}
}

/* The device is awake. */
void upu_irq_open(struct upu_session *session)
{
	u32 kind;

	for (kind = UPU_IRQ_INTX; kind <= UPU_IRQ_MSIX; kind++)
		session->irqs.have[kind] = upu_irq_count(session->udev->pdev, kind);
}

/*
 * What writes to the MSI-X table, which is in a BAR, begins with this and ends with
 * upu_memory_restore(). Not under bar_lock: to free an interrupt waits for those who read its files
 * in /proc, and they may be reading into a mapped BAR.
 */
u16 upu_table_begin(struct upu_session *session, u32 kind)
{
	return kind == UPU_IRQ_MSIX ? upu_memory_force_on(session) : PCI_COMMAND_MEMORY;
}

/*
 * Whether a device's MSI can reach nothing but its own vectors, or the administrator does
 * not care.
 */
bool upu_irq_msi_safe(struct pci_dev *pdev)
{
	struct iommu_group *group = iommu_group_get(&pdev->dev);
	bool safe;

	if (!group)
		return true;	/* no IOMMU: the device can do worse, and RAWIO was asked for */
	safe = READ_ONCE(upu_allow_unsafe_interrupts) ||
	       upu_group_isolates_msi(group, &pdev->dev);
	iommu_group_put(group);
	return safe;
}

/* v->lock is held. Counts are of signals: a trigger and a wake-up of those who read() or poll(). */
void upu_vector_signal(struct upu_vector *v)
{
	struct upu_irqs *irqs = &v->session->irqs;

	trace_upu_interrupt(pci_name(v->session->udev->pdev), v->index);
	if (v->trigger)
		upu_eventfd_add(v->trigger);
	atomic_inc(&irqs->events);
	if (wq_has_sleeper(&irqs->wait))
		wake_up_interruptible_poll(&irqs->wait, EPOLLIN | EPOLLRDNORM);
}

static irqreturn_t upu_msi_handler(int irq, void *arg)
{
	struct upu_vector *v = arg;

	spin_lock(&v->lock);
	upu_vector_signal(v);
	spin_unlock(&v->lock);
	return IRQ_HANDLED;
}

void upu_vector_mask(struct upu_session *session, struct upu_vector *v, bool mask)
{
	unsigned long flags;
	bool was;

	spin_lock_irqsave(&v->lock, flags);
	was = v->masked;
	v->masked = mask;
	if (session->irqs.kind != UPU_IRQ_INTX && !mask && v->pending) {
		v->pending = false;
		upu_vector_signal(v);
	}
	spin_unlock_irqrestore(&v->lock, flags);

	if (session->irqs.kind == UPU_IRQ_INTX) {
		upu_intx_apply(v);
	} else if (was != mask) {
		/* After this returns no handler runs, so that masked means silent. */
		if (mask)
			disable_irq(v->virq);
		else
			enable_irq(v->virq);
	}
}

static void upu_vector_trigger(struct upu_vector *v)
{
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	if (v->masked)
		v->pending = true;
	else
		upu_vector_signal(v);
	spin_unlock_irqrestore(&v->lock, flags);
}

/* ---- arming ---- */

static int upu_vector_irq(struct upu_session *session, u32 index)
{
	struct pci_dev *pdev = session->udev->pdev;
	int virq;

	if (session->irqs.kind == UPU_IRQ_INTX)
		return pdev->irq;
	virq = pci_irq_vector(pdev, index);
	if (virq > 0)
		return virq;
	if (session->irqs.kind == UPU_IRQ_MSIX && upu_msix_dynamic(pdev))
		return upu_msix_add(pdev, index);
	return -ENOSPC;
}

/* Arms one vector. Takes the reference on @trigger if it succeeds. */
static int upu_vector_arm(struct upu_session *session, u32 index, struct eventfd_ctx *trigger)
{
	struct upu_irqs *irqs = &session->irqs;
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_vector *v;
	unsigned long flags = 0;
	int ret;

	v = kzalloc(sizeof(*v), GFP_KERNEL_ACCOUNT);
	if (!v)
		return -ENOMEM;
	v->session = session;
	v->index = index;
	v->trigger = trigger;
	spin_lock_init(&v->lock);
	snprintf(v->name, sizeof(v->name), UPU_NAME "[%s] %u", pci_name(pdev), index);

	v->virq = upu_vector_irq(session, index);
	if (v->virq < 0) {
		ret = v->virq;
		goto err_free;
	}
	if (irqs->kind == UPU_IRQ_INTX) {
		irqs->intx_pci23 = !pdev->broken_intx_masking;
		/* Of a line that cannot be shared the user is told, not the log. */
		flags = IRQF_PROBE_SHARED | (irqs->intx_pci23 ? IRQF_SHARED : IRQF_NO_AUTOEN);
		v->hw_masked = true;
		ret = request_irq(v->virq, upu_intx_handler, flags, v->name, v);
	} else {
		irq_set_status_flags(v->virq, IRQ_DISABLE_UNLAZY);
		ret = request_irq(v->virq, upu_msi_handler, 0, v->name, v);
	}
	if (ret)
		goto err_drop;
	irqs->vector[index] = v;
	irqs->armed++;
	if (irqs->kind == UPU_IRQ_INTX)
		upu_intx_apply(v);
	return 0;

err_drop:
	if (index >= irqs->allocated)
		upu_msix_drop(pdev, index, v->virq);
err_free:
	kfree(v);
	return ret;
}

/* Takes the eventfd away, which the handler may be about to signal. */
static struct eventfd_ctx *upu_vector_untrigger(struct upu_vector *v)
{
	struct eventfd_ctx *trigger;
	unsigned long flags;

	spin_lock_irqsave(&v->lock, flags);
	trigger = v->trigger;
	v->trigger = NULL;
	spin_unlock_irqrestore(&v->lock, flags);
	return trigger;
}

static void upu_vector_disarm(struct upu_session *session, u32 index)
{
	struct upu_irqs *irqs = &session->irqs;
	struct upu_vector *v = irqs->vector[index];

	if (!v)
		return;
	if (irqs->kind == UPU_IRQ_INTX)
		pci_intx(session->udev->pdev, 0);
	free_irq(v->virq, v);
	if (index >= irqs->allocated)
		upu_msix_drop(session->udev->pdev, index, v->virq);
	if (v->trigger)
		eventfd_ctx_put(v->trigger);
	irqs->vector[index] = NULL;
	irqs->armed--;
	kfree(v);
}

/*
 * Takes vectors from the PCI core. MSI comes all at once, so does MSI-X where it cannot grow: then
 * @maximum is what the user will ever have.
 */
static int upu_irq_enable(struct upu_session *session, u32 kind, u32 needed, u32 maximum)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_irqs *irqs = &session->irqs;
	u32 size = irqs->have[kind];
	int ret;

	irqs->vector = kvcalloc(size, sizeof(*irqs->vector), GFP_KERNEL_ACCOUNT);
	if (!irqs->vector)
		return -ENOMEM;
	irqs->size = size;
	irqs->allocated = 1;
	if (kind != UPU_IRQ_INTX) {
		bool grows = kind == UPU_IRQ_MSIX && upu_msix_dynamic(pdev);
		u32 count = grows ? needed : max(needed, maximum);

		ret = pci_alloc_irq_vectors(pdev, count, count,
					    kind == UPU_IRQ_MSI ? PCI_IRQ_MSI : PCI_IRQ_MSIX);
		if (ret < 0) {
			kvfree(irqs->vector);
			irqs->vector = NULL;
			irqs->size = 0;
			pci_intx(pdev, 0);
			upu_keep_quiet(session);
			return ret;
		}
		irqs->allocated = count;
	}
	irqs->kind = kind;
	return 0;
}

static void upu_irq_disable(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_irqs *irqs = &session->irqs;
	u32 i;

	if (irqs->kind == UPU_IRQ_NONE)
		return;
	for (i = 0; i < irqs->size; i++)
		upu_vector_disarm(session, i);
	if (irqs->kind != UPU_IRQ_INTX)
		pci_free_irq_vectors(pdev);
	/* The PCI core turns INTx on when MSI goes off; nobody would answer it. */
	pci_intx(pdev, 0);
	upu_keep_quiet(session);
	kvfree(irqs->vector);
	irqs->vector = NULL;
	irqs->size = 0;
	irqs->allocated = 0;
	irqs->kind = UPU_IRQ_NONE;
	wake_up_interruptible_all(&irqs->wait);		/* read() with nothing armed is EIO */
}

/* The end of a session. upu_device.lock is held. */
void upu_irq_close(struct upu_session *session)
{
	u16 command;

	if (session->irqs.resample) {
		upu_resample_free(session->irqs.resample);
		session->irqs.resample = NULL;
	}
	command = upu_table_begin(session, session->irqs.kind);
	upu_irq_disable(session);
	upu_memory_restore(session, command);
	wake_up_all(&session->irqs.wait);
}

/*
 * Vector @start + i gets @trigger[i], and with @armed[i] off none at all. Whole or not at all: new
 * vectors are armed first, which can fail; then nothing can.
 * upu_device.lock is held. On success the references in @trigger are taken.
 */
static int upu_irq_arm(struct upu_session *session, u32 kind, u32 start, u32 count, u32 maximum,
		       struct eventfd_ctx **trigger, const bool *armed)
{
	struct upu_irqs *irqs = &session->irqs;
	bool fresh_kind = irqs->kind == UPU_IRQ_NONE;
	unsigned long *fresh = NULL;
	bool any = false;
	u32 i;
	int ret = 0;

	for (i = 0; i < count; i++)
		any |= armed[i];
	if (fresh_kind && !any)
		return 0;

	fresh = bitmap_zalloc(count, GFP_KERNEL);
	if (!fresh)
		return -ENOMEM;
	if (fresh_kind) {
		ret = upu_irq_enable(session, kind, start + count, maximum);
		if (ret)
			goto out;
	}

	for (i = 0; i < count; i++) {
		if (!armed[i] || irqs->vector[start + i])
			continue;
		ret = upu_vector_arm(session, start + i, trigger[i]);
		if (ret)
			goto undo;
		trigger[i] = NULL;
		__set_bit(i, fresh);
	}
	for (i = 0; i < count; i++) {
		struct upu_vector *v = irqs->vector[start + i];

		if (!v || test_bit(i, fresh))
			continue;
		if (armed[i]) {
			unsigned long flags;

			spin_lock_irqsave(&v->lock, flags);
			swap(v->trigger, trigger[i]);
			spin_unlock_irqrestore(&v->lock, flags);
			/* The old one is put by the caller. */
		} else {
			upu_vector_disarm(session, start + i);
		}
	}
	if (!irqs->armed)
		upu_irq_disable(session);
	goto out;

undo:
	for (i = 0; i < count; i++) {
		if (!test_bit(i, fresh))
			continue;
		/* The reference goes back to the caller's array. */
		trigger[i] = upu_vector_untrigger(irqs->vector[start + i]);
		upu_vector_disarm(session, start + i);
	}
	if (fresh_kind)
		upu_irq_disable(session);
out:
	bitmap_free(fresh);
	return ret;
}

/* upu_irq_arm() with the device able to hear. */
int upu_irq_arm_awake(struct upu_session *session, u32 kind, u32 start, u32 count,
		      u32 maximum, struct eventfd_ctx **trigger, const bool *armed)
{
	u16 command;
	int ret;

	if (session->config->d3)
		return -EBUSY;
	command = upu_table_begin(session, kind);
	ret = upu_irq_arm(session, kind, start, count, maximum, trigger, armed);
	upu_memory_restore(session, command);
	return ret;
}

/* Masks those of the vectors that are armed, or unmasks them. upu_device.lock is held. */
int upu_irq_mask(struct upu_session *session, u32 start, u32 count, bool mask)
{
	struct upu_irqs *irqs = &session->irqs;
	u16 command;
	u32 i;

	if (session->config->d3)
		return -EBUSY;
	command = upu_table_begin(session, irqs->kind);
	for (i = start; i < start + count; i++)
		if (irqs->vector[i])
			upu_vector_mask(session, irqs->vector[i], mask);
	upu_memory_restore(session, command);
	return 0;
}

static int upu_irq_each(struct upu_session *session, u32 action, u32 start, u32 count)
{
	struct upu_irqs *irqs = &session->irqs;
	u32 i;

	if (session->config->d3)
		return -EBUSY;
	for (i = start; i < start + count; i++)
		if (i >= irqs->size || !irqs->vector[i])
			return -ENXIO;
	if (action == UPU_IRQ_TRIGGER) {
		for (i = start; i < start + count; i++)
			upu_vector_trigger(irqs->vector[i]);
		return 0;
	}
	return upu_irq_mask(session, start, count, action == UPU_IRQ_MASK);
}

static int upu_irq_resample(struct upu_session *session, int fd)
{
	struct upu_irqs *irqs = &session->irqs;
	struct upu_resample *resample = NULL;

	if (irqs->kind != UPU_IRQ_INTX)
		return -ENXIO;
	if (fd != UPU_IRQ_FD_NONE) {
		resample = upu_resample_new(session, fd);
		if (IS_ERR(resample))
			return PTR_ERR(resample);
	}
	swap(irqs->resample, resample);
	if (resample)
		upu_resample_free(resample);
	return 0;
}

static int upu_irq_do(struct upu_session *session, struct upu_set_irqs *set,
		      struct eventfd_ctx **trigger, const bool *armed, int resample_fd)
{
	struct upu_irqs *irqs = &session->irqs;
	u32 have = irqs->have[set->kind];
	bool all = set->action == UPU_IRQ_DISARM && !set->start && !set->count;

	if (session->dead)
		return -ENODEV;
	if (!have)
		return -EOPNOTSUPP;
	if (set->start + set->count > have || set->maximum > have)
		return -EINVAL;
	if (irqs->kind != UPU_IRQ_NONE && irqs->kind != set->kind)
		return -EBUSY;

	switch (set->action) {
	case UPU_IRQ_ARM:
		if (set->kind != UPU_IRQ_INTX && !upu_irq_msi_safe(session->udev->pdev))
			return -EPERM;
		return upu_irq_arm_awake(session, set->kind, set->start, set->count, set->maximum,
					 trigger, armed);
	case UPU_IRQ_DISARM:
		if (irqs->kind == UPU_IRQ_NONE)
			return 0;
		if (all)
			set->count = irqs->size;
		return upu_irq_arm_awake(session, set->kind, set->start, set->count, 0,
					 trigger, armed);
	case UPU_IRQ_RESAMPLE:
		return upu_irq_resample(session, resample_fd);
	default:
		return upu_irq_each(session, set->action, set->start, set->count);
	}
}

int upu_set_irqs(struct upu_session *session, void __user *user)
{
	struct eventfd_ctx **trigger = NULL;
	struct upu_set_irqs set;
	s32 *fds = NULL;
	bool *armed = NULL;
	bool takes_fds;
	u32 end, i, count;
	int ret;

	ret = upu_copy_in(&set, user, sizeof(set), 0);
	if (ret)
		return ret;
	if (set.reserved || set.kind < UPU_IRQ_INTX || set.kind > UPU_IRQ_MSIX ||
	    set.action < UPU_IRQ_ARM || set.action > UPU_IRQ_RESAMPLE)
		return -EINVAL;
	takes_fds = set.action == UPU_IRQ_ARM || set.action == UPU_IRQ_RESAMPLE;
	if ((set.action != UPU_IRQ_ARM && set.maximum) || (!takes_fds && set.fds))
		return -EINVAL;
	if (check_add_overflow(set.start, set.count, &end))
		return -EOVERFLOW;
	if (set.count > UPU_VECTORS_MAX)
		return -E2BIG;
	if (!set.count && !(set.action == UPU_IRQ_DISARM && !set.start))
		return -EINVAL;
	if (set.action == UPU_IRQ_RESAMPLE && (set.kind != UPU_IRQ_INTX || end != 1))
		return -EINVAL;

	/* DISARM of all is as large as the device. */
	count = set.count ?: UPU_VECTORS_MAX;
	trigger = kvcalloc(count, sizeof(*trigger), GFP_KERNEL_ACCOUNT);
	armed = kvcalloc(count, sizeof(*armed), GFP_KERNEL_ACCOUNT);
	fds = kvcalloc(count, sizeof(*fds), GFP_KERNEL_ACCOUNT);
	ret = -ENOMEM;
	if (!trigger || !armed || !fds)
		goto out;
	ret = -EFAULT;
	if (takes_fds && copy_from_user(fds, u64_to_user_ptr(set.fds), count * sizeof(*fds)))
		goto out;

	for (i = 0; i < count && set.action == UPU_IRQ_ARM; i++) {
		ret = -EINVAL;
		if (fds[i] < UPU_IRQ_FD_COUNTER)
			goto out;
		armed[i] = fds[i] != UPU_IRQ_FD_NONE;
		if (fds[i] < 0)
			continue;
		trigger[i] = eventfd_ctx_fdget(fds[i]);
		if (IS_ERR(trigger[i])) {
			ret = PTR_ERR(trigger[i]);
			trigger[i] = NULL;
			goto out;
		}
	}
	if (set.action == UPU_IRQ_RESAMPLE && fds[0] < UPU_IRQ_FD_NONE) {
		ret = -EINVAL;
		goto out;
	}

	mutex_lock(&session->udev->lock);
	ret = upu_irq_do(session, &set, trigger, armed, fds[0]);
	mutex_unlock(&session->udev->lock);
out:
	/* What is left here was not taken, or has been replaced. */
	for (i = 0; trigger && i < count; i++)
		if (trigger[i])
			eventfd_ctx_put(trigger[i]);
	kvfree(trigger);
	kvfree(armed);
	kvfree(fds);
	return ret;
}
