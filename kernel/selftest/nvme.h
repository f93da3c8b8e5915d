/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The lab's nvme as an engine that does DMA without a rest: its admin queue is kept full of Identify
 * commands, each of which writes 4 KiB to a page of the target. The emulator carries them out one by
 * one, so what it has not begun when an unmap returns meets the IOMMU as it is then.
 */
#ifndef NVME_H
#define NVME_H

#include <pthread.h>
#include <stdint.h>

struct nvme {
	int fd;
	volatile uint32_t *registers;	/* BAR 0 up to the doorbells */
	uint8_t *queues;		/* both, in a buffer of the module's */
	unsigned int tail, head, phase;
	uint64_t sent;
	volatile uint64_t done;		/* commands answered */
	volatile uint64_t refused;	/* of them, with an error */
	volatile uint64_t iova;		/* the target */
	volatile unsigned int pages;
	volatile int stop;
	pthread_t thread;
};

/* Opens the controller with its queues at @queues (bus address) and starts the pump. */
void nvme_start(struct nvme *nvme, uint64_t queues, uint64_t target, unsigned int pages);
void nvme_restart(struct nvme *nvme, int fd, uint64_t queues, uint64_t target, unsigned int pages);
/* Returns when commands given after the call have been carried out on each page of the target. */
void nvme_wait(struct nvme *nvme);
void nvme_stop(struct nvme *nvme);	/* the pump alone */
void nvme_close(struct nvme *nvme);	/* stopped; everything of it goes */

#endif
