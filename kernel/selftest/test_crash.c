// SPDX-License-Identifier: GPL-2.0
/*
 * Users who die with everything armed, at a moment that chance draws. What they leave: bus mastering
 * off, vectors freed, nothing pinned, a device that the next one opens. And users whose memory goes
 * with them while a DMA is under way.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device.h"
#include "nvme.h"

#define IOVA	0x1000000ull
#define QUEUES	0x8000000ull

/* Lines of /proc/interrupts that the module's vectors of this device have. */
static int vectors_of(const char *name)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[4096];
	int count = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, device_address(name)) && strstr(line, "uio_pci_user");
	fclose(file);
	return count;
}

static void leave(int signal)
{
	(void)signal;
	_exit(0);
}

/* Does everything there is to do, for ever. Never returns. */
static void live(int ready)
{
	int fd, fds[8], i, buffer;
	struct nvme nvme;
	char *area;

	signal(SIGUSR1, leave);
	nvme_start(&nvme, QUEUES, IOVA, 4);
	fd = nvme.fd;
	area = memory(16 * PAGE);
	OK(dma_map(fd, area, 4 * PAGE, IOVA));
	for (i = 0; i < 8; i++)
		fds[i] = event();
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 8, fds));
	OK(set_eventfd(fd, UPU_SET_ERR_EVENTFD, event()));
	OK(set_eventfd(fd, UPU_SET_REQ_EVENTFD, event()));
	OK(set_eventfd(fd, UPU_SET_INVALIDATION_EVENTFD, event()));
	buffer = dma_alloc(fd, 4 * PAGE, 0);
	OK(dma_map_buffer(fd, buffer, 0, 4 * PAGE, IOVA + 0x100000));
	(void)!write(ready, "x", 1);
	for (i = 0;; i++) {
		char *gone = memory(4 * PAGE);

		dma_map(fd, gone, 4 * PAGE, IOVA + 0x200000);
		irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 8, NULL);
		irqs(fd, UPU_IRQ_MSIX, i & 1 ? UPU_IRQ_MASK : UPU_IRQ_UNMASK, 0, 8, NULL);
		irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 4, 4, fds + 4);
		munmap(gone, 4 * PAGE);
		dma_unmap(fd, IOVA + 0x200000, 4 * PAGE);
		irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 4, 4, NULL);
	}
}

static void die(pid_t child, unsigned int how)
{
	switch (how) {
	case 0:
		kill(child, SIGKILL);
		break;
	case 1:
		kill(child, SIGSTOP);
		usleep(pick(2000));
		kill(child, SIGKILL);
		break;
	case 2:
		kill(child, SIGABRT);
		break;
	default:
		kill(child, SIGUSR1);
		break;
	}
}

static int by_time(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : *(const double *)a > *(const double *)b;
}

static void crash(int times)
{
	static const char *const ways[] = { "SIGKILL", "SIGSTOP and SIGKILL", "abort", "exit" };
	double *open_again = calloc(times, sizeof(double));
	int i, fd, status, pipes[2];
	struct upu_info info;
	unsigned int how;
	double start;
	char byte;
	pid_t child;

	seed();
	for (i = 0; i < times; i++) {
		CHECK(!pipe(pipes));
		child = fork();
		if (!child)
			live(pipes[1]);
		EQUAL(read(pipes[0], &byte, 1), 1);
		usleep(pick(20000));
		how = pick(4);
		start = now();
		die(child, how);
		waitpid(child, &status, 0);
		CHECK(how == 3 ? WIFEXITED(status) : WIFSIGNALED(status));
		/*
		 * The next user comes as soon as it is quiet, and not before: the file goes with
		 * the last thread of the process, which may be after this.
		 */
		while ((fd = device_try("NVME", O_RDWR)) < 0 && errno == EBUSY && now() - start < 10)
			sched_yield();
		if (vectors_of("NVME") || real_command("NVME") & 4)
			FAIL("%s: %d vectors, command %#x", ways[how], vectors_of("NVME"),
			     real_command("NVME"));
		CHECK(fd >= 0);
		open_again[i] = now() - start;
		info = device_info(fd);
		EQUAL(info.pinned, 0);
		EQUAL(info.dma_count, 0);
		OK(dma_map(fd, memory(PAGE), PAGE, IOVA));	/* it serves its next user */
		OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, (int[]){ event() }));
		close(fd);
		close(pipes[0]);
		close(pipes[1]);
	}
	qsort(open_again, times, sizeof(double), by_time);
	printf("# %d deaths: open again %.1f ms (p50), %.1f ms (p99) after\n", times,
	       open_again[times / 2] * 1e3, open_again[times * 99 / 100] * 1e3);
}

TEST(a_user_who_dies_at_any_moment_leaves_a_quiet_device)
{
	crash(loops(12, 1000));
}

/* ---- the owner of the memory ends, the file lives on, a DMA is under way ---- */

enum end { EXIT, KILL, EXEC, FORKED, ENDS };

static pid_t own(int fd, enum end how, int ready)
{
	pid_t child = fork();
	char *page;

	if (child)
		return child;
	page = memory(4 * PAGE);
	bus_master(fd, 1);
	OK(dma_map(fd, page, 4 * PAGE, IOVA));
	bus_master(fd, 1);
	memset(page, 0x33, PAGE);
	edu_copy(fd, IOVA, EDU_BUFFER, 256);	/* poison */
	if (how == FORKED) {
		/* Its own child writes, and ends, with a copy of everything. */
		pid_t grandchild = fork();
		int status;

		if (!grandchild) {
			memset(page, 0, 4 * PAGE);
			_exit(0);
		}
		edu_begin(fd, EDU_BUFFER, IOVA + PAGE, 256);
		waitpid(grandchild, &status, 0);
		edu_end(fd);
		CHECK(page[PAGE] == 0x33);	/* that took nothing away */
		EQUAL(device_info(fd).dma_count, 1);
	}
	edu_begin(fd, EDU_BUFFER, IOVA, 256);
	(void)!write(ready, "x", 1);
	if (how == EXEC) {
		fcntl(fd, F_SETFD, 0);
		execl("/bin/sleep", "sleep", "1", NULL);
		_exit(1);
	}
	if (how != KILL)
		_exit(0);
	pause();
	_exit(1);
}

TEST(the_end_of_the_owner_stops_a_dma_under_way)
{
	int fd = device_open("EDU"), status, pipes[2], how, i;
	struct upu_invalidation record[2];
	char *birds, byte;
	pid_t child;

	CHECK(device_info(fd).flags & UPU_INFO_IOMMU);
	for (how = 0; how < ENDS; how++) {
		CHECK(!pipe(pipes));
		child = own(fd, how, pipes[1]);
		EQUAL(read(pipes[0], &byte, 1), 1);
		if (how == KILL)
			kill(child, SIGKILL);
		if (how != EXEC)
			waitpid(child, &status, 0);
		for (i = 0; invalidations(fd, record, 2) != 1; i++) {
			CHECK(i < 2000);
			sleep_ms(1);
		}
		EQUAL(record[0].cause, UPU_CAUSE_EXITED);
		EQUAL(record[0].iova, IOVA);
		EQUAL(record[0].size, 4 * PAGE);
		CHECK(!(config_read(fd, 4, 2) & 4));
		EQUAL(device_info(fd).dma_count, 0);
		birds = memory(64 * PAGE);
		memset(birds, 0x5a, 64 * PAGE);
		edu_end(fd);
		/* And once more by a new owner, whose device may speak again. */
		OK(dma_map(fd, birds, PAGE, IOVA + 0x100000));
		bus_master(fd, 1);
		edu_copy(fd, EDU_BUFFER, IOVA, 256);
		for (i = 0; i < (int)(64 * PAGE); i++)
			CHECK(birds[i] == 0x5a);
		EQUAL(dma_unmap_all(fd), PAGE);
		munmap(birds, 64 * PAGE);
		close(fd);		/* else we are the owner */
		if (how == EXEC) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
		}
		fd = device_open("EDU");
	}
}

/*
 * What the OOM reaper does, on demand: process_mrelease() of a dying process that cannot end yet,
 * since its tracer holds it. Its memory goes by callbacks that may not sleep.
 */
ROOT_TEST(the_oom_reaper_takes_mappings_away)
{
	int fd = device_open("NVME"), status, pipes[2], pidfd, ret, i;
	struct upu_invalidation record;
	char byte;
	pid_t child;

	CHECK(device_info(fd).flags & UPU_INFO_IOMMU);
	CHECK(!pipe(pipes));
	child = fork();
	if (!child) {
		OK(dma_map(fd, memory(16 * PAGE), 16 * PAGE, IOVA));
		(void)!write(pipes[1], "x", 1);
		pause();
		_exit(0);
	}
	EQUAL(read(pipes[0], &byte, 1), 1);
	OK(ptrace(PTRACE_SEIZE, child, 0, PTRACE_O_TRACEEXIT));
	pidfd = syscall(SYS_pidfd_open, child, 0);
	CHECK(pidfd >= 0);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);	/* stopped on its way out, its memory still there */
	CHECK(WIFSTOPPED(status));
	ERRNO(invalidations(fd, &record, 1), EAGAIN);
	ret = syscall(SYS_process_mrelease, pidfd, 0);
	if (ret)
		FAIL("process_mrelease: %s", strerror(errno));
	for (i = 0; invalidations(fd, &record, 1) != 1; i++) {
		CHECK(i < 5000);
		sleep_ms(1);
	}
	CHECK(record.cause == UPU_CAUSE_UNMAPPED || record.cause == UPU_CAUSE_DROPPED);
	printf("# cause %u\n", record.cause);
	EQUAL(record.iova, IOVA);
	EQUAL(record.size, 16 * PAGE);
	EQUAL(device_info(fd).dma_count, 0);
	ptrace(PTRACE_CONT, child, 0, 0);
	waitpid(child, &status, 0);
	ERRNO(invalidations(fd, &record, 1), EAGAIN);	/* told once */
	for (i = 0; i < 2000 && device_info(fd).pinned; i++)
		sleep_ms(1);
	EQUAL(device_info(fd).pinned, 0);
	close(pidfd);
}
