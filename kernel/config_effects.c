// SPDX-License-Identifier: GPL-2.0
/* What a write to configuration space does besides, register by register. */
#include "config.h"

/* Memory decoding as the user has set it; it is what a VF has instead of the bit itself. */
bool upu_config_memory_on(struct upu_session *session)
{
	return session->config->shadow[PCI_COMMAND] & PCI_COMMAND_MEMORY;
}

/*
 * DMA past the caches reads what was in memory before it was cleared, perhaps another's. Where the
 * IOMMU does not make it snoop the device is kept from asking for it.
 */
void upu_config_keep_snooping(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	u16 pos = pdev->pcie_cap + PCI_EXP_DEVCTL;
	u32 control;

	if (!session->dma.may_bypass_caches || !pdev->pcie_cap)
		return;
	session->config->writable[pos + 1] &= ~(PCI_EXP_DEVCTL_NOSNOOP_EN >> 8);
	if (!upu_real_read(pdev, pos, 2, &control) && control & PCI_EXP_DEVCTL_NOSNOOP_EN)
		upu_real_write(pdev, pos, 2, control & ~PCI_EXP_DEVCTL_NOSNOOP_EN);
}

/* The decoding that a restore has put into COMMAND is what the user has from here on. */
void upu_config_reloaded(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	const u8 decode = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	u8 *shadow = &session->config->shadow[PCI_COMMAND];
	u32 now;

	upu_config_keep_snooping(session);
	if (pdev->no_command_memory)
		now = *shadow | PCI_COMMAND_MEMORY;
	else if (upu_real_read(pdev, PCI_COMMAND, 2, &now))
		return;
	*shadow = (*shadow & ~decode) | (now & decode);
}

/*
 * Into D3. What the device forgets there is saved with decoding on: the MSI-X table, which comes
 * back with it, is in a BAR. bar_lock is held for writing.
 */
static void upu_config_sleep(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;

	upu_bar_zap(session);
	if (config->restore_in_d0) {
		config->command_in_d0 = upu_memory_force_on(session);
		pci_save_state(pdev);
		upu_memory_restore(session, config->command_in_d0);
	}
	pci_set_power_state(pdev, PCI_D3hot);
}

/*
 * Back from D3, with what the device forgets there put back. bar_lock is held for writing, and
 * upu_intx_refresh() is to follow when it is not.
 */
void upu_config_wake(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;

	if (!config->d3 || !pci_device_is_present(pdev))
		return;
	if (!pci_set_power_state(pdev, PCI_D0) && config->restore_in_d0) {
		pci_restore_state(pdev);
		upu_memory_restore(session, config->command_in_d0);
	}
	upu_keep_quiet(session);
	config->d3 = pdev->current_state == PCI_D3hot || pdev->current_state == PCI_D3cold;
	upu_config_reloaded(session);
}

/*
 * The system has slept: the device is awake, whatever state it was in, and has back what it had
 * when it was saved, and decoding on. bar_lock is held for writing.
 */
void upu_config_resumed(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;
	const u16 decode = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	u32 now;

	config->d3 = pdev->current_state == PCI_D3hot || pdev->current_state == PCI_D3cold;
	if (upu_real_read(pdev, PCI_COMMAND, 2, &now))
		return;
	now &= ~(decode | PCI_COMMAND_MASTER);
	now |= config->shadow[PCI_COMMAND] & decode;
	now |= config->command_at_suspend & PCI_COMMAND_MASTER;
	upu_real_write(pdev, PCI_COMMAND, 2, now);
	upu_keep_quiet(session);
}

/* Something behind our back has cleared what the kernel assigned: put it back. */
static void upu_restore_bars(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;
	unsigned int i;
	u32 now;

	if (pdev->is_virtfn)
		return;
	for (i = 0; i < 7; i++) {
		if (!config->real_bar[i])
			continue;
		upu_real_read(pdev, upu_bar_pos(i), 4, &now);
		if (now != config->real_bar[i])
			upu_real_write(pdev, upu_bar_pos(i), 4, config->real_bar[i]);
	}
}

/* The low byte: decoding and bus mastering. @value is the new COMMAND. */
int upu_write_command(struct upu_session *session, u16 value)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;
	u16 real, decode = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	u32 now;
	int ret;

	if (READ_ONCE(session->dma.quiet))
		value &= ~PCI_COMMAND_MASTER;	/* the owner of the memory has ended */

	down_write(&session->bar_lock);
	if (!(value & PCI_COMMAND_MEMORY))
		upu_bar_zap(session);
	if (value & decode)
		upu_restore_bars(session);
	ret = upu_real_read(pdev, PCI_COMMAND, 2, &now);
	if (!ret) {
		real = (now & PCI_COMMAND_INTX_DISABLE) | (value & ~PCI_COMMAND_INTX_DISABLE);
		ret = upu_real_write(pdev, PCI_COMMAND, 2, real);
	}
	ret = ret ? -EIO : 0;
	if (!ret)
		config->shadow[PCI_COMMAND] = (config->shadow[PCI_COMMAND] & ~decode) |
					      (value & decode);
	up_write(&session->bar_lock);
	upu_keep_quiet(session);
	return ret;
}

static int upu_write_power(struct upu_session *session, u8 state)
{
	static const pci_power_t states[] = { PCI_D0, PCI_D1, PCI_D2, PCI_D3hot };
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;
	pci_power_t next = states[state & 3];

	/* What the kernel has woken behind our back is still to be woken for the user. */
	if (next == pdev->current_state && !(next == PCI_D0 && config->d3))
		return 0;
	/* The PCI core complains in the log of each try to move what does not answer. */
	if (!pci_device_is_present(pdev))
		return -EIO;
	down_write(&session->bar_lock);
	if (next == PCI_D3hot)
		upu_config_sleep(session);
	else if (next == PCI_D0 && config->d3)
		upu_config_wake(session);
	else
		pci_set_power_state(pdev, next);
	config->d3 = pdev->current_state == PCI_D3hot || pdev->current_state == PCI_D3cold;
	up_write(&session->bar_lock);
	upu_intx_refresh(session);
	return 0;	/* a state that the device lacks is ignored, as the device would */
}

/* One at a time, so that those which the device does not answer can be counted. */
static ssize_t upu_vpd_access(struct upu_device *udev, u16 address, u8 *data)
{
	u16 pos = address & PCI_VPD_ADDR_MASK;
	ssize_t ret;

	if (mutex_lock_killable(&udev->vpd_lock))
		return -EINTR;
	if (upu_failed_enough(&udev->vpd)) {
		ret = -ETIMEDOUT;
	} else {
		if (address & PCI_VPD_ADDR_F)
			ret = pci_write_vpd(udev->pdev, pos, 4, data);
		else
			ret = pci_read_vpd(udev->pdev, pos, 4, data);
		if (ret == -ETIMEDOUT)
			upu_failed(&udev->vpd);
	}
	mutex_unlock(&udev->vpd_lock);
	return ret;
}

/*
 * Bit 15 set asks for a write; the access done, it turns over. The PCI core's access waits for
 * whoever resets the function, and that one for upu_device.lock, which is therefore let go
 * meanwhile. An access that the end of the session meets under way ends by itself.
 */
static int upu_write_vpd(struct upu_session *session, u16 start)
{
	struct upu_config *config = session->config;
	u8 *data = config->shadow + start + PCI_VPD_DATA;
	u16 address = upu_shadow16(config, start + PCI_VPD_ADDR);
	bool write = address & PCI_VPD_ADDR_F;
	ssize_t ret;
	u8 copy[4];

	memcpy(copy, data, 4);
	mutex_unlock(&session->udev->lock);
	if (upu_session_dead(session))
		ret = -ENODEV;		/* it may be somebody else's already */
	else
		ret = upu_vpd_access(session->udev, address, copy);
	mutex_lock(&session->udev->lock);
	if (session->dead)
		return -ENODEV;
	if (ret != 4)
		return 0;		/* the bit says so */
	if (!write)
		memcpy(data, copy, 4);
	config->shadow[start + PCI_VPD_ADDR + 1] ^= PCI_VPD_ADDR_F >> 8;
	return 0;
}

/* FLR if the device says it can; payload and read request sizes are for show, but reads no larger
 * than the user asks for, and no smaller than a packet.
 */
static void upu_write_device_control(struct upu_session *session, u16 start)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;
	u16 control = upu_shadow16(config, start + PCI_EXP_DEVCTL);
	int size;

	if (control & PCI_EXP_DEVCTL_BCR_FLR) {
		config->shadow[start + PCI_EXP_DEVCTL + 1] &= ~(PCI_EXP_DEVCTL_BCR_FLR >> 8);
		if (pdev->devcap & PCI_EXP_DEVCAP_FLR)
			upu_device_reset(session->udev, session);
		session->udev->dirty = true;
	}
	size = 128 << ((control & PCI_EXP_DEVCTL_READRQ) >> 12);
	size = max(min(size, 4096), pcie_get_mps(pdev));
	if (size != pcie_get_readrq(pdev))
		pcie_set_readrq(pdev, size);
}

static void upu_write_af(struct upu_session *session, u16 start)
{
	struct upu_config *config = session->config;
	const u8 need = PCI_AF_CAP_TP | PCI_AF_CAP_FLR;

	if (!(config->shadow[start + PCI_AF_CTRL] & PCI_AF_CTRL_FLR))
		return;
	config->shadow[start + PCI_AF_CTRL] &= ~PCI_AF_CTRL_FLR;
	if ((config->shadow[start + PCI_AF_CAP] & need) == need)
		upu_device_reset(session->udev, session);
	session->udev->dirty = true;
}

/* Enable stays as SET_IRQS has it, and no more vectors than the device has. */
static void upu_write_msi(struct upu_session *session, u16 start)
{
	u8 *flags = &session->config->shadow[start + PCI_MSI_FLAGS];
	u8 most = (*flags & PCI_MSI_FLAGS_QMASK) >> 1;

	*flags &= ~PCI_MSI_FLAGS_ENABLE;
	if ((*flags & PCI_MSI_FLAGS_QSIZE) >> 4 > most)
		*flags = (*flags & ~PCI_MSI_FLAGS_QSIZE) | most << 4;
}

/* Called once for each register that a write touched, after its shadow has been updated. */
int upu_trap(struct upu_session *session, enum upu_trap trap, u16 pos, unsigned int width,
	     u32 value, u16 start)
{
	struct upu_config *config = session->config;
	bool disabled;
	unsigned int i;

	switch (trap) {
	case UPU_TRAP_COMMAND:
		disabled = upu_shadow16(config, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
		if (disabled != config->intx_disabled) {
			config->intx_disabled = disabled;
			upu_intx_update(session);
		}
		return 0;
	case UPU_TRAP_BAR:
		i = pos < PCI_ROM_ADDRESS ? (pos - PCI_BASE_ADDRESS_0) / 4 : 6;
		value = upu_shadow32(config, upu_bar_pos(i));
		upu_scatter(config->shadow + upu_bar_pos(i), 4,
			    upu_bar_shown(session->udev->pdev, i, value) |
			    (i == 6 && session->bar[6].size ? value & PCI_ROM_ADDRESS_ENABLE : 0));
		return 0;
	case UPU_TRAP_PM_CONTROL:
		if (pos == start + PCI_PM_CTRL)
			return upu_write_power(session, value);
		return 0;
	case UPU_TRAP_VPD:
		if (pos + width > start + PCI_VPD_ADDR + 1)
			return upu_write_vpd(session, start);
		return 0;
	case UPU_TRAP_MSI_FLAGS:
		upu_write_msi(session, start);
		return 0;
	case UPU_TRAP_DEVICE_CONTROL:
		upu_write_device_control(session, start);
		return 0;
	case UPU_TRAP_AF_CONTROL:
		upu_write_af(session, start);
		return 0;
	default:
		return 0;
	}
}
