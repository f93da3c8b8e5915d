// SPDX-License-Identifier: GPL-2.0
/* DMA: mappings, accounting, and what becomes of them when memory goes away. */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device.h"

#define IOVA	0x1000000ull	/* edu has 28 address bits */

static int edu_open(void)
{
	int fd = device_open("EDU");

	CHECK(device_info(fd).flags & UPU_INFO_IOMMU);
	bus_master(fd, 1);
	return fd;
}

/* Exactly one record, of this mapping; the mapping is gone. */
static void expect_record(int fd, uint64_t iova, uint64_t size, void *vaddr, uint32_t cause,
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
static void expect_given_back(int fd)
{
	int waited;

	for (waited = 0; waited < 1000 && device_info(fd).pinned; waited += 5)
		sleep_ms(5);
	EQUAL(device_info(fd).pinned, 0);
	EQUAL(device_info(fd).dma_count, 0);
}

static void expect_invalidation(int fd, uint64_t iova, uint64_t size, void *vaddr, uint32_t cause,
				int within_ms)
{
	expect_record(fd, iova, size, vaddr, cause, within_ms);
	expect_given_back(fd);
}

static void expect_alive(int fd, uint64_t iova, char *memory)
{
	struct upu_invalidation record;

	ERRNO(invalidations(fd, &record, 1), EAGAIN);
	edu_dma(fd, iova, 64, 0);
	memset(memory, 0, 64);
	edu_dma(fd, iova, 64, 1);
}

TEST(dma_reaches_mapped_memory)
{
	int fd = edu_open();
	char *from = memory(PAGE), *to = memory(PAGE);
	long locked = locked_kb();
	unsigned int i;

	for (i = 0; i < PAGE; i++)
		from[i] = i * 7;
	OK(dma_map(fd, from, PAGE, IOVA));
	OK(dma_map(fd, to, PAGE, IOVA + 0x10000));
	EQUAL(locked_kb(), locked + 8);
	EQUAL(device_info(fd).pinned, 2 * PAGE);
	EQUAL(device_info(fd).dma_count, 2);
	edu_dma(fd, IOVA, PAGE, 0);
	edu_dma(fd, IOVA + 0x10000, PAGE, 1);
	CHECK(!memcmp(from, to, PAGE));
	EQUAL(dma_unmap(fd, IOVA, PAGE), PAGE);
	EQUAL(dma_unmap(fd, IOVA + 0x10000, PAGE), PAGE);
	EQUAL(locked_kb(), locked);
}

TEST(dma_stops_at_unmap)
{
	int fd = edu_open();
	char *canary = memory(PAGE);

	OK(dma_map(fd, canary, PAGE, IOVA));
	strcpy(canary, "poison");
	edu_dma(fd, IOVA, 64, 0);
	strcpy(canary, "canary");
	EQUAL(dma_unmap(fd, IOVA, PAGE), PAGE);
	edu_dma(fd, IOVA, 64, 1);
	CHECK(!strcmp(canary, "canary"));
}

TEST(dma_rights_are_kept)
{
	int fd = edu_open();
	char *page = memory(PAGE);

	strcpy(page, "first");
	OK(dma_map_flags(fd, page, PAGE, IOVA, UPU_DMA_READ));
	edu_dma(fd, IOVA, 16, 0);
	strcpy(page, "second");
	edu_dma(fd, IOVA, 16, 1);
	CHECK(!strcmp(page, "second"));
}

TEST(dma_iova_may_join_and_scatter)
{
	int fd = edu_open(), i;
	char *pages[4], *joined = memory(4 * PAGE);

	/* Memory from all over, one after the other for the device ... */
	for (i = 0; i < 4; i++) {
		pages[i] = memory(PAGE * (1 + i));
		sprintf(pages[i], "page %d", i);
		OK(dma_map(fd, pages[i], PAGE, IOVA + i * PAGE));
	}
	/* ... and one area of memory all over the device's addresses, in pieces, and backwards. */
	for (i = 0; i < 4; i++)
		OK(dma_map(fd, joined + i * PAGE, PAGE, IOVA + 0x100000 * (4 - i)));
	for (i = 0; i < 4; i++) {
		edu_dma(fd, IOVA + i * PAGE, 64, 0);
		edu_dma(fd, IOVA + 0x100000 * (4 - i), 64, 1);
		CHECK(!strcmp(joined + i * PAGE, pages[i]));
	}
	EQUAL(dma_unmap(fd, IOVA, 4 * PAGE), 4 * PAGE);
	EQUAL(dma_unmap_all(fd), 4 * PAGE);
	EQUAL(dma_unmap_all(fd), 0);
}

TEST(dma_map_refuses_bad_ranges)
{
	int fd = edu_open();
	char *page = memory(8 * PAGE);
	struct upu_info info = device_info(fd);
	struct upu_dma_map arg = { .argsz = sizeof(arg), .flags = UPU_DMA_READ };

	ERRNO(dma_map(fd, page, 0, IOVA), EINVAL);
	ERRNO(dma_map(fd, page + 1, PAGE, IOVA), EINVAL);
	ERRNO(dma_map(fd, page, PAGE, IOVA + 1), EINVAL);
	ERRNO(dma_map(fd, page, PAGE + 1, IOVA), EINVAL);
	ERRNO(dma_map_flags(fd, page, PAGE, IOVA, 0), EINVAL);
	ERRNO(dma_map(fd, page, 2 * PAGE, ~0ull - PAGE + 1), EOVERFLOW);
	ERRNO(dma_map(fd, (void *)(~0ul - PAGE + 1), 2 * PAGE, IOVA), EOVERFLOW);
	ERRNO(dma_map(fd, page, ~0ull - PAGE + 1, IOVA), EOVERFLOW);
	ERRNO(dma_map(fd, page, PAGE, 0xfee00000), EINVAL);
	ERRNO(dma_map(fd, page, 2 * PAGE, 0xfee00000 - PAGE), EINVAL);
	if (info.aperture_last != ~0ull) {
		ERRNO(dma_map(fd, page, PAGE, info.aperture_last + 1), EINVAL);
		ERRNO(dma_map(fd, page, 2 * PAGE, info.aperture_last + 1 - PAGE), EINVAL);
	}
	arg.vaddr = (uintptr_t)page;
	arg.size = PAGE;
	arg.iova = 1ull << 28;
	arg.address_bits = 28;
	ERRNO(ioctl(fd, UPU_DMA_MAP, &arg), EINVAL);
	arg.iova -= PAGE;
	OK(ioctl(fd, UPU_DMA_MAP, &arg));
	arg.address_bits = 65;
	arg.iova = 0;
	ERRNO(ioctl(fd, UPU_DMA_MAP, &arg), EINVAL);
	arg.address_bits = 0;
	arg.fd = 5;
	ERRNO(ioctl(fd, UPU_DMA_MAP, &arg), EINVAL);
	munmap(page + 4 * PAGE, PAGE);
	ERRNO(dma_map(fd, page, 8 * PAGE, IOVA), EFAULT);
	ERRNO(dma_map(fd, (void *)0xffff888000000000ul, PAGE, IOVA), EFAULT);
	OK(dma_map(fd, page, 4 * PAGE, IOVA));
	ERRNO(dma_map(fd, page, PAGE, IOVA), EEXIST);
	ERRNO(dma_map(fd, page, PAGE, IOVA + 3 * PAGE), EEXIST);
	ERRNO(dma_map(fd, page, 2 * PAGE, IOVA - PAGE), EEXIST);
	ERRNO(dma_map(fd, page, 3 * PAGE, IOVA - PAGE), EEXIST);
	OK(dma_map(fd, page, PAGE, IOVA + 4 * PAGE));
	OK(dma_map(fd, page, PAGE, IOVA - PAGE));
	EQUAL(device_info(fd).dma_count, 4);
}

TEST(dma_unmap_does_not_split)
{
	int fd = edu_open();
	char *page = memory(4 * PAGE);
	struct upu_dma_unmap arg = { .argsz = sizeof(arg), .flags = UPU_DMA_UNMAP_ALL, .size = PAGE };

	OK(dma_map(fd, page, 4 * PAGE, IOVA));
	OK(dma_map(fd, page, PAGE, IOVA + 8 * PAGE));
	ERRNO(dma_unmap(fd, IOVA, PAGE), EINVAL);
	ERRNO(dma_unmap(fd, IOVA + PAGE, 3 * PAGE), EINVAL);
	ERRNO(dma_unmap(fd, IOVA + PAGE, 16 * PAGE), EINVAL);
	ERRNO(dma_unmap(fd, IOVA + 4 * PAGE, PAGE), ENOENT);
	ERRNO(dma_unmap(fd, IOVA, 0), EINVAL);
	ERRNO(dma_unmap(fd, ~0ull, 2), EOVERFLOW);
	ERRNO(ioctl(fd, UPU_DMA_UNMAP, &arg), EINVAL);
	EQUAL(device_info(fd).dma_count, 2);
	EQUAL(dma_unmap(fd, IOVA - PAGE, 64 * PAGE), 5 * PAGE);
	EQUAL(device_info(fd).dma_count, 0);
}

TEST(dma_keeps_to_the_memlock_limit)
{
	int fd = edu_open(), i;
	struct rlimit limit = { 8 * PAGE, 8 * PAGE };
	char *page = memory(32 * PAGE);
	long locked = locked_kb();

	if (!geteuid())
		SKIP("root may lock as much as it likes");
	OK(setrlimit(RLIMIT_MEMLOCK, &limit));
	EQUAL(device_info(fd).locked_limit, 8 * PAGE);
	ERRNO(dma_map(fd, page, 9 * PAGE, IOVA), ENOMEM);
	EQUAL(locked_kb(), locked);
	for (i = 0; i < 3; i++) {
		OK(dma_map(fd, page, 8 * PAGE, IOVA));
		EQUAL(device_info(fd).locked, 8 * PAGE);
		ERRNO(dma_map(fd, page, PAGE, IOVA + 0x100000), ENOMEM);	/* each mapping counts */
		EQUAL(dma_unmap(fd, IOVA, 8 * PAGE), 8 * PAGE);
	}
	/* What is on its way out does not stand in the way. */
	for (i = 0; i < 50; i++) {
		char *gone = memory(8 * PAGE);

		OK(dma_map(fd, gone, 8 * PAGE, IOVA + 0x100000 * (i % 8)));
		munmap(gone, 8 * PAGE);
	}
	close(fd);
	EQUAL(locked_kb(), locked);
}

TEST(dma_entries_are_limited)
{
	int fd = edu_open(), buffer = dma_alloc(fd, PAGE, 0);
	uint32_t maximum = device_info(fd).dma_maximum, i;

	CHECK(buffer >= 0);
	for (i = 0; i < maximum; i++)
		OK(dma_map_buffer(fd, buffer, 0, PAGE, IOVA + (uint64_t)i * PAGE));
	ERRNO(dma_map_buffer(fd, buffer, 0, PAGE, IOVA + (uint64_t)i * PAGE), ENOSPC);
	EQUAL(dma_unmap_all(fd), maximum * PAGE);
	OK(dma_map_buffer(fd, buffer, 0, PAGE, IOVA));
}

TEST(dma_of_a_bar_is_refused)
{
	int fd = edu_open();
	void *bar = bar_map(fd, 0, 0, PAGE);

	CHECK(bar != MAP_FAILED);
	ERRNO(dma_map(fd, bar, PAGE, IOVA), EFAULT);
}

TEST(dma_of_read_only_memory)
{
	int fd = edu_open();
	char *page = memory(PAGE);

	strcpy(page, "constant");
	mprotect(page, PAGE, PROT_READ);
	ERRNO(dma_map(fd, page, PAGE, IOVA), EFAULT);
	OK(dma_map_flags(fd, page, PAGE, IOVA, UPU_DMA_READ));
	edu_dma(fd, IOVA, 16, 0);
}

/* What the device reads is what the user writes after mapping, though the page was never touched. */
TEST(dma_of_untouched_memory_stays_the_users)
{
	int fd = edu_open();
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *out = memory(PAGE);

	(void)*(volatile char *)page;		/* the shared zero page */
	OK(dma_map_flags(fd, page, PAGE, IOVA, UPU_DMA_READ));
	OK(dma_map(fd, out, PAGE, IOVA + PAGE));
	strcpy(page, "written later");
	edu_dma(fd, IOVA, 64, 0);
	edu_dma(fd, IOVA + PAGE, 64, 1);
	CHECK(!strcmp(out, "written later"));
}

TEST(dma_of_huge_pages)
{
	int fd = edu_open();
	char *huge = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (huge == MAP_FAILED)
		SKIP("no huge pages");
	OK(dma_map(fd, huge, HUGE, IOVA));
	strcpy(huge + HUGE - PAGE, "end");
	edu_dma(fd, IOVA + HUGE - PAGE, 16, 0);
	EQUAL(dma_unmap(fd, IOVA, HUGE), HUGE);
	OK(dma_map(fd, huge, HUGE, IOVA));
	EQUAL(munmap(huge, HUGE), 0);
	expect_invalidation(fd, IOVA, HUGE, huge, UPU_CAUSE_UNMAPPED, 0);
}

/* ---- invalidation ---- */

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

TEST(the_end_of_the_owner_unmaps_and_quiets)
{
	int fd = edu_open(), status, pipes[2];
	struct upu_invalidation records[4];
	char *page = memory(PAGE), byte;
	pid_t child;
	int how, i;

	for (how = 0; how < 3; how++) {
		CHECK(!pipe(pipes));
		bus_master(fd, 1);
		child = fork();
		if (!child) {			/* the first to map: the owner */
			bus_master(fd, 1);
			if (how == 2)
				fcntl(fd, F_SETFD, 0);
			OK(dma_map(fd, memory(PAGE), PAGE, IOVA));
			OK(dma_map_buffer(fd, dma_alloc(fd, PAGE, 0), 0, PAGE, IOVA + PAGE));
			(void)!write(pipes[1], "x", 1);
			if (how == 0)
				_exit(0);
			if (how == 2) {
				execl("/bin/sleep", "sleep", "100", NULL);
				_exit(1);
			}
			pause();
		}
		EQUAL(read(pipes[0], &byte, 1), 1);
		if (how == 1)		/* it lives until it is killed */
			ERRNO(dma_map(fd, page, PAGE, IOVA + 0x100000), EPERM);
		if (how == 1)
			kill(child, SIGKILL);
		if (how == 2)
			for (i = 0; i < 1000 && device_info(fd).dma_count; i++)
				sleep_ms(10);	/* exec is over then, the new program lives */
		else
			waitpid(child, &status, 0);
		CHECK(!(config_read(fd, 4, 2) & 4));
		EQUAL(invalidations(fd, records, 4), 2);
		EQUAL(records[0].cause, UPU_CAUSE_EXITED);
		EQUAL(records[1].cause, UPU_CAUSE_EXITED);
		EQUAL(device_info(fd).dma_count, 0);
		if (how == 2) {
			EQUAL(kill(child, SIGKILL), 0);
			waitpid(child, &status, 0);
		}
	}
	/* The device is free for the next one to map. */
	OK(dma_map(fd, page, PAGE, IOVA));
	bus_master(fd, 1);
	strcpy(page, "x");
	edu_dma(fd, IOVA, 16, 0);
	EQUAL(dma_unmap(fd, IOVA, PAGE), PAGE);
}

TEST(only_the_first_process_maps)
{
	int fd = edu_open(), status;
	char *page = memory(PAGE);
	pid_t child;

	ERRNO(dma_map(fd, NULL, PAGE, IOVA), EFAULT);	/* a failure makes nobody the owner */
	child = fork();
	if (!child) {
		OK(dma_map(fd, page, PAGE, IOVA));
		EQUAL(dma_unmap(fd, IOVA, PAGE), PAGE);
		_exit(0);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	OK(dma_map(fd, page, PAGE, IOVA));
	child = fork();
	if (!child) {
		ERRNO(dma_map(fd, page, PAGE, IOVA + PAGE), EPERM);
		ERRNO(dma_unmap(fd, IOVA, PAGE), EPERM);
		ERRNO(dma_unmap_all(fd), EPERM);
		_exit(0);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	EQUAL(dma_unmap(fd, IOVA, PAGE), PAGE);
}

/* As a broker does it: opened by one, mapped by another, the first gone. */
TEST(a_descriptor_may_be_passed_on)
{
	int fd = edu_open(), sockets[2], status, got;
	char data[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = data,
				  .msg_controllen = sizeof(data) };
	struct cmsghdr *control = CMSG_FIRSTHDR(&message);
	pid_t child;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	if (!child) {
		char *page;

		close(fd);
		EQUAL(recvmsg(sockets[1], &message, 0), 1);
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(got));
		page = memory(PAGE);
		OK(dma_map(got, page, PAGE, IOVA));
		expect_alive(got, IOVA, page);
		_exit(0);
	}
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
	EQUAL(sendmsg(sockets[0], &message, 0), 1);
	close(fd);
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	close(device_open("EDU"));
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

/* ---- buffers ---- */

TEST(a_buffer_is_the_recommended_memory)
{
	int fd = edu_open(), buffer, other;
	struct upu_invalidation record;
	long locked = locked_kb();
	char *at;

	buffer = dma_alloc(fd, 4 * PAGE, 0);
	CHECK(buffer >= 0);
	EQUAL(locked_kb(), locked + 16);
	CHECK(fcntl(buffer, F_GETFD) & FD_CLOEXEC);
	at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	CHECK(at != MAP_FAILED && !at[0] && !at[4 * PAGE - 1]);
	OK(dma_map_buffer(fd, buffer, PAGE, 2 * PAGE, IOVA));
	strcpy(at + PAGE, "through the buffer");
	edu_dma(fd, IOVA, 64, 0);
	edu_dma(fd, IOVA + PAGE, 64, 1);
	CHECK(!strcmp(at + 2 * PAGE, "through the buffer"));
	/* Its pages stay, whatever becomes of the addresses. */
	munmap(at, 4 * PAGE);
	ERRNO(invalidations(fd, &record, 1), EAGAIN);
	EQUAL(device_info(fd).dma_count, 1);
	/* It outlives the session ... */
	close(fd);
	other = edu_open();
	OK(dma_map_buffer(other, buffer, 2 * PAGE, PAGE, IOVA));
	at = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	CHECK(!strcmp(at + 2 * PAGE, "through the buffer"));
	/* ... and its descriptor, while it is mapped. */
	close(buffer);
	munmap(at, 4 * PAGE);
	EQUAL(locked_kb(), locked + 16);
	edu_dma(other, IOVA, 64, 0);
	EQUAL(dma_unmap(other, IOVA, PAGE), PAGE);
	sleep_ms(50);
	EQUAL(locked_kb(), locked);
}

TEST(a_huge_buffer_is_contiguous)
{
	int fd = edu_open(), buffer = dma_alloc(fd, HUGE, UPU_ALLOC_HUGE);
	char *at;

	if (buffer < 0 && errno == ENOMEM)
		SKIP("no free 2 MiB");
	CHECK(buffer >= 0);
	at = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	CHECK(at != MAP_FAILED);
	memset(at, 3, HUGE);
	OK(dma_map_buffer(fd, buffer, 0, HUGE, IOVA));
	edu_dma(fd, IOVA + HUGE - PAGE, 64, 1);
	ERRNO(dma_alloc(fd, PAGE, UPU_ALLOC_HUGE), EINVAL);
}

/* Which node the page there is of. */
static int node_of(char *at)
{
	int node = -1;

	OK(syscall(SYS_get_mempolicy, &node, NULL, 0ul, at, (unsigned long)(MPOL_F_NODE | MPOL_F_ADDR)));
	return node;
}

static int dma_alloc_on(int fd, uint64_t size, uint32_t flags, int node)
{
	struct upu_dma_alloc arg = { .argsz = sizeof(arg), .size = size, .flags = flags, .numa_node = node };

	return ioctl(fd, UPU_DMA_ALLOC, &arg) ? -1 : arg.fd;
}

/* The machine has two. Who asks for none gets what is near, of which there is enough. */
TEST(a_buffer_lies_on_its_node)
{
	int fd = edu_open(), node, buffer, huge;
	unsigned long i, size;
	long locked = locked_kb();
	char *at;

	for (node = 0; node < 2; node++)
		for (huge = 0; huge < 2; huge++) {
			size = huge ? HUGE : 64 * PAGE;
			buffer = dma_alloc_on(fd, size, huge ? UPU_ALLOC_HUGE : 0, node);
			OK(buffer);
			at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
			CHECK(at != MAP_FAILED);
			memset(at, 1, size);
			for (i = 0; i < size; i += PAGE)
				EQUAL(node_of(at + i), node);
			munmap(at, size);
			close(buffer);
		}
	EQUAL(locked_kb(), locked);
	ERRNO(dma_alloc_on(fd, PAGE, 0, 2), EINVAL);		/* there is none */
	ERRNO(dma_alloc_on(fd, PAGE, 0, -2), EINVAL);
	ERRNO(dma_alloc_on(fd, PAGE, 0, 1 << 20), EINVAL);
	ERRNO(dma_alloc_on(fd, PAGE, 0, 0x7fffffff), EINVAL);
}

TEST(buffers_are_checked)
{
	int fd = edu_open(), buffer = dma_alloc(fd, 2 * PAGE, 0);
	struct rlimit limit = { 8 * PAGE, 8 * PAGE };

	CHECK(buffer >= 0);
	ERRNO(dma_map_buffer(fd, buffer, 2 * PAGE, PAGE, IOVA), EFAULT);
	ERRNO(dma_map_buffer(fd, buffer, PAGE, 2 * PAGE, IOVA), EFAULT);
	ERRNO(dma_map_buffer(fd, buffer, 1, PAGE, IOVA), EINVAL);
	ERRNO(dma_map_buffer(fd, 999, 0, PAGE, IOVA), EBADF);
	ERRNO(dma_map_buffer(fd, fd, 0, PAGE, IOVA), EINVAL);
	ERRNO(dma_alloc(fd, 0, 0), EINVAL);
	ERRNO(dma_alloc(fd, 100, 0), EINVAL);
	ERRNO(dma_alloc(fd, 1ull << 60, 0), ENOMEM);
	ERRNO((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, buffer, 0), EINVAL);
	ERRNO((intptr_t)mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, buffer, 0), EINVAL);
	if (geteuid()) {
		OK(setrlimit(RLIMIT_MEMLOCK, &limit));
		ERRNO(dma_alloc(fd, 16 * PAGE, 0), ENOMEM);
	}
}

TEST(accounting_comes_back)
{
	int fd = edu_open(), i;
	char *page = memory(64 * PAGE);
	long locked = locked_kb();

	for (i = 0; i < 500; i++) {
		OK(dma_map(fd, page, 64 * PAGE, IOVA));
		ERRNO(dma_map(fd, page, PAGE, IOVA), EEXIST);
		ERRNO(dma_map(fd, NULL, PAGE, IOVA + 0x100000), EFAULT);
		EQUAL(dma_unmap(fd, IOVA, 64 * PAGE), 64 * PAGE);
	}
	EQUAL(locked_kb(), locked);
	OK(dma_map(fd, page, 64 * PAGE, IOVA));
	close(fd);
	EQUAL(locked_kb(), locked);
}
