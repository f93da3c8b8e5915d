// SPDX-License-Identifier: GPL-2.0
#include "device.h"
#include "mappings.h"

int edu_open(void)
{
	int fd = device_open("EDU");

	CHECK(device_info(fd).flags & UPU_INFO_IOMMU);
	bus_master(fd, 1);
	return fd;
}

/* Exactly one record, of this mapping; the mapping is gone. */
void expect_record(int fd, uint64_t iova, uint64_t size, void *vaddr, uint32_t cause,
				int within_ms)
{
	struct upu_invalidation records[8];
	int count = -1, waited;

	for (waited = 0; waited <= within_ms; waited += 5) {
		count = invalidations(fd, records, 8);
		if (count > 0)
			break;
		EQUAL(errno, EAGAIN);
		if (waited < within_ms)
			sleep_ms(5);
	}
	EQUAL(count, 1);
	EQUAL(records[0].iova, iova);
	EQUAL(records[0].size, size);
	EQUAL(records[0].vaddr, (uintptr_t)vaddr);
	EQUAL(records[0].cause, cause);
	EQUAL(records[0].flags, 0);
	ERRNO(dma_unmap(fd, iova, size), ENOENT);
}

/* No mapping is left, and their memory has been given back. */
void expect_given_back(int fd)
{
	int waited;

	for (waited = 0; waited < 1000 && device_info(fd).pinned; waited += 5)
		sleep_ms(5);
	EQUAL(device_info(fd).pinned, 0);
	EQUAL(device_info(fd).dma_count, 0);
}

void expect_invalidation(int fd, uint64_t iova, uint64_t size, void *vaddr, uint32_t cause,
				int within_ms)
{
	expect_record(fd, iova, size, vaddr, cause, within_ms);
	expect_given_back(fd);
}

void expect_alive(int fd, uint64_t iova, char *memory)
{
	struct upu_invalidation record;

	ERRNO(invalidations(fd, &record, 1), EAGAIN);
	edu_dma(fd, iova, 64, 0);
	memset(memory, 0, 64);
	edu_dma(fd, iova, 64, 1);
}
