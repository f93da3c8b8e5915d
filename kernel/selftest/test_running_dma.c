// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that goes away while two devices do DMA to it: edu, whose one transfer is under way and
 * arrives afterwards, and the nvme, which never stops. Where the freed pages may go lie canaries.
 *
 * That a canary lives is no proof where it lies elsewhere: root sees by /proc/self/pagemap which of
 * the freed frames are under a canary, and those tests ask for some.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device.h"
#include "nvme.h"

#define IOVA		0x1000000ull
#define QUEUES		0x8000000ull
#define AREA		8		/* pages of memory under test */
#define CANARIES	64		/* pages */
#define FEATHER		0x5a
#define CHANCES		200		/* more rounds for a freed page to lie under a canary */

/* The frame of each page: 0 where there is none, and for who may not know. */
static void frames_of(const char *at, uint64_t *frames, int count)
{
	static int pagemap = -1;
	ssize_t size = count * sizeof(*frames);
	int i;

	if (pagemap < 0)
		pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pread(pagemap, frames, size, (uintptr_t)at / PAGE * 8) != size)
		memset(frames, 0, size);
	for (i = 0; i < count; i++)
		frames[i] = frames[i] >> 63 ? frames[i] & ((1ull << 55) - 1) : 0;
}

/* Pages of @size bytes with feathers on; returns how many of them are on @old frames. */
static char *canaries(const uint64_t *old, int count, int *found)
{
	char *at = memory(CANARIES * PAGE);
	uint64_t frames[CANARIES];
	int i, j;

	memset(at, FEATHER, CANARIES * PAGE);
	frames_of(at, frames, CANARIES);
	for (i = 0; i < CANARIES; i++)
		for (j = 0; frames[i] && j < count; j++)
			*found += frames[i] == old[j];
	return at;
}

static void check_canaries(const char *at, size_t size, const char *what)
{
	const uint64_t *words = (const void *)at, feathers = FEATHER * 0x0101010101010101ull;
	size_t i;

	/* Most of the time of a soak would go into this. */
	for (i = 0; i < size / 8 && words[i] == feathers; i++)
		;
	for (i *= 8; i < size; i++)
		if (at[i] != FEATHER)
			FAIL("%s: a canary is dead, at byte %zu of %zu: %#x", what, i, size,
			     (uint8_t)at[i]);
}

/* ---- the events ---- */

struct area {
	char *at;		/* where it was mapped */
	int file;
	char *left;		/* what the event left in its place, AREA pages, or NULL */
};

static void anonymous(struct area *area)
{
	area->at = memory(AREA * PAGE);
}

static void shared(struct area *area)
{
	area->file = memfd_create("upu", MFD_CLOEXEC);
	CHECK(area->file >= 0 && !ftruncate(area->file, AREA * PAGE));
	area->at = mmap(NULL, AREA * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, area->file, 0);
	CHECK(area->at != MAP_FAILED);
	memset(area->at, 0, AREA * PAGE);
}

static void by_munmap(struct area *area)
{
	EQUAL(munmap(area->at, AREA * PAGE), 0);
}

static void by_part(struct area *area)
{
	EQUAL(munmap(area->at + 3 * PAGE, PAGE), 0);
}

static void by_move(struct area *area)
{
	char *to = mmap(NULL, AREA * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	area->left = mremap(area->at, AREA * PAGE, AREA * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(area->left == to);
}

static void by_shrink(struct area *area)
{
	CHECK(mremap(area->at, AREA * PAGE, PAGE, 0) == area->at);
}

static void by_map_fixed(struct area *area)
{
	area->left = mmap(area->at, AREA * PAGE, PROT_READ | PROT_WRITE,
			  MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(area->left == area->at);
}

static void by_dontneed(struct area *area)
{
	area->left = area->at;
	EQUAL(madvise(area->at, AREA * PAGE, MADV_DONTNEED), 0);
}

static void by_remove(struct area *area)
{
	area->left = area->at;
	EQUAL(madvise(area->at, AREA * PAGE, MADV_REMOVE), 0);
}

static void by_hole(struct area *area)
{
	area->left = area->at;
	EQUAL(fallocate(area->file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, AREA * PAGE), 0);
}

static void by_truncate(struct area *area)
{
	EQUAL(ftruncate(area->file, 0), 0);
}

static void by_foreign_truncate(struct area *area)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(ftruncate(area->file, 0) ? 1 : 0);
	waitpid(child, &status, 0);
	EQUAL(status, 0);
}

static const struct happening {
	const char *name;
	void (*prepare)(struct area *area);
	void (*happen)(struct area *area);
	uint32_t cause;
} happenings[] = {
	{ "munmap", anonymous, by_munmap, UPU_CAUSE_UNMAPPED },
	{ "munmap of a part", anonymous, by_part, UPU_CAUSE_UNMAPPED },
	{ "mremap", anonymous, by_move, UPU_CAUSE_UNMAPPED },
	{ "mremap to less", anonymous, by_shrink, UPU_CAUSE_UNMAPPED },
	{ "MAP_FIXED", anonymous, by_map_fixed, UPU_CAUSE_UNMAPPED },
	{ "MADV_DONTNEED", anonymous, by_dontneed, UPU_CAUSE_DROPPED },
	{ "munmap of a memfd", shared, by_munmap, UPU_CAUSE_UNMAPPED },
	{ "MADV_REMOVE", shared, by_remove, UPU_CAUSE_DROPPED },
	{ "a hole", shared, by_hole, UPU_CAUSE_DROPPED },
	{ "ftruncate", shared, by_truncate, UPU_CAUSE_DROPPED },
	{ "ftruncate by another", shared, by_foreign_truncate, UPU_CAUSE_DROPPED },
};

#define HAPPENINGS	(sizeof(happenings) / sizeof(happenings[0]))

/* One record with the right range and cause; at once, where the mapping goes before the call returns. */
static void expect_record(int fd, const struct happening *what, struct area *area)
{
	struct upu_invalidation record[4];
	int count, waited;

	for (waited = 0; (count = invalidations(fd, record, 4)) < 0; waited++) {
		EQUAL(errno, EAGAIN);
		if (what->cause == UPU_CAUSE_UNMAPPED || waited > 5000)
			FAIL("%s: no record", what->name);
		sleep_ms(1);
	}
	if (count != 1 || record[0].iova != IOVA || record[0].size != AREA * PAGE ||
	    record[0].vaddr != (uintptr_t)area->at || record[0].cause != what->cause ||
	    record[0].flags)
		FAIL("%s: %d records; iova %llx size %llx cause %u", what->name, count,
		     (unsigned long long)record[0].iova, (unsigned long long)record[0].size,
		     record[0].cause);
	ERRNO(dma_unmap(fd, IOVA, AREA * PAGE), ENOENT);
}

static void expect_given_back(int fd, const char *what)
{
	int i;

	for (i = 0; i < 5000 && device_info(fd).pinned; i++)
		sleep_ms(1);
	if (device_info(fd).pinned)
		FAIL("%s: %llu bytes stay pinned", what, (unsigned long long)device_info(fd).pinned);
}

/* A mapping of both devices' goes, with the DMA of both under way. @edu < 0: the nvme alone. */
static void one(const struct happening *what, struct nvme *nvme, int edu, int *found)
{
	struct area area = { .file = -1 };
	uint64_t frames[AREA];
	struct upu_invalidation record;
	long locked = locked_kb();
	char *early, *late;

	what->prepare(&area);
	OK(dma_map(nvme->fd, area.at, AREA * PAGE, IOVA));
	if (edu >= 0)
		OK(dma_map(edu, area.at, AREA * PAGE, IOVA));
	nvme_wait(nvme);
	if (!area.at[0] && !area.at[1])
		FAIL("%s: the nvme does not reach the memory", what->name);
	frames_of(area.at, frames, AREA);

	if (edu >= 0)
		edu_begin(edu, EDU_BUFFER, IOVA + PAGE, 256);
	what->happen(&area);
	early = canaries(frames, AREA, found);	/* while they may be on their way out */
	if (area.left)
		memset(area.left, FEATHER, AREA * PAGE);
	expect_record(nvme->fd, what, &area);
	if (edu >= 0)
		expect_record(edu, what, &area);
	expect_given_back(nvme->fd, what->name);
	if (edu >= 0)
		expect_given_back(edu, what->name);
	late = canaries(frames, AREA, found);

	nvme_wait(nvme);			/* it still tries */
	if (edu >= 0)
		edu_end(edu);
	check_canaries(early, CANARIES * PAGE, what->name);
	check_canaries(late, CANARIES * PAGE, what->name);
	if (area.left)
		check_canaries(area.left, AREA * PAGE, what->name);
	ERRNO(invalidations(nvme->fd, &record, 1), EAGAIN);	/* no second record */

	munmap(early, CANARIES * PAGE);
	munmap(late, CANARIES * PAGE);
	munmap(area.left ? area.left : area.at, AREA * PAGE);
	if (area.file >= 0)
		close(area.file);
	EQUAL(locked_kb(), locked);
}

static void each(int with_edu, int times)
{
	int edu = with_edu ? device_open("EDU") : -1, found = 0, i;
	struct nvme nvme;

	seed();
	if (with_edu)
		bus_master(edu, 1);
	nvme_start(&nvme, QUEUES, IOVA, AREA);
	/* Where freed pages go is chance; root, who sees it, goes on until one has gone under a canary. */
	for (i = 0; i < times || (!geteuid() && !found && i < times + CHANCES); i++)
		one(&happenings[i < (int)HAPPENINGS ? i : (int)pick(HAPPENINGS)], &nvme, edu, &found);
	nvme_stop(&nvme);
	printf("# %llu DMAs, %llu refused; %d of %d freed pages lay under a canary afterwards\n",
	       (unsigned long long)nvme.done, (unsigned long long)nvme.refused, found, i * (int)AREA);
	if (!geteuid())
		CHECK(found > 0);
}

TEST(no_canary_dies_under_running_dma)
{
	each(1, HAPPENINGS);
}

ROOT_TEST(no_canary_dies_where_freed_pages_go)
{
	each(0, loops(2 * HAPPENINGS, 10000));
}

/* ---- one thread maps, another takes the memory away, the device never rests ---- */

struct mapper {
	int fd;
	char *at;
	volatile int stop, rest, rests;
	long maps, gone, failed;
};

static void *map_and_unmap(void *argument)
{
	struct mapper *mapper = argument;
	uint64_t draw = 1;
	int i;

	while (!mapper->stop) {
		mapper->rests = mapper->rest;
		if (mapper->rests) {
			sched_yield();
			continue;
		}
		if (dma_map(mapper->fd, mapper->at, AREA * PAGE, IOVA)) {
			if (errno != EAGAIN && errno != EFAULT)
				FAIL("DMA_MAP: errno %d", errno);
			mapper->failed++;
			continue;
		}
		mapper->maps++;
		draw = draw * 6364136223846793005ull + 1442695040888963407ull;
		for (i = draw >> 33 & 0x3fff; i > 0; i--)
			__asm__ volatile("");
		if (draw >> 62)
			sched_yield();
		if (dma_unmap(mapper->fd, IOVA, AREA * PAGE) < 0) {
			if (errno != ENOENT)
				FAIL("DMA_UNMAP: errno %d", errno);
			mapper->gone++;
		}
	}
	return NULL;
}

static void take_away(char *at)
{
	switch (pick(4)) {
	case 0:
		EQUAL(munmap(at, AREA * PAGE), 0);
		break;
	case 1:
		EQUAL(madvise(at, AREA * PAGE, MADV_DONTNEED), 0);
		return;
	case 2:
		EQUAL(munmap(at + pick(AREA) * PAGE, PAGE), 0);
		break;
	default:
		break;
	}
	CHECK(mmap(at, AREA * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0) == at);
}

/*
 * What was mapped when it went away is freed by whoever unmaps it, and a processor gives away
 * again what was freed there: soonest to the mapper, for what it maps next. So that some of it lies
 * under a canary, the mapper rests once it has done what it was at, and there are canaries on each
 * processor.
 */
static void canaries_when_all_is_unmapped(struct mapper *mapper, struct nvme *nvme,
					  const uint64_t *frames, int *found)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), i;
	cpu_set_t all, one;
	char *birds[8];

	if (cpus > 8)
		cpus = 8;
	OK(sched_getaffinity(0, sizeof(all), &all));
	while (!mapper->rests)
		sched_yield();
	expect_given_back(nvme->fd, "race");
	for (i = 0; i < cpus; i++) {
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		OK(sched_setaffinity(0, sizeof(one), &one));
		birds[i] = canaries(frames, AREA, found);
	}
	OK(sched_setaffinity(0, sizeof(all), &all));
	nvme_wait(nvme);
	for (i = 0; i < cpus; i++) {
		check_canaries(birds[i], CANARIES * PAGE, "race, unmapped");
		munmap(birds[i], CANARIES * PAGE);
	}
	mapper->rest = 0;
}

static void race(int times)
{
	struct upu_invalidation record[64];
	struct mapper mapper = { .at = memory(AREA * PAGE) };
	long locked = locked_kb(), told = 0;
	int i, count, found = 0;
	uint64_t frames[AREA];
	struct nvme nvme;
	pthread_t thread;
	char *birds;

	seed();
	nvme_start(&nvme, QUEUES, IOVA, AREA);
	mapper.fd = nvme.fd;
	CHECK(!pthread_create(&thread, NULL, map_and_unmap, &mapper));
	for (i = 0; i < times || (!geteuid() && !found && i < times + 3 * CHANCES); i++) {
		memset(mapper.at, 0, AREA * PAGE);
		frames_of(mapper.at, frames, AREA);
		if (pick(4) == 0)
			usleep(pick(300));
		mapper.rest = i % 8 == 7;
		take_away(mapper.at);
		birds = canaries(frames, AREA, &found);
		if (mapper.rest)
			canaries_when_all_is_unmapped(&mapper, &nvme, frames, &found);
		else
			usleep(pick(300));
		check_canaries(birds, CANARIES * PAGE, "race");
		munmap(birds, CANARIES * PAGE);
		while ((count = invalidations(nvme.fd, record, 64)) > 0)
			told += count;
	}
	mapper.stop = 1;
	pthread_join(thread, NULL);
	nvme_stop(&nvme);
	dma_unmap_all(nvme.fd);
	expect_given_back(nvme.fd, "race");
	munmap(mapper.at, AREA * PAGE);
	nvme_close(&nvme);
	printf("# %d races, %ld maps, %ld were gone at their unmap, %ld changed while they were mapped, %ld records; %llu DMAs, %llu refused; %d pages under a canary\n",
	       i, mapper.maps, mapper.gone, mapper.failed, told, (unsigned long long)nvme.done,
	       (unsigned long long)nvme.refused, found);
	CHECK(mapper.maps > 0 && told > 0);
	if (!geteuid())
		CHECK(found > 0);
	for (i = 0; i < 1000 && locked_kb() != locked; i++)
		sleep_ms(1);
	EQUAL(locked_kb(), locked);
}

TEST(maps_race_memory_going_away_under_running_dma)
{
	race(loops(100, 0));
}

ROOT_TEST(maps_race_freed_pages_under_running_dma)
{
	race(loops(150, 100000));
}
