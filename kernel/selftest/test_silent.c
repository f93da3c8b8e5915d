// SPDX-License-Identifier: GPL-2.0
/*
 * A device whose registers do not say what they said: configuration space that reads all ones, as through a reset or a link that is
 * down, and memory decoding that is off. What depends on them was asked at open().
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "device.h"

#define SECONDARY_BUS	0x19
#define TABLE		3	/* igb's BAR with the MSI-X table, at 0 */

/* The bus behind igb's port has another number for a while: configuration space is gone, memory is routed as ever. */
static uint8_t renumber_bus(uint8_t number)
{
	char path[128];
	uint8_t before;
	int port;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/../config", device_address("IGB"));
	port = open(path, O_RDWR | O_CLOEXEC);
	CHECK(port >= 0);
	EQUAL(pread(port, &before, 1, SECONDARY_BUS), 1);
	EQUAL(pwrite(port, &number, 1, SECONDARY_BUS), 1);
	close(port);
	return before;
}

/* 82576, 8.8: GPIE (MSI-X, a bit for each vector), EIMS, and EICS, which raises. An MSI is a write to memory. */
static void raise_igb(int fd)
{
	bus_master(fd, 1);
	window_write(fd, 0, 0x1514, 4, 0x80000010 | 1u << 31);
	window_write(fd, 0, 0x152c, 4, 1);
	window_write(fd, 0, 0x1524, 4, 1);
	window_write(fd, 0, 0x1520, 4, 1);
}

static int count_only(int fd, uint32_t kind, uint32_t action, uint32_t start, uint32_t count)
{
	static int fds[128];
	unsigned int i;

	for (i = 0; i < 128; i++)
		fds[i] = UPU_IRQ_FD_COUNTER;
	return irqs(fd, kind, action, start, count, action == UPU_IRQ_ARM ? fds : NULL);
}

ROOT_TEST(a_device_that_reads_all_ones_has_no_more_vectors)
{
	static const uint32_t kinds[] = { UPU_IRQ_MSIX, UPU_IRQ_MSI };
	int fd = device_open("IGB"), fired = event(), i, silent, more, more_errno, less, less_errno;
	unsigned int count;
	uint8_t bus;

	for (i = 0; i < 2; i++) {
		count = kinds[i] == UPU_IRQ_MSIX ? device_info(fd).msix : device_info(fd).msi;
		OK(irqs(fd, kinds[i], UPU_IRQ_ARM, 0, 1, &fired));
		bus = renumber_bus(0);
		/* Nothing is checked before it answers again. */
		silent = real_command("IGB") == 0xffff;
		more = count_only(fd, kinds[i], UPU_IRQ_ARM, count, 100);
		more_errno = errno;
		less = count_only(fd, kinds[i], UPU_IRQ_DISARM, count, 100);
		less_errno = errno;
		renumber_bus(bus);
		CHECK(silent);
		EQUAL(more, -1);
		EQUAL(more_errno, EINVAL);
		EQUAL(less, -1);
		EQUAL(less_errno, EINVAL);
		OK(irqs(fd, kinds[i], UPU_IRQ_TRIGGER, 0, 1, NULL));
		EQUAL(event_count(fired), 1);
		OK(irqs(fd, kinds[i], UPU_IRQ_DISARM, 0, 0, NULL));
	}
}

ROOT_TEST(a_device_that_reads_all_ones_keeps_its_msix_table)
{
	int fd = device_open("IGB"), fired = event();
	uint32_t ones[4], bad[4] = { 0, 0, 0, 1 };
	int got, put;
	uint8_t bus;

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, &fired));
	bus = renumber_bus(0);
	got = pread(fd, ones, 16, UPU_WINDOW_OFFSET(TABLE));
	put = pwrite(fd, bad, 16, UPU_WINDOW_OFFSET(TABLE));
	renumber_bus(bus);
	EQUAL(got, 16);
	EQUAL(put, 16);		/* and dropped */
	EQUAL(ones[0] & ones[1] & ones[2] & ones[3], ~0u);
	raise_igb(fd);
	CHECK(event_wait(fired, 2000));
}

TEST(masks_reach_the_msix_table_while_memory_is_disabled)
{
	int fd = device_open("IGB"), fired = event(), i;
	uint32_t command = config_read(fd, 4, 2), off = 0, on = 1;

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, &fired));
	for (i = 0; i < 2; i++) {	/* by SET_IRQS, and by the counter's write() */
		if (i)
			EQUAL(write(fd, &off, 4), 4);
		else
			OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_MASK, 0, 1, NULL));
		config_write(fd, 4, 2, command & ~2u);
		if (i)
			EQUAL(write(fd, &on, 4), 4);
		else
			OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_UNMASK, 0, 1, NULL));
		EQUAL(config_read(fd, 4, 2) & 2, 0);
		config_write(fd, 4, 2, command);
		raise_igb(fd);
		CHECK(event_wait(fired, 2000));
		event_count(fired);
	}
}

TEST(affinity_is_not_for_a_device_that_sleeps)
{
	uint64_t cpus = 1;
	struct upu_affinity arg = { .argsz = sizeof(arg), .mask_size = 8, .mask = (uintptr_t)&cpus };
	int fd = device_open("IGB"), fired = event();
	unsigned int pm = find_cap(fd, 1);

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, &fired));
	config_write(fd, pm + 4, 1, 3);
	ERRNO(ioctl(fd, UPU_SET_AFFINITY, &arg), EBUSY);
	config_write(fd, pm + 4, 1, 0);
	OK(ioctl(fd, UPU_SET_AFFINITY, &arg));
}

/* ---- who reads the kernel's files of an interrupt into registers while the interrupt goes ---- */

#define MEMORY	2	/* ivshmem's BAR that is memory: whatever is written there does no harm */

struct reader {
	int fd;
	int end;
	int reads;
	int interrupts[64];
	int count;
};

/* Interrupts of the device, by /proc/interrupts: they get the same numbers again. */
static void find_interrupts(struct reader *reader)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[1024];

	CHECK(file);
	reader->count = 0;
	while (fgets(line, sizeof(line), file) && reader->count < 64)
		if (strstr(line, device_address("IVSHMEM")))
			reader->interrupts[reader->count++] = atoi(line);
	fclose(file);
}

static void *read_into_registers(void *arg)
{
	struct reader *reader = arg;
	char path[64];
	void *bar;
	int i, file;

	while (!__atomic_load_n(&reader->end, __ATOMIC_RELAXED)) {
		for (i = 0; i < reader->count; i++) {
			snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity", reader->interrupts[i]);
			bar = bar_map(reader->fd, MEMORY, 0, PAGE);
			file = open(path, O_RDONLY | O_CLOEXEC);
			if (file >= 0 && bar != MAP_FAILED && read(file, bar, 64) > 0)
				__atomic_add_fetch(&reader->reads, 1, __ATOMIC_RELAXED);
			if (file >= 0)
				close(file);
			if (bar != MAP_FAILED)
				munmap(bar, PAGE);
		}
	}
	return NULL;
}

/* To free an interrupt waits for the reader, whose page fault must not wait for who frees it. */
TEST(threads_race_the_files_of_their_interrupts)
{
	struct reader reader = { .fd = device_open("IVSHMEM") };
	int fds[2] = { event(), event() }, i;
	double start = now();
	pthread_t thread[2];

	OK(irqs(reader.fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 2, fds));
	find_interrupts(&reader);
	EQUAL(reader.count, 2);
	for (i = 0; i < 2; i++)
		EQUAL(pthread_create(&thread[i], NULL, read_into_registers, &reader), 0);
	for (i = 0; now() - start < 5; i++) {
		OK(irqs(reader.fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 0, 0, NULL));
		OK(irqs(reader.fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 2, fds));
	}
	__atomic_store_n(&reader.end, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	CHECK(reader.reads > 0);
}
