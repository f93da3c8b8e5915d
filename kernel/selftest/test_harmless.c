// SPDX-License-Identifier: GPL-2.0
/* What happens to memory without taking it away, under running DMA: nothing may be revoked by it. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device.h"
#include "nvme.h"

#define IOVA		0x1000000ull
#define THERE		0x2000000ull	/* of the huge page's first pages */
#define SHARED		0x3000000ull
#define HUGETLB		0x4000000ull
#define GROWING		0x5000000ull
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
	char *page;		/* small anonymous pages, mapped whole; as many beside, not mapped */
	char *huge;		/* a huge page of which the first pages are mapped */
	char *shared;		/* of a memfd, mapped whole */
	char *beside;		/* the memfd's next pages, not mapped */
	char *hugetlb;		/* a private page of hugetlbfs, mapped whole */
	char *growing;		/* AREA pages, mapped whole, with room for as many behind them */
	int file;
	int fd;			/* the device's */
	unsigned int round;
};

/* A kind of event says of each whether it is known to have happened; else the kernel's counts must. */
enum { UNKNOWN, HAPPENED };

static int to_sysfs(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), written;

	if (fd < 0)
		return UNKNOWN;
	written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return written ? HAPPENED : UNKNOWN;
}

static long from_sysfs(const char *path)
{
	FILE *file = fopen(path, "r");
	long value = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%ld", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

static long vmstat(const char *counter)
{
	FILE *file = fopen("/proc/vmstat", "r");
	char name[64];
	long value;

	CHECK(file);
	while (fscanf(file, "%63s %ld", name, &value) == 2 && strcmp(name, counter))
		;
	fclose(file);
	CHECK(!strcmp(name, counter));
	return value;
}

static int is_soft_dirty(const char *at)
{
	static int pagemap = -1;
	uint64_t entry = 0;

	if (pagemap < 0)
		pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	EQUAL(pread(pagemap, &entry, 8, (uintptr_t)at / PAGE * 8), 8);
	return entry >> 55 & 1;
}

static int protect(struct memories *of)
{
	EQUAL(mprotect(of->page, AREA * PAGE, PROT_NONE), 0);
	EQUAL(mprotect(of->page, AREA * PAGE, PROT_READ), 0);
	EQUAL(mprotect(of->page, AREA * PAGE, PROT_READ | PROT_WRITE), 0);
	EQUAL(mprotect(of->shared, AREA * PAGE, PROT_READ), 0);
	EQUAL(mprotect(of->shared, AREA * PAGE, PROT_READ | PROT_WRITE), 0);
	return HAPPENED;
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

static int split_by_protect(struct memories *of)
{
	renew_huge(of);
	EQUAL(mprotect(of->huge + HUGE / 2, PAGE, PROT_READ), 0);
	EQUAL(mprotect(of->huge + HUGE / 2, PAGE, PROT_READ | PROT_WRITE), 0);
	return UNKNOWN;
}

static int split_by_drop(struct memories *of)
{
	char *far = of->huge + HUGE - (1 + of->round % 64) * PAGE;

	renew_huge(of);
	EQUAL(madvise(far, PAGE, MADV_DONTNEED), 0);
	*far = 1;
	return UNKNOWN;
}

static int split_by_unmap(struct memories *of)
{
	char *far = of->huge + HUGE / 2 + of->round % 64 * PAGE;

	renew_huge(of);
	EQUAL(munmap(far, PAGE), 0);
	CHECK(mmap(far, PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0) == far);
	return UNKNOWN;
}

static int split_by_lock(struct memories *of)
{
	renew_huge(of);
	EQUAL(mlock(of->huge + HUGE / 2, PAGE), 0);
	EQUAL(munlock(of->huge + HUGE / 2, PAGE), 0);
	EQUAL(mlock(of->page, PAGE), 0);
	EQUAL(munlock(of->page, PAGE), 0);
	return UNKNOWN;
}

static int lazy_free(struct memories *of)
{
	EQUAL(madvise(of->page, 2 * AREA * PAGE, MADV_FREE), 0);
	of->page[of->round % AREA * PAGE] = 1;
	return UNKNOWN;
}

/* What is pinned is not written out, but what lies beside it is: this wants swap (./run). */
static int page_out(struct memories *of)
{
	memset(of->page + AREA * PAGE, of->round, AREA * PAGE);
	EQUAL(madvise(of->page, 2 * AREA * PAGE, MADV_COLD), 0);
	EQUAL(madvise(of->page, 2 * AREA * PAGE, MADV_PAGEOUT), 0);
	EQUAL(madvise(of->huge, HUGE, MADV_PAGEOUT), 0);
	return UNKNOWN;
}

/*
 * Pages of a file are taken out of the page table before the kernel sees that they are pinned, and then activated. The
 * module's look at them, a moment later, brings them in again.
 */
static int page_out_shared(struct memories *of)
{
	long before = vmstat("pgactivate");

	memset(of->shared, 0, AREA * PAGE);
	EQUAL(madvise(of->shared, AREA * PAGE, MADV_PAGEOUT), 0);
	return vmstat("pgactivate") >= before + AREA ? HAPPENED : UNKNOWN;
}

static int fork_and_write(struct memories *of)
{
	int status;
	pid_t child = fork();

	if (!child) {
		memset(of->page, 9, AREA * PAGE);
		memset(of->huge, 9, AREA * PAGE);
		memset(of->shared, 9, AREA * PAGE);
		_exit(0);
	}
	memset(of->page, 0, AREA * PAGE);
	memset(of->huge, 0, AREA * PAGE);
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	return HAPPENED;
}

static int fork_over_hugetlb(struct memories *of)
{
	int status;
	pid_t child = fork();

	if (!child) {
		memset(of->hugetlb, 9, AREA * PAGE);
		_exit(of->hugetlb[HUGE - 1] == 5 ? 0 : 1);
	}
	memset(of->hugetlb, 0, AREA * PAGE);
	of->hugetlb[HUGE - 1] = 5;
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	return HAPPENED;
}

static int grow(struct memories *of)
{
	CHECK(mremap(of->growing, AREA * PAGE, 2 * AREA * PAGE, 0) == of->growing);
	memset(of->growing, 1, 2 * AREA * PAGE);
	CHECK(mremap(of->growing, 2 * AREA * PAGE, AREA * PAGE, 0) == of->growing);
	return HAPPENED;
}

static int neighbour_punched(struct memories *of)
{
	EQUAL(fallocate(of->file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, AREA * PAGE, PAGE), 0);
	of->beside[0] = 1;
	return HAPPENED;
}

/* Pages that are pinned are none that it merges; those beside them are, since they are all alike. */
static int merge_same(struct memories *of)
{
	memset(of->page + AREA * PAGE, 0x3c, AREA * PAGE);
	EQUAL(madvise(of->page, 2 * AREA * PAGE, MADV_MERGEABLE), 0);
	if (of->round % 16 == 0)
		EQUAL(madvise(of->page, 2 * AREA * PAGE, MADV_UNMERGEABLE), 0);
	return from_sysfs("/sys/kernel/mm/ksm/pages_sharing") > 0 ? HAPPENED : UNKNOWN;
}

/* To node 1, if the machine has one (numa=fake=2); else to where they are. */
static int move(struct memories *of)
{
	void *pages[2 * AREA];
	int nodes[2 * AREA], status[2 * AREA], i;

	for (i = 0; i < 2 * AREA; i++) {
		pages[i] = of->page + i * PAGE;
		nodes[i] = of->round & 1 && !access("/sys/devices/system/node/node1", F_OK);
	}
	syscall(SYS_move_pages, 0, 2 * AREA, pages, nodes, status, 2 /* MPOL_MF_MOVE */);
	for (i = 0; i < AREA; i++)
		pages[i] = of->huge + i * PAGE;
	syscall(SYS_move_pages, 0, AREA, pages, nodes, status, 2);
	return UNKNOWN;
}

/* Each would cost the machine a page if it worked: these are pinned, which is what the kernel says. */
static int soft_offline(struct memories *of)
{
	int tried = madvise(of->page, PAGE, MADV_SOFT_OFFLINE) && (errno == EBUSY || errno == EIO);

	tried &= madvise(of->shared, PAGE, MADV_SOFT_OFFLINE) && (errno == EBUSY || errno == EIO);
	return tried ? HAPPENED : UNKNOWN;
}

static int compact(struct memories *of)
{
	if (of->round % 64 == 0)
		to_sysfs("/proc/sys/vm/compact_memory", "1");
	return UNKNOWN;
}

static int reclaim(struct memories *of)
{
	if (of->round % 64 == 0)
		to_sysfs("/proc/sys/vm/drop_caches", "3");
	posix_fadvise(of->file, 0, 0, POSIX_FADV_DONTNEED);
	return UNKNOWN;
}

static int soft_dirty(struct memories *of)
{
	int was;

	of->shared[0] = 0;
	was = is_soft_dirty(of->shared);
	to_sysfs("/proc/self/clear_refs", "4");
	return was && !is_soft_dirty(of->shared) ? HAPPENED : UNKNOWN;
}

/* Of the kernel's own: the nodes are balanced, as long as there are two, while this process computes. */
static int balance(struct memories *of)
{
	double until = now() + 0.002;

	while (now() < until)
		of->shared[of->round % AREA * PAGE]++;
	return UNKNOWN;
}

/*
 * What the kernel counts of them (/proc/vmstat); whether only root can bring them about, and whether it takes two nodes.
 */
static const struct {
	const char *name;
	int (*happen)(struct memories *of);
	const char *counter;
	int root, nodes;
} harmless[] = {
	{ "mprotect", protect, NULL, 0, 0 },
	{ "a far mprotect", split_by_protect, "thp_split_pmd", 0, 0 },
	{ "a far MADV_DONTNEED", split_by_drop, "thp_split_pmd", 0, 0 },
	{ "a far munmap", split_by_unmap, "thp_split_pmd", 0, 0 },
	{ "a far mlock", split_by_lock, "thp_split_pmd", 0, 0 },
	{ "MADV_FREE", lazy_free, "pglazyfree", 0, 0 },
	{ "MADV_PAGEOUT", page_out, "pswpout", 0, 0 },
	{ "MADV_PAGEOUT of a memfd", page_out_shared, NULL, 0, 0 },
	{ "fork", fork_and_write, NULL, 0, 0 },
	{ "fork over hugetlb", fork_over_hugetlb, NULL, 0, 0 },
	{ "mremap to more", grow, NULL, 0, 0 },
	{ "a hole beside", neighbour_punched, NULL, 0, 0 },
	{ "KSM", merge_same, NULL, 1, 0 },
	{ "move_pages", move, "pgmigrate_fail", 0, 1 },
	{ "soft offline", soft_offline, NULL, 1, 0 },
	{ "compaction", compact, "compact_migrate_scanned", 1, 0 },
	{ "reclaim", reclaim, "drop_pagecache", 1, 0 },
	{ "soft dirty", soft_dirty, NULL, 0, 0 },
	{ "NUMA balancing", balance, "numa_hint_faults", 1, 1 },
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
	of->page = memory(2 * AREA * PAGE);
	of->growing = memory(2 * AREA * PAGE);
	EQUAL(munmap(of->growing + AREA * PAGE, AREA * PAGE), 0);
	of->hugetlb = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	CHECK(of->hugetlb != MAP_FAILED);
	memset(of->hugetlb, 5, HUGE);
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

/* What the kernel has counted of each kind: that it did happen. */
static void count_events(long *counts)
{
	unsigned int i;

	for (i = 0; i < KINDS; i++)
		counts[i] = harmless[i].counter ? vmstat(harmless[i].counter) : 0;
}

static void check_happened(const long *done, const long *known, const long *counted, const double *took)
{
	int nodes = !access("/sys/devices/system/node/node1", F_OK);
	const char *missing = NULL;
	unsigned int i;

	for (i = 0; i < KINDS; i++) {
		int possible = (!harmless[i].root || !geteuid()) && (!harmless[i].nodes || nodes);

		printf("#   %s: %ld in %.1f s, ", harmless[i].name, done[i], took[i]);
		if (harmless[i].counter)
			printf("the kernel: %s %ld%s\n", harmless[i].counter, counted[i],
			       possible ? "" : " (not for this user or machine)");
		else
			printf("seen %ld times%s\n", known[i], possible ? "" : " (not for this user)");
		if (possible && !(harmless[i].counter ? counted[i] : known[i]))
			missing = harmless[i].name;
	}
	if (missing)
		FAIL("nothing shows that there was any: %s", missing);
}

static void calm(int times)
{
	static const struct { uint64_t iova; size_t offset; } places[] = {
		{ IOVA, offsetof(struct memories, page) }, { THERE, offsetof(struct memories, huge) },
		{ SHARED, offsetof(struct memories, shared) }, { HUGETLB, offsetof(struct memories, hugetlb) },
		{ GROWING, offsetof(struct memories, growing) },
	};
	long before[KINDS] = { 0 }, after[KINDS] = { 0 };
	long done[KINDS] = { 0 }, known[KINDS] = { 0 };
	double took[KINDS] = { 0 }, begun;
	struct upu_invalidation record;
	const char *last = "nothing";
	struct memories of;
	struct nvme nvme;
	unsigned int kind, place;
	int i;

	seed();
	prepare(&of);
	/* Where root may: merging, and moving by the kernel's own idea of balance, all the time. */
	to_sysfs("/sys/kernel/mm/ksm/sleep_millisecs", "10");
	to_sysfs("/sys/kernel/mm/ksm/run", "1");
	to_sysfs("/proc/sys/kernel/numa_balancing", "1");
	to_sysfs("/sys/kernel/debug/sched/numa_balancing/scan_delay_ms", "10");
	to_sysfs("/sys/kernel/debug/sched/numa_balancing/scan_period_min_ms", "10");
	count_events(before);
	nvme_start(&nvme, QUEUES, IOVA, AREA);
	of.fd = nvme.fd;
	OK(dma_map(nvme.fd, of.page, AREA * PAGE, IOVA));
	OK(dma_map(nvme.fd, of.huge, AREA * PAGE, THERE));
	OK(dma_map(nvme.fd, of.shared, AREA * PAGE, SHARED));
	OK(dma_map(nvme.fd, of.hugetlb, HUGE, HUGETLB));
	OK(dma_map(nvme.fd, of.growing, AREA * PAGE, GROWING));
	for (i = 0; i <= times * (int)KINDS; i++) {
		if (i % 256 == 255 || i == times * (int)KINDS) {
			for (place = 0; place < sizeof(places) / sizeof(*places); place++)
				check_reach(&nvme, *(char **)((char *)&of + places[place].offset),
					    places[place].iova, last);
			if (i == times * (int)KINDS)
				break;
		}
		do				/* in any order, each as often as the others */
			kind = pick(KINDS);
		while (done[kind] == times);
		of.round = done[kind]++;
		last = harmless[kind].name;
		nvme.iova = places[pick(sizeof(places) / sizeof(*places))].iova;
		begun = now();
		known[kind] += harmless[kind].happen(&of) == HAPPENED;
		took[kind] += now() - begun;
		if (invalidations(nvme.fd, &record, 1) > 0)
			FAIL("%s, or what came shortly before it, took a mapping away: iova %#llx cause %u",
			     last, (unsigned long long)record.iova, record.cause);
	}
	sleep_ms(100);			/* for the one who looks at what has changed */
	ERRNO(invalidations(nvme.fd, &record, 1), EAGAIN);
	EQUAL(device_info(nvme.fd).dma_count, 6);
	to_sysfs("/sys/kernel/mm/ksm/run", "0");
	nvme_stop(&nvme);
	printf("# %d harmless events of %zu kinds under %llu DMAs\n", i, KINDS,
	       (unsigned long long)nvme.done);
	count_events(after);
	for (kind = 0; kind < KINDS; kind++)
		after[kind] -= before[kind];
	check_happened(done, known, after, took);
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
