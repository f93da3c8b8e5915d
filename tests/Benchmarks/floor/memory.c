// SPDX-License-Identifier: Apache-2.0
/* Memory for DMA as C allocates it: mapped, kept from fork, every page there, and given back. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "meter.h"

enum { NORMAL, HUGE, HUGETLB, SHARED };	/* as DmaMemoryKind */

#define HUGE_PAGE	(2l << 20)

static char *memory_new(int kind, int64_t size, char **taken, int64_t *length)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (kind == HUGETLB ? MAP_HUGETLB : 0), fd = -1;
	char *at;

	*length = size + (kind == HUGE ? HUGE_PAGE : 0);
	if (kind == SHARED) {
		fd = memfd_create("floor", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, size))
			return MAP_FAILED;
		flags = MAP_SHARED;
	}
	at = *taken = mmap(NULL, *length, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		return at;
	if (kind == HUGE)		/* huge pages want their alignment */
		at = (char *)(((uintptr_t)at + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	madvise(at, size, MADV_DONTFORK);
	if (kind == NORMAL || kind == HUGE)
		madvise(at, size, kind == HUGE ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return at;
}

/* @elapsed has the nanoseconds of each time. 0, or a negative errno. */
int floor_memory(int kind, int64_t size, int64_t times, int64_t *elapsed)
{
	int64_t i, start, length;
	char *at, *taken;

	for (i = 0; i < times; i++) {
		start = clock_ns(CLOCK_MONOTONIC);
		at = memory_new(kind, size, &taken, &length);
		if (at == MAP_FAILED || madvise(at, size, MADV_POPULATE_WRITE) || munmap(taken, length))
			return -errno;
		elapsed[i] = clock_ns(CLOCK_MONOTONIC) - start;
	}
	return 0;
}
