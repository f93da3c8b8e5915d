// SPDX-License-Identifier: GPL-2.0
/* NVM Express base specification 2.0: 3.1 (registers), 3.3 (queues), 5.17 (Identify). */
#define _GNU_SOURCE
#include "nvme.h"
#include "device.h"

#define DEPTH		32
#define SUBMISSION	64	/* bytes of an entry */
#define COMPLETION	16

enum { CC = 0x14 / 4, CSTS = 0x1c / 4, AQA = 0x24 / 4, ASQ = 0x28 / 4, ACQ = 0x30 / 4,
       TAIL = 0x1000 / 4, HEAD = 0x1004 / 4 };

static void ready(struct nvme *nvme, unsigned int want)
{
	int i;

	for (i = 0; i < 1000 && (nvme->registers[CSTS] & 1) != want; i++)
		sleep_ms(5);
	EQUAL(nvme->registers[CSTS] & 1, want);
}

static void submit(struct nvme *nvme)
{
	uint32_t *entry = (uint32_t *)(nvme->queues + nvme->tail * SUBMISSION);
	uint64_t page = nvme->iova + nvme->sent % nvme->pages * PAGE;

	memset(entry, 0, SUBMISSION);
	entry[0] = 6 | (nvme->sent & 0xffff) << 16;
	memcpy(entry + 6, &page, 8);		/* PRP 1 */
	entry[10] = 1;				/* CNS: the controller */
	nvme->tail = (nvme->tail + 1) % DEPTH;
	nvme->sent++;
}

static void reap(struct nvme *nvme)
{
	volatile uint16_t *entry = (volatile uint16_t *)(nvme->queues + PAGE +
							 nvme->head * COMPLETION);

	while ((entry[7] & 1) == nvme->phase) {
		nvme->refused += entry[7] >> 1 != 0;
		nvme->head = (nvme->head + 1) % DEPTH;
		nvme->phase ^= !nvme->head;
		__atomic_add_fetch(&nvme->done, 1, __ATOMIC_SEQ_CST);
		entry = (volatile uint16_t *)(nvme->queues + PAGE + nvme->head * COMPLETION);
	}
	nvme->registers[HEAD] = nvme->head;
}

static void *pump(void *argument)
{
	struct nvme *nvme = argument;

	while (!nvme->stop) {
		uint64_t before = nvme->done;

		while (nvme->sent - nvme->done < DEPTH - 1)
			submit(nvme);
		nvme->registers[TAIL] = nvme->tail;
		do {
			usleep(200);		/* the emulator's turn */
			reap(nvme);
		} while (nvme->done == before && !nvme->stop);
	}
	return NULL;
}

void nvme_restart(struct nvme *nvme, int fd, uint64_t queues, uint64_t target, unsigned int pages)
{
	int buffer = dma_alloc(fd, 2 * PAGE, 0);

	CHECK(buffer >= 0);
	memset(nvme, 0, sizeof(*nvme));
	nvme->fd = fd;
	nvme->iova = target;
	nvme->pages = pages;
	nvme->phase = 1;
	nvme->queues = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	CHECK(nvme->queues != MAP_FAILED);
	OK(dma_map_buffer(fd, buffer, 0, 2 * PAGE, queues));
	close(buffer);
	bus_master(fd, 1);
	nvme->registers = bar_map(fd, 0, 0, 2 * PAGE);
	CHECK(nvme->registers != MAP_FAILED);
	nvme->registers[CC] = 0;
	ready(nvme, 0);
	nvme->registers[AQA] = (DEPTH - 1) << 16 | (DEPTH - 1);
	nvme->registers[ASQ] = queues;
	nvme->registers[ASQ + 1] = queues >> 32;
	nvme->registers[ACQ] = queues + PAGE;
	nvme->registers[ACQ + 1] = (queues + PAGE) >> 32;
	nvme->registers[CC] = 4 << 20 | 6 << 16 | 1;
	ready(nvme, 1);
	CHECK(!pthread_create(&nvme->thread, NULL, pump, nvme));
}

void nvme_start(struct nvme *nvme, uint64_t queues, uint64_t target, unsigned int pages)
{
	int fd = device_open("NVME");

	CHECK(device_info(fd).flags & UPU_INFO_IOMMU);
	nvme_restart(nvme, fd, queues, target, pages);
}

void nvme_wait(struct nvme *nvme)
{
	uint64_t want = __atomic_load_n(&nvme->sent, __ATOMIC_SEQ_CST) + nvme->pages + 1;
	int i;

	for (i = 0; i < 20000 && nvme->done < want; i++)
		usleep(500);
	if (nvme->done < want)
		FAIL("the nvme has stopped: %llu of %llu", (unsigned long long)nvme->done,
		     (unsigned long long)want);
}

void nvme_stop(struct nvme *nvme)
{
	nvme->stop = 1;
	pthread_join(nvme->thread, NULL);
}

void nvme_close(struct nvme *nvme)
{
	munmap(nvme->queues, 2 * PAGE);
	munmap((void *)nvme->registers, 2 * PAGE);
	close(nvme->fd);
}
