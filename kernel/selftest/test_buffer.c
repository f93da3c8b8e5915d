// SPDX-License-Identifier: GPL-2.0
/* Memory of the kernel for DMA. */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "device.h"
#include "mappings.h"

#define IOVA	0x1000000ull	/* edu has 28 address bits */

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
