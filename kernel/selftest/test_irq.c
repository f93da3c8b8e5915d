// SPDX-License-Identifier: GPL-2.0
/* Interrupts: MSI and MSI-X, arming, masks, counts. */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/wait.h>

#include "device.h"

#define NONE	UPU_IRQ_FD_NONE

/* igb, 82576 datasheet 8.8: writing a cause to EICS raises its vector. */
static void igb_open(int fd)
{
	window_write(fd, 0, 0x1514, 4, 0x80000010 | 1u << 31);	/* GPIE: MSI-X, one bit per vector */
	window_write(fd, 0, 0x1524, 4, 0x3ff);			/* EIMS */
	window_write(fd, 0, 0x152c, 4, 0x3ff);			/* EIAC: clears by itself */
	window_write(fd, 0, 0x1530, 4, 0x3ff);			/* EIAM */
}

static void igb_raise(int fd, unsigned int vector)
{
	window_write(fd, 0, 0x1524, 4, 1u << vector);
	window_write(fd, 0, 0x1520, 4, 1u << vector);
}

TEST(msi_reaches_its_eventfd)
{
	int fd = device_open("EDU"), fired = event(), i;

	bus_master(fd, 1);		/* an MSI is a write to memory */
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	for (i = 0; i < 100; i++) {
		edu_raise(fd);
		EQUAL(event_wait(fired, 2000), 1);
		edu_ack(fd);
	}
	EQUAL(event_wait(fired, 50), 0);
	EQUAL(config_read(fd, find_cap(fd, 5) + 2, 2) & 1, 1);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_DISARM, 0, 0, NULL));
	EQUAL(config_read(fd, find_cap(fd, 5) + 2, 2) & 1, 0);
}

TEST(msi_mask_holds_back_and_loses_nothing)
{
	int fd = device_open("EDU"), fired = event();

	bus_master(fd, 1);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_MASK, 0, 1, NULL));
	edu_raise(fd);
	EQUAL(event_wait(fired, 100), 0);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_UNMASK, 0, 1, NULL));
	EQUAL(event_wait(fired, 2000), 1);
	edu_ack(fd);
	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 1);
}

/* igb's MSI has a mask and a pending bit of its own; edu's is held back before it reaches a processor. */
TEST(msi_mask_of_the_device_itself)
{
	int fd = device_open("IGB"), fired = event();

	CHECK(config_read(fd, find_cap(fd, 5) + 2, 2) & 0x100);
	bus_master(fd, 1);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	window_write(fd, 0, 0xd0, 4, 4);		/* IMS: link changes */
	window_write(fd, 0, 0xc8, 4, 4);		/* ICS: one of them */
	CHECK(event_wait(fired, 2000));
	window_read(fd, 0, 0xc0, 4);			/* ICR, cleared by that */
	event_count(fired);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_MASK, 0, 1, NULL));
	window_write(fd, 0, 0xc8, 4, 4);
	EQUAL(event_wait(fired, 100), 0);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_UNMASK, 0, 1, NULL));
	CHECK(event_wait(fired, 2000));
}

TEST(trigger_is_counted_exactly)
{
	int fd = device_open("EDU"), fired = event(), i;

	bus_master(fd, 1);		/* an MSI is a write to memory */
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	for (i = 0; i < 10000; i++)
		OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_TRIGGER, 0, 1, NULL));
	EQUAL(event_count(fired), 10000);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_MASK, 0, 1, NULL));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_MASK, 0, 1, NULL));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_TRIGGER, 0, 1, NULL));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_TRIGGER, 0, 1, NULL));
	EQUAL(event_count(fired), 0);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_UNMASK, 0, 1, NULL));
	EQUAL(event_count(fired), 1);
}

TEST(irq_ranges_are_checked)
{
	int fd = device_open("NVME"), fds[32], i;
	struct upu_info info = device_info(fd);

	for (i = 0; i < 32; i++)
		fds[i] = NONE;
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, ~0u, 2, fds), EOVERFLOW);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 1, ~0u, fds), EOVERFLOW);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_MASK, 0x80000000, 0x80000000, NULL), EOVERFLOW);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 0x40000000, fds), E2BIG);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, info.msix + 1, fds), EINVAL);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, info.msix, 1, fds), EINVAL);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 0, fds), EINVAL);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, NULL), EFAULT);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_MASK, 0, 1, NULL), ENXIO);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_MASK, 0, 1, fds), EINVAL);
	ERRNO(irqs(fd, 0, UPU_IRQ_ARM, 0, 1, fds), EINVAL);
	ERRNO(irqs(fd, 4, UPU_IRQ_ARM, 0, 1, fds), EINVAL);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, 0, 0, 1, NULL), EINVAL);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, 7, 0, 1, NULL), EINVAL);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_RESAMPLE, 0, 1, fds), EINVAL);
	ERRNO(irqs_max(fd, UPU_IRQ_MSIX, 0, 1, fds, info.msix + 1), EINVAL);
	fds[0] = -3;
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, fds), EINVAL);
	fd = device_open("EDU");
	fds[0] = event();
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, fds), EOPNOTSUPP);
}

TEST(arming_is_whole_or_not_at_all)
{
	int fd = device_open("NVME"), fds[4] = { event(), event(), fd, event() };
	int good[2] = { event(), event() };

	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 4, fds), EINVAL);	/* not an eventfd */
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 1, NULL), ENXIO);
	fds[2] = 999;
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 4, fds), EBADF);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 1, NULL), ENXIO);

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 2, good));
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 4, fds), EBADF);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 2, NULL));
	EQUAL(event_count(good[0]), 1);
	EQUAL(event_count(good[1]), 1);
	EQUAL(event_count(fds[0]), 0);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 3, NULL), ENXIO);
	EQUAL(event_count(good[0]), 0);		/* not even the ones that could */
}

TEST(kinds_exclude_each_other)
{
	int fd = device_open("IGB"), fds[1] = { event() };

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, fds));
	ERRNO(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, fds), EBUSY);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 0, 0, NULL));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, fds));
	fds[0] = NONE;
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, fds));
	fds[0] = event();
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, fds));
}

TEST(a_disarmed_vector_cannot_be_triggered)
{
	int fd = device_open("NVME"), fds[3] = { event(), event(), event() }, none = NONE;

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 3, fds));
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 1, 1, &none));
	close(fds[1]);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 1, 1, NULL), ENXIO);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_UNMASK, 1, 1, NULL), ENXIO);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 1, NULL));
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 2, 1, NULL));
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 2, 1, NULL), ENXIO);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 0, 0, NULL));
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 1, NULL), ENXIO);
}

TEST(msix_vectors_reach_their_own_eventfds)
{
	int fd = device_open("IGB"), fds[10], i, j;
	struct upu_info info = device_info(fd);
	int count = info.msix < 10 ? info.msix : 10;

	for (i = 0; i < count; i++)
		fds[i] = event();
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, count, fds));
	bus_master(fd, 1);
	igb_open(fd);
	for (i = 0; i < count; i++) {
		for (j = 0; j < count; j++)
			event_count(fds[j]);
		igb_raise(fd, i);
		if (!event_wait(fds[i], 2000))
			FAIL("vector %d is silent", i);
		for (j = 0; j < count; j++)
			if (j != i && event_count(fds[j]))
				FAIL("vector %d rings at %d", i, j);
	}
}

TEST(msix_mask_is_per_vector)
{
	int fd = device_open("IGB"), fds[3] = { event(), event(), event() };

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 3, fds));
	bus_master(fd, 1);
	igb_open(fd);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_MASK, 1, 1, NULL));
	igb_raise(fd, 1);
	igb_raise(fd, 2);
	CHECK(event_wait(fds[2], 2000));
	EQUAL(event_wait(fds[1], 100), 0);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_UNMASK, 1, 1, NULL));
	CHECK(event_wait(fds[1], 2000));
}

/* What a child that rings tells, and is told. */
struct ringer {
	volatile int stop;
	volatile unsigned int rung;	/* and heard, once each */
};

static struct ringer *shared_ringer(void)
{
	struct ringer *ringer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(ringer != MAP_FAILED);
	return ringer;
}

/*
 * Rings the igb's vector 0 until it is told to stop; each ring is to be heard once, by one of @fds. By mmap: a pwrite would
 * wait for the end of what is being armed.
 */
static pid_t start_ringing(int fd, struct ringer *ringer, const int *fds, int count)
{
	volatile uint32_t *bar;
	struct pollfd polls[2];
	uint64_t heard;
	pid_t child;
	int i;

	child = fork();
	if (child)
		return child;
	bar = bar_map(fd, 0, 0x1000, PAGE);
	CHECK(bar != MAP_FAILED);
	while (!ringer->stop) {
		for (i = 0; i < count; i++)
			polls[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		bar[0x524 / 4] = 1;		/* EIMS, EICS: as igb_raise() */
		bar[0x520 / 4] = 1;
		if (poll(polls, count, 2000) < 1)
			FAIL("ring %u: two seconds of silence", ringer->rung);
		for (heard = 0, i = 0; i < count; i++)
			heard += event_count(fds[i]);
		EQUAL(heard, 1);
		ringer->rung++;
	}
	_exit(0);
}

static int still_rings(pid_t child)
{
	siginfo_t info = { 0 };

	OK(waitid(P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT));
	return !info.si_pid;
}

static void stop_ringing(struct ringer *ringer, pid_t child)
{
	int status;

	ringer->stop = 1;
	EQUAL(waitpid(child, &status, 0), child);
	EQUAL(status, 0);
}

/* A child rings vector 0 all the time; each ring is answered, whatever is armed and disarmed beside it. */
TEST(vectors_added_later_disturb_none)
{
	int fd = device_open("IGB"), fds[1] = { event() }, others[4], i, rounds = 0;
	struct ringer *ringer = shared_ringer();
	pid_t child;

	for (i = 0; i < 4; i++)
		others[i] = event();
	OK(irqs_max(fd, UPU_IRQ_MSIX, 0, 1, fds, 10));
	bus_master(fd, 1);
	igb_open(fd);
	child = start_ringing(fd, ringer, fds, 1);
	while ((rounds < 40 || ringer->rung < 200) && still_rings(child)) {
		i = 1 + rounds++ % 5;
		OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, i, 4, others));
		igb_raise(fd, i);
		CHECK(event_wait(others[0], 2000));
		if (rounds % 2)
			OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_MASK, i, 4, NULL));
		OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, i, 4, NULL));
	}
	stop_ringing(ringer, child);
	printf("# %d times four vectors, %u rings beside them\n", rounds, ringer->rung);
}

TEST(growth_beyond_the_maximum)
{
	int fd = device_open("NVME"), fds[8], i;
	struct upu_info info = device_info(fd);

	for (i = 0; i < 8; i++)
		fds[i] = event();
	OK(irqs_max(fd, UPU_IRQ_MSIX, 0, 2, fds, 4));
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 2, 2, fds));
	if (info.flags & UPU_INFO_MSIX_DYNAMIC)
		OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 4, 4, fds));
	else
		ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 4, 4, fds), ENOSPC);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 4, NULL));
}

TEST(one_eventfd_may_serve_all_vectors)
{
	int fd = device_open("NVME"), fds[8], one = event(), i;

	for (i = 0; i < 8; i++)
		fds[i] = one;
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 8, fds));
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 8, NULL));
	EQUAL(event_count(one), 8);
}

/* Replaced while the device interrupts: each interrupt lands in one of the two. */
TEST(an_eventfd_is_replaced_without_loss)
{
	int fd = device_open("IGB"), fds[2] = { event(), event() }, replaced = 0;
	struct ringer *ringer = shared_ringer();
	pid_t child;

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, fds));
	bus_master(fd, 1);
	igb_open(fd);
	child = start_ringing(fd, ringer, fds, 2);
	while ((replaced < 3000 || ringer->rung < 1000) && still_rings(child)) {
		replaced++;
		OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, &fds[replaced & 1]));
	}
	stop_ringing(ringer, child);
	printf("# replaced %d times under %u interrupts\n", replaced, ringer->rung);
}

TEST(msix_works_with_memory_disabled)
{
	int fd = device_open("NVME"), fired = event();
	uint32_t command = config_read(fd, 4, 2), value;

	config_write(fd, 4, 2, command & ~2u);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, &fired));
	ERRNO(pread(fd, &value, 4, UPU_WINDOW_OFFSET(0)), EIO);
	EQUAL(config_read(fd, 4, 2) & 2, 0);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 1, NULL));
	EQUAL(event_count(fired), 1);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 0, 0, NULL));
	EQUAL(config_read(fd, 4, 2) & 2, 0);
}

/* ---- ivshmem: vectors that come from another device's side ---- */

TEST(ivshmem_rings_its_own_doorbell)
{
	int fd = device_open("IVSHMEM"), fds[2] = { event(), event() };
	uint32_t id;

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 2, fds));
	bus_master(fd, 1);
	id = window_read(fd, 0, 8, 4);
	window_write(fd, 0, 12, 4, id << 16 | 1);
	EQUAL(event_wait(fds[1], 2000), 1);
	EQUAL(event_count(fds[0]), 0);
}
