// SPDX-License-Identifier: GPL-2.0
/*
 * The rules of configuration space for capabilities that no device of the lab has, over a device of bytes that has them
 * all: what reaches the device, what stays in the shadow, and what is done besides. make config-test; runs anywhere.
 */
#include "../tap.h"
#include "fake.h"

enum { PM = 0x40, HIDDEN = 0x48, VPD = 0x50, MSI = 0x58, PCIX = 0x70, VENDOR = 0x88, PCIE = 0x94, MSIX = 0xd0, AF = 0xdc,
       AER = 0x100, PASID = 0x12c, BUDGET = 0x134, VSEC = 0x144, DVSEC = 0x154, SERIAL = 0x160 };

static u8 space[4096];

static void cap(int at, int id, int next)
{
	space[at] = id;
	space[at + 1] = next;
}

static void ecap(int at, u32 id, u32 next)
{
	u32 header = id | 1 << 16 | next << 20;

	memcpy(space + at, &header, 4);
}

static void put(int at, u32 value, int width)
{
	memcpy(space + at, &value, width);
}

/* A device with one of each. */
static void lay_out(void)
{
	memset(space, 0, sizeof(space));
	put(0, 0x56781234, 4);
	put(PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
	put(PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
	put(PCI_BASE_ADDRESS_0, 0xe0000000, 4);
	put(PCI_BASE_ADDRESS_2, 0xd000000c, 4);
	put(PCI_ROM_ADDRESS, 0xc0000000, 4);
	space[PCI_CAPABILITY_LIST] = PM;
	space[PCI_INTERRUPT_PIN] = 1;
	cap(PM, PCI_CAP_ID_PM, HIDDEN);
	put(PM + PCI_PM_PMC, 0xf803, 2);
	cap(HIDDEN, PCI_CAP_ID_SSVID, VPD);
	cap(VPD, PCI_CAP_ID_VPD, MSI);
	cap(MSI, PCI_CAP_ID_MSI, PCIX);
	put(MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 2 << 1, 2);
	cap(PCIX, PCI_CAP_ID_PCIX, VENDOR);
	put(PCIX + PCI_X_CMD, 1 << 12, 2);
	cap(VENDOR, PCI_CAP_ID_VNDR, PCIE);
	space[VENDOR + 2] = 11;
	cap(PCIE, PCI_CAP_ID_EXP, MSIX);
	put(PCIE + PCI_EXP_FLAGS, 2, 2);
	put(PCIE + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR, 4);
	cap(MSIX, PCI_CAP_ID_MSIX, AF);
	cap(AF, PCI_CAP_ID_AF, 0);
	space[AF + 2] = 6;
	space[AF + PCI_AF_CAP] = PCI_AF_CAP_TP | PCI_AF_CAP_FLR;
	ecap(AER, PCI_EXT_CAP_ID_ERR, PASID);
	ecap(PASID, PCI_EXT_CAP_ID_PASID, BUDGET);
	ecap(BUDGET, PCI_EXT_CAP_ID_PWR, VSEC);
	ecap(VSEC, PCI_EXT_CAP_ID_VNDR, DVSEC);
	put(VSEC + 4, 16u << 20, 4);
	ecap(DVSEC, PCI_EXT_CAP_ID_DVSEC, SERIAL);
	put(DVSEC + 4, 12u << 20, 4);
	ecap(SERIAL, PCI_EXT_CAP_ID_DSN, 0);
}

static struct fake fake;

static void open_fake(void)
{
	fake_take(&fake, space, sizeof(space));
	fake.pdev.resource[0].flags = IORESOURCE_MEM;
	fake.pdev.resource[0].size = 4096;
	fake.pdev.resource[2].flags = IORESOURCE_MEM | IORESOURCE_MEM_64 | IORESOURCE_PREFETCH;
	fake.pdev.resource[2].size = 1ull << 33;
	fake.pdev.resource[6].flags = IORESOURCE_MEM;
	fake.pdev.resource[6].size = 65536;
	fake.session.bar[6].size = 65536;
	fake_open(&fake);
}

static void open_full(void)
{
	lay_out();
	open_fake();
}

static u32 get(int at, int width)
{
	u32 value = 0;

	EQUAL(upu_config_rw(&fake.session, (char *)&value, width, at, false), width);
	return value;
}

static void set(int at, int width, u32 value)
{
	EQUAL(upu_config_rw(&fake.session, (char *)&value, width, at, true), width);
}

static u32 real(int at, int width)
{
	u32 value = 0;

	memcpy(&value, fake.pdev.space + at, width);
	return value;
}

/* ---- every byte ---- */

static const struct model_rule {
	int space, id, when, offset, width;
	u32 virt, write;
	int trap;
} rules[] = {
#define HEADER 0
#define CAP 1
#define ECAP 2
#define ALWAYS 0
#define MSI_32 1
#define MSI_64 2
#define NO_MEMORY 3
#define NONE 0
#define COMMAND 1
#define BAR 2
#define PM_CONTROL 3
#define MSI_FLAGS 4
#define DEVICE_CONTROL 5
#define AF_CONTROL 6
#define VPD 7
#define UPU_CAP(...)
#define UPU_BODY(...)
#define UPU_RULE(...) { __VA_ARGS__ },
#include "../../config_rules.h"
#undef UPU_RULE
#undef VPD
};

static const struct { int at, space, id, size, body; } parts[] = {
	{ 0, HEADER, 0, 0x40, 0 },
	{ PM, CAP, 1, 8, 0 }, { 0x50, CAP, 3, 8, 0 }, { MSI, CAP, 5, 24, 0 }, { PCIX, CAP, 7, 24, 0 },
	{ VENDOR, CAP, 9, 11, 2 }, { PCIE, CAP, 0x10, 0x3c, 0 }, { MSIX, CAP, 0x11, 12, 0 }, { AF, CAP, 0x13, 6, 0 },
	{ AER, ECAP, 1, 0x2c, 0 }, { BUDGET, ECAP, 4, 16, 0 }, { VSEC, ECAP, 0xb, 16, 4 },
	{ DVSEC, ECAP, 0x23, 12, 4 }, { SERIAL, ECAP, 3, 12, 0 },
};

/* What the rules say of a byte, read as a person would; returns whether it has a trap. */
static int expected(int at, u8 *virt, u8 *write)
{
	unsigned int i, j;
	int trap = 0;

	*virt = 0;
	*write = 0xff;			/* between capabilities */
	if ((at >= HIDDEN && at < VPD) || (at >= PASID && at < BUDGET)) {
		*write = 0;
		return 0;
	}
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		int in = at - parts[i].at;

		if (in < 0 || in >= parts[i].size)
			continue;
		*write = parts[i].body && in >= parts[i].body ? 0xff : 0;
		for (j = 0; j < ARRAY_SIZE(rules); j++) {
			if (rules[j].space != parts[i].space || rules[j].id != parts[i].id || rules[j].when == MSI_32 || rules[j].when == NO_MEMORY ||
			    in < rules[j].offset || in >= rules[j].offset + rules[j].width)
				continue;
			*virt = rules[j].virt >> 8 * (in - rules[j].offset);
			*write = rules[j].write >> 8 * (in - rules[j].offset);
			trap = rules[j].trap;
		}
		if (parts[i].space == CAP && in == 1) {
			*virt = 0xff;
			*write = 0;
		}
		if (parts[i].space == ECAP && in < 4) {
			*virt = 0xff;
			*write = 0;
		}
	}
	return trap;
}

TEST(every_byte_follows_its_rule)
{
	static const u8 values[] = { 0xff, 0x00 };
	int at, i, fill, checked = 0;
	u8 virt, write, before, hardware, want;

	for (fill = 0; fill < 2; fill++)
		for (at = 0; at < 4096; at++)
			for (i = 0; i < 2; i++) {
				open_full();
				if (fill)	/* whatever is there between capabilities */
					memset(fake.pdev.space + 0x200, 0xff, 0xe00);
				if (expected(at, &virt, &write))
					continue;
				before = get(at, 1);
				hardware = fake.pdev.space[at];
				set(at, 1, values[i]);
				want = (before & ~write) | (values[i] & write);
				if (get(at, 1) != want)
					FAIL("byte %#x: %#x written, reads %#x, not %#x", at, values[i], get(at, 1), want);
				want = (hardware & ~(write & ~virt)) | (values[i] & write & ~virt);
				if (fake.pdev.space[at] != want)
					FAIL("byte %#x: %#x written, the device has %#x, not %#x", at, values[i],
					     fake.pdev.space[at], want);
				checked++;
			}
	CHECK(checked > 4 * 4000);
}

/* ---- rule 3: bars that somebody else's reset has cleared ---- */

TEST(bars_are_restored_after_a_foreign_reset)
{
	open_full();
	memset(fake.pdev.space + PCI_BASE_ADDRESS_0, 0, 24);
	memset(fake.pdev.space + PCI_ROM_ADDRESS, 0, 4);
	fake.pdev.space[PCI_COMMAND] = 0;
	set(PCI_COMMAND, 2, 0);
	EQUAL(real(PCI_BASE_ADDRESS_0, 4), 0);		/* nothing is decoded: nothing is restored */
	set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	EQUAL(real(PCI_BASE_ADDRESS_0, 4), 0xe0000000);
	EQUAL(real(PCI_BASE_ADDRESS_2, 4), 0xd000000c);
	EQUAL(real(PCI_ROM_ADDRESS, 4), 0xc0000000);
	EQUAL(fake.pdev.space[PCI_COMMAND], PCI_COMMAND_MEMORY);
}

TEST(memory_that_is_disabled_is_revoked)
{
	open_full();
	EQUAL(fake.pdev.zaps, 0);
	set(PCI_COMMAND, 1, PCI_COMMAND_MASTER);
	EQUAL(fake.pdev.zaps, 1);
	CHECK(!upu_config_memory_on(&fake.session));
	set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	CHECK(upu_config_memory_on(&fake.session));
}

TEST(a_virtual_function_has_its_memory_bit_in_the_shadow)
{
	lay_out();
	fake_take(&fake, space, sizeof(space));
	memset(fake.pdev.space, 0xff, 4);
	fake.pdev.space[PCI_COMMAND] = 0;
	fake.pdev.is_virtfn = fake.pdev.no_command_memory = 1;
	fake_open(&fake);
	EQUAL(get(PCI_VENDOR_ID, 4), 0x56781234);
	EQUAL(get(PCI_INTERRUPT_PIN, 1), 0);
	EQUAL(get(PCI_COMMAND, 2), PCI_COMMAND_MEMORY);
	CHECK(upu_config_memory_on(&fake.session));
	set(PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	EQUAL(get(PCI_COMMAND, 2), PCI_COMMAND_MASTER);
	CHECK(!upu_config_memory_on(&fake.session));
	EQUAL(fake.pdev.zaps, 1);
	set(PCI_COMMAND, 1, PCI_COMMAND_MEMORY);
	CHECK(upu_config_memory_on(&fake.session));
}

/* ---- rules 6, 7 ---- */

TEST(a_wide_bar_is_sized)
{
	open_full();
	set(PCI_BASE_ADDRESS_2, 4, ~0u);
	set(PCI_BASE_ADDRESS_3, 4, ~0u);
	EQUAL(get(PCI_BASE_ADDRESS_2, 4), 0x0000000c);
	EQUAL(get(PCI_BASE_ADDRESS_3, 4), 0xfffffffe);
	set(PCI_BASE_ADDRESS_1, 4, ~0u);
	EQUAL(get(PCI_BASE_ADDRESS_1, 4), 0);
	set(PCI_ROM_ADDRESS, 4, ~0u);
	EQUAL(get(PCI_ROM_ADDRESS, 4), 0xffff0001);
	EQUAL(real(PCI_BASE_ADDRESS_2, 4), 0xd000000c);
	EQUAL(real(PCI_ROM_ADDRESS, 4), 0xc0000000);
}

/* ---- rule 13 ---- */

TEST(a_hidden_capability_is_unlinked)
{
	open_full();
	EQUAL(get(PM + 1, 1), VPD);
	EQUAL(real(PM + 1, 1), HIDDEN);
	CHECK(get(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	/* A list of hidden ones is no list. */
	lay_out();
	cap(PM, PCI_CAP_ID_SHPC, HIDDEN);
	cap(HIDDEN, PCI_CAP_ID_SSVID, 0);
	open_fake();
	EQUAL(get(PCI_CAPABILITY_LIST, 1), 0);
	CHECK(!(get(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST));
	CHECK(real(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
}

/* Up to the next one, wherever that is in the list; what it has is read, and not written. */
TEST(a_hidden_capability_cannot_be_written)
{
	int at;

	lay_out();
	cap(PM, 0x14, AF);			/* enhanced allocation: it moves what BARs are for */
	cap(AF, PCI_CAP_ID_AF, 0);
	ecap(AER, PCI_EXT_CAP_ID_ERR, SERIAL);
	ecap(SERIAL, 0x1e, 0);			/* L1 substates, to the end */
	put(PM + 4, 0x12345678, 4);
	open_fake();
	EQUAL(get(PM + 4, 4), 0x12345678);
	for (at = PM; at < 4096; at++) {
		u8 before = real(at, 1);

		if (at >= AF && at < SERIAL)
			continue;
		set(at, 1, ~before);
		EQUAL(real(at, 1), before);
	}
	set(AF + 8, 4, ~0u);			/* between: a visible one's end, and the end of the list */
	EQUAL(real(AF + 8, 4), ~0u);
	set(PASID, 4, ~0u);
	EQUAL(real(PASID, 4), ~0u);
}

/* So many that the table is full: the rest are hidden. */
TEST(more_capabilities_than_there_is_room_for_cannot_be_written)
{
	int at;

	lay_out();
	for (at = 0x100; at < 0x500; at += 8)
		ecap(at, PCI_EXT_CAP_ID_ARI, at + 8 < 0x500 ? at + 8 : 0);
	open_fake();
	EQUAL(fake.config.cap_count, UPU_CAP_COUNT);
	for (at = 0x100; at < 0x500; at++) {
		u8 before = real(at, 1);

		set(at, 1, ~before);
		EQUAL(real(at, 1), before);
	}
	set(0x500, 4, ~0u);
	EQUAL(real(0x500, 4), ~0u);
}

TEST(a_broken_list_ends)
{
	lay_out();
	cap(AF, PCI_CAP_ID_AF, PM);		/* a loop */
	ecap(SERIAL, PCI_EXT_CAP_ID_DSN, AER);
	open_fake();
	EQUAL(get(PM, 1), PCI_CAP_ID_PM);
	lay_out();
	cap(AF, PCI_CAP_ID_VNDR, 0xfc);		/* at the very end, and longer than it can be */
	cap(0xfc, PCI_CAP_ID_VNDR, 0x10);
	space[0xfe] = 255;
	ecap(SERIAL, PCI_EXT_CAP_ID_VNDR, 0xffc);
	put(SERIAL + 4, 0xffful << 20, 4);
	ecap(0xffc, PCI_EXT_CAP_ID_ERR, 0x10);
	open_fake();
	set(0xff, 1, 0x77);
	EQUAL(real(0xff, 1), 0x77);
	EQUAL(get(0x100, 2), PCI_EXT_CAP_ID_ERR);
	set(0xffc, 4, ~0u);
	EQUAL(real(0xffc, 2), PCI_EXT_CAP_ID_ERR);
}

/* ---- rules 14, 15 ---- */

TEST(power_is_managed_by_the_kernel)
{
	open_full();
	EQUAL(get(PM + PCI_PM_PMC, 2), 0x0003);
	set(PM + PCI_PM_CTRL, 2, PCI_D3hot);
	EQUAL(fake.pdev.current_state, PCI_D3hot);
	EQUAL(fake.pdev.zaps, 1);
	EQUAL(get(PM + PCI_PM_CTRL, 2) & 3, PCI_D3hot);
	CHECK(fake.config.d3);
	set(PCI_COMMAND, 2, 0);
	/* Back: what it had when it went to sleep, and what the user sees is that. */
	set(PM + PCI_PM_CTRL, 2, PCI_D0);
	CHECK(!fake.config.d3);
	EQUAL(fake.pdev.space[PCI_COMMAND], PCI_COMMAND_MEMORY);
	CHECK(upu_config_memory_on(&fake.session));
}

/* Each try to move it would be a line in the kernel's log. */
TEST(power_of_a_device_that_is_gone_is_not_touched)
{
	u16 d3 = PCI_D3hot, d0 = PCI_D0;

	open_full();
	set(PM + PCI_PM_CTRL, 2, PCI_D3hot);
	EQUAL(fake.pdev.moves, 1);
	fake.pdev.gone = true;
	EQUAL(upu_config_rw(&fake.session, (char *)&d0, 2, PM + PCI_PM_CTRL, true), -EIO);
	EQUAL(upu_config_rw(&fake.session, (char *)&d3, 2, PM + PCI_PM_CTRL, true), 2);
	upu_config_wake(&fake.session);
	EQUAL(fake.pdev.moves, 1);
}

/* The MSI-X table comes back with the rest, and is in a BAR. */
TEST(what_d3_forgets_is_saved_with_memory_on)
{
	open_full();
	set(PCI_COMMAND, 2, 0);
	set(PM + PCI_PM_CTRL, 2, PCI_D3hot);
	EQUAL(fake.pdev.saved[PCI_COMMAND], PCI_COMMAND_MEMORY);
	EQUAL(fake.pdev.space[PCI_COMMAND], 0);
	set(PM + PCI_PM_CTRL, 2, PCI_D0);
	EQUAL(fake.pdev.space[PCI_COMMAND], 0);		/* as the user had it */
	CHECK(!upu_config_memory_on(&fake.session));
}

/* The kernel wakes it behind our back, and the user writes what is so already. */
TEST(what_the_kernel_has_woken_wakes_for_the_user)
{
	open_full();
	set(PM + PCI_PM_CTRL, 2, PCI_D3hot);
	pci_set_power_state(&fake.pdev, PCI_D0);
	set(PM + PCI_PM_CTRL, 2, PCI_D0);
	CHECK(!fake.config.d3);
	EQUAL(fake.pdev.space[PCI_COMMAND], PCI_COMMAND_MEMORY);
}

/* The owner of the memory ends while the device sleeps. */
TEST(d3_brings_no_bus_mastering_back)
{
	open_full();
	set(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	set(PM + PCI_PM_CTRL, 2, PCI_D3hot);
	fake.session.dma.quiet = true;
	fake.pdev.space[PCI_COMMAND] &= ~PCI_COMMAND_MASTER;
	set(PM + PCI_PM_CTRL, 2, PCI_D0);
	EQUAL(fake.pdev.space[PCI_COMMAND], PCI_COMMAND_MEMORY);
}

TEST(pme_status_is_never_cleared_by_the_user)
{
	int at, width;

	for (width = 1; width <= 4; width *= 2)
		for (at = PM + 4; at < PM + 8; at += width) {
			open_full();
			fake.pdev.space[PM + PCI_PM_CTRL + 1] = 0x80;
			set(at, width, 0x10101010 & ~3);
			EQUAL(fake.pdev.space[PM + PCI_PM_CTRL + 1] & 0x80, 0x80);
			EQUAL(get(PM + PCI_PM_CTRL + 1, 1) & 0x80, 0);
		}
}

/* ---- rule 16 ---- */

TEST(vpd_is_read_and_written_by_its_flag)
{
	open_full();
	memcpy(fake.pdev.vpd + 0x20, "\x78\x56\x34\x12", 4);
	set(VPD + 2, 2, 0x20);
	EQUAL(get(VPD + 2, 2), 0x8020);
	EQUAL(get(VPD + 4, 4), 0x12345678);
	set(VPD + 4, 4, 0xcafe0123);
	EQUAL(fake.pdev.vpd_accesses, 1);
	set(VPD + 2, 2, 0x8024);
	EQUAL(get(VPD + 2, 2), 0x0024);
	CHECK(!memcmp(fake.pdev.vpd + 0x24, "\x23\x01\xfe\xca", 4));
	EQUAL(fake.pdev.vpd_accesses, 2);
	/* Only the top byte asks. */
	set(VPD + 2, 1, 0x20);
	EQUAL(fake.pdev.vpd_accesses, 2);
	set(VPD + 3, 1, 0x00);
	EQUAL(fake.pdev.vpd_accesses, 3);
	EQUAL(get(VPD + 4, 4), 0x12345678);
	/* The device itself sees none of it. */
	EQUAL(real(VPD + 2, 2), 0);
	EQUAL(real(VPD + 4, 4), 0);
}

TEST(vpd_that_fails_keeps_its_flag)
{
	open_full();
	fake.pdev.vpd_error = -EIO;
	set(VPD + 4, 4, 0x11111111);
	set(VPD + 2, 2, 0x0020);
	EQUAL(get(VPD + 2, 2), 0x0020);
	EQUAL(get(VPD + 4, 4), 0x11111111);
	set(VPD + 2, 2, 0x8020);
	EQUAL(get(VPD + 2, 2), 0x8020);
}

/* Each timeout is a line in the kernel's log. */
TEST(vpd_that_does_not_answer_is_left_alone_for_a_while)
{
	int i;

	open_full();
	fake.pdev.vpd_error = -ETIMEDOUT;
	for (i = 0; i < 1000; i++)
		set(VPD + 2, 2, 0x0020);
	EQUAL(fake.pdev.vpd_accesses, UPU_FAILURES);
	EQUAL(get(VPD + 2, 2), 0x0020);
	EQUAL(fake.udev.vpd_lock.held, 0);
	fake.pdev.vpd_error = 0;
	set(VPD + 2, 2, 0x0020);
	EQUAL(get(VPD + 2, 2), 0x0020);
	jiffies += UPU_FAILURES_TIME;
	set(VPD + 2, 2, 0x0020);
	EQUAL(get(VPD + 2, 2), 0x8020);
	/* Those that are spread are too few to be many. */
	fake.pdev.vpd_error = -ETIMEDOUT;
	for (i = 0; i < 100; i++, jiffies += UPU_FAILURES_TIME)
		set(VPD + 2, 2, 0x0020);
	EQUAL(fake.pdev.vpd_accesses, UPU_FAILURES + 1 + 100);
}

/* A reset from outside waits for our lock, and holds the accesses back that VPD is made of. */
TEST(vpd_is_accessed_without_our_lock)
{
	open_full();
	set(VPD + 2, 2, 0x20);
	EQUAL(fake.pdev.vpd_accesses, 1);
	CHECK(!fake.pdev.locked_at_vpd);
	EQUAL(fake.udev.lock.held, 0);
}

/* ---- rule 17 ---- */

TEST(pcix_passes_through)
{
	open_full();
	set(PCIX + PCI_X_CMD, 2, 0x1055);
	EQUAL(real(PCIX + PCI_X_CMD, 2), 0x1055);
	set(PCIX + 8, 4, 0x12345678);
	EQUAL(real(PCIX + 8, 4), 0x12345678);
	set(PCIX + PCI_X_STATUS, 4, 0xffffffff);
	EQUAL(real(PCIX + PCI_X_STATUS, 4), 0);
	EQUAL(fake.config.owner[PCIX + 23], fake.config.owner[PCIX]);	/* version 1 of it: 24 bytes */
	EQUAL(fake.config.owner[VENDOR], fake.config.owner[PCIX] + 1);
	lay_out();
	put(PCIX + PCI_X_CMD, 0, 2);
	open_fake();
	EQUAL(fake.config.owner[PCIX + 7], fake.config.owner[PCIX]);	/* version 0: 8 */
	EQUAL(fake.config.owner[PCIX + 8], UPU_CAP_GAP);
}

/* ---- rule 18 ---- */

TEST(device_control_resets_only_who_can)
{
	open_full();
	set(PCIE + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	EQUAL(fake.pdev.resets, 1);
	EQUAL(get(PCIE + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR, 0);
	EQUAL(real(PCIE + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR, 0);
	lay_out();
	put(PCIE + PCI_EXP_DEVCAP, 0, 4);
	open_fake();
	set(PCIE + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	EQUAL(fake.pdev.resets, 0);
	EQUAL(get(PCIE + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR, 0);
}

/* Where the IOMMU lets DMA go by the caches, nobody can turn that on; a reset that turns it on is undone. */
TEST(dma_snoops_where_the_iommu_does_not_make_it)
{
	int bypass, at = PCIE + PCI_EXP_DEVCTL;

	for (bypass = 0; bypass < 2; bypass++) {
		lay_out();
		put(at, PCI_EXP_DEVCTL_NOSNOOP_EN, 2);
		fake_take(&fake, space, sizeof(space));
		fake.session.dma.may_bypass_caches = bypass;
		fake_open(&fake);
		EQUAL(real(at, 2) & PCI_EXP_DEVCTL_NOSNOOP_EN, bypass ? 0 : PCI_EXP_DEVCTL_NOSNOOP_EN);
		set(at, 2, PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_RELAX_EN);
		EQUAL(real(at, 2), PCI_EXP_DEVCTL_RELAX_EN | (bypass ? 0 : PCI_EXP_DEVCTL_NOSNOOP_EN));
		EQUAL(get(at, 2), real(at, 2));
		fake.pdev.space[at + 1] |= PCI_EXP_DEVCTL_NOSNOOP_EN >> 8;
		upu_config_reloaded(&fake.session);
		EQUAL(real(at, 2) & PCI_EXP_DEVCTL_NOSNOOP_EN, bypass ? 0 : PCI_EXP_DEVCTL_NOSNOOP_EN);
	}
}

TEST(read_requests_have_a_floor)
{
	open_full();
	fake.pdev.mps = 512;
	set(PCIE + PCI_EXP_DEVCTL, 2, 0x0000);
	EQUAL(get(PCIE + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_READRQ, 0);	/* 128, for the user */
	EQUAL(fake.pdev.readrq, 512);						/* never less than a packet */
	set(PCIE + PCI_EXP_DEVCTL, 2, 0x5000);
	EQUAL(fake.pdev.readrq, 4096);
	set(PCIE + PCI_EXP_DEVCTL, 2, 0x7000);					/* reserved: not beyond */
	EQUAL(fake.pdev.readrq, 4096);
	set(PCIE + PCI_EXP_DEVCTL, 2, 0x30e0);
	EQUAL(fake.pdev.readrq, 1024);
	EQUAL(get(PCIE + PCI_EXP_DEVCTL, 2) & 0xe0, 0xe0);
	EQUAL(real(PCIE + PCI_EXP_DEVCTL, 2) & 0xf0e0, 0);
}

/* ---- rule 20 ---- */

TEST(advanced_features_reset_only_who_can)
{
	u8 has;

	for (has = 0; has < 4; has++) {
		lay_out();
		space[AF + PCI_AF_CAP] = has;
		open_fake();
		set(AF + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR);
		EQUAL(fake.pdev.resets, has == (PCI_AF_CAP_TP | PCI_AF_CAP_FLR));
		EQUAL(get(AF + PCI_AF_CTRL, 1), 0);
		EQUAL(real(AF + PCI_AF_CTRL, 1), 0);
		set(AF + PCI_AF_CTRL, 1, 0);
		EQUAL(fake.pdev.resets, has == 3);
	}
}

/* ---- rule 21 ---- */

TEST(msi_is_for_show)
{
	open_full();
	set(MSI + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE | 5 << 4);
	EQUAL(get(MSI + PCI_MSI_FLAGS, 2), PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT | 2 << 1 | 2 << 4);
	fake.session.irqs.kind = UPU_IRQ_MSI;
	EQUAL(get(MSI + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE, PCI_MSI_FLAGS_ENABLE);
	EQUAL(get(MSI, 4) >> 16 & PCI_MSI_FLAGS_ENABLE, PCI_MSI_FLAGS_ENABLE);
	EQUAL(real(MSI + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE, 0);
	set(MSI + PCI_MSI_MASK_64, 4, 0x0f);
	EQUAL(real(MSI + PCI_MSI_MASK_64, 4), 0x0f);
	set(MSI + PCI_MSI_DATA_64, 2, 0x4321);
	EQUAL(get(MSI + PCI_MSI_DATA_64, 2), 0x4321);
	EQUAL(real(MSI + PCI_MSI_DATA_64, 2), 0);
}

TEST(msi_of_each_layout)
{
	static const struct { int flags, size, data, mask; } layouts[] = {
		{ 0, 10, 8, 0 }, { PCI_MSI_FLAGS_64BIT, 14, 12, 0 }, { PCI_MSI_FLAGS_MASKBIT, 20, 8, 12 },
		{ PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT, 24, 12, 16 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(layouts); i++) {
		lay_out();
		put(MSI + PCI_MSI_FLAGS, layouts[i].flags, 2);
		open_fake();
		CHECK(fake.config.owner[MSI + layouts[i].size - 1] == fake.config.owner[MSI]);
		CHECK(fake.config.owner[MSI + layouts[i].size] != fake.config.owner[MSI]);
		set(MSI + layouts[i].data, 2, 0x1234);
		EQUAL(get(MSI + layouts[i].data, 2), 0x1234);
		EQUAL(real(MSI + layouts[i].data, 2), 0);
		if (!layouts[i].mask)
			continue;
		set(MSI + layouts[i].mask, 4, 3);
		EQUAL(real(MSI + layouts[i].mask, 4), 3);
	}
}

/* ---- rule 23 ---- */

TEST(vendors_bodies_pass_through)
{
	static const struct { int at, first, size; } bodies[] = {
		{ VENDOR, 2, 11 }, { VSEC, 4, 16 }, { DVSEC, 4, 12 },
	};
	unsigned int i;
	int at;

	open_full();
	for (i = 0; i < ARRAY_SIZE(bodies); i++)
		for (at = 0; at < bodies[i].size; at++) {
			u8 before = real(bodies[i].at + at, 1);

			set(bodies[i].at + at, 1, 0xa5);
			EQUAL(real(bodies[i].at + at, 1), at < bodies[i].first && at != 0 ? before :
					at < bodies[i].first ? before : 0xa5);
		}
}

/* ---- rule 24 ---- */

TEST(power_budgeting_selects)
{
	open_full();
	set(BUDGET + 4, 1, 0x5a);
	EQUAL(real(BUDGET + 4, 1), 0x5a);
	set(BUDGET + 8, 4, ~0u);
	EQUAL(real(BUDGET + 8, 4), 0);
}

TEST(a_hidden_first_extended_capability_is_a_placeholder)
{
	open_full();
	EQUAL(get(AER, 4), PCI_EXT_CAP_ID_ERR | 1 << 16 | BUDGET << 20);	/* PASID is unlinked */
	lay_out();
	ecap(AER, PCI_EXT_CAP_ID_PASID, BUDGET);
	open_fake();
	EQUAL(get(AER, 4), (u32)BUDGET << 20);		/* a name without meaning, and the way on */
	set(AER, 4, ~0u);
	EQUAL(get(AER, 4), (u32)BUDGET << 20);
	EQUAL(real(AER, 4) & 0xffff, PCI_EXT_CAP_ID_PASID);
	lay_out();
	ecap(AER, PCI_EXT_CAP_ID_PASID, 0);
	open_fake();
	EQUAL(get(AER, 4), 0);				/* nothing at all */
}

/* ---- rule 25 ---- */

TEST(an_access_is_split_at_capabilities)
{
	u8 wide[64], narrow;
	int at;

	open_full();
	for (at = 0; at < 0x180; at++) {
		int size = min(64, 0x180 - at), i;

		EQUAL(upu_config_rw(&fake.session, (char *)wide, size, at, false), size);
		for (i = 0; i < size; i++) {
			EQUAL(upu_config_rw(&fake.session, (char *)&narrow, 1, at + i, false), 1);
			EQUAL(wide[i], narrow);
		}
	}
	/* Vendor's 11 bytes end at an odd place: two accesses for the word across. */
	fake.pdev.reads = 0;
	get(VENDOR + 10, 2);
	EQUAL(fake.pdev.reads, 2);
	fake.pdev.reads = 0;
	get(SERIAL + 4, 4);
	EQUAL(fake.pdev.reads, 1);
}

TEST(an_access_past_the_end_does_nothing)
{
	u32 value = 0xffffffff;

	open_full();
	fake.pdev.reads = fake.pdev.writes = 0;
	EQUAL(upu_config_rw(&fake.session, (char *)&value, 4, 4094, true), -EFAULT);
	EQUAL(upu_config_rw(&fake.session, (char *)&value, 4, 4096, false), -EFAULT);
	EQUAL(upu_config_rw(&fake.session, (char *)&value, 4, ~0ull, false), -EFAULT);
	EQUAL(upu_config_rw(&fake.session, NULL, 4, 0x200, true), -EFAULT);
	EQUAL(fake.pdev.reads + fake.pdev.writes, 0);
	fake.session.dead = true;
	EQUAL(upu_config_rw(&fake.session, (char *)&value, 4, 0x200, true), -ENODEV);
	EQUAL(fake.pdev.writes, 0);
	EQUAL(fake.udev.lock.held, 0);
}

/* While somebody holds accesses back, ours wait, and without the lock. */
TEST(an_access_waits_for_who_holds_them_back)
{
	open_full();
	fake.pdev.block_cfg_access = 1;
	get(0, 4);
	EQUAL(fake.pdev.block_cfg_access, 0);
	EQUAL(fake.udev.lock.held, 0);
}

/* ---- spaces that no device has ---- */

TEST(any_space_can_be_laid_out_and_written)
{
	u64 seed = 20;
	int round, i;

	for (round = 0; round < 3000; round++) {
		for (i = 0; i < 4096; i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			space[i] = seed >> 56;
		}
		space[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
		if (round % 3 == 0)	/* known names, unknown contents */
			for (i = 0x40; i < 0x100; i += 8)
				cap(i, seed >> (i & 31) & 0x1f, i + 8 > 0xff ? 0 : i + 8);
		open_fake();
		for (i = 0; i < 64; i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			set((seed >> 40) % 4092, 1 << (seed >> 20) % 3, seed >> 8);
		}
		CHECK(fake.config.cap_count <= UPU_CAP_COUNT);
		CHECK(!fake.udev.lock.held && !fake.session.bar_lock.held);
	}
}
