// SPDX-License-Identifier: GPL-2.0
/*
 * INTx: a line that masks itself with each interrupt, by the device's own bit (PCI 2.3) or at the
 * line, which then is nobody else's.
 */
#include <linux/interrupt.h>

#include "upu.h"

/* INTx masks itself: the line would scream until the user has been to the device. */
irqreturn_t upu_intx_handler(int irq, void *arg)
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
	upu_keep_quiet(v->session);
	return ret;
}

/*
 * Makes the device's INTx mask what @masked and COMMAND bit 10 ask for, whatever it was: a reset
 * may have put back another.
 */
void upu_intx_apply(struct upu_vector *v)
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
	upu_keep_quiet(session);
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

/* The resample eventfd was signalled. */
void upu_intx_resample(struct upu_session *session)
{
	mutex_lock(&session->udev->lock);
	if (!session->dead && session->irqs.kind == UPU_IRQ_INTX)
		upu_vector_mask(session, session->irqs.vector[0], false);
	mutex_unlock(&session->udev->lock);
}
