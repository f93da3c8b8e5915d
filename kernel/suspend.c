// SPDX-License-Identifier: GPL-2.0
/*
 * Suspend: the user is asked before tasks freeze, since a frozen one cannot answer; then the device
 * goes down and comes back while he is frozen, and he finds it as he left it, but for what the
 * device itself has forgotten.
 */
#include <linux/suspend.h>

#include "upu.h"

/* ---- the device (PM core; device_lock is held) ---- */

/*
 * What the PCI core restores is saved here: with decoding on, for the MSI-X table is in a BAR, and
 * without bus mastering, which comes last. A state that is saved tells the core also to leave the
 * device in the power state that it has.
 */
static int upu_device_suspend(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	struct upu_device *udev = pci_get_drvdata(pdev);
	struct upu_session *session;
	u16 command;

	mutex_lock(&udev->lock);
	session = udev->session;
	if (session) {
		down_write(&session->bar_lock);
		command = upu_memory_force_on(session);
		session->config->command_at_suspend = command;
		pci_clear_master(pdev);
		pci_save_state(pdev);
		upu_memory_restore(session, command);
		up_write(&session->bar_lock);
	} else {
		pci_save_state(pdev);
	}
	mutex_unlock(&udev->lock);
	return 0;
}

static int upu_device_resume(struct device *dev)
{
	struct pci_dev *pdev = to_pci_dev(dev);
	struct upu_device *udev = pci_get_drvdata(pdev);
	struct upu_session *session;
	int ret;

	mutex_lock(&udev->lock);
	ret = pci_reenable_device(pdev);	/* nothing where nobody has enabled it */
	session = udev->session;
	if (session) {
		down_write(&session->bar_lock);
		upu_config_resumed(session);
		up_write(&session->bar_lock);
		/* The PCI core turns INTx on where MSI is not; nobody would answer it. */
		if (session->irqs.kind == UPU_IRQ_INTX)
			upu_intx_refresh(session);
		else
			pci_intx(pdev, 0);
		upu_keep_quiet(session);
	}
	mutex_unlock(&udev->lock);
	return ret;
}

DEFINE_SIMPLE_DEV_PM_OPS(upu_pm_ops, upu_device_suspend, upu_device_resume);

/* ---- the user ---- */

static void upu_tell_resumed(struct upu_device *last)
{
	struct upu_device *udev;
	struct upu_session *session;

	list_for_each_entry(udev, &upu_devices, node) {
		session = upu_session_of(udev);
		if (session) {
			upu_tell(session, UPU_EVENT_RESUMED, 0);
			upu_session_put(session);
		}
		if (udev == last)
			break;
	}
}

static int upu_pm_event(struct notifier_block *block, unsigned long action, void *data)
{
	struct upu_device *udev;
	struct upu_session *session;
	int ret = NOTIFY_DONE;
	u32 answer;

	mutex_lock(&upu_devices_lock);
	switch (action) {
	case PM_SUSPEND_PREPARE:
	case PM_HIBERNATION_PREPARE:
		list_for_each_entry(udev, &upu_devices, node) {
			session = upu_session_of(udev);
			if (!session)
				continue;
			answer = upu_ask(session, UPU_EVENT_SUSPEND, 0,
					 READ_ONCE(upu_reply_timeout_ms));
			upu_session_put(session);
			if (answer == UPU_REPLY_DISCONNECT) {
				/* The others have been told already. */
				upu_tell_resumed(udev);
				ret = NOTIFY_BAD;
				break;
			}
		}
		break;
	case PM_POST_SUSPEND:
	case PM_POST_HIBERNATION:
		upu_tell_resumed(NULL);
		break;
	default:
		break;
	}
	mutex_unlock(&upu_devices_lock);
	return ret;
}

static struct notifier_block upu_pm_notifier = {
	.notifier_call = upu_pm_event,
};

int upu_pm_register(void)
{
	return register_pm_notifier(&upu_pm_notifier);
}

void upu_pm_unregister(void)
{
	unregister_pm_notifier(&upu_pm_notifier);
}
