// SPDX-License-Identifier: GPL-2.0
/* Affinity: which processors handle a vector. */
#define _GNU_SOURCE
#include <sched.h>

#include "device.h"

static int affinity(int fd, unsigned long call, unsigned int vector, uint64_t *mask)
{
	uint64_t wide[16] = { *mask };
	struct upu_affinity arg = { .argsz = sizeof(arg), .vector = vector,
				    .mask_size = sizeof(wide), .mask = (uintptr_t)wide };
	int ret = ioctl(fd, call, &arg);

	*mask = wide[0];
	return ret;
}

/* A CPU that the machine cannot have is refused, wherever in the mask it stands, and changes nothing. */
static void expect_no_such_cpu(int fd, unsigned int vector)
{
	unsigned int bits[] = { sysconf(_SC_NPROCESSORS_CONF), 63, 64, 127, 4000, PAGE * 8 - 1 };
	static uint64_t wide[PAGE / 8];
	struct upu_affinity arg = { .argsz = sizeof(arg), .vector = vector,
				    .mask_size = sizeof(wide), .mask = (uintptr_t)wide };
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
		memset(wide, 0, sizeof(wide));
		wide[0] = 2;
		wide[bits[i] / 64] |= 1ull << bits[i] % 64;
		ERRNO(ioctl(fd, UPU_SET_AFFINITY, &arg), EINVAL);
	}
	OK(affinity(fd, UPU_GET_AFFINITY, vector, &mask));
	EQUAL(mask, 1);
}

TEST(affinity_is_set_and_read)
{
	int fd = device_open("NVME"), fds[2] = { event(), event() };
	uint64_t mask = 2;
	struct upu_affinity arg = { .argsz = sizeof(arg), .mask_size = 12, .mask = (uintptr_t)&mask };
	unsigned int i;
	cpu_set_t one;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP("needs two processors");
	ERRNO(affinity(fd, UPU_SET_AFFINITY, 0, &mask), ENXIO);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 2, fds));
	OK(affinity(fd, UPU_SET_AFFINITY, 1, &mask));
	mask = 0;
	OK(affinity(fd, UPU_GET_AFFINITY, 1, &mask));
	EQUAL(mask, 2);
	/* Also a move that the kernel keeps for the next interrupt, since the one before is under way. */
	for (i = 0; i < 100; i++) {
		mask = 1 + i % 2;
		OK(affinity(fd, UPU_SET_AFFINITY, 1, &mask));
		mask = 0;
		OK(affinity(fd, UPU_GET_AFFINITY, 1, &mask));
		EQUAL(mask, 1 + i % 2);
	}
	mask = 1;
	OK(affinity(fd, UPU_SET_AFFINITY, 1, &mask));
	expect_no_such_cpu(fd, 1);
	ERRNO(affinity(fd, UPU_GET_AFFINITY, 2, &mask), ENXIO);
	mask = 0;
	ERRNO(affinity(fd, UPU_SET_AFFINITY, 1, &mask), EINVAL);
	ERRNO(ioctl(fd, UPU_SET_AFFINITY, &arg), EINVAL);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	OK(sched_setaffinity(0, sizeof(one), &one));
	mask = 2;
	ERRNO(affinity(fd, UPU_SET_AFFINITY, 1, &mask), EPERM);
	mask = 1;
	OK(affinity(fd, UPU_SET_AFFINITY, 1, &mask));
}
