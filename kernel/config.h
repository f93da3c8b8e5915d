/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of configuration space share: config*.c. */
#ifndef UPU_CONFIG_H
#define UPU_CONFIG_H

#include "upu.h"

/* What a write does besides; upu_config.trap. */
enum upu_trap {
	UPU_TRAP_NONE,
	UPU_TRAP_COMMAND,
	UPU_TRAP_BAR,
	UPU_TRAP_PM_CONTROL,
	UPU_TRAP_VPD,
	UPU_TRAP_MSI_FLAGS,
	UPU_TRAP_DEVICE_CONTROL,
	UPU_TRAP_AF_CONTROL,
};

/* As many as fit: a list that is longer is a loop. */
#define UPU_CAPS_MOST	((PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / PCI_CAP_SIZEOF)
#define UPU_ECAPS_MOST	((PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / PCI_CAP_SIZEOF)

bool upu_cap_hidden(struct pci_dev *pdev, u8 id, u16 pos);
bool upu_ecap_hidden(struct pci_dev *pdev, u16 id, u16 pos);
void upu_config_hide(struct pci_dev *pdev, struct upu_config *config);
int upu_real_read(struct pci_dev *pdev, u16 pos, unsigned int width, u32 *value);
int upu_real_write(struct pci_dev *pdev, u16 pos, unsigned int width, u32 value);
void upu_config_keep_snooping(struct upu_session *session);
u32 upu_bar_shown(struct pci_dev *pdev, unsigned int index, u32 value);
int upu_write_command(struct upu_session *session, u16 value);
int upu_trap(struct upu_session *session, enum upu_trap trap, u16 pos, unsigned int width,
	     u32 value, u16 start);

static inline u16 upu_bar_pos(unsigned int index)
{
	return index == 6 ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * index;
}

static inline u32 upu_gather(const u8 *bytes, unsigned int width)
{
	u32 value = 0;

	while (width--)
		value = value << 8 | bytes[width];
	return value;
}

static inline void upu_scatter(u8 *bytes, unsigned int width, u32 value)
{
	for (; width--; value >>= 8)
		*bytes++ = value;
}

static inline u16 upu_shadow16(struct upu_config *config, u16 pos)
{
	return upu_gather(config->shadow + pos, 2);
}

static inline u32 upu_shadow32(struct upu_config *config, u16 pos)
{
	return upu_gather(config->shadow + pos, 4);
}

#endif
