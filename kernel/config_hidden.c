// SPDX-License-Identifier: GPL-2.0
/*
 * Capabilities that the user does not see. What they are for is the kernel's (where the BARs are,
 * who may speak for whom, the link's power): their registers are read through and not written.
 * Most do not say how long they are: each is taken to end where the next capability starts.
 */
#include "config.h"

enum { UPU_START_NONE, UPU_START_VISIBLE, UPU_START_HIDDEN };

/* What starts where; @start has a byte for each of the space. */
static void upu_find_starts(struct pci_dev *pdev, struct upu_config *config, u8 *start)
{
	unsigned int left = UPU_CAPS_MOST;
	u16 status = 0, head = 0, pos;
	u8 first = 0;
	u32 header = 0;

	pci_read_config_word(pdev, PCI_STATUS, &status);
	pci_read_config_byte(pdev, PCI_CAPABILITY_LIST, &first);
	for (pos = status & PCI_STATUS_CAP_LIST ? first & ~3 : 0;
	     pos >= PCI_STD_HEADER_SIZEOF && left--; pos = (head >> 8) & ~3) {
		pci_read_config_word(pdev, pos, &head);
		start[pos] = upu_cap_hidden(pdev, head & 0xff, pos) ? UPU_START_HIDDEN :
								      UPU_START_VISIBLE;
	}
	if (config->size <= PCI_CFG_SPACE_SIZE)
		return;
	pci_read_config_dword(pdev, PCI_CFG_SPACE_SIZE, &header);
	if (!header || header == ~0u)
		return;
	left = UPU_ECAPS_MOST;
	for (pos = PCI_CFG_SPACE_SIZE; pos >= PCI_CFG_SPACE_SIZE && left--;
	     pos = PCI_EXT_CAP_NEXT(header)) {
		pci_read_config_dword(pdev, pos, &header);
		start[pos] = upu_ecap_hidden(pdev, PCI_EXT_CAP_ID(header), pos) ?
			     UPU_START_HIDDEN : UPU_START_VISIBLE;
	}
}

/* Before what is visible is laid over it. config->trap is still empty, and is left so. */
void upu_config_hide(struct pci_dev *pdev, struct upu_config *config)
{
	u8 *start = config->trap;
	bool hidden = false;
	unsigned int pos;

	upu_find_starts(pdev, config, start);
	for (pos = PCI_STD_HEADER_SIZEOF; pos < config->size; pos++) {
		if (start[pos] || pos == PCI_CFG_SPACE_SIZE)
			hidden = start[pos] == UPU_START_HIDDEN;
		if (hidden)
			config->writable[pos] = 0;
		start[pos] = UPU_START_NONE;
	}
}
