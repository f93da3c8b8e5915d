// SPDX-License-Identifier: GPL-2.0
/*
 * Access to configuration space, by what config_layout.c has made of the rules.
 */
#include "config.h"

/*
 * ---- the device's own registers ----
 *
 * Not by pci_user_read_config_*(): they wait while somebody holds the function's configuration
 * accesses back, and who resets it from outside does, and then waits for upu_device.lock in our
 * reset_prepare. That lock is what keeps the two apart.
 */

int upu_real_read(struct pci_dev *pdev, u16 pos, unsigned int width, u32 *value)
{
	u16 word;
	u8 byte;
	int ret;

	switch (width) {
	case 1:
		ret = pci_read_config_byte(pdev, pos, &byte);
		*value = byte;
		break;
	case 2:
		ret = pci_read_config_word(pdev, pos, &word);
		*value = word;
		break;
	default:
		ret = pci_read_config_dword(pdev, pos, value);
		break;
	}
	return ret;
}

int upu_real_write(struct pci_dev *pdev, u16 pos, unsigned int width, u32 value)
{
	switch (width) {
	case 1:
		return pci_write_config_byte(pdev, pos, value);
	case 2:
		return pci_write_config_word(pdev, pos, value);
	default:
		return pci_write_config_dword(pdev, pos, value);
	}
}

/* ---- access ---- */

static int upu_config_read(struct upu_session *session, u16 pos, unsigned int width, u32 *value)
{
	struct upu_config *config = session->config;
	struct pci_dev *pdev = session->udev->pdev;
	u32 virt = upu_gather(config->virt + pos, width);
	u32 shadow = upu_gather(config->shadow + pos, width);
	u32 all = width == 4 ? ~0u : BIT(8 * width) - 1;
	u32 real = 0;
	int ret;

	if (virt != all) {
		ret = upu_real_read(pdev, pos, width, &real);
		if (ret)
			return -EIO;
	}
	*value = (shadow & virt) | (real & ~virt);

	if (pdev->msi_cap && pos <= pdev->msi_cap + PCI_MSI_FLAGS &&
	    pos + width > pdev->msi_cap + PCI_MSI_FLAGS && session->irqs.kind == UPU_IRQ_MSI)
		*value |= PCI_MSI_FLAGS_ENABLE << (8 * (pdev->msi_cap + PCI_MSI_FLAGS - pos));
	return 0;
}

/*
 * To the device go only those bytes of a write that may change: others may clear on
 * writing a one.
 */
static int upu_config_write_real(struct upu_session *session, u16 pos, unsigned int width,
				 u32 value, u32 mask)
{
	struct pci_dev *pdev = session->udev->pdev;
	u16 pme = pdev->pm_cap + PCI_PM_CTRL + 1;
	unsigned int half = width / 2;
	u32 low, real;
	int ret;

	if (!mask)
		return 0;
	if (half) {
		low = BIT(8 * half) - 1;
		if (!(mask & low) || !(mask & ~low)) {
			if (mask & low)
				return upu_config_write_real(session, pos, half, value & low,
							     mask & low);
			return upu_config_write_real(session, pos + half, half, value >> (8 * half),
						     mask >> (8 * half));
		}
	}
	if (mask == (width == 4 ? ~0u : BIT(8 * width) - 1))
		return upu_real_write(pdev, pos, width, value) ? -EIO : 0;
	ret = upu_real_read(pdev, pos, width, &real);
	if (ret)
		return -EIO;
	real = (real & ~mask) | (value & mask);
	/* PME status clears on a one; the user has no part in it. */
	if (pdev->pm_cap && pos <= pme && pme < pos + width)
		real &= ~(0x80u << 8 * (pme - pos));
	return upu_real_write(pdev, pos, width, real) ? -EIO : 0;
}

static int upu_config_write(struct upu_session *session, u16 pos, unsigned int width, u32 value)
{
	struct upu_config *config = session->config;
	u32 virt = upu_gather(config->virt + pos, width);
	u32 writable = upu_gather(config->writable + pos, width);
	u32 shadow = upu_gather(config->shadow + pos, width);
	u16 start = 0;
	enum upu_trap trap = UPU_TRAP_NONE;
	unsigned int i;
	u16 trap_pos = pos;
	int ret;

	if (config->owner[pos] != UPU_CAP_GAP)
		start = config->caps[config->owner[pos]].start;
	for (i = 0; i < width && trap == UPU_TRAP_NONE; i++) {
		trap = config->trap[pos + i];
		trap_pos = pos + i;
	}

	upu_scatter(config->shadow + pos, width,
		    (shadow & ~(virt & writable)) | (value & virt & writable));
	if (trap == UPU_TRAP_COMMAND && pos == PCI_COMMAND) {
		u32 now;

		/* Both bytes, for a write of the low one alone. */
		if (upu_real_read(session->udev->pdev, PCI_COMMAND, 2, &now))
			return -EIO;
		ret = upu_write_command(session, width == 1 ? (now & 0xff00) | value : value);
	} else {
		ret = upu_config_write_real(session, pos, width, value, writable & ~virt);
	}
	if (ret)
		return ret;
	if (trap == UPU_TRAP_NONE)
		return 0;
	return upu_trap(session, trap, trap_pos, width - (trap_pos - pos),
			value >> (8 * (trap_pos - pos)), start);
}

/*
 * Waits until nobody holds the function's accesses back (a link reset after an error does), with
 * our lock let go.
 */
static int upu_config_wait(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;

	while (!session->dead && pdev->block_cfg_access) {
		mutex_unlock(&session->udev->lock);
		pci_cfg_access_lock(pdev);
		pci_cfg_access_unlock(pdev);
		mutex_lock(&session->udev->lock);
	}
	return session->dead ? -ENODEV : 0;
}

/* The widest aligned access at @pos that stays inside one capability, or one gap. */
static unsigned int upu_config_width(struct upu_config *config, u16 pos, size_t left)
{
	unsigned int width = 4, i;

	while (width > left || pos % width)
		width /= 2;
	for (; width > 1; width /= 2) {
		for (i = 1; i < width && config->owner[pos + i] == config->owner[pos]; i++)
			;
		if (i == width)
			break;
	}
	return width;
}

ssize_t upu_config_rw(struct upu_session *session, char __user *user, size_t count, u64 offset,
		      bool write)
{
	struct upu_config *config = session->config;
	u8 *data;
	size_t done = 0;
	int ret = 0;
	u32 value;

	if (offset >= config->size || count > config->size - offset)
		return -EFAULT;
	if (!count)
		return 0;
	/*
	 * Copied as a whole: nothing is done if a pointer is bad, and user memory is not
	 * touched below.
	 */
	data = kmalloc(count, GFP_KERNEL_ACCOUNT);
	if (!data)
		return -ENOMEM;
	if (write && copy_from_user(data, user, count)) {
		kfree(data);
		return -EFAULT;
	}

	mutex_lock(&session->udev->lock);
	ret = upu_config_wait(session);
	while (!ret && done < count) {
		u16 pos = offset + done;
		unsigned int width = upu_config_width(config, pos, count - done);

		if (write) {
			ret = upu_config_write(session, pos, width, upu_gather(data + done, width));
		} else {
			ret = upu_config_read(session, pos, width, &value);
			if (!ret)
				upu_scatter(data + done, width, value);
		}
		done += width;
	}
	mutex_unlock(&session->udev->lock);

	if (!ret && !write && copy_to_user(user, data, count))
		ret = -EFAULT;
	kfree(data);
	return ret ?: count;
}
