// SPDX-License-Identifier: GPL-2.0
/* INTx: one line, which masks itself. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>

#include "device.h"

#define NONE	UPU_IRQ_FD_NONE

static int intx_open(int *fired)
{
	int fd = device_open("EDU");

	EQUAL(device_info(fd).intx, 1);
	/* Once more with a device that cannot mask it (kernel/selftest/exclusive). */
	EQUAL(!!(device_info(fd).flags & UPU_INFO_INTX_EXCLUSIVE), !!getenv("UPU_EXCLUSIVE"));
	*fired = event();
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, fired));
	return fd;
}

TEST(intx_masks_itself)
{
	int fired, fd = intx_open(&fired);

	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 1);
	EQUAL(event_wait(fired, 100), 0);	/* though it still asks */
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_UNMASK, 0, 1, NULL));
	EQUAL(event_wait(fired, 2000), 1);	/* it still asks: told anew */
	edu_ack(fd);
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_UNMASK, 0, 1, NULL));
	EQUAL(event_wait(fired, 100), 0);
	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 1);
	edu_ack(fd);
}

TEST(intx_is_unmasked_by_its_resample_eventfd)
{
	int fired, fd = intx_open(&fired), resample = event(), i;
	uint64_t one = 1;

	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_RESAMPLE, 0, 1, &resample));
	for (i = 0; i < 10; i++) {
		edu_raise(fd);
		EQUAL(event_wait(fired, 2000), 1);
		edu_ack(fd);
		EQUAL(write(resample, &one, 8), 8);
		sleep_ms(20);
	}
	resample = NONE;
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_RESAMPLE, 0, 1, &resample));
	resample = fd;
	ERRNO(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_RESAMPLE, 0, 1, &resample), EINVAL);
	resample = 999;
	ERRNO(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_RESAMPLE, 0, 1, &resample), EBADF);
}

TEST(intx_follows_command_bit_10)
{
	int fired, fd = intx_open(&fired);
	uint32_t command = config_read(fd, 4, 2);

	config_write(fd, 4, 2, command | 0x400);
	CHECK(config_read(fd, 4, 2) & 0x400);
	edu_raise(fd);
	EQUAL(event_wait(fired, 100), 0);
	config_write(fd, 4, 2, command);
	EQUAL(event_wait(fired, 2000), 1);
	CHECK(!(config_read(fd, 4, 2) & 0x400));	/* its own mask does not show */
	edu_ack(fd);
}

static pid_t write_command_bit_10(int fd)
{
	uint32_t command = config_read(fd, 4, 2);
	pid_t child = fork();
	int i;

	if (child)
		return child;
	for (i = 0; i < 400; i++)
		config_write(fd, 4, 2, i & 1 ? command : command | 0x400);
	_exit(0);
}

static void expect_no_intx_left_out(int fd, int fired)
{
	edu_ack(fd);
	CHECK(!(config_read(fd, 4, 2) & 0x400));
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_UNMASK, 0, 1, NULL));
	event_count(fired);
	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 1);
	edu_ack(fd);
}

/* CVE-2024-26810: COMMAND bit 10, SET_IRQS and the device's own interrupt from three sides. */
TEST(intx_mask_races_arming)
{
	int fired, fd = intx_open(&fired), i, status;
	volatile uint32_t *bar;
	pid_t device, child;
	uint64_t heard = 0;

	device = fork();
	if (!device) {
		bar = bar_map(fd, 0, 0, PAGE);
		CHECK(bar != MAP_FAILED);
		for (;;) {
			bar[EDU_RAISE / 4] = 1;
			bar[EDU_ACK / 4] = ~0u;
		}
	}
	child = write_command_bit_10(fd);
	for (i = 0; i < 200 || (!heard && i < 20000); i++) {
		OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, &fired));
		OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_UNMASK, 0, 1, NULL));
		heard += event_count(fired);
		OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_DISARM, 0, 0, NULL));
	}
	EQUAL(waitpid(child, &status, 0), child);
	EQUAL(status, 0);
	CHECK(heard);
	/* The same vector all the time: what became of its mask stays. */
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, &fired));
	child = write_command_bit_10(fd);
	do
		OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_UNMASK, 0, 1, NULL));
	while (!waitpid(child, &status, WNOHANG));
	EQUAL(status, 0);
	kill(device, SIGKILL);
	waitpid(device, &status, 0);
	expect_no_intx_left_out(fd, fired);
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_DISARM, 0, 0, NULL));
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, &fired));
	expect_no_intx_left_out(fd, fired);
}
