// SPDX-License-Identifier: GPL-2.0
/*
 * For the tests alone: loading it makes one function forget all of its state, behind its driver's back, as real ones do in D3 and
 * emulated ones do not. With suspend=1 it is taken through the PCI core's suspend and resume besides, it alone, and forgets in
 * between; the system stays awake, for the lab's files come over a device that does not survive that.
 *
 *	insmod upu_forgetful.ko device=0000:03:00.0 suspend=1
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm.h>

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "Address of the function, domain:bus:device.function");

static bool suspend;
module_param(suspend, bool, 0444);
MODULE_PARM_DESC(suspend, "Within a suspend");

static int forget_asleep(struct pci_dev *pdev)
{
	const struct dev_pm_ops *pm = pci_bus_type.pm;
	int ret;

	ret = pm->suspend(&pdev->dev);
	if (ret)
		return ret;
	ret = pm->suspend_noirq(&pdev->dev);
	if (!ret) {
		pcie_flr(pdev);
		ret = pm->resume_noirq(&pdev->dev);
	}
	return pm->resume(&pdev->dev) ?: ret;
}

static int __init upu_forgetful_init(void)
{
	unsigned int domain, bus, slot, function;
	struct pci_dev *pdev;
	int ret;

	if (!device || sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	if (!pdev)
		return -ENODEV;
	device_lock(&pdev->dev);
	ret = suspend ? forget_asleep(pdev) : pcie_flr(pdev);
	device_unlock(&pdev->dev);
	pci_dev_put(pdev);
	return ret;
}

static void __exit upu_forgetful_exit(void)
{
}

module_init(upu_forgetful_init);
module_exit(upu_forgetful_exit);

MODULE_DESCRIPTION("Test fixture of uio_pci_user: a function that forgets its state");
MODULE_LICENSE("GPL");
