// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration space. config_rules.h says what may be done; here it is spread over one byte of
 * masks per byte of the space when a session starts, so that an access is a few table lookups.
 */
#include "upu.h"

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

/*
 * ---- the device's own registers ----
 *
 * Not by pci_user_read_config_*(): they wait while somebody holds the function's configuration
 * accesses back, and who resets it from outside does, and then waits for upu_device.lock in our
 * reset_prepare. That lock is what keeps the two apart.
 */

static int upu_real_read(struct pci_dev *pdev, u16 pos, unsigned int width, u32 *value)
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

static int upu_real_write(struct pci_dev *pdev, u16 pos, unsigned int width, u32 value)
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

static u32 upu_gather(const u8 *bytes, unsigned int width)
{
	u32 value = 0;

	while (width--)
		value = value << 8 | bytes[width];
	return value;
}

static void upu_scatter(u8 *bytes, unsigned int width, u32 value)
{
	for (; width--; value >>= 8)
		*bytes++ = value;
}

static u16 upu_shadow16(struct upu_config *config, u16 pos)
{
	return upu_gather(config->shadow + pos, 2);
}

static u32 upu_shadow32(struct upu_config *config, u16 pos)
{
	return upu_gather(config->shadow + pos, 4);
}

/* ---- laying the rules out ---- */

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

/*
 * Writes to a capability's bytes are dropped but for its rules; returns false if the
 * table is full.
 */
static bool upu_add_cap(struct pci_dev *pdev, struct upu_config *config, enum upu_space space,
			u16 id, u16 start, u16 size)
{
	struct upu_cap *cap;
	u16 end = min_t(u32, start + size, config->size);

	if (config->cap_count == UPU_CAP_COUNT)
		return false;
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
	unsigned int left = (PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / PCI_CAP_SIZEOF;
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
	unsigned int left = (PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / PCI_CAP_SIZEOF;
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
static u32 upu_bar_shown(struct pci_dev *pdev, unsigned int index, u32 value)
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

static u16 upu_bar_pos(unsigned int index)
{
	return index == 6 ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * index;
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
	/* FLR is done, not stored; MSI is not enabled here. */
	if (pdev->msi_cap)
		config->shadow[pdev->msi_cap + PCI_MSI_FLAGS] &= ~PCI_MSI_FLAGS_ENABLE;

	if (pdev->pm_cap) {
		pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &flags);
		config->restore_in_d0 = !(flags & PCI_PM_CTRL_NO_SOFT_RESET);
	}
	return 0;
}

/* ---- what a write does besides ---- */

/* Memory decoding as the user has set it; it is what a VF has instead of the bit itself. */
bool upu_config_memory_on(struct upu_session *session)
{
	return session->config->shadow[PCI_COMMAND] & PCI_COMMAND_MEMORY;
}

/* The decoding that a restore has put into COMMAND is what the user has from here on. */
void upu_config_reloaded(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	const u8 decode = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	u8 *shadow = &session->config->shadow[PCI_COMMAND];
	u32 now;

	if (pdev->no_command_memory)
		now = *shadow | PCI_COMMAND_MEMORY;
	else if (upu_real_read(pdev, PCI_COMMAND, 2, &now))
		return;
	*shadow = (*shadow & ~decode) | (now & decode);
}

/*
 * Back from D3, with what the device forgets there put back. bar_lock is held for writing, and
 * upu_intx_refresh() is to follow when it is not.
 */
void upu_config_wake(struct upu_session *session)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;

	if (!config->d3)
		return;
	if (!pci_set_power_state(pdev, PCI_D0) && config->restore_in_d0)
		pci_restore_state(pdev);
	config->d3 = pdev->current_state == PCI_D3hot || pdev->current_state == PCI_D3cold;
	upu_config_reloaded(session);
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
static int upu_write_command(struct upu_session *session, u16 value)
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
	/* The owner may have ended in between; its notifier does not take our locks. */
	if (READ_ONCE(session->dma.quiet))
		pci_clear_master(pdev);
	return ret;
}

static int upu_write_power(struct upu_session *session, u8 state)
{
	static const pci_power_t states[] = { PCI_D0, PCI_D1, PCI_D2, PCI_D3hot };
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;
	pci_power_t next = states[state & 3];

	if (next == pdev->current_state)
		return 0;
	down_write(&session->bar_lock);
	if (next == PCI_D3hot) {
		upu_bar_zap(session);
		if (config->restore_in_d0)
			pci_save_state(pdev);
	}
	if (next == PCI_D0 && config->d3)
		upu_config_wake(session);
	else
		pci_set_power_state(pdev, next);
	config->d3 = pdev->current_state == PCI_D3hot || pdev->current_state == PCI_D3cold;
	up_write(&session->bar_lock);
	upu_intx_refresh(session);
	return 0;	/* a state that the device lacks is ignored, as the device would */
}

/*
 * Bit 15 set asks for a write; the access done, it turns over. The PCI core's access waits for
 * whoever resets the function, and that one for upu_device.lock, which is therefore let go
 * meanwhile. An access that the end of the session meets under way ends by itself.
 */
static int upu_write_vpd(struct upu_session *session, u16 start)
{
	struct pci_dev *pdev = session->udev->pdev;
	struct upu_config *config = session->config;
	u8 *data = config->shadow + start + PCI_VPD_DATA;
	u16 address = upu_shadow16(config, start + PCI_VPD_ADDR);
	bool write = address & PCI_VPD_ADDR_F;
	ssize_t ret;
	u8 copy[4];

	memcpy(copy, data, 4);
	mutex_unlock(&session->udev->lock);
	if (write)
		ret = pci_write_vpd(pdev, address & PCI_VPD_ADDR_MASK, 4, copy);
	else
		ret = pci_read_vpd(pdev, address & PCI_VPD_ADDR_MASK, 4, copy);
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
static int upu_trap(struct upu_session *session, enum upu_trap trap, u16 pos, unsigned int width,
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
