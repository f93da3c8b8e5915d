// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "device.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <time.h>

const char *device_address(const char *name)
{
	char variable[64];
	const char *address;

	snprintf(variable, sizeof(variable), "UPU_%s", name);
	address = getenv(variable);
	if (!address || !*address)
		SKIP("no %s here (%s is not set)", name, variable);
	return address;
}

const char *device_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/dev/uio_pci_user/%s", device_address(name));
	return path;
}

int device_try(const char *name, int flags)
{
	return open(device_path(name), flags | O_CLOEXEC);
}

int device_open(const char *name)
{
	int fd = device_try(name, O_RDWR);

	if (fd < 0)
		FAIL("open %s: %s", device_path(name), strerror(errno));
	return fd;
}

struct upu_info device_info(int fd)
{
	struct upu_info info = { .argsz = sizeof(info) };

	OK(ioctl(fd, UPU_GET_INFO, &info));
	return info;
}

struct upu_bar device_bar(int fd, unsigned int index)
{
	static struct upu_bar_range ranges[8];
	struct upu_bar bar = { .argsz = sizeof(bar), .index = index, .range_capacity = 8,
			       .ranges = (uintptr_t)ranges };

	OK(ioctl(fd, UPU_GET_BAR, &bar));
	return bar;
}

void *bar_map(int fd, unsigned int index, uint64_t offset, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    UPU_WINDOW_OFFSET(index) + offset);
}

static sigjmp_buf bus_error;

static void on_bus_error(int number)
{
	(void)number;
	siglongjmp(bus_error, 1);
}

int is_bus_error(volatile uint32_t *at)
{
	signal(SIGBUS, on_bus_error);
	if (sigsetjmp(bus_error, 1))
		return 1;
	(void)*at;
	return 0;
}

uint32_t window_read(int fd, unsigned int window, uint64_t offset, int width)
{
	uint32_t value = 0;

	EQUAL(pread(fd, &value, width, UPU_WINDOW_OFFSET(window) + offset), width);
	return value;
}

void window_write(int fd, unsigned int window, uint64_t offset, int width, uint32_t value)
{
	EQUAL(pwrite(fd, &value, width, UPU_WINDOW_OFFSET(window) + offset), width);
}

unsigned int find_cap(int fd, unsigned int id)
{
	unsigned int at = config_read(fd, 0x34, 1), left = 48;

	while (at && left--) {
		if (config_read(fd, at, 1) == id)
			return at;
		at = config_read(fd, at + 1, 1);
	}
	return 0;
}

uint16_t real_command(const char *name)
{
	char path[128];
	uint16_t command;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", device_address(name));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	EQUAL(pread(fd, &command, 2, 4), 2);
	close(fd);
	return command;
}

void bus_master(int fd, int on)
{
	uint32_t command = config_read(fd, 4, 2);

	config_write(fd, 4, 2, on ? command | 4 : command & ~4u);
}

int dma_map_flags(int fd, void *memory, uint64_t size, uint64_t iova, uint32_t flags)
{
	struct upu_dma_map arg = { .argsz = sizeof(arg), .flags = flags,
				   .vaddr = (uintptr_t)memory, .size = size, .iova = iova };

	return ioctl(fd, UPU_DMA_MAP, &arg);
}

int dma_map(int fd, void *memory, uint64_t size, uint64_t iova)
{
	return dma_map_flags(fd, memory, size, iova, UPU_DMA_READ | UPU_DMA_WRITE);
}

int dma_map_buffer(int fd, int buffer, uint64_t offset, uint64_t size, uint64_t iova)
{
	struct upu_dma_map arg = { .argsz = sizeof(arg), .fd = buffer, .vaddr = offset,
				   .size = size, .iova = iova,
				   .flags = UPU_DMA_READ | UPU_DMA_WRITE | UPU_DMA_BUFFER };

	return ioctl(fd, UPU_DMA_MAP, &arg);
}

int64_t dma_unmap(int fd, uint64_t iova, uint64_t size)
{
	struct upu_dma_unmap arg = { .argsz = sizeof(arg), .iova = iova, .size = size };

	return ioctl(fd, UPU_DMA_UNMAP, &arg) ? -1 : (int64_t)arg.size;
}

int64_t dma_unmap_all(int fd)
{
	struct upu_dma_unmap arg = { .argsz = sizeof(arg), .flags = UPU_DMA_UNMAP_ALL };

	return ioctl(fd, UPU_DMA_UNMAP, &arg) ? -1 : (int64_t)arg.size;
}

int dma_alloc(int fd, uint64_t size, uint32_t flags)
{
	struct upu_dma_alloc arg = { .argsz = sizeof(arg), .size = size, .flags = flags,
				     .numa_node = -1 };

	return ioctl(fd, UPU_DMA_ALLOC, &arg) ? -1 : arg.fd;
}

int invalidations(int fd, struct upu_invalidation *records, unsigned int capacity)
{
	struct upu_get_invalidations arg = { .argsz = sizeof(arg), .capacity = capacity,
					     .records = (uintptr_t)records };

	return ioctl(fd, UPU_GET_INVALIDATIONS, &arg) ? -1 : (int)arg.count;
}

int irqs_max(int fd, uint32_t kind, uint32_t start, uint32_t count, const int *fds, uint32_t maximum)
{
	struct upu_set_irqs arg = { .argsz = sizeof(arg), .kind = kind, .action = UPU_IRQ_ARM,
				    .start = start, .count = count, .maximum = maximum,
				    .fds = (uintptr_t)fds };

	return ioctl(fd, UPU_SET_IRQS, &arg);
}

int irqs(int fd, uint32_t kind, uint32_t action, uint32_t start, uint32_t count, const int *fds)
{
	struct upu_set_irqs arg = { .argsz = sizeof(arg), .kind = kind, .action = action,
				    .start = start, .count = count, .fds = (uintptr_t)fds };

	return ioctl(fd, UPU_SET_IRQS, &arg);
}

int plain(int fd, unsigned long call)
{
	struct upu_plain arg = { .argsz = sizeof(arg) };

	return ioctl(fd, call, &arg);
}

int set_eventfd(int fd, unsigned long call, int eventfd)
{
	struct upu_set_eventfd arg = { .argsz = sizeof(arg), .fd = eventfd };

	return ioctl(fd, call, &arg);
}

void *memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	madvise(at, size, MADV_NOHUGEPAGE);
	memset(at, 0, size);
	return at;
}

int event(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

uint64_t event_count(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

uint64_t event_wait(int fd, int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, ms) == 1 ? event_count(fd) : 0;
}

long locked_kb(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long kb = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmLck: %ld", &kb) == 1)
			break;
	if (file)
		fclose(file);
	return kb;
}

void sleep_ms(int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000l };

	nanosleep(&time, NULL);
}

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

void edu_raise(int fd)
{
	window_write(fd, 0, EDU_RAISE, 4, 1);
}

void edu_ack(int fd)
{
	window_write(fd, 0, EDU_ACK, 4, 0xffffffff);
}

/* edu's registers take 8 bytes at a time from 0x80 on. */
static void edu_write64(int fd, uint64_t offset, uint64_t value)
{
	EQUAL(pwrite(fd, &value, 8, UPU_WINDOW_OFFSET(0) + offset), 8);
}

void edu_begin(int fd, uint64_t from, uint64_t to, unsigned int size)
{
	uint64_t command = 1 | (to < EDU_BUFFER || to >= EDU_BUFFER + PAGE ? 2 : 0);

	edu_write64(fd, 0x80, from);
	edu_write64(fd, 0x88, to);
	edu_write64(fd, 0x90, size);
	edu_write64(fd, 0x98, command);
}

void edu_end(int fd)
{
	uint64_t command;
	int i;

	for (i = 0; i < 500; i++) {
		EQUAL(pread(fd, &command, 8, UPU_WINDOW_OFFSET(0) + 0x98), 8);
		if (!(command & 1))
			return;
		sleep_ms(10);
	}
	FAIL("edu's DMA does not end");
}

void edu_copy(int fd, uint64_t from, uint64_t to, unsigned int size)
{
	edu_begin(fd, from, to, size);
	edu_end(fd);
}

void edu_dma(int fd, uint64_t iova, unsigned int size, int to_memory)
{
	if (to_memory)
		edu_copy(fd, EDU_BUFFER, iova, size);
	else
		edu_copy(fd, iova, EDU_BUFFER, size);
}
