// SPDX-License-Identifier: GPL-2.0
/* The records of what went away: one for each mapping, however fast it comes and goes. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>

#include "device.h"
#include "mappings.h"

#define IOVA	0x1000000ull	/* edu has 28 address bits */

/* ---- two threads map and unmap, each at addresses of its own, and a third takes the memory away ---- */

struct mapper {
	pthread_t thread;
	int fd;
	char *at;
	uint64_t iova;
	volatile int *stop;
	long maps, unmaps, failed;
};

static void *map_and_unmap(void *argument)
{
	struct mapper *mapper = argument;

	while (!*mapper->stop) {
		if (dma_map(mapper->fd, mapper->at, 8 * PAGE, mapper->iova)) {
			if (errno != EAGAIN && errno != EFAULT)
				FAIL("DMA_MAP: errno %d", errno);
			mapper->failed++;
			continue;
		}
		mapper->maps++;
		if (mapper->maps % 4 == 0)
			sched_yield();
		if (dma_unmap(mapper->fd, mapper->iova, 8 * PAGE) > 0)
			mapper->unmaps++;
		else if (errno != ENOENT)
			FAIL("DMA_UNMAP: errno %d", errno);
	}
	return NULL;
}

/*
 * However they meet, a mapping ends once: by its unmap, which says so, or by a record; sequence numbers
 * are of those, so that none is missed where they were merged.
 */
TEST(mapping_races_with_memory_going_away)
{
	int fd = edu_open(), i, count;
	char *page = memory(8 * PAGE);
	struct upu_invalidation records[64];
	struct mapper mappers[2];
	long locked = locked_kb();
	uint64_t gone = 0;
	volatile int stop = 0;

	for (i = 0; i < 2; i++) {
		mappers[i] = (struct mapper){ .fd = fd, .at = page, .iova = IOVA + i * 0x100000, .stop = &stop };
		CHECK(!pthread_create(&mappers[i].thread, NULL, map_and_unmap, &mappers[i]));
	}
	for (i = 0; i < 20000 && (i < 300 || gone < 20); i++) {
		switch (i % 4) {
		case 0:
			madvise(page, 8 * PAGE, MADV_DONTNEED);
			break;
		case 1:
			CHECK(mmap(page, 8 * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
			break;
		case 2:
			madvise(page + PAGE, PAGE, MADV_DONTNEED);
			memset(page, 1, 8 * PAGE);
			break;
		default:
			munmap(page + 3 * PAGE, PAGE);
			CHECK(mmap(page + 3 * PAGE, PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page + 3 * PAGE);
			break;
		}
		usleep(i % 7 * 100);
		while ((count = invalidations(fd, records, 64)) > 0)
			gone = records[count - 1].sequence;
	}
	stop = 1;
	for (i = 0; i < 2; i++)
		pthread_join(mappers[i].thread, NULL);
	while ((count = invalidations(fd, records, 64)) > 0)
		gone = records[count - 1].sequence;
	expect_given_back(fd);
	printf("# %ld and %ld maps, %ld and %ld unmapped, %llu gone; %ld changed while they were mapped\n", mappers[0].maps,
	       mappers[1].maps, mappers[0].unmaps, mappers[1].unmaps, (unsigned long long)gone,
	       mappers[0].failed + mappers[1].failed);
	EQUAL(mappers[0].maps + mappers[1].maps, mappers[0].unmaps + mappers[1].unmaps + gone);
	CHECK(gone >= 20 && mappers[0].maps > 100 && mappers[1].maps > 100);
	close(fd);
	EQUAL(locked_kb(), locked);
}

TEST(a_full_queue_merges_and_says_so)
{
	int fd = edu_open(), i, count, total = 0;
	struct upu_invalidation records[512];
	uint64_t last = 0;

	for (i = 0; i < 400; i++) {
		char *page = memory(PAGE);

		OK(dma_map(fd, page, PAGE, IOVA + i * PAGE));
		munmap(page, PAGE);
	}
	while ((count = invalidations(fd, records + total, 100)) > 0) {
		total += count;
		CHECK(total <= 512);
	}
	EQUAL(errno, EAGAIN);
	CHECK(total >= 257);
	for (i = 0; i < total; i++) {
		if (records[i].flags & UPU_INVALIDATION_MERGED) {
			CHECK(records[i].iova <= IOVA + 257 * PAGE);
			CHECK(records[i].iova + records[i].size >= IOVA + 400 * PAGE);
			EQUAL(records[i].vaddr, 0);
		} else {
			EQUAL(records[i].sequence, last + 1);
		}
		last = records[i].sequence;
	}
	EQUAL(last, 400);
	CHECK(records[total - 1].flags & UPU_INVALIDATION_MERGED);
}

TEST(records_are_not_lost_to_a_bad_pointer)
{
	int fd = edu_open();
	char *page = memory(PAGE);
	struct upu_invalidation record;

	ERRNO(invalidations(fd, &record, 1), EAGAIN);
	ERRNO(invalidations(fd, &record, 0), EINVAL);
	OK(dma_map(fd, page, PAGE, IOVA));
	munmap(page, PAGE);
	ERRNO(invalidations(fd, NULL, 1), EFAULT);
	EQUAL(invalidations(fd, &record, 1), 1);
}
