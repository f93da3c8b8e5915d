// SPDX-License-Identifier: GPL-2.0
/*
 * uio_pci_user: loading and unloading. Devices are bound by driver_override alone, since no id says
 * whether the administrator wants to give a device away.
 */
#include <linux/module.h>

#include "upu.h"

bool upu_allow_noiommu;
module_param_named(allow_noiommu, upu_allow_noiommu, bool, 0644);
MODULE_PARM_DESC(allow_noiommu,
		 "Let CAP_SYS_RAWIO open devices without an IOMMU; taints the kernel (default 0)");

bool upu_allow_unsafe_interrupts;
module_param_named(allow_unsafe_interrupts, upu_allow_unsafe_interrupts, bool, 0644);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Allow MSI without interrupt remapping: a device can then fake any interrupt (default 0)");

uint upu_dma_entry_limit = 65535;
module_param_named(dma_entry_limit, upu_dma_entry_limit, uint, 0644);
MODULE_PARM_DESC(dma_entry_limit, "Most DMA mappings of one user (default 65535)");

uint upu_reply_timeout_ms = 2000;
module_param_named(reply_timeout_ms, upu_reply_timeout_ms, uint, 0644);
MODULE_PARM_DESC(reply_timeout_ms,
		 "Time that a user has to answer an error step or a suspend (default 2000)");

uint upu_remove_timeout_ms = 5000;
module_param_named(remove_timeout_ms, upu_remove_timeout_ms, uint, 0644);
MODULE_PARM_DESC(remove_timeout_ms,
		 "Time that a user has to close a device that is to be removed (default 5000)");

struct workqueue_struct *upu_wq;

static struct pci_driver upu_driver = {
	.name = UPU_NAME,
	.id_table = NULL,
	.probe = upu_probe,
	.remove = upu_remove,
	.err_handler = &upu_error_handlers,
	.driver_managed_dma = true,
	.driver.pm = pm_sleep_ptr(&upu_pm_ops),
};

static int __init upu_init(void)
{
	int ret;

	upu_wq = alloc_workqueue(UPU_NAME, WQ_UNBOUND, 0);
	if (!upu_wq)
		return -ENOMEM;
	ret = class_register(&upu_class);
	if (ret)
		goto err_wq;
	ret = upu_chrdev_register();
	if (ret)
		goto err_class;
	ret = upu_pm_register();
	if (ret)
		goto err_chrdev;
	ret = pci_register_driver(&upu_driver);
	if (ret)
		goto err_pm;
	return 0;

err_pm:
	upu_pm_unregister();
err_chrdev:
	upu_chrdev_unregister();
err_class:
	class_unregister(&upu_class);
err_wq:
	destroy_workqueue(upu_wq);
	return ret;
}

static void __exit upu_exit(void)
{
	pci_unregister_driver(&upu_driver);
	upu_pm_unregister();
	destroy_workqueue(upu_wq);	/* the last sessions end in it */
	upu_chrdev_unregister();
	class_unregister(&upu_class);
}

module_init(upu_init);
module_exit(upu_exit);

MODULE_DESCRIPTION("PCI functions for processes without privilege");
MODULE_AUTHOR("Riser contributors");
MODULE_LICENSE("GPL");
MODULE_VERSION("1");
