// SPDX-License-Identifier: GPL-2.0
/* A device that is an array of bytes, and what config_*.c calls of the PCI core and of the module's other files. */
#include "fake.h"

unsigned long jiffies = 1000000;

int pci_read_config_byte(struct pci_dev *pdev, int pos, u8 *value)
{
	pdev->reads++;
	*value = pdev->space[pos];
	return 0;
}

int pci_read_config_word(struct pci_dev *pdev, int pos, u16 *value)
{
	pdev->reads++;
	*value = pdev->space[pos] | pdev->space[pos + 1] << 8;
	return 0;
}

int pci_read_config_dword(struct pci_dev *pdev, int pos, u32 *value)
{
	pdev->reads++;
	memcpy(value, pdev->space + pos, 4);
	return 0;
}

/* Every bit can be written, but for PME status, which clears on a one. */
static int fake_write(struct pci_dev *pdev, int pos, u32 value, int width)
{
	int i, pme = pdev->pm_cap ? pdev->pm_cap + PCI_PM_CTRL + 1 : -1;

	pdev->writes++;
	for (i = 0; i < width; i++, value >>= 8)
		if (pos + i == pme)
			pdev->space[pme] = (value & 0x7f) | (pdev->space[pme] & ~value & 0x80);
		else
			pdev->space[pos + i] = value;
	return 0;
}

int pci_write_config_byte(struct pci_dev *pdev, int pos, u8 value)
{
	return fake_write(pdev, pos, value, 1);
}

int pci_write_config_word(struct pci_dev *pdev, int pos, u16 value)
{
	return fake_write(pdev, pos, value, 2);
}

int pci_write_config_dword(struct pci_dev *pdev, int pos, u32 value)
{
	return fake_write(pdev, pos, value, 4);
}

int pci_set_power_state(struct pci_dev *pdev, int state)
{
	pdev->moves++;
	/* Back from D3 it has forgotten everything, unless it says that it does not. */
	if (state == PCI_D0 && pdev->current_state == PCI_D3hot &&
	    !(pdev->space[pdev->pm_cap + PCI_PM_CTRL] & PCI_PM_CTRL_NO_SOFT_RESET))
		memset(pdev->space + PCI_COMMAND, 0, 2);
	pdev->current_state = state;
	if (pdev->pm_cap)
		pdev->space[pdev->pm_cap + PCI_PM_CTRL] =
			(pdev->space[pdev->pm_cap + PCI_PM_CTRL] & ~3) | state;
	return 0;
}

bool pci_device_is_present(struct pci_dev *pdev)
{
	return !pdev->gone;
}

int pci_save_state(struct pci_dev *pdev)
{
	memcpy(pdev->saved, pdev->space, sizeof(pdev->saved));
	return 0;
}

void pci_restore_state(struct pci_dev *pdev)
{
	memcpy(pdev->space, pdev->saved, 64);
}

void pci_clear_master(struct pci_dev *pdev)
{
	pdev->space[PCI_COMMAND] &= ~PCI_COMMAND_MASTER;
}

static int fake_vpd(struct pci_dev *pdev, long pos, size_t count)
{
	pdev->vpd_accesses++;
	pdev->locked_at_vpd |= pdev->lock->held != 0;
	return pos + count > sizeof(pdev->vpd) ? -EINVAL : pdev->vpd_error;
}

ssize_t pci_read_vpd(struct pci_dev *pdev, long pos, size_t count, void *data)
{
	int error = fake_vpd(pdev, pos, count);

	if (error)
		return error;
	memcpy(data, pdev->vpd + pos, count);
	return count;
}

ssize_t pci_write_vpd(struct pci_dev *pdev, long pos, size_t count, const void *data)
{
	int error = fake_vpd(pdev, pos, count);

	if (error)
		return error;
	memcpy(pdev->vpd + pos, data, count);
	return count;
}

int pcie_set_readrq(struct pci_dev *pdev, int size)
{
	pdev->readrq = size;
	return 0;
}

u32 upu_irq_count(struct pci_dev *pdev, u32 kind)
{
	return kind == UPU_IRQ_INTX && !pdev->is_virtfn && pdev->space[PCI_INTERRUPT_PIN];
}

void upu_bar_zap(struct upu_session *session)
{
	session->udev->pdev->zaps++;
}

u16 upu_memory_force_on(struct upu_session *session)
{
	u16 command;

	pci_read_config_word(session->udev->pdev, PCI_COMMAND, &command);
	pci_write_config_word(session->udev->pdev, PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	return command;
}

void upu_memory_restore(struct upu_session *session, u16 command)
{
	u16 now;

	pci_read_config_word(session->udev->pdev, PCI_COMMAND, &now);
	if (!(command & PCI_COMMAND_MEMORY))
		pci_write_config_word(session->udev->pdev, PCI_COMMAND, now & ~PCI_COMMAND_MEMORY);
}

int upu_device_reset(struct upu_device *udev, struct upu_session *session)
{
	(void)session;
	udev->pdev->resets++;
	return 0;
}

void upu_intx_update(struct upu_session *session)
{
	session->udev->pdev->intx_updates++;
}

void upu_intx_refresh(struct upu_session *session)
{
	(void)session;
}

void fake_take(struct fake *fake, const u8 *space, int size)
{
	struct pci_dev *pdev = &fake->pdev;
	unsigned int at, left = 48;

	memset(fake, 0, sizeof(*fake));
	memcpy(pdev->space, space, size);
	pdev->cfg_size = size;
	pdev->vendor = space[0] | space[1] << 8;
	pdev->device = space[2] | space[3] << 8;
	pdev->mps = 128;
	pdev->readrq = 512;
	pdev->lock = &fake->udev.lock;
	fake->udev.pdev = pdev;
	fake->session.udev = &fake->udev;
	fake->session.config = &fake->config;
	for (at = space[PCI_CAPABILITY_LIST] & ~3; at >= 0x40 && left--; at = space[at + 1] & ~3) {
		if (space[at] == PCI_CAP_ID_PM && !pdev->pm_cap)
			pdev->pm_cap = at;
		if (space[at] == PCI_CAP_ID_MSI && !pdev->msi_cap)
			pdev->msi_cap = at;
		if (space[at] == PCI_CAP_ID_EXP && !pdev->pcie_cap) {
			pdev->pcie_cap = at;
			if (at + 8 <= 256)
				memcpy(&pdev->devcap, space + at + PCI_EXP_DEVCAP, 4);
		}
	}
}

void fake_open(struct fake *fake)
{
	upu_config_open(&fake->session);
}
