// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts: one eventfd per vector, signalled from the handler; the event counter of UIO; masks.
 *
 * upu_device.lock keeps the arrangement still; upu_vector.lock is for what the handler sees. MSI
 * and MSI-X vectors are masked by disable_irq(), which with IRQ_DISABLE_UNLAZY is the device's mask
 * bit where it has one, and else makes the kernel remember one interrupt: nothing is lost either
 * way.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>

#include "trace.h"
#include "upu.h"

#define UPU_VECTORS_MAX	2048

void upu_irq_init(struct upu_session *session)
{
	init_waitqueue_head(&session->irqs.wait);
	session->irqs.kind = UPU_IRQ_NONE;
}

/* Vectors of a kind that the device has. */
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
static void upu_vector_signal(struct upu_vector *v)
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

/* INTx masks itself: the line would scream until the user has been to the device. */
static irqreturn_t upu_intx_handler(int irq, void *arg)
{
	struct upu_vector *v = arg;
	struct upu_irqs *irqs = &v->session->irqs;
	irqreturn_t ret = IRQ_NONE;

	spin_lock(&v->lock);
	if (v->hw_masked) {
		/*
		 * A sibling's on a shared line. Or the mask was lost, to a write of COMMAND that
		 * had read it before the mask was set, or to a reset: it is put back, or the line
		 * would scream.
		 */
		if (irqs->intx_pci23)
			pci_check_and_mask_intx(v->session->udev->pdev);
	} else if (!irqs->intx_pci23) {
		disable_irq_nosync(irq);
		ret = IRQ_HANDLED;
	} else if (pci_check_and_mask_intx(v->session->udev->pdev)) {
		ret = IRQ_HANDLED;
	}
	if (ret == IRQ_HANDLED) {
		v->hw_masked = true;
		v->masked = true;
		upu_vector_signal(v);
	}
	spin_unlock(&v->lock);
	return ret;
}

/*
 * Makes the device's INTx mask what @masked and COMMAND bit 10 ask for, whatever it was: a reset
 * may have put back another.
 */
static void upu_intx_apply(struct upu_vector *v)
{
	struct upu_session *session = v->session;
	struct pci_dev *pdev = session->udev->pdev;
	unsigned long flags;
	bool want;

	spin_lock_irqsave(&v->lock, flags);
	want = v->masked || session->config->intx_disabled;
	if (session->irqs.intx_pci23) {
		if (want) {
			pci_intx(pdev, 0);
			v->hw_masked = true;
		} else if (pci_check_and_unmask_intx(pdev)) {
			v->hw_masked = false;
		} else {
			pci_check_and_mask_intx(pdev);
			v->hw_masked = true;
			v->masked = true;	/* it still asks */
			upu_vector_signal(v);
		}
	} else {
		/* Some have half a mask, set since open(): only the line is masked. */
		pci_intx(pdev, 1);
		if (want && !v->hw_masked)
			disable_irq_nosync(v->virq);
		else if (!want && v->hw_masked)
			enable_irq(v->virq);
		v->hw_masked = want;
	}
	if (!want && v->pending) {
		v->pending = false;
		upu_vector_signal(v);
	}
	spin_unlock_irqrestore(&v->lock, flags);
}

/* COMMAND bit 10 was written. upu_device.lock is held. */
void upu_intx_update(struct upu_session *session)
{
	struct upu_vector *v;

	if (session->irqs.kind != UPU_IRQ_INTX)
		return;
	v = session->irqs.vector[0];
	if (!session->config->intx_disabled) {
		unsigned long flags;

		/* As the device would: the bit going off lets a waiting interrupt through. */
		spin_lock_irqsave(&v->lock, flags);
		v->masked = false;
		spin_unlock_irqrestore(&v->lock, flags);
	}
	upu_intx_apply(v);
}

/* The device was reset, or has come back from D3. upu_device.lock is held. */
void upu_intx_refresh(struct upu_session *session)
{
	if (session->irqs.kind == UPU_IRQ_INTX && session->irqs.intx_pci23)
		upu_intx_apply(session->irqs.vector[0]);
}

static void upu_vector_mask(struct upu_session *session, struct upu_vector *v, bool mask)
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

/* The resample eventfd was signalled. */
void upu_intx_resample(struct upu_session *session)
{
	mutex_lock(&session->udev->lock);
	if (!session->dead && session->irqs.kind == UPU_IRQ_INTX)
		upu_vector_mask(session, session->irqs.vector[0], false);
	mutex_unlock(&session->udev->lock);
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
		if (irqs->intx_pci23)
			flags = IRQF_SHARED;
		else
			flags = IRQF_NO_AUTOEN;
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
	u32 size = upu_irq_count(pdev, kind);
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
	if (session->irqs.resample) {
		upu_resample_free(session->irqs.resample);
		session->irqs.resample = NULL;
	}
	if (session->irqs.kind != UPU_IRQ_NONE && session->irqs.kind != UPU_IRQ_INTX) {
		u16 command;

		down_write(&session->bar_lock);
		command = upu_memory_force_on(session);
		upu_irq_disable(session);
		upu_memory_restore(session, command);
		up_write(&session->bar_lock);
	} else {
		upu_irq_disable(session);
	}
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
		trigger[i] = irqs->vector[start + i]->trigger;
		irqs->vector[start + i]->trigger = NULL;
		upu_vector_disarm(session, start + i);
	}
	if (fresh_kind)
		upu_irq_disable(session);
out:
	bitmap_free(fresh);
	return ret;
}

/* upu_irq_arm() with the device able to hear: the MSI-X table is in a BAR. */
static int upu_irq_arm_awake(struct upu_session *session, u32 kind, u32 start, u32 count,
			     u32 maximum, struct eventfd_ctx **trigger, const bool *armed)
{
	u16 command;
	int ret;

	if (session->config->d3)
		return -EBUSY;
	if (kind == UPU_IRQ_INTX)
		return upu_irq_arm(session, kind, start, count, maximum, trigger, armed);
	down_write(&session->bar_lock);
	command = upu_memory_force_on(session);
	ret = upu_irq_arm(session, kind, start, count, maximum, trigger, armed);
	upu_memory_restore(session, command);
	up_write(&session->bar_lock);
	return ret;
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
	for (i = start; i < start + count; i++) {
		if (action == UPU_IRQ_TRIGGER)
			upu_vector_trigger(irqs->vector[i]);
		else
			upu_vector_mask(session, irqs->vector[i], action == UPU_IRQ_MASK);
	}
	return 0;
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
	u32 have = upu_irq_count(session->udev->pdev, set->kind);
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

/* ---- affinity ---- */

static struct upu_vector *upu_vector_at(struct upu_session *session, u32 index)
{
	if (session->dead)
		return ERR_PTR(-ENODEV);
	if (index >= session->irqs.size || !session->irqs.vector[index])
		return ERR_PTR(-ENXIO);
	return session->irqs.vector[index];
}

static int upu_affinity_in(struct upu_affinity *arg, void __user *user)
{
	int ret = upu_copy_in(arg, user, sizeof(*arg), 0);

	if (ret)
		return ret;
	if (!arg->mask_size || arg->mask_size % sizeof(u64))
		return -EINVAL;
	if (arg->mask_size > PAGE_SIZE)
		return -E2BIG;
	return 0;
}

/* The mask of a user, who may not name a CPU that the machine cannot have. */
static int upu_affinity_mask(const struct upu_affinity *arg, struct cpumask *mask)
{
	size_t size = min_t(size_t, arg->mask_size, cpumask_size()), bits = size * BITS_PER_BYTE;
	int ret;

	if (copy_from_user(cpumask_bits(mask), u64_to_user_ptr(arg->mask), size))
		return -EFAULT;
	ret = check_zeroed_user(u64_to_user_ptr(arg->mask + size), arg->mask_size - size);
	if (ret < 0)
		return ret;
	if (!ret || find_next_bit(cpumask_bits(mask), bits, nr_cpu_ids) < bits ||
	    !cpumask_subset(mask, cpu_possible_mask))
		return -EINVAL;
	/* None at all is none that is online. */
	return cpumask_intersects(mask, cpu_online_mask) ? 0 : -EINVAL;
}

int upu_set_affinity(struct upu_session *session, void __user *user)
{
	struct upu_affinity arg;
	struct upu_vector *v;
	cpumask_var_t mask;
	int ret;

	ret = upu_affinity_in(&arg, user);
	if (ret)
		return ret;
	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	ret = upu_affinity_mask(&arg, mask);
	if (!ret && !cpumask_subset(mask, current->cpus_ptr))
		ret = -EPERM;
	if (!ret) {
		mutex_lock(&session->udev->lock);
		v = upu_vector_at(session, arg.vector);
		ret = IS_ERR(v) ? PTR_ERR(v) : irq_set_affinity(v->virq, mask);
		mutex_unlock(&session->udev->lock);
		if (ret && ret != -ENODEV && ret != -ENXIO)
			ret = -EIO;	/* the interrupt controller cannot */
	}
	free_cpumask_var(mask);
	return ret;
}

/* Where a vector is handled, or will be from its next interrupt on if it is being moved. */
static int upu_affinity_now(unsigned int virq, struct cpumask *mask)
{
	struct irq_data *data = irq_get_irq_data(virq);
	const struct cpumask *now;
	struct irq_desc *desc;
	unsigned long flags;

	if (!data)
		return -EIO;
	desc = irq_data_to_desc(data);
	raw_spin_lock_irqsave(&desc->lock, flags);
	now = irq_data_get_affinity_mask(data);
#ifdef CONFIG_GENERIC_PENDING_IRQ
	if (irqd_is_setaffinity_pending(data))
		now = desc->pending_mask;
#endif
	cpumask_copy(mask, now);
	raw_spin_unlock_irqrestore(&desc->lock, flags);
	return 0;
}

int upu_get_affinity(struct upu_session *session, void __user *user)
{
	struct upu_affinity arg;
	struct upu_vector *v;
	cpumask_var_t mask;
	size_t size;
	int ret;

	ret = upu_affinity_in(&arg, user);
	if (ret)
		return ret;
	if (arg.mask_size * BITS_PER_BYTE < nr_cpu_ids)
		return -EINVAL;
	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		return -ENOMEM;
	mutex_lock(&session->udev->lock);
	v = upu_vector_at(session, arg.vector);
	ret = IS_ERR(v) ? PTR_ERR(v) : upu_affinity_now(v->virq, mask);
	mutex_unlock(&session->udev->lock);
	size = min_t(size_t, arg.mask_size, cpumask_size());
	if (!ret && (copy_to_user(u64_to_user_ptr(arg.mask), cpumask_bits(mask), size) ||
		     clear_user(u64_to_user_ptr(arg.mask + size), arg.mask_size - size)))
		ret = -EFAULT;
	free_cpumask_var(mask);
	return ret;
}

/* ---- the event counter, as /dev/uioX has it ---- */

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
		if (upu_irq_count(session->udev->pdev, kind))
			break;
	count = kind == UPU_IRQ_MSI ? 1 : upu_irq_count(session->udev->pdev, kind);
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
	u32 i;

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
	else if (session->config->d3)
		ret = -EBUSY;
	else
		for (i = 0; i < irqs->size; i++)
			if (irqs->vector[i])
				upu_vector_mask(session, irqs->vector[i], !on);
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
