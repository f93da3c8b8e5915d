// SPDX-License-Identifier: GPL-2.0
/* References to eventfds: their number in /proc is given out again when nobody has them any more. */
#include "device.h"

static long eventfd_number(int fd)
{
	char path[64], line[128];
	long number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "eventfd-id: %ld", &number) == 1)
			break;
	if (file)
		fclose(file);
	CHECK(number >= 0);
	return number;
}

/* The lowest number that is free: a new one gets it. */
static long next_number(void)
{
	int fd = event();
	long number = eventfd_number(fd);

	close(fd);
	return number;
}

static int arm_msix(int fd, uint32_t start, uint32_t count, const int *fds)
{
	return irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, start, count, fds);
}

/* Each way in which a call that takes eventfds fails, after it has taken some; and those that let one go. */
static void fail_with(int nvme, int edu, int dynamic, const int *two)
{
	struct upu_set_eventfd set = { .argsz = sizeof(set), .fd = two[0], .reserved = 1 };
	int fds[32], i;

	for (i = 0; i < 32; i++)
		fds[i] = two[i & 1];
	fds[3] = 999;
	ERRNO(arm_msix(nvme, 0, 4, fds), EBADF);
	fds[3] = nvme;
	ERRNO(arm_msix(nvme, 0, 4, fds), EINVAL);
	fds[3] = -3;
	ERRNO(arm_msix(nvme, 0, 4, fds), EINVAL);
	fds[3] = two[1];
	ERRNO(arm_msix(nvme, 0, 32, fds), EINVAL);			/* more than it has */
	ERRNO(irqs(nvme, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, fds), EBUSY);	/* MSI-X is armed */
	if (!dynamic)
		ERRNO(arm_msix(nvme, 2, 6, fds), ENOSPC);		/* two of them could be */
	ERRNO(irqs(nvme, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 2, 1, NULL), ENXIO);
	ERRNO(irqs(edu, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, fds), EOPNOTSUPP);
	ERRNO(irqs(edu, UPU_IRQ_INTX, UPU_IRQ_RESAMPLE, 0, 1, fds), ENXIO);
	ERRNO(ioctl(edu, UPU_SET_ERR_EVENTFD, &set), EINVAL);

	OK(arm_msix(nvme, 0, 2, fds));					/* in the place of others */
	OK(arm_msix(nvme, 2, 2, fds));
	OK(irqs(nvme, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 2, 2, NULL));
	OK(irqs(edu, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, fds));
	OK(irqs(edu, UPU_IRQ_INTX, UPU_IRQ_RESAMPLE, 0, 1, fds));
	OK(irqs(edu, UPU_IRQ_INTX, UPU_IRQ_RESAMPLE, 0, 1, fds + 1));
	OK(irqs(edu, UPU_IRQ_INTX, UPU_IRQ_DISARM, 0, 0, NULL));
	OK(set_eventfd(edu, UPU_SET_ERR_EVENTFD, fds[0]));
	OK(set_eventfd(edu, UPU_SET_REQ_EVENTFD, fds[0]));
	OK(set_eventfd(edu, UPU_SET_INVALIDATION_EVENTFD, fds[0]));
}

TEST(eventfds_are_let_go)
{
	int nvme = device_open("NVME"), edu = device_open("EDU"), own[2] = { event(), event() }, two[2], i;
	int dynamic = device_info(nvme).flags & UPU_INFO_MSIX_DYNAMIC;
	long before;

	OK(irqs_max(nvme, UPU_IRQ_MSIX, 0, 2, own, 4));
	before = next_number();
	for (i = 0; i < 50; i++) {
		two[0] = event();
		two[1] = event();
		fail_with(nvme, edu, dynamic, two);
		close(two[0]);
		close(two[1]);
	}
	/* The last two are still set. */
	OK(arm_msix(nvme, 0, 2, own));
	close(edu);
	/* It may take a moment: resampling is let go by a worker. */
	for (i = 0; i < 200 && next_number() > before; i++)
		sleep_ms(10);
	if (next_number() > before)
		FAIL("eventfds stay: the next has number %ld, not %ld", next_number(), before);
	close(nvme);
}
