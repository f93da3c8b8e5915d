// SPDX-License-Identifier: Apache-2.0
/*
 * measure ADDRESS TURNS SCALE
 *
 * What the kernel's side costs through vfio-pci with type1, and through uio_pci_user: the same loops on the same
 * device with the same memory, in turn. Prints lines "BACKEND NAME P50 P99", nanoseconds, medians over the turns. The
 * device is QEMU's edu; it is bound by lab-bind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uio_pci_user.h"
#include "../meter.h"
#include "../vfio.h"

#define MOST_TURNS	32
#define IOVA		(1ull << 30)
#define EDU_BAR		4096
#define EDU_RAISE	(0x60 / 4)
#define EDU_ACK		(0x64 / 4)

static struct vfio vfio;
static int uio = -1;			/* the module's; -1: VFIO it is */

static void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the same four things, twice ---- */

static void device_open(const char *backend, const char *address)
{
	char path[64];

	if (!strcmp(backend, "vfio")) {
		errno = -vfio_open(&vfio, address);
		must(!errno, "VFIO");
		return;
	}
	snprintf(path, sizeof(path), "/dev/uio_pci_user/%.32s", address);
	uio = open(path, O_RDWR | O_CLOEXEC);
	must(uio >= 0, path);
}

static int map(const void *memory, uint64_t size)
{
	struct upu_dma_map arg = { .argsz = sizeof(arg), .flags = UPU_DMA_READ | UPU_DMA_WRITE,
				   .vaddr = (uintptr_t)memory, .size = size, .iova = IOVA };

	return uio < 0 ? vfio_map(&vfio, memory, size, IOVA) : ioctl(uio, UPU_DMA_MAP, &arg);
}

static int unmap(uint64_t size)
{
	struct upu_dma_unmap arg = { .argsz = sizeof(arg), .iova = IOVA, .size = size };

	if (uio < 0)
		return vfio_unmap(&vfio, IOVA, size);
	return ioctl(uio, UPU_DMA_UNMAP, &arg) || arg.size != size;
}

static volatile uint32_t *bar0(void)
{
	void *bar;

	if (uio < 0)
		return vfio_bar0(&vfio, EDU_BAR);
	bar = mmap(NULL, EDU_BAR, PROT_READ | PROT_WRITE, MAP_SHARED, uio, UPU_WINDOW_OFFSET(0));
	return bar == MAP_FAILED ? NULL : bar;
}

static int arm(int eventfd)
{
	struct upu_set_irqs set = { .argsz = sizeof(set), .kind = UPU_IRQ_MSI, .action = UPU_IRQ_ARM,
				    .count = 1, .fds = (uintptr_t)&eventfd };
	off_t command_at = UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG) + 4;
	uint16_t command;

	if (uio < 0)
		return vfio_arm(&vfio, eventfd);
	if (pread(uio, &command, 2, command_at) != 2)
		return -1;
	command |= 6;
	if (pwrite(uio, &command, 2, command_at) != 2)
		return -1;
	return ioctl(uio, UPU_SET_IRQS, &set);
}

/* ---- what is measured ---- */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* A figure of each turn, by backend. */
struct result {
	const char *name;
	int turns[2];
	int64_t p50[2][MOST_TURNS];
	int64_t p99[2][MOST_TURNS];
};

static struct result results[16];

static void report(const char *name, int64_t *elapsed, int count)
{
	struct result *result = results;
	int backend = uio >= 0, turn;

	while (result->name && strcmp(result->name, name))
		result++;
	result->name = name;
	turn = result->turns[backend]++;
	qsort(elapsed, count, sizeof(*elapsed), by_size);
	result->p50[backend][turn] = elapsed[count / 2];
	result->p99[backend][turn] = elapsed[count - 1 - count / 100];
}

static int64_t median(int64_t *values, int count)
{
	qsort(values, count, sizeof(*values), by_size);
	return values[count / 2];
}

static void measure_interrupts(int times)
{
	volatile uint32_t *bar = bar0();
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), epoll = epoll_create1(EPOLL_CLOEXEC), i;
	struct epoll_event event = { .events = EPOLLIN };
	int64_t *elapsed = calloc(times, sizeof(*elapsed)), start;
	uint64_t count;

	must(bar != NULL, "BAR 0");
	must(!arm(fd), "arming MSI");
	must(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
	for (i = -times / 10; i < times; i++) {
		start = clock_ns(CLOCK_MONOTONIC);
		bar[EDU_RAISE] = 1;
		must(epoll_wait(epoll, &event, 1, 5000) == 1, "no interrupt");
		if (i >= 0)
			elapsed[i] = clock_ns(CLOCK_MONOTONIC) - start;
		must(read(fd, &count, sizeof(count)) == sizeof(count) && count == 1, "not one interrupt");
		bar[EDU_ACK] = 1;
	}
	report("interrupt", elapsed, times);
	free(elapsed);
	munmap((void *)bar, EDU_BAR);
	close(epoll);
	close(fd);
}

static char *memory_new(uint64_t size, int advice)
{
	/* Aligned to huge pages, as DmaMemory aligns it. */
	char *at = mmap(NULL, size + (2 << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(at != MAP_FAILED, "memory");
	at = (char *)(((uintptr_t)at + (2 << 20) - 1) & ~((uintptr_t)(2 << 20) - 1));
	must(!madvise(at, size, MADV_DONTFORK) && !madvise(at, size, advice), "madvise");
	must(!madvise(at, size, MADV_POPULATE_WRITE), "populating");
	return at;
}

static void measure_pairs(const char *name, char *at, uint64_t size, int times)
{
	int64_t *elapsed = calloc(times, sizeof(*elapsed)), start;
	int i;

	for (i = -1 - times / 10; i < times; i++) {
		start = clock_ns(CLOCK_MONOTONIC);
		must(!map(at, size), "map");
		must(!unmap(size), "unmap");
		if (i >= 0)
			elapsed[i] = clock_ns(CLOCK_MONOTONIC) - start;
	}
	report(name, elapsed, times);
	free(elapsed);
}

/* munmap of memory that the device can reach, or that it can not. */
static void measure_munmap(const char *name, uint64_t size, int mapped, int times)
{
	int64_t *elapsed = calloc(times, sizeof(*elapsed)), start;
	struct upu_invalidation record;
	struct upu_get_invalidations get = { .argsz = sizeof(get), .capacity = 1, .records = (uintptr_t)&record };
	int i;

	for (i = 0; i < times; i++) {
		char *at = memory_new(size, MADV_NOHUGEPAGE);

		if (mapped)
			must(!map(at, size), "map");
		start = clock_ns(CLOCK_MONOTONIC);
		must(!munmap(at, size), "munmap");
		elapsed[i] = clock_ns(CLOCK_MONOTONIC) - start;
		if (mapped)
			must(!ioctl(uio, UPU_GET_INVALIDATIONS, &get) && record.size == size, "no invalidation");
	}
	report(name, elapsed, times);
	free(elapsed);
}

/* ---- turns ---- */

static void device_close(void)
{
	if (uio < 0)
		vfio_close(&vfio);
	else
		close(uio);
	uio = -1;
}

static void bind_to(const char *address, const char *driver)
{
	char command[128];

	snprintf(command, sizeof(command), "lab-bind %.32s %.32s >&2", address, driver);
	must(!system(command), command);
}

int main(int count, char **args)
{
	static const char *const backend[] = { "vfio", "uio" }, *const driver[] = { "vfio-pci", "uio_pci_user" };
	int scale, turns, turn, i;
	struct result *result;
	char *small, *huge;

	if (count != 4 || (turns = atoi(args[2])) < 1 || turns > MOST_TURNS || (scale = atoi(args[3])) < 1) {
		fprintf(stderr, "usage: measure ADDRESS TURNS SCALE\n");
		return 2;
	}
	huge = memory_new(1 << 30, MADV_HUGEPAGE);
	small = memory_new(2 << 20, MADV_NOHUGEPAGE);
	for (turn = 0; turn < turns; turn++)
		for (i = 0; i < 2; i++) {
			int which = (turn + i) % 2;	/* who begins changes */

			bind_to(args[1], driver[which]);
			device_open(backend[which], args[1]);
			measure_interrupts(100 * scale);
			measure_pairs("map-4KiB", small, 4 << 10, 100 * scale);
			measure_pairs("map-64KiB", small, 64 << 10, 20 * scale);
			measure_pairs("map-2MiB", small, 2 << 20, 4 * scale);
			measure_pairs("map-2MiB-huge", huge, 2 << 20, 10 * scale);
			measure_pairs("map-1GiB-huge", huge, 1 << 30, 1);
			if (uio >= 0) {
				measure_munmap("munmap-4KiB-alone", 4 << 10, 0, 20 * scale);
				measure_munmap("munmap-4KiB-mapped", 4 << 10, 1, 20 * scale);
				measure_munmap("munmap-2MiB-alone", 2 << 20, 0, 2 * scale);
				measure_munmap("munmap-2MiB-mapped", 2 << 20, 1, 2 * scale);
			}
			device_close();
		}
	bind_to(args[1], driver[0]);
	for (result = results; result->name; result++)
		for (i = 0; i < 2; i++)
			if (result->turns[i])
				printf("%s %s %lld %lld\n", backend[i], result->name,
				       (long long)median(result->p50[i], result->turns[i]),
				       (long long)median(result->p99[i], result->turns[i]));
	return 0;
}
