// SPDX-License-Identifier: GPL-2.0
/* What happens to memory without taking it away, under running DMA: nothing may be revoked by it. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device.h"
#include "nvme.h"

#define IOVA		0x1000000ull
#define THERE		0x2000000ull	/* of the huge page's first pages */
#define SHARED		0x3000000ull
#define QUEUES		0x8000000ull
#define AREA		16

/* Not in all libc headers. */
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif
#ifndef MADV_COLD
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif

struct memories {
	char *page;		/* small anonymous pages, mapped whole */
	char *huge;		/* a huge page of which the first pages are mapped */
	char *shared;		/* of a memfd, mapped whole */
	char *beside;		/* the memfd's next pages, not mapped */
	int file;
	int fd;			/* the device's */
	unsigned int round;
};

static void to_sysfs(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text));
	close(fd);
}

static void protect(struct memories *of)
{
	mprotect(of->page, AREA * PAGE, PROT_NONE);
	mprotect(of->page, AREA * PAGE, PROT_READ);
	mprotect(of->page, AREA * PAGE, PROT_READ | PROT_WRITE);
	mprotect(of->shared, AREA * PAGE, PROT_READ);
	mprotect(of->shared, AREA * PAGE, PROT_READ | PROT_WRITE);
}

/* A new huge page each time: what has been split stays split, since its first pages are pinned. */
static void renew_huge(struct memories *of)
{
	EQUAL(dma_unmap(of->fd, THERE, AREA * PAGE), AREA * PAGE);
	CHECK(mmap(of->huge, HUGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0) == of->huge);
	madvise(of->huge, HUGE, MADV_HUGEPAGE);
	of->huge[0] = 1;		/* the whole comes in */
	OK(dma_map(of->fd, of->huge, AREA * PAGE, THERE));
}

static void split_by_protect(struct memories *of)
{
	renew_huge(of);
	mprotect(of->huge + HUGE / 2, PAGE, PROT_READ);
	mprotect(of->huge + HUGE / 2, PAGE, PROT_READ | PROT_WRITE);
}

static void split_by_drop(struct memories *of)
{
	char *far = of->huge + HUGE - (1 + of->round % 64) * PAGE;

	renew_huge(of);
	madvise(far, PAGE, MADV_DONTNEED);
	*far = 1;
}

static void split_by_unmap(struct memories *of)
{
	char *far = of->huge + HUGE / 2 + of->round % 64 * PAGE;

	renew_huge(of);
	munmap(far, PAGE);
	CHECK(mmap(far, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0) == far);
}

static void split_by_lock(struct memories *of)
{
	renew_huge(of);
	mlock(of->huge + HUGE / 2, PAGE);
	munlock(of->huge + HUGE / 2, PAGE);
	mlock(of->page, PAGE);
	munlock(of->page, PAGE);
}

static void lazy_free(struct memories *of)
{
	madvise(of->page, AREA * PAGE, MADV_FREE);
	of->page[of->round % AREA * PAGE] = 1;
}

static void cold(struct memories *of)
{
	madvise(of->page, AREA * PAGE, MADV_COLD);
	madvise(of->page, AREA * PAGE, MADV_PAGEOUT);
	madvise(of->shared, AREA * PAGE, MADV_PAGEOUT);
	madvise(of->huge, HUGE, MADV_PAGEOUT);
}

static void fork_and_write(struct memories *of)
{
	int status;
	pid_t child = fork();

	if (!child) {
		memset(of->page, 9, AREA * PAGE);
		memset(of->huge, 9, AREA * PAGE);
		_exit(0);
	}
	memset(of->page, 0, AREA * PAGE);
	memset(of->huge, 0, AREA * PAGE);
	waitpid(child, &status, 0);
	EQUAL(status, 0);
}

static void neighbour_punched(struct memories *of)
{
	EQUAL(fallocate(of->file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, AREA * PAGE, PAGE), 0);
	of->beside[0] = 1;
}

static void merge_same(struct memories *of)
{
	madvise(of->page, AREA * PAGE, MADV_MERGEABLE);
	if (of->round % 16 == 0)
		madvise(of->page, AREA * PAGE, MADV_UNMERGEABLE);
}

/* To node 1, if the machine has one (numa=fake=2); else to where they are. */
static void move(struct memories *of)
{
	void *pages[AREA];
	int nodes[AREA], status[AREA], i;

	for (i = 0; i < AREA; i++) {
		pages[i] = of->page + i * PAGE;
		nodes[i] = of->round & 1 && !access("/sys/devices/system/node/node1", F_OK);
	}
	syscall(SYS_move_pages, 0, AREA, pages, nodes, status, 2 /* MPOL_MF_MOVE */);
	for (i = 0; i < AREA; i++)
		pages[i] = of->huge + i * PAGE;
	syscall(SYS_move_pages, 0, AREA, pages, nodes, status, 2);
}

static void soft_offline(struct memories *of)
{
	/* Each would cost the machine a page if it worked: these are pinned. */
	madvise(of->page, PAGE, MADV_SOFT_OFFLINE);
	madvise(of->shared, PAGE, MADV_SOFT_OFFLINE);
}

static void compact(struct memories *of)
{
	if (of->round % 64 == 0)
		to_sysfs("/proc/sys/vm/compact_memory", "1");
}

static void reclaim(struct memories *of)
{
	if (of->round % 64 == 0)
		to_sysfs("/proc/sys/vm/drop_caches", "3");
	posix_fadvise(of->file, 0, 0, POSIX_FADV_DONTNEED);
}

static void soft_dirty(struct memories *of)
{
	(void)of;
	to_sysfs("/proc/self/clear_refs", "4");
}

static const struct {
	const char *name;
	void (*happen)(struct memories *of);
} harmless[] = {
	{ "mprotect", protect }, { "a far mprotect", split_by_protect },
	{ "a far MADV_DONTNEED", split_by_drop }, { "a far munmap", split_by_unmap },
	{ "a far mlock", split_by_lock }, { "MADV_FREE", lazy_free }, { "MADV_PAGEOUT", cold },
	{ "fork", fork_and_write }, { "a hole beside", neighbour_punched }, { "KSM", merge_same },
	{ "move_pages", move }, { "soft offline", soft_offline }, { "compaction", compact },
	{ "reclaim", reclaim }, { "soft dirty", soft_dirty },
};

#define KINDS	(sizeof(harmless) / sizeof(harmless[0]))

static void prepare(struct memories *of)
{
	char *at = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(at != MAP_FAILED);
	memset(of, 0, sizeof(*of));
	of->huge = (char *)(((uintptr_t)at + HUGE - 1) & ~(HUGE - 1));
	madvise(of->huge, HUGE, MADV_HUGEPAGE);
	memset(of->huge, 1, HUGE);
	of->page = memory(AREA * PAGE);
	of->file = memfd_create("upu", MFD_CLOEXEC);
	CHECK(of->file >= 0 && !ftruncate(of->file, 2 * AREA * PAGE));
	of->shared = mmap(NULL, 2 * AREA * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, of->file, 0);
	CHECK(of->shared != MAP_FAILED);
	memset(of->shared, 0, 2 * AREA * PAGE);
	of->beside = of->shared + AREA * PAGE;
}

/* The device still writes where the user reads. */
static void check_reach(struct nvme *nvme, const char *at, uint64_t iova, const char *after)
{
	nvme->iova = iova;
	nvme_wait(nvme);
	memset((char *)at, 0, 4096);
	nvme_wait(nvme);
	if (!at[0] && !at[1])
		FAIL("after %s the device no longer reaches the memory at %#llx", after,
		     (unsigned long long)iova);
}

/* What the kernel has counted of it: that the events did happen. */
static const char *const counted[] = { "thp_split_pmd", "numa_hint_faults", "numa_pages_migrated",
	"pgmigrate_success", "pgmigrate_fail", "ksm_swpin_copy", "compact_stall", "pglazyfree" };

#define COUNTED (sizeof(counted) / sizeof(counted[0]))

static void count_events(long *counts)
{
	FILE *file = fopen("/proc/vmstat", "r");
	char name[64];
	unsigned int i;
	long value;

	CHECK(file);
	while (fscanf(file, "%63s %ld", name, &value) == 2)
		for (i = 0; i < COUNTED; i++)
			if (!strcmp(name, counted[i]))
				counts[i] = value;
	fclose(file);
}

static void calm(int times)
{
	long before[COUNTED] = { 0 }, after[COUNTED] = { 0 };
	long done[KINDS] = { 0 };
	double took[KINDS] = { 0 }, begun;
	struct upu_invalidation record;
	struct memories of;
	struct nvme nvme;
	unsigned int kind;
	int i;

	seed();
	prepare(&of);
	/* Where root may: merging, and moving by the kernel's own idea of balance, all the time. */
	to_sysfs("/sys/kernel/mm/ksm/sleep_millisecs", "10");
	to_sysfs("/sys/kernel/mm/ksm/run", "1");
	to_sysfs("/proc/sys/kernel/numa_balancing", "1");
	count_events(before);
	nvme_start(&nvme, QUEUES, IOVA, AREA);
	of.fd = nvme.fd;
	OK(dma_map(nvme.fd, of.page, AREA * PAGE, IOVA));
	OK(dma_map(nvme.fd, of.huge, AREA * PAGE, THERE));
	OK(dma_map(nvme.fd, of.shared, AREA * PAGE, SHARED));
	for (i = 0; i < times * (int)KINDS; i++) {
		do				/* in any order, each as often as the others */
			kind = pick(KINDS);
		while (done[kind] == times);
		of.round = done[kind]++;
		nvme.iova = (uint64_t[]){ IOVA, THERE, SHARED }[pick(3)];
		begun = now();
		harmless[kind].happen(&of);
		took[kind] += now() - begun;
		if (invalidations(nvme.fd, &record, 1) > 0)
			FAIL("%s, or what came shortly before it, took a mapping away: iova %#llx cause %u",
			     harmless[kind].name, (unsigned long long)record.iova, record.cause);
		if (i % 256 == 255) {
			check_reach(&nvme, of.page, IOVA, harmless[kind].name);
			check_reach(&nvme, of.huge, THERE, harmless[kind].name);
			check_reach(&nvme, of.shared, SHARED, harmless[kind].name);
		}
	}
	sleep_ms(100);			/* for the one who looks at what has changed */
	ERRNO(invalidations(nvme.fd, &record, 1), EAGAIN);
	EQUAL(device_info(nvme.fd).dma_count, 4);
	check_reach(&nvme, of.page, IOVA, "all");
	check_reach(&nvme, of.huge, THERE, "all");
	check_reach(&nvme, of.shared, SHARED, "all");
	to_sysfs("/sys/kernel/mm/ksm/run", "0");
	nvme_stop(&nvme);
	printf("# %d harmless events of %zu kinds under %llu DMAs\n", i, KINDS,
	       (unsigned long long)nvme.done);
	count_events(after);
	for (kind = 0; kind < KINDS; kind++)
		printf("#   %s: %ld in %.1f s\n", harmless[kind].name, done[kind], took[kind]);
	for (kind = 0; kind < COUNTED; kind++)
		printf("#   the kernel: %s %ld\n", counted[kind], after[kind] - before[kind]);
	CHECK(after[0] > before[0]);		/* huge pages were there, and were split */
}

TEST(harmless_events_under_running_dma_unmap_nothing)
{
	calm(loops(40, 0));
}

/* As root: KSM, NUMA balancing, compaction and soft-offlining are the administrator's. */
ROOT_TEST(an_administrators_harmless_events_unmap_nothing)
{
	calm(loops(40, 10000));
}
