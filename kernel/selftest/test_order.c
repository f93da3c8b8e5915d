// SPDX-License-Identifier: GPL-2.0
/*
 * The order in which a device is left: the kernel's own functions, as its function tracer saw them.
 *
 *	bus mastering off, reset, interrupts freed, unmapped, unpinned, given back to the limit
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "device.h"

#define TRACING	"/sys/kernel/tracing/"
#define IOVA	0x1000000ull

static const char *const steps[] = {
	"pci_clear_master", "pci_try_reset_function", "free_irq", "iommu_unmap",
	"unpin_user_page_range_dirty_lock", "account_locked_vm",
};

enum { MASTER, RESET, FREE_IRQ, UNMAP, UNPIN, ACCOUNT, STEPS };

static int tracing(const char *file, const char *text, int flags)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), TRACING "%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC | flags);
	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return ret;
}

static void trace_begin(void)
{
	int i;

	if (tracing("current_tracer", "nop", 0))
		SKIP("no function tracer");
	tracing("set_ftrace_filter", "", O_TRUNC);
	for (i = 0; i < STEPS; i++)
		if (tracing("set_ftrace_filter", steps[i], O_APPEND))
			SKIP("%s cannot be traced", steps[i]);
	tracing("trace", "", O_TRUNC);
	tracing("trace_clock", "mono", 0);
	OK(tracing("current_tracer", "function", 0));
	OK(tracing("tracing_on", "1", 0));
}

/*
 * Line of the first and of the last call of each step; -1 where there was none. Returns the time of
 * the first call of @MASTER, in seconds.
 */
static double trace_end(int *first, int *last)
{
	double when = 0;
	FILE *file;
	char line[512];
	int number, i;

	tracing("tracing_on", "0", 0);
	for (i = 0; i < STEPS; i++)
		first[i] = last[i] = -1;
	file = fopen(TRACING "trace", "r");
	CHECK(file);
	for (number = 0; fgets(line, sizeof(line), file); number++) {
		for (i = 0; i < STEPS; i++) {
			char call[64];

			snprintf(call, sizeof(call), ": %s <-", steps[i]);
			if (!strstr(line, call))
				continue;
			if (i == MASTER && first[i] < 0)
				sscanf(strchr(line, ']') + 1, "%*s %lf", &when);
			if (first[i] < 0)
				first[i] = number;
			last[i] = number;
		}
	}
	fclose(file);
	tracing("current_tracer", "nop", 0);
	tracing("set_ftrace_filter", "", O_TRUNC);
	tracing("tracing_on", "1", 0);		/* as it was: other tests trace, too */
	return when;
}

static void set_up(int fd)
{
	int fds[4] = { event(), event(), event(), event() };

	OK(dma_map(fd, memory(4 * PAGE), 4 * PAGE, IOVA));
	OK(dma_map(fd, memory(PAGE), PAGE, IOVA + 0x100000));
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 4, fds));
	bus_master(fd, 1);
}

#define BEFORE(a, b) do {							\
	if (last[a] < 0 || first[b] < 0 || first[a] > first[b])			\
		FAIL("%s (line %d) is not before %s (line %d)", steps[a], first[a], steps[b], first[b]);	\
} while (0)

ROOT_TEST(close_leaves_in_order)
{
	int fd = device_open("NVME"), first[STEPS], last[STEPS];

	CHECK(device_info(fd).flags & UPU_INFO_IOMMU);
	set_up(fd);
	trace_begin();
	close(fd);
	trace_end(first, last);
	BEFORE(MASTER, RESET);
	BEFORE(RESET, FREE_IRQ);
	BEFORE(FREE_IRQ, UNMAP);
	BEFORE(UNMAP, UNPIN);
	BEFORE(UNPIN, ACCOUNT);
	CHECK(last[FREE_IRQ] < first[UNMAP]);	/* all of them */
}

static int by_time(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b;
}

/*
 * The memory of who is killed goes first, and bus mastering before it; the rest as above. Time is
 * from the kill to the write of the command register.
 */
ROOT_TEST(death_leaves_in_order)
{
	int first[STEPS], last[STEPS], status, pipes[2], fd, times = loops(3, 200), i;
	double *off = calloc(times, sizeof(double));
	struct timespec start;
	pid_t child;
	char byte;

	fd = device_open("NVME");
	CHECK(device_info(fd).flags & UPU_INFO_IOMMU);
	close(fd);
	for (i = 0; i < times; i++) {
		CHECK(!pipe(pipes));
		child = fork();
		if (!child) {
			set_up(device_open("NVME"));
			(void)!write(pipes[1], "x", 1);
			pause();
			_exit(0);
		}
		EQUAL(read(pipes[0], &byte, 1), 1);
		trace_begin();
		clock_gettime(CLOCK_MONOTONIC, &start);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		close(device_open("NVME"));
		off[i] = trace_end(first, last) - (start.tv_sec + start.tv_nsec / 1e9);
		CHECK(off[i] > 0);
		BEFORE(MASTER, UNMAP);
		BEFORE(MASTER, RESET);
		BEFORE(RESET, FREE_IRQ);
		BEFORE(UNMAP, UNPIN);
		BEFORE(UNPIN, ACCOUNT);
		close(pipes[0]);
		close(pipes[1]);
	}
	qsort(off, times, sizeof(double), by_time);
	printf("# %d deaths: bus mastering off %.2f ms (p50), %.2f ms (p99) after the kill\n", times,
	       off[times / 2] * 1e3, off[times * 99 / 100] * 1e3);
}
