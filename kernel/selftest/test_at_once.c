// SPDX-License-Identifier: GPL-2.0
/*
 * What "unmapped before the call returns" means: the device is asked at once, and nobody else has run since. The test
 * is on a machine of one processor and has a real-time priority, so that what the module leaves to a worker does not
 * happen until the device has answered.
 */
#define _GNU_SOURCE
#include <sched.h>

#include "device.h"

#define IOVA		0x1000000ull
#define OWN		0x4000000ull	/* a page that stays mapped */
#define AREA		4		/* pages */
#define BAIT		0xa7
#define PROBE		256

static void alone(int on)
{
	struct sched_param param = { .sched_priority = on ? 10 : 0 };

	OK(sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &param));
}

/* edu's transfer takes 100 ms, which are not slept. */
static void fetch_at_once(int fd)
{
	uint64_t command;

	edu_begin(fd, IOVA, EDU_BUFFER, PROBE);
	do {
		EQUAL(pread(fd, &command, 8, UPU_WINDOW_OFFSET(0) + 0x98), 8);
	} while (command & 1);
}

/* What edu has in its buffer. */
static int has_bait(int fd, const char *own)
{
	edu_dma(fd, OWN, PROBE, 1);
	return (uint8_t)own[0] == BAIT;
}

static void by_nothing(char *at)
{
	(void)at;
}

static void by_munmap(char *at)
{
	EQUAL(munmap(at, AREA * PAGE), 0);
}

static void by_part(char *at)
{
	EQUAL(munmap(at + 2 * PAGE, PAGE), 0);
}

static void by_move(char *at)
{
	char *to = mmap(NULL, AREA * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(mremap(at, AREA * PAGE, AREA * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
}

static void by_shrink(char *at)
{
	CHECK(mremap(at, AREA * PAGE, 2 * PAGE, 0) == at);
}

static void by_map_fixed(char *at)
{
	CHECK(mmap(at, AREA * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0) == at);
}

static const struct {
	const char *name;
	void (*happen)(char *at);
} happenings[] = {
	{ "nothing", by_nothing }, { "munmap", by_munmap }, { "munmap of a part", by_part },
	{ "mremap", by_move }, { "mremap to less", by_shrink }, { "MAP_FIXED", by_map_fixed },
};

ROOT_TEST(the_device_is_cut_off_before_the_call_returns)
{
	int fd = device_open("EDU");
	char *own = memory(PAGE);
	unsigned int i;

	CHECK(device_info(fd).flags & UPU_INFO_IOMMU);
	if (sysconf(_SC_NPROCESSORS_ONLN) != 1)
		SKIP("another processor would do what is left to a worker");
	bus_master(fd, 1);
	OK(dma_map(fd, own, PAGE, OWN));
	for (i = 0; i < sizeof(happenings) / sizeof(happenings[0]); i++) {
		char *at = memory(AREA * PAGE);

		memset(own, 0, PAGE);
		edu_dma(fd, OWN, PROBE, 0);
		CHECK(!has_bait(fd, own));
		memset(at, BAIT, AREA * PAGE);
		OK(dma_map(fd, at, AREA * PAGE, IOVA));
		alone(1);
		happenings[i].happen(at);
		fetch_at_once(fd);
		alone(0);
		/* The first row shows that there is something to fetch. */
		if (has_bait(fd, own) != !i)
			FAIL("after %s the device %s what was mapped", happenings[i].name,
			     i ? "has fetched" : "does not reach");
		dma_unmap_all(fd);
		OK(dma_map(fd, own, PAGE, OWN));
	}
}
