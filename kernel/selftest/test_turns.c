// SPDX-License-Identifier: GPL-2.0
/* One mapping's business keeps no other waiting, and what others do is waited for where a call says that it is over. */
#define _GNU_SOURCE
#include <pthread.h>

#include "device.h"

#define IOVA	0x1000000ull

static void *change(void *memory)
{
	for (;;)
		madvise(memory, PAGE, MADV_FREE);
	return NULL;
}

/*
 * A large mapping changes without end, harmlessly, so that each look at it comes too late and is to be had again. It lies
 * before the other, whose content is dropped.
 */
ROOT_TEST(what_changes_without_end_keeps_none_waiting)
{
	int fd = device_open("EDU"), i, got = 0;
	size_t size = 128ul << 20;
	char *large = memory(size), *small = memory(PAGE);
	struct upu_invalidation record;
	pthread_t thread[2];

	OK(dma_map(fd, large, size, IOVA));
	OK(dma_map(fd, small, PAGE, IOVA + size));
	for (i = 0; i < 2; i++)
		OK(-pthread_create(&thread[i], NULL, change, large));
	sleep_ms(200);
	madvise(small, PAGE, MADV_DONTNEED);
	for (i = 0; i < 600 && got != 1; i++) {
		got = invalidations(fd, &record, 1);
		sleep_ms(50);
	}
	EQUAL(got, 1);
	EQUAL(record.iova, IOVA + size);
	EQUAL(record.cause, UPU_CAUSE_DROPPED);
	EQUAL(device_info(fd).dma_count, 1);
}

#define MANY	3000u

static int device;

static void *unmap_range(void *nothing)
{
	(void)nothing;
	return (void *)dma_unmap(device, IOVA, MANY * PAGE);
}

/* UNMAP_ALL while another thread unmaps: when it returns there is nothing left, whoever has taken it out. */
ROOT_TEST(unmap_of_all_waits_for_the_others)
{
	unsigned int i, most;
	pthread_t thread;
	char *page = memory(PAGE);
	void *size;

	device = device_open("EDU");
	most = device_info(device).dma_maximum < MANY ? device_info(device).dma_maximum : MANY;
	for (i = 0; i < most; i++)
		OK(dma_map(device, page, PAGE, IOVA + i * PAGE));
	OK(-pthread_create(&thread, NULL, unmap_range, NULL));
	while (device_info(device).dma_count == most)
		;
	EQUAL(dma_unmap_all(device), 0);	/* all is the other's already */
	EQUAL(device_info(device).dma_count, 0);
	pthread_join(thread, &size);
	EQUAL((long)size, most * PAGE);
	close(device);
}
