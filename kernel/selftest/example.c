// SPDX-License-Identifier: GPL-2.0
/* QEMU's edu copies a line of text, by DMA and interrupts: upu-example /dev/uio_pci_user/0000:01:00.0 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../uapi/uio_pci_user.h"

#define SIZE	65536
#define IOVA	0x100000	/* where the device finds the memory: ours to choose */
#define INSIDE	0x40000		/* edu's own buffer */

static volatile char *bar;
static int interrupt;

/* One transfer of edu: source, destination, length, and a command that ends with an interrupt. */
static void copy(uint64_t from, uint64_t to, int to_memory)
{
	uint64_t count;

	*(volatile uint64_t *)(bar + 0x80) = from;
	*(volatile uint64_t *)(bar + 0x88) = to;
	*(volatile uint64_t *)(bar + 0x90) = 64;
	*(volatile uint64_t *)(bar + 0x98) = 1 | to_memory << 1 | 4;
	if (read(interrupt, &count, sizeof(count)) != sizeof(count))
		err(1, "no interrupt");
	*(volatile uint32_t *)(bar + 0x64) = *(volatile uint32_t *)(bar + 0x24);
}

int main(int argc, char **argv)
{
	struct upu_dma_alloc alloc = { .argsz = sizeof(alloc), .size = SIZE, .numa_node = -1 };
	struct upu_dma_map map = { .argsz = sizeof(map), .size = SIZE, .iova = IOVA,
				   .flags = UPU_DMA_READ | UPU_DMA_WRITE | UPU_DMA_BUFFER };
	struct upu_set_irqs set = { .argsz = sizeof(set), .kind = UPU_IRQ_MSI,
				    .action = UPU_IRQ_ARM, .count = 1 };
	uint64_t config = UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG);
	uint16_t command;
	char *memory;
	int fd;

	if (argc != 2)
		errx(2, "usage: upu-example FILE");
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", argv[1]);		/* EBUSY: somebody has it */

	/* Registers: by mapping, or by pread and pwrite. */
	bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, UPU_WINDOW_OFFSET(0));
	if (bar == MAP_FAILED)
		err(1, "BAR 0");

	/* Configuration space: bus mastering on, without which there is neither DMA nor MSI. */
	if (pread(fd, &command, 2, config + 4) != 2)
		err(1, "COMMAND");
	command |= 4;
	if (pwrite(fd, &command, 2, config + 4) != 2)
		err(1, "COMMAND");

	/* Memory that nothing takes away, and the device's address of it. */
	if (ioctl(fd, UPU_DMA_ALLOC, &alloc))
		err(1, "UPU_DMA_ALLOC");	/* ENOMEM: ulimit -l */
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, alloc.fd, 0);
	if (memory == MAP_FAILED)
		err(1, "memory");
	map.fd = alloc.fd;
	if (ioctl(fd, UPU_DMA_MAP, &map))
		err(1, "UPU_DMA_MAP");

	/* One vector, and its eventfd. */
	interrupt = eventfd(0, EFD_CLOEXEC);
	set.fds = (uintptr_t)&interrupt;
	if (interrupt < 0 || ioctl(fd, UPU_SET_IRQS, &set))
		err(1, "UPU_SET_IRQS");

	strcpy(memory, "a line of text");
	copy(IOVA, INSIDE, 0);
	copy(INSIDE, IOVA + 4096, 1);
	printf("edu has copied: %s\n", memory + 4096);
	return 0;				/* and the device is quiet, whatever it was doing */
}
