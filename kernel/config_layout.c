// SPDX-License-Identifier: GPL-2.0
/*
 * What configuration space looks like: config_rules.h says what may be done; here it is spread over
 * one byte of masks per byte of the space when a session starts, so that an access is a few table
 * lookups.
 */
#include "config.h"

enum upu_space { UPU_SPACE_HEADER, UPU_SPACE_CAP, UPU_SPACE_ECAP };

enum upu_when {
	UPU_WHEN_ALWAYS,
	UPU_WHEN_MSI_32,
	UPU_WHEN_MSI_64,
	UPU_WHEN_NO_MEMORY,
};

struct upu_rule {
	enum upu_space space;
	u16 id;
	enum upu_when when;
	u16 offset;
	u8 width;
	u32 virt;
	u32 write;
	enum upu_trap trap;
};

struct upu_visible {
	enum upu_space space;
	u16 id;
	u16 size;
};

struct upu_body {
	enum upu_space space;
	u16 id;
	u16 offset;
};

#define UPU_VARIABLE	0xffff
#define VARIABLE	UPU_VARIABLE

#define UPU_CAP(...)
#define UPU_BODY(...)
#define UPU_RULE(space_, id_, when_, offset_, width_, virt_, write_, trap_) { \
	.space = UPU_SPACE_##space_, .id = (id_), .when = UPU_WHEN_##when_, .offset = (offset_), \
	.width = (width_), .virt = (virt_), .write = (write_), .trap = UPU_TRAP_##trap_ },
static const struct upu_rule upu_rules[] = {
#include "config_rules.h"
};

#undef UPU_RULE
#undef UPU_CAP
#define UPU_RULE(...)
#define UPU_CAP(space_, id_, size_) { .space = UPU_SPACE_##space_, .id = (id_), .size = (size_) },
static const struct upu_visible upu_visible[] = {
#include "config_rules.h"
};

#undef UPU_CAP
#undef UPU_BODY
#define UPU_CAP(...)
#define UPU_BODY(space_, id_, offset_) { \
	.space = UPU_SPACE_##space_, .id = (id_), .offset = (offset_) },
static const struct upu_body upu_bodies[] = {
#include "config_rules.h"
};

static bool upu_when_holds(struct pci_dev *pdev, enum upu_when when, u16 msi_flags)
{
	bool wide = msi_flags & PCI_MSI_FLAGS_64BIT;

	switch (when) {
	case UPU_WHEN_MSI_32:
		return !wide;
	case UPU_WHEN_MSI_64:
		return wide;
	case UPU_WHEN_NO_MEMORY:
		return pdev->no_command_memory;
	default:
		return true;
	}
}

static void upu_apply_rules(struct pci_dev *pdev, struct upu_config *config, enum upu_space space,
			    const struct upu_cap *cap)
{
	unsigned int i;
	u16 flags = 0;
	int end = min_t(int, cap->start + cap->size, config->size);
	int pos;

	if (space == UPU_SPACE_CAP && cap->id == PCI_CAP_ID_MSI)
		pci_read_config_word(pdev, cap->start + PCI_MSI_FLAGS, &flags);

	for (i = 0; i < ARRAY_SIZE(upu_bodies); i++)
		if (upu_bodies[i].space == space && upu_bodies[i].id == cap->id)
			for (pos = cap->start + upu_bodies[i].offset; pos < end; pos++)
				config->writable[pos] = 0xff;

	for (i = 0; i < ARRAY_SIZE(upu_rules); i++) {
		const struct upu_rule *rule = &upu_rules[i];

		if (rule->space != space || rule->id != cap->id ||
		    !upu_when_holds(pdev, rule->when, flags))
			continue;
		pos = cap->start + rule->offset;
		if (pos + rule->width > end)
			continue;	/* a shorter version of the capability */
		upu_scatter(config->virt + pos, rule->width, rule->virt);
		upu_scatter(config->writable + pos, rule->width, rule->write);
		memset(config->trap + pos, rule->trap, rule->width);
	}
}

static void upu_fill_shadow(struct pci_dev *pdev, struct upu_config *config, u16 start, u16 end)
{
	u16 pos;

	for (pos = start; pos < end; pos++)
		pci_read_config_byte(pdev, pos, &config->shadow[pos]);
}

static u16 upu_msi_size(struct pci_dev *pdev, u16 pos)
{
	u16 flags = 0;

	pci_read_config_word(pdev, pos + PCI_MSI_FLAGS, &flags);
	return 10 + (flags & PCI_MSI_FLAGS_64BIT ? 4 : 0) +
	       (flags & PCI_MSI_FLAGS_MASKBIT ? 10 : 0);
}

/* PCI Express Base: 7.5.3; version 1 endpoints have neither slot nor root registers. */
static u16 upu_pcie_size(struct pci_dev *pdev)
{
	bool integrated = pci_pcie_type(pdev) == PCI_EXP_TYPE_RC_END;

	if ((pcie_caps_reg(pdev) & PCI_EXP_FLAGS_VERS) == 1)
		return integrated ? 0x0c : 0x14;
	return integrated ? 0x2c : 0x3c;
}

/* The size of a standard capability that carries it itself. */
static u16 upu_cap_size(struct pci_dev *pdev, u8 id, u16 pos)
{
	u8 byte = 0;
	u16 word = 0;

	switch (id) {
	case PCI_CAP_ID_MSI:
		return upu_msi_size(pdev, pos);
	case PCI_CAP_ID_PCIX:
		pci_read_config_word(pdev, pos + PCI_X_CMD, &word);
		return PCI_X_CMD_VERSION(word) ? 24 : 8;
	case PCI_CAP_ID_HT:
		pci_read_config_byte(pdev, pos + 3, &byte);
		return byte & HT_3BIT_CAP_MASK ? HT_CAP_SIZEOF_SHORT : HT_CAP_SIZEOF_LONG;
	case PCI_CAP_ID_VNDR:
		pci_read_config_byte(pdev, pos + PCI_CAP_FLAGS, &byte);
		return byte;
	case PCI_CAP_ID_EXP:
		return upu_pcie_size(pdev);
	case PCI_CAP_ID_SATA:
		pci_read_config_byte(pdev, pos + PCI_SATA_REGS, &byte);
		return (byte & PCI_SATA_REGS_MASK) == PCI_SATA_REGS_INLINE ? 16 : 8;
	default:
		return PCI_CAP_SIZEOF;
	}
}

/* Virtual channels: the fixed part, each channel, and the arbitration table of the whole. */
static u16 upu_vc_size(struct pci_dev *pdev, u16 pos)
{
	u32 cap1 = 0, cap2 = 0;
	unsigned int phases = 0, size;

	pci_read_config_dword(pdev, pos + PCI_VC_PORT_CAP1, &cap1);
	pci_read_config_dword(pdev, pos + PCI_VC_PORT_CAP2, &cap2);
	if (cap2 & PCI_VC_CAP2_128_PHASE)
		phases = 128;
	else if (cap2 & PCI_VC_CAP2_64_PHASE)
		phases = 64;
	else if (cap2 & PCI_VC_CAP2_32_PHASE)
		phases = 32;
	size = PCI_CAP_VC_BASE_SIZEOF +
	       (1 + (cap1 & PCI_VC_CAP1_EVCC)) * PCI_CAP_VC_PER_VC_SIZEOF;
	if (phases)
		size = round_up(size, 16) + phases / 2;
	return size;
}

static u16 upu_ecap_size(struct pci_dev *pdev, u16 id, u16 pos)
{
	u32 dword = 0;

	switch (id) {
	case PCI_EXT_CAP_ID_VNDR:
		pci_read_config_dword(pdev, pos + PCI_VNDR_HEADER, &dword);
		return PCI_VNDR_HEADER_LEN(dword);
	case PCI_EXT_CAP_ID_DVSEC:
		pci_read_config_dword(pdev, pos + PCI_DVSEC_HEADER1, &dword);
		return dword >> 20;
	case PCI_EXT_CAP_ID_VC:
	case PCI_EXT_CAP_ID_VC9:
	case PCI_EXT_CAP_ID_MFVC:
		return upu_vc_size(pdev, pos);
	case PCI_EXT_CAP_ID_ACS:
		pci_read_config_dword(pdev, pos + PCI_ACS_CAP, &dword);
		if (!(dword & PCI_ACS_EC))
			return 8;
		dword = (dword >> 8) & 0xff;	/* egress control vector size in bits, 0 is 256 */
		return 8 + round_up(dword ?: 256, 32) / 8;
	case PCI_EXT_CAP_ID_REBAR:
		pci_read_config_dword(pdev, pos + PCI_REBAR_CTRL, &dword);
		return 4 + 8 * ((dword & PCI_REBAR_CTRL_NBAR_MASK) >> 5);
	case PCI_EXT_CAP_ID_DPA:
		pci_read_config_dword(pdev, pos + PCI_DPA_CAP, &dword);
		return PCI_DPA_BASE_SIZEOF + (dword & PCI_DPA_CAP_SUBSTATE_MASK) + 1;
	case PCI_EXT_CAP_ID_TPH:
		pci_read_config_dword(pdev, pos + PCI_TPH_CAP, &dword);
		if (((dword >> 9) & 3) != 1)	/* the steering table is elsewhere */
			return 12;
		return 12 + 2 * (((dword >> 16) & 0x7ff) + 1);
	default:
		return PCI_CAP_SIZEOF;
	}
}

/* 0 for a hidden capability. */
static u16 upu_visible_size(struct pci_dev *pdev, enum upu_space space, u16 id, u16 pos)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(upu_visible); i++) {
		if (upu_visible[i].space != space || upu_visible[i].id != id)
			continue;
		if (upu_visible[i].size != UPU_VARIABLE)
			return upu_visible[i].size;
		return space == UPU_SPACE_CAP ? upu_cap_size(pdev, id, pos) :
						upu_ecap_size(pdev, id, pos);
	}
	return 0;
}

bool upu_cap_hidden(struct pci_dev *pdev, u8 id, u16 pos)
{
	return !upu_visible_size(pdev, UPU_SPACE_CAP, id, pos);
}

bool upu_ecap_hidden(struct pci_dev *pdev, u16 id, u16 pos)
{
	return !upu_visible_size(pdev, UPU_SPACE_ECAP, id, pos);
}

/*
 * Writes to a capability's bytes are dropped but for its rules; returns false if the
 * table is full, and then there are no rules.
 */
static bool upu_add_cap(struct pci_dev *pdev, struct upu_config *config, enum upu_space space,
			u16 id, u16 start, u16 size)
{
	struct upu_cap *cap;
	u16 end = min_t(u32, start + size, config->size);

	if (config->cap_count == UPU_CAP_COUNT) {
		memset(config->writable + start, 0, end - start);
		return false;
	}
	cap = &config->caps[config->cap_count];
	*cap = (struct upu_cap){ .id = id, .start = start, .size = end - start };
	memset(config->owner + start, config->cap_count, cap->size);
	memset(config->writable + start, 0, cap->size);
	memset(config->virt + start, 0, cap->size);
	memset(config->trap + start, 0, cap->size);
	config->cap_count++;
	upu_fill_shadow(pdev, config, start, end);
	upu_apply_rules(pdev, config, space, cap);
	return true;
}

static void upu_lay_caps(struct pci_dev *pdev, struct upu_config *config)
{
	u8 *link = &config->shadow[PCI_CAPABILITY_LIST];
	unsigned int left = UPU_CAPS_MOST;
	bool any = false;
	u16 head = 0;
	u8 pos, size;

	config->shadow[PCI_CAPABILITY_LIST] &= ~3;
	if (!(upu_shadow16(config, PCI_STATUS) & PCI_STATUS_CAP_LIST))
		return;

	pos = *link;
	while (pos >= PCI_STD_HEADER_SIZEOF && left--) {
		pci_read_config_word(pdev, pos, &head);
		size = min_t(u16, upu_visible_size(pdev, UPU_SPACE_CAP, head & 0xff, pos),
			     PCI_CFG_SPACE_SIZE - pos);
		*link = pos;
		if (size && upu_add_cap(pdev, config, UPU_SPACE_CAP, head & 0xff, pos, size)) {
			config->virt[pos + PCI_CAP_LIST_NEXT] = 0xff;
			config->writable[pos + PCI_CAP_LIST_NEXT] = 0;
			link = &config->shadow[pos + PCI_CAP_LIST_NEXT];
			any = true;
			if ((head & 0xff) == PCI_CAP_ID_PM) {
				/* no PME: neither supported, nor enabled, nor pending */
				config->shadow[pos + PCI_PM_PMC + 1] &= 0x07;
				config->shadow[pos + PCI_PM_CTRL + 1] &= ~0x81;
			}
		}
		pos = (head >> 8) & ~3;
	}
	*link = 0;
	if (!any)
		config->shadow[PCI_STATUS] &= ~PCI_STATUS_CAP_LIST;
}

static void upu_set_ecap_header(struct upu_config *config, u16 pos, u32 header)
{
	upu_scatter(config->shadow + pos, 4, header);
	memset(config->virt + pos, 0xff, 4);
	memset(config->writable + pos, 0, 4);
}

static void upu_lay_ecaps(struct pci_dev *pdev, struct upu_config *config)
{
	unsigned int left = UPU_ECAPS_MOST;
	u16 pos = PCI_CFG_SPACE_SIZE, prev = 0, size;
	u32 header = 0;

	if (config->size <= PCI_CFG_SPACE_SIZE)
		return;
	pci_read_config_dword(pdev, pos, &header);
	if (!header || header == ~0u)
		return;

	while (pos >= PCI_CFG_SPACE_SIZE && left--) {
		pci_read_config_dword(pdev, pos, &header);
		size = upu_visible_size(pdev, UPU_SPACE_ECAP, PCI_EXT_CAP_ID(header), pos);
		if (!prev && !size) {
			/*
			 * The list must start here, so a hidden one stays as a name
			 * without meaning.
			 */
			if (upu_add_cap(pdev, config, UPU_SPACE_ECAP, 0, pos, PCI_CAP_SIZEOF)) {
				upu_set_ecap_header(config, pos, 0);
				prev = pos;
			}
		} else if (size && upu_add_cap(pdev, config, UPU_SPACE_ECAP,
					       PCI_EXT_CAP_ID(header), pos, size)) {
			upu_set_ecap_header(config, pos, header & 0xfffff);
			if (prev)
				upu_set_ecap_header(config, prev, upu_shadow32(config, prev) |
							    (u32)pos << 20);
			prev = pos;
		}
		pos = PCI_EXT_CAP_NEXT(header);
	}
}

/* What a BAR shows: the bits of @value that its size leaves, and what kind it is. */
u32 upu_bar_shown(struct pci_dev *pdev, unsigned int index, u32 value)
{
	int res = index == 6 ? PCI_ROM_RESOURCE : index;
	unsigned long flags = pci_resource_flags(pdev, res);
	u64 size = pci_resource_len(pdev, res);

	if (index && index < 6 && pci_resource_flags(pdev, index - 1) & IORESOURCE_MEM_64 &&
	    pci_resource_len(pdev, index - 1) &&
	    !(pci_resource_flags(pdev, index - 1) & IORESOURCE_UNSET))
		return value & (u32)(~(pci_resource_len(pdev, index - 1) - 1) >> 32);
	if (!size || flags & IORESOURCE_UNSET)
		return 0;
	value &= (u32)~(size - 1);
	if (index == 6)
		return value;
	if (flags & IORESOURCE_IO)
		return value | PCI_BASE_ADDRESS_SPACE_IO;
	if (flags & IORESOURCE_MEM_64)
		value |= PCI_BASE_ADDRESS_MEM_TYPE_64;
	if (flags & IORESOURCE_PREFETCH)
		value |= PCI_BASE_ADDRESS_MEM_PREFETCH;
	return value;
}

int upu_config_open(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;
	unsigned int i;
	u16 flags = 0;

	config->size = min_t(int, pdev->cfg_size, PCI_CFG_SPACE_EXP_SIZE);
	memset(config->owner, UPU_CAP_GAP, sizeof(config->owner));
	memset(config->writable, 0xff, sizeof(config->writable));
	upu_config_hide(pdev, config);
	upu_add_cap(pdev, config, UPU_SPACE_HEADER, 0, 0, PCI_STD_HEADER_SIZEOF);

	if (pdev->is_virtfn) {		/* a VF's own registers read all ones */
		upu_scatter(config->shadow + PCI_VENDOR_ID, 2, pdev->vendor);
		upu_scatter(config->shadow + PCI_DEVICE_ID, 2, pdev->device);
	}
	if (pdev->no_command_memory)
		config->shadow[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
	if (!upu_irq_count(pdev, UPU_IRQ_INTX))
		config->shadow[PCI_INTERRUPT_PIN] = 0;
	config->shadow[PCI_COMMAND + 1] &= ~(PCI_COMMAND_INTX_DISABLE >> 8);

	for (i = 0; i < 7; i++) {
		pci_read_config_dword(pdev, upu_bar_pos(i), &config->real_bar[i]);
		upu_scatter(config->shadow + upu_bar_pos(i), 4,
			    upu_bar_shown(pdev, i, config->real_bar[i]));
	}
	upu_lay_caps(pdev, config);
	upu_lay_ecaps(pdev, config);
	upu_config_keep_snooping(session);
	/* FLR is done, not stored; MSI is not enabled here. */
	if (pdev->msi_cap)
		config->shadow[pdev->msi_cap + PCI_MSI_FLAGS] &= ~PCI_MSI_FLAGS_ENABLE;

	if (pdev->pm_cap) {
		pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &flags);
		config->restore_in_d0 = !(flags & PCI_PM_CTRL_NO_SOFT_RESET);
	}
	return 0;
}
