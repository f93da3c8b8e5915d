// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's log, which no user may fill: what he can do again and again is done again and again,
 * and the lines that have come meanwhile are counted.
 */
#define _GNU_SOURCE
#include "device.h"

#define MOST	10	/* lines, some of which are others' */

static int log_end(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	CHECK(fd >= 0);
	lseek(fd, 0, SEEK_END);
	return fd;
}

/* What has come since; a line that was overwritten before it was read counts too. */
static void log_is_short(int log, int rounds)
{
	char line[1024];
	int lines = 0;
	ssize_t size;

	CHECK(rounds > 2 * MOST);
	while ((size = read(log, line, sizeof(line) - 1)) >= 0 || errno == EPIPE) {
		line[size < 0 ? 0 : size] = 0;
		if (lines++ < MOST)
			printf("# %.*s\n", (int)strcspn(line, "\n"), line);
	}
	EQUAL(errno, EAGAIN);
	if (lines > MOST)
		FAIL("%d lines in the kernel's log after %d rounds", lines, rounds);
}

static void power(int fd, uint32_t state)
{
	unsigned int cap = find_cap(fd, 1);

	if (cap)
		config_write(fd, cap + 4, 2, state);
}

ROOT_TEST(opening_and_resetting_fills_no_log)
{
	static const char * const name[] = { "EDU", "NVME", "IGB", "IVSHMEM", "RNG", "TESTDEV" };
	int log = log_end(), rounds = loops(25, 1000), i, fd;
	unsigned int each;

	for (i = 0; i < rounds; i++)
		for (each = 0; each < sizeof(name) / sizeof(name[0]); each++) {
			fd = device_open(name[each]);
			if (plain(fd, UPU_RESET))
				EQUAL(errno, EOPNOTSUPP);
			config_write(fd, 4, 2, 0);
			power(fd, 3);
			power(fd, 0);
			ERRNO(ioctl(fd, UPU_RESET, NULL), EFAULT);
			close(fd);
		}
	log_is_short(log, rounds);
}

ROOT_TEST(power_rom_and_vpd_fill_no_log)
{
	static const char * const name[] = { "IGB", "RNG", "TESTDEV" };
	int log = log_end(), rounds = 1000, i, fd, vpd;
	unsigned int each;
	char byte;

	for (each = 0; each < sizeof(name) / sizeof(name[0]); each++) {
		fd = device_open(name[each]);
		vpd = find_cap(fd, 3);
		for (i = 0; i < rounds; i++) {
			pread(fd, &byte, 1, UPU_WINDOW_OFFSET(UPU_WINDOW_ROM) + i);
			if (vpd)
				config_write(fd, vpd + 2, 2, i & ~3);
			if (i % 10)
				continue;
			power(fd, 3);
			power(fd, 0);
		}
		close(fd);
	}
	log_is_short(log, rounds);
}

/* Of two devices on one line, one cannot mask its interrupt (kernel/selftest/exclusive). */
static int line_of(const char *name)
{
	char path[128], text[16] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/irq", device_address(name));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atoi(text);
}

ROOT_TEST(a_taken_line_fills_no_log)
{
	int first = device_open("RNG"), second = device_open("IGB"), fired = event(), i, log;

	CHECK(device_info(second).flags & UPU_INFO_INTX_EXCLUSIVE);
	EQUAL(line_of("RNG"), line_of("IGB"));
	OK(irqs(first, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, &fired));
	log = log_end();
	for (i = 0; i < 1000; i++)
		ERRNO(irqs(second, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, &fired), EBUSY);
	log_is_short(log, 1000);
	/* And the other way round. */
	OK(irqs(first, UPU_IRQ_INTX, UPU_IRQ_DISARM, 0, 1, NULL));
	OK(irqs(second, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, &fired));
	for (i = 0; i < 1000; i++)
		ERRNO(irqs(first, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, &fired), EBUSY);
	log_is_short(log, 1000);
}
