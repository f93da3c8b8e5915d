// SPDX-License-Identifier: GPL-2.0
/*
 * SET_IRQS on a device with MSI-X: ranges and maximum at their edges, against what uio_pci_user.h says of them. Before
 * each call vectors 0 and 1 are armed and 4 reserved, or none is; after it each vector is asked whether it is armed.
 */
#define _GNU_SOURCE
#include "device.h"

#define VECTORS	64		/* more than the nvme has */
#define ARMED	2
#define RESERVED	4

static int eventfds[VECTORS], repeated[4096];
static uint32_t have;
static int dynamic;

struct sent { uint32_t action, start, count, maximum; };

static int send(int fd, const struct sent *sent)
{
	struct upu_set_irqs arg = { .argsz = sizeof(arg), .kind = UPU_IRQ_MSIX, .action = sent->action,
				    .start = sent->start, .count = sent->count, .maximum = sent->maximum };

	if (sent->action == UPU_IRQ_ARM || sent->action == UPU_IRQ_RESAMPLE)
		arg.fds = (uintptr_t)(sent->start < VECTORS ? repeated + sent->start : repeated);
	return ioctl(fd, UPU_SET_IRQS, &arg) ? errno : 0;
}

/* The errno that the header gives, or 0. @armed: vectors, from 0 on, of @reserved. */
static int expected(const struct sent *sent, uint32_t armed, uint32_t reserved)
{
	uint64_t end = (uint64_t)sent->start + sent->count;
	int all = sent->action == UPU_IRQ_DISARM && !sent->start && !sent->count;

	if (sent->action != UPU_IRQ_ARM && sent->maximum)
		return EINVAL;
	if (end > 0xffffffff)
		return EOVERFLOW;
	if (sent->count > 2048)
		return E2BIG;
	if ((!sent->count && !all) || sent->action == UPU_IRQ_RESAMPLE || end > have || sent->maximum > have)
		return EINVAL;
	switch (sent->action) {
	case UPU_IRQ_ARM:
		return armed && end > reserved && !dynamic ? ENOSPC : 0;
	case UPU_IRQ_DISARM:
		return 0;
	default:
		return end > armed ? ENXIO : 0;
	}
}

/* Whether it is armed; a trigger must reach its own eventfd. Leaves no mask behind. */
static int is_armed(int fd, uint32_t vector)
{
	if (irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_UNMASK, vector, 1, NULL)) {
		EQUAL(errno, ENXIO);
		return 0;
	}
	event_count(eventfds[vector]);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, vector, 1, NULL));
	EQUAL(event_count(eventfds[vector]), 1);
	return 1;
}

static void try(int fd, const struct sent *sent, uint32_t armed)
{
	uint32_t vector, end = sent->start + sent->count;
	int want = expected(sent, armed, RESERVED), got, is, should;

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 0, 0, NULL));
	if (armed)
		OK(irqs_max(fd, UPU_IRQ_MSIX, 0, armed, eventfds, RESERVED));
	got = send(fd, sent);
	if (got != want)
		FAIL("action %u start %u count %u maximum %u, %u armed: errno %d, not %d", sent->action, sent->start,
		     sent->count, sent->maximum, armed, got, want);
	for (vector = 0; vector < have; vector++) {
		should = vector < armed;
		if (!want && sent->action == UPU_IRQ_ARM && vector >= sent->start && vector < end)
			should = 1;
		if (!want && sent->action == UPU_IRQ_DISARM && (!sent->count || (vector >= sent->start && vector < end)))
			should = 0;
		is = is_armed(fd, vector);
		if (is != should)
			FAIL("action %u start %u count %u maximum %u, %u armed: vector %u is%s armed", sent->action,
			     sent->start, sent->count, sent->maximum, armed, vector, is ? "" : " not");
	}
}

/* What was reserved at the first ARM can be had later, and one more where the kernel can add it. */
static void grow(int fd, uint32_t first, uint32_t maximum)
{
	uint32_t reserved = maximum > first ? maximum : first;

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 0, 0, NULL));
	OK(irqs_max(fd, UPU_IRQ_MSIX, 0, first, eventfds, maximum));
	if (reserved < have && dynamic)
		OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, reserved, 1, eventfds + reserved));
	else if (reserved < have)
		ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, reserved, 1, eventfds + reserved), ENOSPC);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, reserved - 1, 1, eventfds + reserved - 1));
	CHECK(is_armed(fd, 0) && is_armed(fd, reserved - 1));
}

TEST(set_irqs_of_msix_at_its_edges)
{
	int fd = device_open("NVME"), tried = 0;
	uint32_t i, j, k, action, armed;

	have = device_info(fd).msix;
	dynamic = !!(device_info(fd).flags & UPU_INFO_MSIX_DYNAMIC);
	CHECK(have > 8 && have < VECTORS);
	for (i = 0; i < VECTORS; i++)
		eventfds[i] = event();
	for (i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++)
		repeated[i] = eventfds[i % VECTORS];
	{
		const uint32_t starts[] = { 0, 1, ARMED, RESERVED - 1, RESERVED, have - 1, have, 2048, 0x7fffffff, ~0u };
		const uint32_t counts[] = { 0, 1, 2, 3, RESERVED, RESERVED + 1, have - 1, have, have + 1, 2048, 2049, ~0u };
		const uint32_t maxima[] = { 0, 1, RESERVED, have, have + 1, ~0u };

		for (action = UPU_IRQ_ARM; action <= UPU_IRQ_RESAMPLE; action++)
			for (i = 0; i < sizeof(starts) / 4; i++)
				for (j = 0; j < sizeof(counts) / 4; j++)
					for (k = 0; k < sizeof(maxima) / 4; k++)
						for (armed = 0; armed <= ARMED; armed += ARMED) {
							struct sent sent = { action, starts[i], counts[j], maxima[k] };

							if (k > 1 && action != UPU_IRQ_ARM)
								continue;	/* EINVAL, all of them */
							try(fd, &sent, armed);
							tried++;
						}
		for (i = 1; i < have; i++)
			for (k = 0; k < 4; k++)
				grow(fd, i, maxima[k]);
	}
	printf("# %d calls\n", tried);
}
