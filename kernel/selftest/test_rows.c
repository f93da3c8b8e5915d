// SPDX-License-Identifier: GPL-2.0
/*
 * What the module promises of any device, asked of each kind that the lab has, in the same order: BARs
 * and their revocation, DMA and its accounting, each vector of each kind, and an end without a goodbye.
 * The other files ask more, of the one device that suits the question.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "device.h"
#include "igb.h"
#include "nvme.h"
#include "xhci.h"

#define IOVA	0x1000000ull
#define QUEUES	0x8000000ull

/* Whether the device reaches the page at @iova, which this process sees at @page. NULL: it does no DMA. */
typedef int (*reach)(int fd, uint8_t *page, uint64_t iova);

/* Whether the page is there: reading it costs no fault. It is there afterwards. */
static int is_mapped(volatile uint32_t *at)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	(void)*at;
	getrusage(RUSAGE_SELF, &after);
	return before.ru_minflt == after.ru_minflt;
}

/* ---- BARs ---- */

struct real_bar {
	unsigned long long start, end, flags;
};

static void real_bars(const char *name, struct real_bar *bars, int count)
{
	char path[128];
	FILE *file;
	int i;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", device_address(name));
	file = fopen(path, "r");
	CHECK(file);
	for (i = 0; i < count; i++)
		EQUAL(fscanf(file, "%llx %llx %llx", &bars[i].start, &bars[i].end, &bars[i].flags), 3);
	fclose(file);
}

/* Sizes and kinds as the kernel has them. Returns a page of registers, of window @index. */
static volatile uint32_t *bars(int fd, const char *name, unsigned int *index)
{
	struct real_bar real[7];
	volatile uint32_t *found = NULL, *at;
	struct upu_bar_range ranges[8];
	unsigned int i, j, windows = 0;

	real_bars(name, real, 7);
	for (i = 0; i <= UPU_WINDOW_ROM; i++) {
		struct upu_bar bar = { .argsz = sizeof(bar), .index = i, .range_capacity = 8,
				       .ranges = (uintptr_t)ranges };
		uint64_t size = real[i].start ? real[i].end - real[i].start + 1 : 0;

		OK(ioctl(fd, UPU_GET_BAR, &bar));
		EQUAL(bar.size, size);
		if (!size)
			continue;
		windows++;
		EQUAL(!!(bar.flags & UPU_BAR_IO), !!(real[i].flags & 0x100));
		EQUAL(!!(bar.flags & UPU_BAR_64), !!(real[i].flags & 0x100000));
		EQUAL(!!(bar.flags & UPU_BAR_WRITE), i != UPU_WINDOW_ROM);
		ERRNO(pread(fd, ranges, 4, UPU_WINDOW_OFFSET(i) + size), EFAULT);
		if (bar.flags & UPU_BAR_IO)
			ERRNO((intptr_t)bar_map(fd, i, 0, PAGE), EINVAL);
		for (j = 0; j < bar.range_count; j++) {
			at = bar_map(fd, i, ranges[j].offset, ranges[j].size);
			CHECK(at != MAP_FAILED);
			if (!found && !ranges[j].offset) {
				found = at;
				*index = i;
			}
		}
	}
	CHECK(windows && found);
	return found;
}

static void revocation(int fd, const char *name)
{
	uint32_t command = config_read(fd, 4, 2), value;
	unsigned int pm = find_cap(fd, 1), index = 0;
	volatile uint32_t *bar = bars(fd, name, &index);

	CHECK(!is_bus_error(bar));
	CHECK(is_mapped(bar));
	config_write(fd, 4, 2, command & ~2u);
	CHECK(is_bus_error(bar));
	ERRNO(pread(fd, &value, 4, UPU_WINDOW_OFFSET(index)), EIO);
	config_write(fd, 4, 2, command | 2);
	CHECK(!is_bus_error(bar));
	EQUAL(pread(fd, &value, 4, UPU_WINDOW_OFFSET(index)), 4);
	if (pm) {
		config_write(fd, pm + 4, 2, 3);
		CHECK(is_bus_error(bar));
		ERRNO(pread(fd, &value, 4, UPU_WINDOW_OFFSET(index)), EIO);
		config_write(fd, pm + 4, 2, 0);
		CHECK(!is_bus_error(bar));
	}
	CHECK(is_mapped(bar));
	if (device_info(fd).reset_kinds) {
		OK(plain(fd, UPU_RESET));
		CHECK(!is_mapped(bar));		/* until it was touched */
		CHECK(is_mapped(bar));
	} else {
		ERRNO(plain(fd, UPU_RESET), EOPNOTSUPP);
	}
	printf("# %s: D3 %s, resets %#x\n", name, pm ? "yes" : "no", device_info(fd).reset_kinds);

	bus_master(fd, 1);
	CHECK(real_command(name) & 4);
	OK(plain(device_try(name, UPU_O_CONTROL), UPU_REVOKE));
	CHECK(is_bus_error(bar));
	CHECK(!(real_command(name) & 4));
	ERRNO(pread(fd, &value, 4, UPU_WINDOW_OFFSET(index)), ENODEV);
	close(fd);
}

/* ---- memory ---- */

static void expect_pinned(int fd, uint64_t bytes, uint32_t mappings, long locked)
{
	int i;

	for (i = 0; i < 2000 && device_info(fd).pinned != bytes; i++)
		sleep_ms(1);		/* what went away is given back a moment later */
	EQUAL(device_info(fd).pinned, bytes);
	EQUAL(device_info(fd).dma_count, mappings);
	EQUAL(locked_kb(), locked);
}

static void memory_of(int fd, reach reaches)
{
	long locked = locked_kb();
	struct upu_invalidation record;
	uint8_t *area = memory(16 * PAGE), *page;
	int buffer;

	bus_master(fd, 1);
	OK(dma_map(fd, area, 16 * PAGE, IOVA));
	expect_pinned(fd, 16 * PAGE, 1, locked + 64);
	ERRNO(dma_map(fd, area, PAGE, IOVA + PAGE), EEXIST);
	ERRNO(dma_unmap(fd, IOVA, PAGE), EINVAL);
	EQUAL(dma_unmap(fd, IOVA, 16 * PAGE), 16 * PAGE);
	expect_pinned(fd, 0, 0, locked);
	OK(dma_map(fd, area, 16 * PAGE, IOVA));
	EQUAL(munmap(area, 16 * PAGE), 0);
	EQUAL(invalidations(fd, &record, 1), 1);
	EQUAL(record.iova, IOVA);
	expect_pinned(fd, 0, 0, locked);

	buffer = dma_alloc(fd, PAGE, 0);
	CHECK(buffer >= 0);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	CHECK(page != MAP_FAILED);
	if (reaches) {
		/* Unreached first: it may be of no use any more once its DMA has failed. */
		OK(dma_map_buffer(fd, buffer, 0, PAGE, IOVA));
		CHECK(reaches(fd, page, IOVA));
		CHECK(reaches(fd, page, IOVA));
		EQUAL(dma_unmap_all(fd) >= (int64_t)PAGE, 1);
		CHECK(!reaches(fd, page, IOVA));
	}
}

/* ---- interrupts ---- */

static void vectors_of(int fd, uint32_t kind, unsigned int count)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	int *fds = calloc(count + 1, sizeof(*fds)), none = UPU_IRQ_FD_NONE;
	unsigned int i, j;
	uint32_t before, after;

	for (i = 0; i <= count; i++)
		fds[i] = event();
	ERRNO(irqs(fd, kind, UPU_IRQ_ARM, 0, count + 1, fds), count ? EINVAL : EOPNOTSUPP);
	if (!count)
		return;
	OK(irqs(fd, kind, UPU_IRQ_ARM, 0, count, fds));
	for (i = 0; i < count; i++) {
		OK(irqs(fd, kind, UPU_IRQ_TRIGGER, i, 1, NULL));
		for (j = 0; j < count; j++)
			EQUAL(event_count(fds[j]), j == i);
		OK(irqs(fd, kind, UPU_IRQ_MASK, i, 1, NULL));
		OK(irqs(fd, kind, UPU_IRQ_TRIGGER, i, 1, NULL));
		EQUAL(event_count(fds[i]), 0);
		OK(irqs(fd, kind, UPU_IRQ_UNMASK, i, 1, NULL));
		EQUAL(event_count(fds[i]), 1);
	}
	/* The counter has heard all of it. */
	EQUAL(poll(&polled, 1, 0), 1);
	EQUAL(read(fd, &before, 4), 4);
	EQUAL(poll(&polled, 1, 0), 0);
	OK(irqs(fd, kind, UPU_IRQ_UNMASK, 0, count, NULL));
	OK(irqs(fd, kind, UPU_IRQ_TRIGGER, 0, count, NULL));
	EQUAL(poll(&polled, 1, 0), 1);
	EQUAL(read(fd, &after, 4), 4);
	EQUAL(after - before, count);
	OK(irqs(fd, kind, UPU_IRQ_ARM, count - 1, 1, &none));
	ERRNO(irqs(fd, kind, UPU_IRQ_TRIGGER, count - 1, 1, NULL), ENXIO);
	if (count > 1)
		OK(irqs(fd, kind, UPU_IRQ_DISARM, 0, 0, NULL));
	for (i = 0; i <= count; i++)
		close(fds[i]);
	free(fds);
}

/* A device without any has no counter either. */
static void counter_of(int fd, struct upu_info info)
{
	uint32_t kind = info.intx ? UPU_IRQ_INTX : info.msi ? UPU_IRQ_MSI : UPU_IRQ_MSIX, count;
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	int on = 1;

	if (!info.intx && !info.msi && !info.msix) {
		ERRNO(write(fd, &on, 4), EIO);
		return;
	}
	EQUAL(write(fd, &on, 4), 4);
	OK(irqs(fd, kind, UPU_IRQ_TRIGGER, 0, 1, NULL));
	EQUAL(poll(&polled, 1, 0), 1);
	EQUAL(read(fd, &count, 4), 4);
	OK(irqs(fd, kind, UPU_IRQ_DISARM, 0, 0, NULL));
}

static void interrupts_of(int fd, const char *name)
{
	struct upu_info info = device_info(fd);

	bus_master(fd, 1);
	vectors_of(fd, UPU_IRQ_INTX, info.intx);
	vectors_of(fd, UPU_IRQ_MSI, info.msi);
	vectors_of(fd, UPU_IRQ_MSIX, info.msix);
	counter_of(fd, info);
	printf("# %s: %u INTx, %u MSI, %u MSI-X\n", name, info.intx, info.msi, info.msix);
}

/* ---- the end ---- */

static void use_until_killed(const char *name, int ready)
{
	int fd = device_open(name), fds[4] = { event(), event(), event(), event() };
	struct upu_info info = device_info(fd);
	unsigned int index = 0;

	bus_master(fd, 1);
	(void)*bars(fd, name, &index);
	OK(dma_map(fd, memory(16 * PAGE), 16 * PAGE, IOVA));
	if (info.msix)
		OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, info.msix < 4 ? info.msix : 4, fds));
	else if (info.msi)
		OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, fds));
	EQUAL(write(ready, "x", 1), 1);
	for (;;)
		pause();
}

static void death_of_the_user(const char *name)
{
	int pipes[2], status, fd;
	struct upu_info info;
	pid_t child;
	char byte;

	CHECK(!pipe(pipes));
	child = fork();
	if (!child)
		use_until_killed(name, pipes[1]);
	close(pipes[1]);
	EQUAL(read(pipes[0], &byte, 1), 1);
	CHECK(real_command(name) & 4);
	ERRNO(device_try(name, O_RDWR), EBUSY);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	CHECK(WIFSIGNALED(status));
	CHECK(!(real_command(name) & 4));
	fd = device_open(name);
	info = device_info(fd);
	EQUAL(info.dma_count, 0);
	EQUAL(info.pinned, 0);
	if (info.msi + info.msix)
		ERRNO(irqs(fd, info.msix ? UPU_IRQ_MSIX : UPU_IRQ_MSI, UPU_IRQ_TRIGGER, 0, 1, NULL), ENXIO);
	OK(dma_map(fd, memory(PAGE), PAGE, IOVA));
	close(fd);
}

static void rows(const char *name, reach reaches)
{
	int fd;

	revocation(device_open(name), name);
	fd = device_open(name);
	memory_of(fd, reaches);
	close(fd);
	fd = device_open(name);
	interrupts_of(fd, name);
	close(fd);
	death_of_the_user(name);
}

/* ---- the engines ---- */

static int edu_reaches(int fd, uint8_t *page, uint64_t iova)
{
	memset(page, 0x77, 256);
	edu_dma(fd, iova, 256, 0);
	memset(page, 0, 256);
	edu_dma(fd, iova, 256, 1);
	return page[0] == 0x77 && page[255] == 0x77;
}

static struct nvme nvme;

static int nvme_reaches(int fd, uint8_t *page, uint64_t iova)
{
	static int fired;

	if (!fired) {
		fired = event();
		OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, &fired));
		nvme_restart(&nvme, fd, QUEUES, iova, 1);
	}
	event_count(fired);
	memset(page, 0, PAGE);
	if (device_info(fd).dma_count) {
		nvme_wait(&nvme);
		CHECK(event_wait(fired, 2000));	/* of the answers, on the admin queue's vector */
	} else {
		sleep_ms(200);			/* its queues are gone as well: it is not heard of again */
		nvme_stop(&nvme);
		munmap(nvme.queues, 2 * PAGE);
		munmap((void *)nvme.registers, 2 * PAGE);
	}
	return page[0] || page[1];
}

TEST(rows_of_edu) { rows("EDU", edu_reaches); }
TEST(rows_of_nvme) { rows("NVME", nvme_reaches); }
TEST(rows_of_igb) { rows("IGB", igb_reaches); }
TEST(rows_of_a_vf) { rows("VF", igb_vf_reaches); }
TEST(rows_of_ivshmem) { rows("IVSHMEM", NULL); }
TEST(rows_of_testdev) { rows("TESTDEV", NULL); }
TEST(rows_of_xhci) { rows("XHCI", xhci_reaches); }
