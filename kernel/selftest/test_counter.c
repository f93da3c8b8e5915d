// SPDX-License-Identifier: GPL-2.0
/* The event counter. */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/wait.h>

#include "device.h"

#define COUNTER	UPU_IRQ_FD_COUNTER

TEST(counter_reads_as_uio_does)
{
	int fd = device_open("EDU"), on = 1, off = 0, i;
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };
	uint32_t count, last = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	ERRNO(read(fd, &count, 4), EIO);		/* nothing armed */
	EQUAL(poll(&pollfd, 1, 0), 1);
	CHECK(pollfd.revents & POLLERR);
	ERRNO(read(fd, &count, 8), EINVAL);
	ERRNO(write(fd, &on, 2), EINVAL);
	EQUAL(write(fd, &on, 4), 4);			/* arms what the device has */
	ERRNO(read(fd, &count, 4), EAGAIN);
	for (i = 0; i < 10; i++) {
		EQUAL(poll(&pollfd, 1, 0), 0);
		edu_raise(fd);
		EQUAL(poll(&pollfd, 1, 2000), 1);
		EQUAL(read(fd, &count, 4), 4);
		EQUAL(count, last + 1);
		last = count;
		edu_ack(fd);
		EQUAL(write(fd, &on, 4), 4);
	}
	EQUAL(write(fd, &off, 4), 4);
	edu_raise(fd);
	EQUAL(poll(&pollfd, 1, 100), 0);
	EQUAL(write(fd, &on, 4), 4);
	EQUAL(poll(&pollfd, 1, 2000), 1);
	edu_ack(fd);
}

TEST(counter_collapses_all_vectors)
{
	int fd = device_open("NVME"), fds[8], i, fired = event();
	uint32_t before = 0, after;

	for (i = 0; i < 8; i++)
		fds[i] = i == 3 ? fired : COUNTER;
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 8, fds));
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 1, NULL));
	EQUAL(read(fd, &before, 4), 4);
	for (i = 0; i < 5; i++)
		OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 8, NULL));
	EQUAL(read(fd, &after, 4), 4);
	EQUAL(after - before, 40);
	EQUAL(event_count(fired), 5);
}

TEST(counter_wakes_a_blocked_reader)
{
	int fd = device_open("NVME"), fds[1] = { COUNTER }, status;
	uint32_t count;
	pid_t child;

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, fds));
	child = fork();
	if (!child) {
		EQUAL(read(fd, &count, 4), 4);
		ERRNO(read(fd, &count, 4), ENODEV);	/* revoked while it waits */
		_exit(0);
	}
	sleep_ms(100);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 1, NULL));
	sleep_ms(100);
	OK(plain(device_try("NVME", UPU_O_CONTROL), UPU_REVOKE));
	waitpid(child, &status, 0);
	EQUAL(status, 0);
}
