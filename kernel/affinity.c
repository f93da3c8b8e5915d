// SPDX-License-Identifier: GPL-2.0
/* Which CPUs a vector's interrupt may go to. */
#include <linux/interrupt.h>
#include <linux/irq.h>

#include "upu.h"

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

/* Others that share a line move with it. */
static bool upu_vector_shared(struct upu_vector *v)
{
	struct irq_data *data = irq_get_irq_data(v->virq);
	struct irq_desc *desc = data ? irq_data_to_desc(data) : NULL;
	unsigned long flags;
	bool shared;

	if (!desc)
		return false;
	raw_spin_lock_irqsave(&desc->lock, flags);
	shared = desc->action && desc->action->next;
	raw_spin_unlock_irqrestore(&desc->lock, flags);
	return shared;
}

/* Where interrupts are not remapped, the MSI-X table says it. upu_device.lock is held. */
static int upu_vector_move(struct upu_session *session, u32 index, const struct cpumask *mask)
{
	struct upu_vector *v = upu_vector_at(session, index);
	u16 command;
	int ret;

	if (IS_ERR(v))
		return PTR_ERR(v);
	if (session->config->d3)
		return -EBUSY;
	if (upu_vector_shared(v))
		return -EOPNOTSUPP;
	command = upu_table_begin(session, session->irqs.kind);
	ret = irq_set_affinity(v->virq, mask);
	upu_memory_restore(session, command);
	return ret ? -EIO : 0;		/* the interrupt controller cannot */
}

int upu_set_affinity(struct upu_session *session, void __user *user)
{
	struct upu_affinity arg;
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
		ret = upu_vector_move(session, arg.vector, mask);
		mutex_unlock(&session->udev->lock);
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
