// SPDX-License-Identifier: GPL-2.0
/*
 * Configuration space. The sweep reads the same table as the module, but has its own idea of what a
 * rule means: what may not change does not, what is virtual keeps what is written to it. What a
 * table cannot say is tested register by register.
 */
#define _GNU_SOURCE
#include "device.h"

enum { HEADER, CAP, ECAP };
enum { ALWAYS, MSI_32, MSI_64, NO_MEMORY };
enum { NONE, COMMAND, BAR, PM_CONTROL, VPD, MSI_FLAGS, DEVICE_CONTROL, AF_CONTROL };
#define VARIABLE 0xffff

struct rule {
	int space, id, when, offset, width;
	uint32_t virt, write;
	int trap;
};

static const struct rule rules[] = {
#define UPU_CAP(...)
#define UPU_BODY(...)
#define UPU_RULE(...) { __VA_ARGS__ },
#include "../config_rules.h"
#undef UPU_RULE
#undef UPU_CAP
#undef UPU_BODY
};

struct visible { int space, id, size; };

static const struct visible visible[] = {
#define UPU_RULE(...)
#define UPU_BODY(...)
#define UPU_CAP(...) { __VA_ARGS__ },
#include "../config_rules.h"
#undef UPU_RULE
#undef UPU_CAP
#undef UPU_BODY
};

/* A byte of the model: -1 is "not looked at" (between capabilities, bodies, and what does things). */
struct model {
	uint8_t virt[4096], write[4096], known[4096];
};

static int holds(int when, unsigned int flags)
{
	switch (when) {
	case MSI_32: return !(flags & 0x80);
	case MSI_64: return !!(flags & 0x80);
	case NO_MEMORY: return 0;	/* COMMAND has a trap, and is not swept */
	default: return 1;
	}
}

static int size_of(int space, int id)
{
	unsigned int i;

	for (i = 0; i < sizeof(visible) / sizeof(visible[0]); i++)
		if (visible[i].space == space && visible[i].id == id)
			return visible[i].size;
	return 0;
}

static void lay(int fd, struct model *model, int space, int id, unsigned int start, unsigned int size)
{
	unsigned int flags = space == CAP && id == 5 ? config_read(fd, start + 2, 2) : 0, i, j;

	memset(model->known + start, 1, size);
	memset(model->write + start, 0, size);
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *rule = &rules[i];

		if (rule->space != space || rule->id != id || !holds(rule->when, flags))
			continue;
		if (rule->offset + rule->width > (int)size)
			continue;		/* MSI without masks */
		for (j = 0; j < (unsigned int)rule->width; j++) {
			unsigned int at = start + rule->offset + j;

			/* Not swept: real registers that do things, and rules with a trap. */
			model->virt[at] = rule->virt >> 8 * j;
			model->write[at] = rule->write >> 8 * j;
			model->known[at] = rule->trap == NONE &&
					   (rule->virt == rule->write || !rule->write);
		}
	}
}

static void sweep(const char *name)
{
	static struct model model;
	int fd = device_open(name), size = device_bar(fd, UPU_WINDOW_CONFIG).size, checked = 0;
	unsigned int at, left = 48, i, header;

	lay(fd, &model, HEADER, 0, 0, 0x40);
	for (at = config_read(fd, 0x34, 1); at && left--; at = config_read(fd, at + 1, 1)) {
		int id = config_read(fd, at, 1), length = size_of(CAP, id);

		if (!length)
			FAIL("capability %#x is not hidden", id);
		if (length == VARIABLE)
			length = id == 0x05 ? 10 + (config_read(fd, at + 2, 2) & 0x80 ? 4 : 0) +
					      (config_read(fd, at + 2, 2) & 0x100 ? 10 : 0) :
				 id == 0x10 ? 0x2c : 2;
		lay(fd, &model, CAP, id, at, length);
		model.virt[at + 1] = 0xff;
	}
	for (at = 0x100, left = 64; size > 256 && at && left--; at = header >> 20) {
		header = config_read(fd, at, 4);
		if (!header)
			break;
		if ((header & 0xffff) && !size_of(ECAP, header & 0xffff))
			FAIL("extended capability %#x is not hidden", header & 0xffff);
		lay(fd, &model, ECAP, header & 0xffff, at,
		    size_of(ECAP, header & 0xffff) == VARIABLE || !(header & 0xffff) ? 4 :
		    size_of(ECAP, header & 0xffff));
	}
	for (i = 0; i < (unsigned int)size; i++) {
		static const uint8_t values[] = { 0xff, 0x00 };
		uint8_t before, after;
		unsigned int j;

		if (!model.known[i])
			continue;
		checked++;
		before = config_read(fd, i, 1);
		for (j = 0; j < 2; j++) {
			uint8_t want = (before & ~model.write[i]) | (values[j] & model.write[i]);

			config_write(fd, i, 1, values[j]);
			after = config_read(fd, i, 1);
			/* Status registers may change by themselves; none does here. */
			if (after != want)
				FAIL("byte %#x was %#x, %#x written, is %#x, not %#x", i, before,
				     values[j], after, want);
		}
		config_write(fd, i, 1, before);
	}
	printf("# %s: %d bytes swept\n", name, checked);
	CHECK(checked > 40);
}

TEST(config_sweep_edu) { sweep("EDU"); }
TEST(config_sweep_nvme) { sweep("NVME"); }
TEST(config_sweep_igb) { sweep("IGB"); }
TEST(config_sweep_ivshmem) { sweep("IVSHMEM"); }
TEST(config_sweep_vf) { sweep("VF"); }

static int rules_for(int space, int id)
{
	unsigned int i;
	int count = 0;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		count += rules[i].space == space && rules[i].id == id;
	return count;
}

/* Rules 4, 13 and 24 as they are written down, not as they are implemented. */
TEST(config_table_hides_what_it_should)
{
	static const int hidden[] = { 0x00, 0x04, 0x06, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f };
	static const int hidden_extended[] = { 0x05, 0x06, 0x07, 0x0a, 0x0c, 0x11, 0x19, 0x1a, 0x1b };
	unsigned int i;

	for (i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		CHECK(!size_of(CAP, hidden[i]) && !rules_for(CAP, hidden[i]));
	for (i = 0; i < sizeof(hidden_extended) / sizeof(hidden_extended[0]); i++)
		CHECK(!size_of(ECAP, hidden_extended[i]) && !rules_for(ECAP, hidden_extended[i]));
	CHECK(!rules_for(CAP, 0x11));		/* MSI-X: read-only */
}

/* What is there for real, by sysfs (the first 64 bytes are for everybody). */
static void real_header(const char *name, uint8_t *header)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", device_address(name));
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0);
	EQUAL(pread(fd, header, 64, 0), 64);
	close(fd);
}

static void check_bars(const char *name)
{
	int fd = device_open(name), i;
	uint8_t before[64], after[64];
	uint64_t size;
	uint32_t low, high, old;

	real_header(name, before);
	for (i = 0; i < 6; i++) {
		size = device_bar(fd, i).size;
		old = config_read(fd, 0x10 + 4 * i, 4);
		config_write(fd, 0x10 + 4 * i, 4, ~0u);
		low = config_read(fd, 0x10 + 4 * i, 4);
		if (!size) {
			EQUAL(low, 0);
			continue;
		}
		EQUAL(low & ~0xful & ~(device_bar(fd, i).flags & UPU_BAR_IO ? 0xful : 0),
		      ~(size - 1) & 0xfffffff0);
		EQUAL(!!(low & 1), !!(device_bar(fd, i).flags & UPU_BAR_IO));
		if (device_bar(fd, i).flags & UPU_BAR_64) {
			EQUAL(low & 6, 4);
			config_write(fd, 0x14 + 4 * i, 4, ~0u);
			high = config_read(fd, 0x14 + 4 * i, 4);
			EQUAL(high, (uint32_t)(~(size - 1) >> 32));
			config_write(fd, 0x10 + 4 * i, 4, old);
			i++;
			continue;
		}
		config_write(fd, 0x10 + 4 * i, 4, old);
		EQUAL(config_read(fd, 0x10 + 4 * i, 4), old);
	}
	config_write(fd, 0x30, 4, ~0u);
	real_header(name, after);
	CHECK(!memcmp(before + 0x10, after + 0x10, 0x18));
	CHECK(!memcmp(before + 0x30, after + 0x30, 4));
}

TEST(config_bars_can_be_sized_and_not_moved)
{
	check_bars("EDU");
	check_bars("NVME");
	check_bars("IGB");
	check_bars("IVSHMEM");
	check_bars("TESTDEV");		/* with a BAR of ports */
}

TEST(config_accesses_of_any_shape)
{
	int fd = device_open("NVME"), size = device_bar(fd, UPU_WINDOW_CONFIG).size, at, length;
	static uint8_t whole[4096], part[64];

	EQUAL(pread(fd, whole, size, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG)), size);
	for (at = 0; at < 256; at++)
		for (length = 1; length < 16; length++) {
			EQUAL(pread(fd, part, length, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG) + at), length);
			CHECK(!memcmp(part, whole + at, length));
		}
	EQUAL(pread(fd, part, 0, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG)), 0);
	ERRNO(pread(fd, part, 1, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG) + size), EFAULT);
	ERRNO(pwrite(fd, part, 4, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG) + size - 2), EFAULT);
}

TEST(config_command_is_shared)
{
	int fd = device_open("EDU");
	uint32_t command = config_read(fd, 4, 2);

	CHECK(command & 2);
	CHECK(!(command & 4));
	config_write(fd, 4, 1, (command & 0xff) | 4);
	CHECK(real_command("EDU") & 4);
	config_write(fd, 4, 4, command);	/* with STATUS, which is not written */
	CHECK(!(real_command("EDU") & 4));
	config_write(fd, 5, 1, 4);
	CHECK(config_read(fd, 4, 2) & 0x400);
	config_write(fd, 5, 1, 0);
	CHECK(!(config_read(fd, 4, 2) & 0x400));
	config_write(fd, 4, 2, command & ~2u);
	CHECK(!(real_command("EDU") & 2));
	config_write(fd, 4, 2, command | 2);
	CHECK(real_command("EDU") & 2);
}

TEST(config_msi_is_enabled_by_the_call_alone)
{
	int fd = device_open("EDU"), fired = event();
	unsigned int msi = find_cap(fd, 5);
	uint32_t flags;

	CHECK(msi);
	bus_master(fd, 1);
	flags = config_read(fd, msi + 2, 2);
	config_write(fd, msi + 2, 2, flags | 1 | 0x70);
	EQUAL(config_read(fd, msi + 2, 2) & 1, 0);
	CHECK((config_read(fd, msi + 2, 2) & 0x70) >> 4 <= (flags & 0xe) >> 1);
	config_write(fd, msi + 4, 4, 0xfee01000);
	EQUAL(config_read(fd, msi + 4, 4), 0xfee01000);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	edu_raise(fd);			/* goes where the kernel sends it */
	EQUAL(event_wait(fired, 2000), 1);
	edu_ack(fd);
	config_write(fd, msi + 2, 2, flags & ~1u);
	EQUAL(config_read(fd, msi + 2, 2) & 1, 1);
	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 1);
	edu_ack(fd);
}

TEST(config_msix_is_read_only)
{
	int fd = device_open("NVME");
	unsigned int cap = find_cap(fd, 0x11), at;
	uint32_t before;

	for (at = 2; at < 12; at++) {
		before = config_read(fd, cap + at, 1);
		config_write(fd, cap + at, 1, ~before);
		EQUAL(config_read(fd, cap + at, 1), before);
	}
}

TEST(config_power_management_has_no_pme)
{
	int fd = device_open("IGB");
	unsigned int pm = find_cap(fd, 1);
	uint32_t control;

	CHECK(pm);
	EQUAL(config_read(fd, pm + 2, 2) & 0xf800, 0);
	control = config_read(fd, pm + 4, 2);
	EQUAL(control & 0x8100, 0);
	config_write(fd, pm + 4, 2, control | 0x8000);
	EQUAL(config_read(fd, pm + 4, 2) & 0x8000, 0);
	config_write(fd, pm + 4, 1, 3);
	EQUAL(config_read(fd, pm + 4, 2) & 3, 3);
	config_write(fd, pm + 4, 1, 0);
	EQUAL(config_read(fd, pm + 4, 2) & 3, 0);
}

TEST(config_device_control)
{
	int fd = device_open("IGB");
	unsigned int pcie = find_cap(fd, 0x10);
	uint32_t control;

	CHECK(pcie);
	control = config_read(fd, pcie + 8, 2);
	config_write(fd, pcie + 8, 2, control | 0x0200);	/* phantom functions */
	EQUAL(config_read(fd, pcie + 8, 2) & 0x0200, control & 0x0200);
	config_write(fd, pcie + 8, 2, (control & ~0x70e0u) | 0x5020);
	EQUAL(config_read(fd, pcie + 8, 2) & 0x70e0, 0x5020);
	/* FLR: done at once, reads 0, and what the kernel had set up is there afterwards. */
	window_write(fd, 0, 0x1514, 4, 0x10);			/* GPIE, cleared by a reset */
	EQUAL(window_read(fd, 0, 0x1514, 4), 0x10);
	config_write(fd, pcie + 8, 2, control | 0x8000);
	EQUAL(config_read(fd, pcie + 8, 2) & 0x8000, 0);
	EQUAL(window_read(fd, 0, 0x1514, 4), 0);
	control = config_read(fd, pcie + 0x28, 2);
	config_write(fd, pcie + 0x28, 2, control | 0x20);	/* ARI */
	EQUAL(config_read(fd, pcie + 0x28, 2) & 0x20, control & 0x20);
}

TEST(config_extended_list_can_be_walked)
{
	int fd = device_open("IGB"), left = 64, found = 0;
	unsigned int at = 0x100;
	uint32_t header;

	do {
		header = config_read(fd, at, 4);
		if ((header & 0xffff) == 0x0010)
			found++;
		config_write(fd, at, 4, 0);
		EQUAL(config_read(fd, at, 4), header);
		at = header >> 20;
	} while (at && --left);
	CHECK(left);
	EQUAL(found, 1);		/* SR-IOV: seen, and read-only */
}

TEST(config_of_a_vf)
{
	int fd = device_open("VF"), fds[2] = { event(), event() };
	struct upu_info info = device_info(fd);

	CHECK(info.flags & UPU_INFO_VF);
	CHECK(config_read(fd, 0, 2) != 0xffff);
	CHECK(config_read(fd, 2, 2) != 0xffff);
	EQUAL(config_read(fd, 0x3d, 1), 0);
	EQUAL(info.intx, 0);
	CHECK(info.msix > 0);
	CHECK(config_read(fd, 4, 2) & 2);		/* it has no such bit: the shadow's */
	CHECK(device_bar(fd, 0).size);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 2, fds));
	ERRNO(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, fds), EOPNOTSUPP);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 1, 1, NULL));
	EQUAL(event_count(fds[1]), 1);
	config_write(fd, 4, 2, config_read(fd, 4, 2) & ~2u);
	ERRNO(pread(fd, fds, 4, UPU_WINDOW_OFFSET(0)), EIO);
}

/* 82576 VF: VTEIMS and VTEICS, one bit for each vector. */
TEST(interrupts_of_a_vf)
{
	int fd = device_open("VF"), fds[2] = { event(), event() };

	if (!window_read(fd, 0, 8, 4))
		SKIP("the emulated VF's registers read 0, with any driver");
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 2, fds));
	bus_master(fd, 1);
	window_write(fd, 0, 0x1524, 4, 3);
	window_write(fd, 0, 0x1520, 4, 2);
	CHECK(event_wait(fds[1], 2000));
}
