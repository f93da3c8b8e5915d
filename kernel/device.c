// SPDX-License-Identifier: GPL-2.0
/* A bound function: its character device, its one user, its reset. */
#include <linux/idr.h>
#include <linux/module.h>

#include "upu.h"

#define UPU_MINORS	4096

LIST_HEAD(upu_devices);
DEFINE_MUTEX(upu_devices_lock);	/* of @upu_devices; never taken under upu_device.lock */

static dev_t upu_devt;
static DEFINE_IDA(upu_minors);

static char *upu_devnode(UPU_DEVNODE_CONST struct device *dev, umode_t *mode)
{
	return kasprintf(GFP_KERNEL, UPU_NAME "/%s", dev_name(dev));
}

struct class upu_class = {
	.name = UPU_NAME,
	.devnode = upu_devnode,
};

int upu_chrdev_register(void)
{
	return alloc_chrdev_region(&upu_devt, 0, UPU_MINORS, UPU_NAME);
}

void upu_chrdev_unregister(void)
{
	unregister_chrdev_region(upu_devt, UPU_MINORS);
	ida_destroy(&upu_minors);
}

static void upu_device_release(struct device *dev)
{
	struct upu_device *udev = container_of(dev, struct upu_device, dev);

	ida_free(&upu_minors, MINOR(dev->devt));
	pci_dev_put(udev->pdev);
	kfree(udev->pristine);
	kfree(udev);
}

int upu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct upu_device *udev;
	int minor, ret;

	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return -EINVAL;		/* a bridge is not one user's to hold */

	udev = kzalloc(sizeof(*udev), GFP_KERNEL);
	if (!udev)
		return -ENOMEM;
	minor = ida_alloc_max(&upu_minors, UPU_MINORS - 1, GFP_KERNEL);
	if (minor < 0) {
		kfree(udev);
		return minor;
	}
	device_initialize(&udev->dev);
	udev->dev.class = &upu_class;
	udev->dev.parent = &pdev->dev;
	udev->dev.devt = MKDEV(MAJOR(upu_devt), minor);
	udev->dev.release = upu_device_release;
	udev->pdev = pci_dev_get(pdev);
	udev->dirty = true;		/* nobody knows what it was used for */
	mutex_init(&udev->lock);
	mutex_init(&udev->vpd_lock);
	spin_lock_init(&udev->user_lock);
	INIT_LIST_HEAD(&udev->node);
	pci_set_drvdata(pdev, udev);

	ret = dev_set_name(&udev->dev, "%s", pci_name(pdev));
	if (ret)
		goto err_put;
	pci_save_state(pdev);
	udev->pristine = pci_store_saved_state(pdev);
	ret = -ENOMEM;
	if (!udev->pristine)
		goto err_put;
	cdev_init(&udev->cdev, &upu_fops);
	udev->cdev.owner = THIS_MODULE;

	mutex_lock(&upu_devices_lock);
	list_add(&udev->node, &upu_devices);
	mutex_unlock(&upu_devices_lock);

	ret = cdev_device_add(&udev->cdev, &udev->dev);
	if (ret)
		goto err_list;
	return 0;

err_list:
	mutex_lock(&upu_devices_lock);
	list_del(&udev->node);
	mutex_unlock(&upu_devices_lock);
err_put:
	pci_set_drvdata(pdev, NULL);
	put_device(&udev->dev);
	return ret;
}

/*
 * Called with device_lock held: by unbind, by hot-unplug, by module unload. Ends in
 * bounded time.
 */
void upu_remove(struct pci_dev *pdev)
{
	struct upu_device *udev = pci_get_drvdata(pdev);
	struct upu_session *session;

	mutex_lock(&udev->lock);
	udev->gone = true;		/* no new user from here on */
	mutex_unlock(&udev->lock);

	session = upu_session_of(udev);
	if (session) {
		upu_ask(session, UPU_EVENT_REMOVE, 0, upu_remove_timeout_ms);
		upu_session_put(session);
	}

	mutex_lock(&udev->lock);
	if (udev->session)
		upu_session_end(udev->session);
	if (udev->dirty && upu_reset_kinds(pdev) && pci_device_is_present(pdev)) {
		WRITE_ONCE(udev->resetter, current);
		pci_reset_function_locked(pdev);
		WRITE_ONCE(udev->resetter, NULL);
	}
	mutex_unlock(&udev->lock);

	mutex_lock(&upu_devices_lock);
	list_del(&udev->node);
	mutex_unlock(&upu_devices_lock);
	cdev_device_del(&udev->cdev, &udev->dev);
	pci_set_drvdata(pdev, NULL);
	put_device(&udev->dev);
}

/* The user of a device, with a reference, or NULL. Waits for nobody. */
struct upu_session *upu_session_of(struct upu_device *udev)
{
	struct upu_session *session;

	spin_lock(&udev->user_lock);
	session = udev->session;
	if (session)
		kref_get(&session->ref);
	spin_unlock(&udev->user_lock);
	return session;
}

/* upu_device.lock is held. */
void upu_set_session(struct upu_device *udev, struct upu_session *session)
{
	lockdep_assert_held(&udev->lock);
	spin_lock(&udev->user_lock);
	udev->session = session;
	spin_unlock(&udev->user_lock);
}

static void upu_session_free(struct kref *ref)
{
	struct upu_session *session = container_of(ref, struct upu_session, ref);

	upu_dma_free(session);
	if (session->ones)
		__free_page(session->ones);
	kfree(session->pristine);
	kvfree(session->config);
	put_device(&session->udev->dev);
	kvfree(session);
}

void upu_session_put(struct upu_session *session)
{
	kref_put(&session->ref, upu_session_free);
}

/*
 * The bits of UPU_RESET_* follow the order of the PCI core's table of methods, which
 * starts at 1.
 */
u32 upu_reset_kinds(struct pci_dev *pdev)
{
	u32 kinds = 0;
	int i;

	for (i = 0; i < PCI_NUM_RESET_METHODS && pdev->reset_methods[i]; i++)
		kinds |= BIT(pdev->reset_methods[i] - 1);
	return kinds;
}

/*
 * Before and after a reset that a session outlives: BARs are taken away, and the device is made
 * ready for its state to be saved. upu_device.lock is held throughout, bar_lock in between.
 */
u16 upu_reset_begin(struct upu_session *session)
{
	down_write(&session->bar_lock);
	upu_bar_zap(session);
	upu_config_wake(session);
	return upu_memory_force_on(session);
}

void upu_reset_end(struct upu_session *session, u16 command)
{
	upu_memory_restore(session, command);
	up_write(&session->bar_lock);
	upu_intx_refresh(session);
}

/*
 * Resets the function by the best means it has; configuration space comes back as it was, and the
 * MSI-X table with it, for which memory decoding has to be on. @session is the user, if he stays.
 * upu_device.lock is held. The device's own lock is only tried for: whoever holds it may wait for
 * us.
 */
int upu_device_reset(struct upu_device *udev, struct upu_session *session)
{
	u16 command = 0;
	int ret;

	lockdep_assert_held(&udev->lock);
	if (!upu_reset_kinds(udev->pdev))
		return -EOPNOTSUPP;
	if (upu_device_in_error(udev))
		return -EBUSY;

	if (session)
		command = upu_reset_begin(session);
	WRITE_ONCE(udev->resetter, current);
	ret = pci_try_reset_function(udev->pdev);
	WRITE_ONCE(udev->resetter, NULL);
	if (session)
		upu_reset_end(session, command);
	if (!ret)
		udev->dirty = false;
	switch (ret) {
	case 0:
		return 0;
	case -EAGAIN:
		return -EBUSY;
	case -ENOTTY:
		/* None of the means that it was said to have, or it has not come back from one. */
		return pci_device_is_present(udev->pdev) ? -EOPNOTSUPP : -EIO;
	default:
		return -EIO;
	}
}

/*
 * Powers the function up and lets it decode. The PCI core says in the log why it cannot.
 */
static int upu_device_enable(struct upu_device *udev)
{
	struct pci_dev *pdev = udev->pdev;
	int ret;

	if (upu_failed_enough(&udev->enabling))
		return -EIO;
	ret = pci_set_power_state(pdev, PCI_D0);
	if (!ret) {
		pci_clear_master(pdev);
		ret = pci_enable_device(pdev);
	}
	if (!ret || ret == -ENOMEM)
		return ret;
	upu_failed(&udev->enabling);
	return -EIO;
}

/* Makes the caller the one user. */
int upu_device_open(struct upu_device *udev, struct file *file, struct upu_session **result)
{
	struct pci_dev *pdev = udev->pdev;
	struct upu_session *session;
	int ret;

	session = kvzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return -ENOMEM;
	session->config = kvzalloc(sizeof(*session->config), GFP_KERNEL_ACCOUNT);
	if (!session->config) {
		kvfree(session);
		return -ENOMEM;
	}
	kref_init(&session->ref);
	get_device(&udev->dev);
	session->udev = udev;
	session->mapping = file->f_mapping;
	init_rwsem(&session->bar_lock);
	upu_handshake_init(session);
	upu_irq_init(session);
	upu_dma_init(session);

	mutex_lock(&udev->lock);
	ret = -ENODEV;
	if (udev->gone)
		goto err_unlock;
	ret = -EBUSY;
	if (udev->session || upu_device_in_error(udev))
		goto err_unlock;

	ret = upu_dma_open(session);
	if (ret)
		goto err_unlock;
	ret = upu_device_enable(udev);
	if (ret)
		goto err_dma;
	session->enabled = true;
	ret = -EIO;
	if (!pci_device_is_present(pdev))
		goto err_disable;	/* a reset would wait for it for a minute */
	pci_intx(pdev, 0);
	if (udev->dirty) {
		ret = upu_device_reset(udev, NULL);
		if (ret && ret != -EOPNOTSUPP)
			goto err_disable;
	}
	pci_save_state(pdev);
	session->pristine = pci_store_saved_state(pdev);
	ret = -ENOMEM;
	if (!session->pristine)
		goto err_disable;
	ret = upu_config_open(session);
	if (ret)
		goto err_disable;
	upu_bar_open(session);
	upu_irq_open(session);

	udev->dirty = true;
	upu_set_session(udev, session);
	mutex_unlock(&udev->lock);
	*result = session;
	return 0;

err_disable:
	pci_disable_device(pdev);
err_dma:
	upu_dma_close(session);
err_unlock:
	mutex_unlock(&udev->lock);
	upu_session_put(session);
	return ret;
}
