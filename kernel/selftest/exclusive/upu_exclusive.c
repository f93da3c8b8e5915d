// SPDX-License-Identifier: GPL-2.0
/*
 * For the tests alone: while it is loaded, one function counts as a device whose INTx cannot be masked
 * by its command register, as the kernel's list of quirks has it for devices that the lab lacks.
 *
 *	insmod upu_exclusive.ko device=0000:01:00.0
 */
#include <linux/module.h>
#include <linux/pci.h>

static char *device;
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "Address of the function, domain:bus:device.function");

static struct pci_dev *pdev;

static int __init upu_exclusive_init(void)
{
	unsigned int domain, bus, slot, function;

	if (!device || sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	if (!pdev)
		return -ENODEV;
	pdev->broken_intx_masking = 1;
	return 0;
}

static void __exit upu_exclusive_exit(void)
{
	pdev->broken_intx_masking = 0;
	pci_dev_put(pdev);
}

module_init(upu_exclusive_init);
module_exit(upu_exclusive_exit);

MODULE_DESCRIPTION("Test fixture of uio_pci_user: a function without a mask for INTx");
MODULE_LICENSE("GPL");
