// SPDX-License-Identifier: GPL-2.0
/*
 * Every call with every word of its argument at its edges, alone and two at a time, with every argsz, with every
 * pointer bad; on a living device, on one that was revoked and on one that was removed. A call that fails has changed
 * nothing, and fails with an errno that uio_pci_user.h names.
 */
#define _GNU_SOURCE
#include <stddef.h>

#include "device.h"

#define IOVA	0x1000000ull
#define WORDS	24		/* room for the largest argument */

static int fds[4];
static char *mem;
static char bytes[4096];

struct call {
	const char *name;
	unsigned long number;
	unsigned int size;
	void (*fill)(uint32_t *arg);
	int pointer;		/* byte offset of a user address in it, or 0 */
	uint32_t flags;		/* that it knows */
};

static void put64(uint32_t *arg, unsigned int offset, uint64_t value)
{
	memcpy((char *)arg + offset, &value, 8);
}

static void fill_info(uint32_t *arg)
{
	struct upu_info *info = (void *)arg;

	info->range_capacity = 4;
	info->ranges = (uintptr_t)bytes;
}

static void fill_bar(uint32_t *arg)
{
	struct upu_bar *bar = (void *)arg;

	bar->range_capacity = 4;
	bar->ranges = (uintptr_t)bytes;
}

static void fill_map(uint32_t *arg)
{
	*(struct upu_dma_map *)arg = (struct upu_dma_map){
		.flags = UPU_DMA_READ, .vaddr = (uintptr_t)mem, .size = PAGE, .iova = IOVA };
}

static void fill_unmap(uint32_t *arg)
{
	*(struct upu_dma_unmap *)arg = (struct upu_dma_unmap){ .iova = IOVA + 16 * PAGE, .size = PAGE };
}

static void fill_alloc(uint32_t *arg)
{
	*(struct upu_dma_alloc *)arg = (struct upu_dma_alloc){ .size = PAGE, .numa_node = -1 };
}

static void fill_invalidations(uint32_t *arg)
{
	*(struct upu_get_invalidations *)arg = (struct upu_get_invalidations){
		.capacity = 2, .records = (uintptr_t)bytes };
}

static void fill_irqs(uint32_t *arg)
{
	*(struct upu_set_irqs *)arg = (struct upu_set_irqs){
		.kind = UPU_IRQ_MSI, .action = UPU_IRQ_ARM, .count = 1, .fds = (uintptr_t)fds };
}

static void fill_affinity(uint32_t *arg)
{
	*(struct upu_affinity *)arg = (struct upu_affinity){ .mask_size = 512, .mask = (uintptr_t)bytes };
	memset(bytes, 0, sizeof(bytes));
	bytes[0] = 1;
}

static void fill_eventfd(uint32_t *arg)
{
	((struct upu_set_eventfd *)arg)->fd = fds[1];
}

static void fill_reply(uint32_t *arg)
{
	*(struct upu_reply *)arg = (struct upu_reply){ .sequence = 1, .answer = 1 };
}

static void fill_nothing(uint32_t *arg)
{
	(void)arg;
}

#define POINTER(type, field) offsetof(struct type, field)

static const struct call calls[] = {
	{ "GET_INFO", UPU_GET_INFO, sizeof(struct upu_info), fill_info, POINTER(upu_info, ranges), 0 },
	{ "GET_BAR", UPU_GET_BAR, sizeof(struct upu_bar), fill_bar, POINTER(upu_bar, ranges), 0 },
	{ "DMA_MAP", UPU_DMA_MAP, sizeof(struct upu_dma_map), fill_map, POINTER(upu_dma_map, vaddr),
	  UPU_DMA_READ | UPU_DMA_WRITE | UPU_DMA_BUFFER },
	{ "DMA_UNMAP", UPU_DMA_UNMAP, sizeof(struct upu_dma_unmap), fill_unmap, 0, UPU_DMA_UNMAP_ALL },
	{ "DMA_ALLOC", UPU_DMA_ALLOC, sizeof(struct upu_dma_alloc), fill_alloc, 0, UPU_ALLOC_HUGE },
	{ "GET_INVALIDATIONS", UPU_GET_INVALIDATIONS, sizeof(struct upu_get_invalidations), fill_invalidations,
	  POINTER(upu_get_invalidations, records), 0 },
	{ "SET_IRQS", UPU_SET_IRQS, sizeof(struct upu_set_irqs), fill_irqs, POINTER(upu_set_irqs, fds), 0 },
	{ "SET_AFFINITY", UPU_SET_AFFINITY, sizeof(struct upu_affinity), fill_affinity, POINTER(upu_affinity, mask), 0 },
	{ "GET_AFFINITY", UPU_GET_AFFINITY, sizeof(struct upu_affinity), fill_affinity, POINTER(upu_affinity, mask), 0 },
	{ "SET_ERR_EVENTFD", UPU_SET_ERR_EVENTFD, sizeof(struct upu_set_eventfd), fill_eventfd, 0, 0 },
	{ "SET_REQ_EVENTFD", UPU_SET_REQ_EVENTFD, sizeof(struct upu_set_eventfd), fill_eventfd, 0,
	  UPU_REQ_SPARE_BARS },
	{ "SET_INVALIDATION_EVENTFD", UPU_SET_INVALIDATION_EVENTFD, sizeof(struct upu_set_eventfd), fill_eventfd, 0, 0 },
	{ "GET_EVENT", UPU_GET_EVENT, sizeof(struct upu_event), fill_nothing, 0, 0 },
	{ "REPLY", UPU_REPLY, sizeof(struct upu_reply), fill_reply, 0, 0 },
	{ "RESET", UPU_RESET, sizeof(struct upu_plain), fill_nothing, 0, 0 },
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

static const uint64_t edges[] = {
	0, 1, 2, 3, 4, 5, 7, 8, 12, 31, 32, 63, 64, 65, 255, 256, 2047, 2048, 2049, 4095, 4096, 4097, 0x7fffffff, 0x80000000,
	0xfee00000, 0xfffffffe, 0xffffffff, 0x100000000, 0x7fffffffffff, 0x800000000000, 0x7fffffffffffffff,
	0x8000000000000000, 0xfffffffffffff000, 0xfffffffffffffffe, 0xffffffffffffffff,
};

#define EDGES (sizeof(edges) / sizeof(edges[0]))

static int named(int error)
{
	static const int errors[] = { E2BIG, EAGAIN, EBADF, EBUSY, EEXIST, EFAULT, EINVAL, EIO, EMFILE, ENODEV, ENOENT, ENOMEM,
				      ENOSPC, ENXIO, EOPNOTSUPP, EOVERFLOW, EPERM };
	unsigned int i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i] == error)
			return 1;
	return 0;
}

struct state {
	struct upu_info info;
	uint32_t armed;
	int lowest;		/* the descriptor that would come next */
};

static struct state look(int fd)
{
	struct state state = { .info = device_info(fd) };

	state.armed = !irqs(fd, UPU_IRQ_MSI, UPU_IRQ_UNMASK, 0, 1, NULL) +
		      2 * !irqs(fd, UPU_IRQ_INTX, UPU_IRQ_UNMASK, 0, 1, NULL);
	state.lowest = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	close(state.lowest);
	return state;
}

/* Takes back whatever a call that succeeded may have done. */
static void undo(int fd, const struct call *call, uint32_t *arg)
{
	switch (call->number) {
	case UPU_DMA_ALLOC:
		close(((struct upu_dma_alloc *)arg)->fd);
		break;
	case UPU_DMA_MAP:
	case UPU_DMA_UNMAP:
		OK(dma_unmap_all(fd));
		OK(dma_map(fd, mem + 8 * PAGE, PAGE, IOVA + 8 * PAGE));
		OK(dma_map(fd, mem + 16 * PAGE, PAGE, IOVA + 16 * PAGE));
		break;
	case UPU_SET_IRQS:
		irqs(fd, UPU_IRQ_MSI, UPU_IRQ_DISARM, 0, 0, NULL);
		irqs(fd, UPU_IRQ_INTX, UPU_IRQ_DISARM, 0, 0, NULL);
		OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, fds + 2));
		break;
	default:
		break;
	}
}

static long tried, refused;

static void try(int fd, const struct call *call, uint32_t *arg, const struct state *before)
{
	struct state after;
	uint32_t sent[WORDS];
	int ret;

	memcpy(sent, arg, sizeof(sent));
	errno = 0;
	ret = ioctl(fd, call->number, arg);
	tried++;
	if (!ret) {
		undo(fd, call, arg);
		return;
	}
	refused++;
	if (ret != -1 || !named(errno))
		FAIL("%s: returned %d, errno %d (%s)", call->name, ret, errno, strerror(errno));
	after = look(fd);
	if (after.info.pinned != before->info.pinned || after.info.dma_count != before->info.dma_count ||
	    after.info.locked != before->info.locked || after.armed != before->armed || after.lowest != before->lowest)
		FAIL("%s failed and left something: pinned %llu, was %llu; mappings %u, were %u; armed %u, were %u; next "
		     "descriptor %d, was %d", call->name, (unsigned long long)after.info.pinned,
		     (unsigned long long)before->info.pinned, after.info.dma_count, before->info.dma_count, after.armed,
		     before->armed, after.lowest, before->lowest);
	memcpy(arg, sent, sizeof(sent));
}

static void fresh(const struct call *call, uint32_t *arg)
{
	memset(arg, 0, WORDS * 4);
	call->fill(arg);
	arg[0] = call->size;
}

static int sweep_open(void)
{
	int fd = device_open("EDU"), i;

	CHECK(device_info(fd).flags & UPU_INFO_IOMMU);
	for (i = 0; i < 4; i++)
		fds[i] = event();
	mem = memory(64 * PAGE);
	OK(dma_map(fd, mem + 8 * PAGE, PAGE, IOVA + 8 * PAGE));
	OK(dma_map(fd, mem + 16 * PAGE, PAGE, IOVA + 16 * PAGE));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, fds + 2));
	return fd;
}

TEST(every_word_of_every_call_at_its_edges)
{
	int fd = sweep_open();
	struct state before = look(fd);
	uint32_t arg[WORDS];
	unsigned int i, at, edge;

	for (i = 0; i < CALLS; i++)
		for (at = 4; at < calls[i].size; at += 4)
			for (edge = 0; edge < EDGES; edge++) {
				fresh(&calls[i], arg);
				arg[at / 4] = edges[edge];
				try(fd, &calls[i], arg, &before);
				if (at % 8)
					continue;
				fresh(&calls[i], arg);
				put64(arg, at, edges[edge]);
				try(fd, &calls[i], arg, &before);
			}
	printf("# %ld calls, %ld refused\n", tried, refused);
	CHECK(tried > 4000 && refused > tried / 4);
}

TEST(two_words_of_every_call_at_their_edges)
{
	int fd = sweep_open(), rounds = getenv("UPU_ROUNDS") ? atoi(getenv("UPU_ROUNDS")) : 1, j;
	struct state before = look(fd);
	uint64_t seed = 7;
	uint32_t arg[WORDS];
	unsigned int i, k;

	for (i = 0; i < CALLS; i++)
		for (j = 0; j < 400 * rounds && calls[i].size > 8; j++) {
			fresh(&calls[i], arg);
			for (k = 0; k < 2; k++) {
				seed = seed * 6364136223846793005ull + 1442695040888963407ull;
				if (seed >> 63)
					put64(arg, 8 + (seed >> 40) % (calls[i].size - 8) / 8 * 8, edges[(seed >> 20) % EDGES]);
				else
					arg[1 + (seed >> 40) % (calls[i].size / 4 - 1)] = edges[(seed >> 20) % EDGES];
			}
			try(fd, &calls[i], arg, &before);
		}
	printf("# %ld calls, %ld refused\n", tried, refused);
}

/* A call that is right but for one bit of its flags, which is not one of those that it knows. */
TEST(every_call_refuses_unknown_flags)
{
	int fd = sweep_open();
	struct state before = look(fd);
	uint32_t arg[WORDS];
	unsigned int i, bit;

	for (i = 0; i < CALLS; i++) {
		fresh(&calls[i], arg);
		errno = 0;
		if (!ioctl(fd, calls[i].number, arg))
			undo(fd, &calls[i], arg);
		if (errno == EINVAL)
			FAIL("%s: what is to be right is EINVAL", calls[i].name);
		for (bit = 0; bit < 32; bit++) {
			if (calls[i].flags >> bit & 1)
				continue;
			fresh(&calls[i], arg);
			arg[1] |= 1u << bit;
			errno = 0;
			if (ioctl(fd, calls[i].number, arg) != -1 || errno != EINVAL)
				FAIL("%s: bit %u of the flags is not EINVAL but %d", calls[i].name, bit, errno);
		}
		CHECK(look(fd).info.dma_count == before.info.dma_count && look(fd).armed == before.armed &&
		      look(fd).lowest == before.lowest);
	}
}

TEST(every_argsz_of_every_call)
{
	int fd = sweep_open();
	struct state before = look(fd);
	uint32_t arg[WORDS];
	unsigned int i, size;

	for (i = 0; i < CALLS; i++) {
		for (size = 0; size < calls[i].size; size++) {
			fresh(&calls[i], arg);
			arg[0] = size;
			ERRNO(ioctl(fd, calls[i].number, arg), EINVAL);
		}
		for (size = 0; size < 3; size++) {	/* longer: from a later day */
			fresh(&calls[i], arg);
			arg[0] = size == 0 ? calls[i].size + 1 : size == 1 ? 4096 : ~0u;
			try(fd, &calls[i], arg, &before);
		}
	}
}

/* The argument, or what a pointer in it leads to, ends at every byte that it has. */
TEST(every_pointer_of_every_call_bad)
{
	int fd = sweep_open();
	char *edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *constant = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const uint64_t bad[] = { 0, 8, 0x7ffffffff000, 0x800000000000, 0xffff888000000000, ~0ull, ~0ull - 7 };
	struct state before = look(fd);
	uint32_t arg[WORDS];
	unsigned int i, there;

	munmap(edge + PAGE, PAGE);
	for (i = 0; i < CALLS; i++) {
		for (there = 0; there < calls[i].size; there++) {
			fresh(&calls[i], arg);
			memcpy(edge + PAGE - there, arg, there);
			errno = 0;
			CHECK(ioctl(fd, calls[i].number, edge + PAGE - there) == -1);
			EQUAL(errno, EFAULT);
			CHECK(look(fd).info.dma_count == before.info.dma_count && look(fd).armed == before.armed);
		}
		for (there = 0; there < sizeof(bad) / sizeof(bad[0]); there++) {
			ERRNO(ioctl(fd, calls[i].number, bad[there]), EFAULT);
			if (!calls[i].pointer)
				continue;
			fresh(&calls[i], arg);
			put64(arg, calls[i].pointer, bad[there]);
			try(fd, &calls[i], arg, &before);
		}
		/* Where the answer cannot be written. */
		fresh(&calls[i], (uint32_t *)constant);
		mprotect(constant, PAGE, PROT_READ);
		if (!ioctl(fd, calls[i].number, constant))
			undo(fd, &calls[i], (uint32_t *)constant);
		CHECK(look(fd).lowest == before.lowest && look(fd).info.dma_count == before.info.dma_count);
		mprotect(constant, PAGE, PROT_READ | PROT_WRITE);
	}
}

static void all_are_enodev(int fd)
{
	uint32_t arg[WORDS], value;
	unsigned int i, at, edge;

	for (i = 0; i < CALLS; i++)
		for (at = 4; at < calls[i].size; at += 4)
			for (edge = 0; edge < EDGES; edge++) {
				fresh(&calls[i], arg);
				arg[at / 4] = edges[edge];
				ERRNO(ioctl(fd, calls[i].number, arg), ENODEV);
			}
	for (i = 0; i < UPU_WINDOW_COUNT; i++) {
		ERRNO(pread(fd, &value, 4, UPU_WINDOW_OFFSET(i)), ENODEV);
		ERRNO(pwrite(fd, &value, 4, UPU_WINDOW_OFFSET(i)), ENODEV);
		ERRNO((intptr_t)bar_map(fd, i, 0, PAGE), ENODEV);
	}
	ERRNO(read(fd, &value, 4), ENODEV);
	ERRNO(write(fd, &value, 4), ENODEV);
	ERRNO(plain(fd, UPU_REVOKE), ENODEV);
}

TEST(every_call_on_a_revoked_device)
{
	int fd = sweep_open(), control = device_try("EDU", UPU_O_CONTROL);

	CHECK(control >= 0);
	OK(plain(control, UPU_REVOKE));
	all_are_enodev(fd);
}

ROOT_TEST(every_call_on_a_removed_device)
{
	int fd = sweep_open(), driver;

	driver = open("/sys/bus/pci/drivers/uio_pci_user/unbind", O_WRONLY | O_CLOEXEC);
	CHECK(write(driver, device_address("EDU"), 12) == 12);
	all_are_enodev(fd);
	driver = open("/sys/bus/pci/drivers/uio_pci_user/bind", O_WRONLY | O_CLOEXEC);
	CHECK(write(driver, device_address("EDU"), 12) == 12);
	close(device_open("EDU"));
}
