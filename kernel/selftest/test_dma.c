// SPDX-License-Identifier: GPL-2.0
/* DMA: mappings and their accounting. */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "device.h"
#include "mappings.h"

#define IOVA	0x1000000ull	/* edu has 28 address bits */

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
