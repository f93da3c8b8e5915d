// SPDX-License-Identifier: GPL-2.0
/* MSI with more than one vector, of a device that raises each of them. */
#define _GNU_SOURCE
#include "device.h"
#include "xhci.h"

#define IOVA	0x1000000ull

static int open_xhci(void)
{
	int fd = device_open("XHCI");
	uint8_t *page = memory(PAGE);

	EQUAL(device_info(fd).msi, XHCI_INTERRUPTERS);
	bus_master(fd, 1);
	OK(dma_map(fd, page, PAGE, IOVA));
	xhci_open(fd, page, IOVA);
	return fd;
}

static void expect_own(int fd, const int *fds, unsigned int count)
{
	unsigned int i, j;

	for (i = 0; i < count; i++) {
		xhci_raise(fd, i);
		if (!event_wait(fds[i], 2000))
			FAIL("vector %u of %u is silent", i, count);
		for (j = 0; j < count; j++)
			if (event_count(fds[j]))
				FAIL("vector %u of %u rings at %u", i, count, j);
	}
}

TEST(several_msis_reach_their_own_eventfds)
{
	int fd = open_xhci(), fds[XHCI_INTERRUPTERS], i;

	for (i = 0; i < XHCI_INTERRUPTERS; i++)
		fds[i] = event();
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, XHCI_INTERRUPTERS, fds));
	expect_own(fd, fds, XHCI_INTERRUPTERS);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_DISARM, 0, 0, NULL));

	/* Not a power of two: the device is given the next one, the user what he has asked for. */
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 5, fds));
	expect_own(fd, fds, 5);
	ERRNO(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_TRIGGER, 5, 1, NULL), ENXIO);
}

/* The device has no mask of its own: the kernel's holds back, and one of what came is kept. */
TEST(several_msis_are_masked_one_by_one)
{
	int fd = open_xhci(), fds[4], i;

	for (i = 0; i < 4; i++)
		fds[i] = event();
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 4, fds));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_MASK, 2, 1, NULL));
	for (i = 0; i < 4; i++)
		xhci_raise(fd, i);
	for (i = 0; i < 4; i++)
		EQUAL(!!event_wait(fds[i], i == 2 ? 100 : 2000), i != 2);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_UNMASK, 2, 1, NULL));
	EQUAL(event_wait(fds[2], 2000), 1);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_TRIGGER, 1, 3, NULL));
	for (i = 0; i < 4; i++)
		EQUAL(event_count(fds[i]), i != 0);
}

/* What is not reserved at the first ARM cannot be had later; what is, disturbs nobody. */
TEST(several_msis_are_reserved_at_once)
{
	int fd = open_xhci(), fds[8], i;

	for (i = 0; i < 8; i++)
		fds[i] = event();
	OK(irqs_max(fd, UPU_IRQ_MSI, 0, 2, fds, 8));
	expect_own(fd, fds, 2);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 2, 6, fds + 2));
	expect_own(fd, fds, 8);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_DISARM, 3, 1, NULL));
	xhci_raise(fd, 3);
	EQUAL(event_wait(fds[3], 100), 0);
	ERRNO(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 8, 1, fds), ENOSPC);
	ERRNO(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, XHCI_INTERRUPTERS, 1, fds), EINVAL);
	xhci_raise(fd, 7);
	CHECK(event_wait(fds[7], 2000));
}
