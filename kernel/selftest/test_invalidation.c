// SPDX-License-Identifier: GPL-2.0
/* What becomes of mappings when their memory goes away, and that they stay when it does not. */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "device.h"
#include "mappings.h"

#define IOVA	0x1000000ull	/* edu has 28 address bits */

/*
 * What has become of a mapping, asked of the device. Before the event its memory is full of bait; after
 * it the device still tries to fetch some, and to leave poison there. The pages stay pinned, bait and
 * all, for as long as it can reach them, so that what it fetches tells; poison would be in what the
 * user has there now, or in a canary, which is where freed pages go.
 */
#define OWN		0x4000000ull	/* a page that stays mapped */
#define BAIT		0xa7
#define POISON		0x66
#define FEATHER		0x5a
#define PROBE		256
#define CANARIES	64		/* pages */

static void expect_no(const char *at, size_t size, uint8_t what, const char *why)
{
	size_t i;

	for (i = 0; i < size; i++)
		if ((uint8_t)at[i] == what)
			FAIL("%s, byte %zu of %zu", why, i, size);
}

/* Returns the page that stays mapped. The device does get the bait as long as nothing has happened. */
static char *lay_bait(int fd, char *at, size_t size, uint64_t iova)
{
	char *own = memory(PAGE);

	memset(at, BAIT, size);
	OK(dma_map(fd, own, PAGE, OWN));
	edu_dma(fd, iova + size - PROBE, PROBE, 0);
	edu_dma(fd, OWN, PROBE, 1);
	EQUAL((uint8_t)own[0], BAIT);
	EQUAL((uint8_t)own[PROBE - 1], BAIT);
	memset(own, 0, PAGE);
	edu_dma(fd, OWN, PROBE, 0);
	return own;
}

/* @now: what the user has of it after the event, @size bytes, or NULL. Unmaps @own. */
static void expect_out_of_reach(int fd, char *own, uint64_t iova, const char *now, size_t size)
{
	char *canaries;

	edu_dma(fd, iova, PROBE, 0);
	edu_dma(fd, OWN, PROBE, 1);
	expect_no(own, PROBE, BAIT, "the device has fetched what is gone");

	memset(own, POISON, PAGE);
	edu_dma(fd, OWN, PROBE, 0);
	canaries = memory(CANARIES * PAGE);
	memset(canaries, FEATHER, CANARIES * PAGE);
	edu_dma(fd, iova, PROBE, 1);
	expect_no(canaries, CANARIES * PAGE, POISON, "a canary is dead");
	if (now)
		expect_no(now, size, POISON, "the device has written to what is the user's alone");
	munmap(canaries, CANARIES * PAGE);
	EQUAL(dma_unmap(fd, OWN, PAGE), PAGE);
	munmap(own, PAGE);
}

TEST(munmap_unmaps_before_it_returns)
{
	int fd = edu_open(), told = event();
	char *page = memory(4 * PAGE), *own;

	OK(set_eventfd(fd, UPU_SET_INVALIDATION_EVENTFD, told));
	OK(dma_map(fd, page, 4 * PAGE, IOVA));
	own = lay_bait(fd, page, 4 * PAGE, IOVA);
	munmap(page, 4 * PAGE);
	EQUAL(event_count(told), 1);
	expect_record(fd, IOVA, 4 * PAGE, page, UPU_CAUSE_UNMAPPED, 0);
	expect_out_of_reach(fd, own, IOVA, NULL, 0);
	expect_given_back(fd);
}

TEST(munmap_of_a_part_unmaps_the_whole)
{
	int fd = edu_open(), i;

	for (i = 0; i < 2; i++) {
		char *page = memory(4 * PAGE), *own;

		OK(dma_map(fd, page, 4 * PAGE, IOVA));
		own = lay_bait(fd, page, 4 * PAGE, IOVA);
		munmap(page + 2 * PAGE, PAGE);
		expect_record(fd, IOVA, 4 * PAGE, page, UPU_CAUSE_UNMAPPED, 0);
		/* The part, and what the user still has. */
		expect_out_of_reach(fd, own, i ? IOVA : IOVA + 2 * PAGE, page, 2 * PAGE);
		expect_given_back(fd);
		munmap(page, 4 * PAGE);
	}
}

TEST(munmap_spares_the_neighbours)
{
	int fd = edu_open();
	char *page = memory(3 * PAGE);
	struct upu_invalidation record;

	OK(dma_map(fd, page, PAGE, IOVA));
	OK(dma_map(fd, page + PAGE, PAGE, IOVA + PAGE));
	OK(dma_map(fd, page + 2 * PAGE, PAGE, IOVA + 2 * PAGE));
	munmap(page + PAGE, PAGE);
	EQUAL(invalidations(fd, &record, 1), 1);
	EQUAL(record.iova, IOVA + PAGE);
	EQUAL(device_info(fd).dma_count, 2);
	expect_alive(fd, IOVA, page);
	expect_alive(fd, IOVA + 2 * PAGE, page + 2 * PAGE);
}

TEST(mremap_unmaps_before_it_returns)
{
	int fd = edu_open();
	char *page = memory(4 * PAGE), *moved, *own;
	char *target = mmap(NULL, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	OK(dma_map(fd, page, 4 * PAGE, IOVA));
	own = lay_bait(fd, page, 4 * PAGE, IOVA);
	moved = mremap(page, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
	CHECK(moved == target);
	expect_record(fd, IOVA, 4 * PAGE, page, UPU_CAUSE_UNMAPPED, 0);
	expect_out_of_reach(fd, own, IOVA, moved, 4 * PAGE);	/* the same pages, elsewhere */
	expect_given_back(fd);

	OK(dma_map(fd, moved, 4 * PAGE, IOVA));
	own = lay_bait(fd, moved, 4 * PAGE, IOVA);
	CHECK(mremap(moved, 4 * PAGE, 2 * PAGE, 0) == moved);
	expect_record(fd, IOVA, 4 * PAGE, moved, UPU_CAUSE_UNMAPPED, 0);
	expect_out_of_reach(fd, own, IOVA + 3 * PAGE, moved, 2 * PAGE);
	expect_given_back(fd);
}

TEST(map_fixed_unmaps_before_it_returns)
{
	int fd = edu_open();
	char *page = memory(2 * PAGE), *own;

	OK(dma_map(fd, page, 2 * PAGE, IOVA));
	own = lay_bait(fd, page, 2 * PAGE, IOVA);
	CHECK(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0) == page);
	strcpy(page, "mine");
	expect_record(fd, IOVA, 2 * PAGE, page, UPU_CAUSE_UNMAPPED, 0);
	expect_out_of_reach(fd, own, IOVA, page, 2 * PAGE);
	expect_given_back(fd);
	CHECK(!strcmp(page, "mine"));
}

TEST(dontneed_unmaps_soon)
{
	int fd = edu_open(), i;
	char *page = memory(4 * PAGE), *own;

	for (i = 0; i < 20; i++) {
		memset(page, 1, 4 * PAGE);
		OK(dma_map(fd, page, 4 * PAGE, IOVA));
		own = i ? NULL : lay_bait(fd, page, 4 * PAGE, IOVA);
		madvise(page + PAGE, PAGE, MADV_DONTNEED);
		expect_record(fd, IOVA, 4 * PAGE, page, UPU_CAUSE_DROPPED, 1000);
		if (own)
			expect_out_of_reach(fd, own, IOVA + PAGE, page, 4 * PAGE);
		expect_given_back(fd);
	}
}

static char *file_memory(int *file, size_t size)
{
	char *at;

	*file = memfd_create("upu", MFD_CLOEXEC);
	CHECK(*file >= 0 && !ftruncate(*file, size));
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
	CHECK(at != MAP_FAILED);
	memset(at, 0, size);
	return at;
}

TEST(truncation_unmaps_soon)
{
	int fd = edu_open(), file, i, status;
	pid_t child;

	for (i = 0; i < 10; i++) {
		char *page = file_memory(&file, 4 * PAGE), *own;

		OK(dma_map(fd, page, 4 * PAGE, IOVA));
		own = i < 2 ? lay_bait(fd, page, 4 * PAGE, IOVA) : NULL;
		if (i & 1) {			/* another process does it */
			child = fork();
			if (!child)
				_exit(ftruncate(file, PAGE));
			waitpid(child, &status, 0);
		} else {
			EQUAL(ftruncate(file, 0), 0);
		}
		expect_record(fd, IOVA, 4 * PAGE, page, UPU_CAUSE_DROPPED, 1000);
		if (own)		/* of what is behind the end there is nothing to look at */
			expect_out_of_reach(fd, own, IOVA + 2 * PAGE, i & 1 ? page : NULL, PAGE);
		expect_given_back(fd);
		munmap(page, 4 * PAGE);
		close(file);
	}
}

TEST(a_punched_hole_unmaps_soon)
{
	int fd = edu_open(), file, i;

	for (i = 0; i < 20; i++) {
		char *page = file_memory(&file, 4 * PAGE), *own;

		OK(dma_map(fd, page, 4 * PAGE, IOVA));
		own = i < 2 ? lay_bait(fd, page, 4 * PAGE, IOVA) : NULL;
		if (i & 1)
			EQUAL(madvise(page + PAGE, PAGE, MADV_REMOVE), 0);
		else
			EQUAL(fallocate(file, 3 /* KEEP_SIZE | PUNCH_HOLE */, PAGE, PAGE), 0);
		expect_record(fd, IOVA, 4 * PAGE, page, UPU_CAUSE_DROPPED, 1000);
		if (own)
			expect_out_of_reach(fd, own, IOVA + PAGE, page, 4 * PAGE);
		expect_given_back(fd);
		munmap(page, 4 * PAGE);
		close(file);
	}
}

/* A look that does not fault would not see it. */
TEST(a_hole_in_huge_pages_unmaps_soon)
{
	int fd = edu_open(), file = memfd_create("upu", MFD_CLOEXEC | MFD_HUGETLB);
	struct upu_invalidation record;
	char *huge, *own;
	int waited;

	CHECK(file >= 0 && !ftruncate(file, HUGE));
	huge = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (huge == MAP_FAILED)
		SKIP("no huge pages");
	memset(huge, 1, HUGE);
	OK(dma_map(fd, huge, HUGE, IOVA));
	own = lay_bait(fd, huge, HUGE, IOVA);
	EQUAL(fallocate(file, 3 /* KEEP_SIZE | PUNCH_HOLE */, 0, HUGE), 0);
	/* 6.1 says of it that it is unmapped, newer kernels that it may be gone. */
	for (waited = 0; invalidations(fd, &record, 1) != 1; waited++) {
		CHECK(waited < 5000);
		sleep_ms(1);
	}
	CHECK(record.cause == UPU_CAUSE_DROPPED || record.cause == UPU_CAUSE_UNMAPPED);
	EQUAL(record.iova, IOVA);
	EQUAL(record.size, HUGE);
	expect_out_of_reach(fd, own, IOVA + HUGE - PAGE, huge, HUGE);
	expect_given_back(fd);
}

TEST(harmless_events_unmap_nothing)
{
	int fd = edu_open(), i, status;
	char *page = memory(16 * PAGE);
	char *huge = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct upu_invalidation record;
	pid_t child;

	huge = (char *)(((uintptr_t)huge + HUGE - 1) & ~(HUGE - 1));
	madvise(huge, HUGE, MADV_HUGEPAGE);
	memset(huge, 1, HUGE);
	OK(dma_map(fd, page, 16 * PAGE, IOVA));
	OK(dma_map(fd, huge, 16 * PAGE, IOVA + 0x100000));
	for (i = 0; i < 100; i++) {
		mprotect(page, 16 * PAGE, PROT_NONE);
		mprotect(page, 16 * PAGE, PROT_READ);
		mprotect(page, 16 * PAGE, PROT_READ | PROT_WRITE);
		madvise(page, 16 * PAGE, MADV_FREE);
		page[i % 16 * PAGE] = i;
		mprotect(huge + HUGE / 2, PAGE, PROT_READ);
		mprotect(huge + HUGE / 2, PAGE, PROT_READ | PROT_WRITE);
		madvise(huge + HUGE - (i + 1) * PAGE, PAGE, MADV_DONTNEED);
		if (i % 10 == 0) {
			child = fork();
			if (!child) {
				memset(page, 9, 16 * PAGE);
				memset(huge, 9, HUGE);
				_exit(0);
			}
			memset(page, i, 16 * PAGE);
			memset(huge, i, 16 * PAGE);
			waitpid(child, &status, 0);
		}
		if (i == 50)
			munmap(huge + HUGE / 2 - PAGE, PAGE);
	}
	sleep_ms(100);
	ERRNO(invalidations(fd, &record, 1), EAGAIN);
	EQUAL(device_info(fd).dma_count, 2);
	strcpy(page, "still");
	edu_dma(fd, IOVA, 64, 0);
	edu_dma(fd, IOVA + 0x100000, 64, 1);
	CHECK(!strcmp(huge, "still"));
}
