// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that meet each other and the end of the device: threads with one descriptor, REVOKE, removal, foreign resets,
 * and registers that somebody else changes. UPU_ROUNDS says how often (the default is short); the seeds are fixed.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/wait.h>

#include "device.h"

#define IOVA	0x1000000ull
#define PAGES	32

static int rounds(int few)
{
	const char *factor = getenv("UPU_ROUNDS");

	return factor ? few * atoi(factor) : few;
}

static uint32_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

/* A buffer that only its mapping kept goes a moment after that. */
static void expect_locked(long kb)
{
	int i;

	for (i = 0; i < 500 && locked_kb() != kb; i++)
		sleep_ms(10);
	EQUAL(locked_kb(), kb);
}

static int sysfs_write(const char *name, const char *file, const void *data, size_t size, off_t offset)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", device_address(name), file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = pwrite(fd, data, size, offset) == (ssize_t)size ? 0 : -1;
	close(fd);
	return ret;
}

static int driver_write(const char *file, const char *name)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/uio_pci_user/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = write(fd, device_address(name), strlen(device_address(name))) < 0 ? -1 : 0;
	close(fd);
	return ret;
}

/* ---- any call, from any thread ---- */

struct caller {
	pthread_t thread;
	uint64_t seed;
	int fd;
	int calls;
	char *pages;			/* shared by all callers */
	int unexpected;			/* errno that no call has, 0 if there was none */
	int call;			/* that had it */
};

static __thread sigjmp_buf bus_error;
static __thread volatile int may_fault;

static void on_fault(int number)
{
	if (may_fault)
		siglongjmp(bus_error, 1);
	signal(number, SIG_DFL);
}

static void touch_bar(int fd)
{
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);

	if (bar == MAP_FAILED)
		return;
	if (!sigsetjmp(bus_error, 1)) {
		may_fault = 1;
		(void)bar[0];
		bar[1] = 1;
	}
	may_fault = 0;
	munmap((void *)bar, PAGE);
}

#define CALLS 24

static int any_call(struct caller *caller, int which)
{
	uint32_t random = next_random(&caller->seed), value;
	uint64_t iova = IOVA + random % PAGES * PAGE, mask = 1;
	char *page = caller->pages + (random >> 8) % PAGES * PAGE;
	uint64_t size = (1 + (random >> 16) % 4) * PAGE;
	struct upu_info info = { .argsz = sizeof(info) };
	struct upu_event event_arg = { .argsz = sizeof(event_arg) };
	struct upu_reply reply = { .argsz = sizeof(reply), .sequence = 1 + random % 8, .answer = 1 };
	struct upu_affinity affinity = { .argsz = sizeof(affinity), .mask_size = 8, .mask = (uintptr_t)&mask };
	struct upu_invalidation records[4];
	int fd = caller->fd, fds[1] = { -1 }, ret, buffer;
	uint32_t kind = random & 1 ? UPU_IRQ_MSI : UPU_IRQ_INTX;
	off_t config = UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG);
	uint8_t space[256];

	switch (which) {
	case 0:
	case 1:
		return dma_map(fd, page, size, iova);
	case 2:
		return dma_unmap(fd, iova, size) < 0 ? -1 : 0;
	case 3:
		return dma_unmap_all(fd) < 0 ? -1 : 0;
	case 4:
		return mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		       MAP_FAILED ? -1 : 0;
	case 5:
		return madvise(page, PAGE, MADV_DONTNEED);
	case 6:
		buffer = dma_alloc(fd, 2 * PAGE, 0);
		if (buffer < 0)
			return -1;
		ret = dma_map_buffer(fd, buffer, random & PAGE, PAGE, iova);
		value = errno;
		close(buffer);
		errno = value;
		return ret;
	case 7:
	case 8:
		fds[0] = random & 8 ? UPU_IRQ_FD_COUNTER : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		ret = irqs(fd, kind, UPU_IRQ_ARM, 0, 1, fds);
		value = errno;
		if (fds[0] >= 0)
			close(fds[0]);
		errno = value;
		return ret;
	case 9:
		return irqs(fd, kind, UPU_IRQ_DISARM, 0, 0, NULL);
	case 10:
		return irqs(fd, kind, UPU_IRQ_MASK + random % 3, 0, 1, NULL);
	case 11:
		fds[0] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
		ret = irqs(fd, UPU_IRQ_INTX, UPU_IRQ_RESAMPLE, 0, 1, fds);
		value = errno;
		close(fds[0]);
		errno = value;
		return ret;
	case 12:
		return pread(fd, &value, 4, UPU_WINDOW_OFFSET(0)) < 0 ? -1 : 0;
	case 13:		/* edu's interrupt, or the start of a DMA, whatever is there */
		value = 1;
		return pwrite(fd, &value, 4, UPU_WINDOW_OFFSET(0) + (random & 1 ? EDU_RAISE : EDU_ACK)) < 0 ? -1 : 0;
	case 14:
		return pread(fd, space, sizeof(space), config) < 0 ? -1 : 0;
	case 15:		/* COMMAND: decoding, bus mastering, INTx */
		value = (random & 0x406) | (random & 0x10000 ? 2 : 0);
		return pwrite(fd, &value, 2, config + 4) < 0 ? -1 : 0;
	case 16:
		touch_bar(fd);
		return 0;
	case 17:
		return ioctl(fd, UPU_GET_INFO, &info);
	case 18:
		fds[0] = event();
		ret = set_eventfd(fd, random & 1 ? UPU_SET_ERR_EVENTFD : UPU_SET_INVALIDATION_EVENTFD, fds[0]);
		value = errno;
		close(fds[0]);
		errno = value;
		return ret;
	case 19:
		return random & 1 ? ioctl(fd, UPU_GET_EVENT, &event_arg) : ioctl(fd, UPU_REPLY, &reply);
	case 20:
		return invalidations(fd, records, 4) < 0 ? -1 : 0;
	case 21:
		return random % 8 ? 0 : plain(fd, UPU_RESET);
	case 22:
		return ioctl(fd, random & 1 ? UPU_SET_AFFINITY : UPU_GET_AFFINITY, &affinity);
	default:
		value = random & 1;
		return write(fd, &value, 4) < 0 ? -1 : 0;
	}
}

static int known(int error)
{
	static const int errors[] = { E2BIG, EAGAIN, EBUSY, EEXIST, EFAULT, EINVAL, EIO, ENODEV, ENOENT, ENOMEM, ENOSPC,
				      ENXIO, EOPNOTSUPP, EPERM };
	unsigned int i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i] == error)
			return 1;
	return 0;
}

static void *call_around(void *arg)
{
	struct caller *caller = arg;
	int i, which;

	for (i = 0; i < caller->calls; i++) {
		which = next_random(&caller->seed) % CALLS;
		if (any_call(caller, which) && !known(errno)) {
			caller->unexpected = errno;
			caller->call = which;
		}
	}
	return NULL;
}

#define CALLERS 3

static struct caller callers[CALLERS];

static void start_callers(int fd, char *pages, int calls, uint64_t seed)
{
	int i;

	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	for (i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){ .seed = seed * 7919 + i, .fd = fd, .calls = calls, .pages = pages };
		CHECK(!pthread_create(&callers[i].thread, NULL, call_around, &callers[i]));
	}
}

static void join_callers(void)
{
	int i;

	for (i = 0; i < CALLERS; i++) {
		pthread_join(callers[i].thread, NULL);
		if (callers[i].unexpected)
			FAIL("call %d says %s", callers[i].call, strerror(callers[i].unexpected));
	}
}

TEST(threads_race_each_other)
{
	long locked = locked_kb();
	char *pages = memory(PAGES * PAGE);
	int i, fd;

	for (i = 0; i < rounds(4); i++) {
		fd = device_open("EDU");
		start_callers(fd, pages, 200, i);
		join_callers();
		close(fd);
		expect_locked(locked);
		CHECK(!(real_command("EDU") & 4));
	}
	fd = device_open("EDU");
	EQUAL(device_info(fd).dma_count, 0);
	EQUAL(window_read(fd, 0, 0, 4), 0x010000ed);
}

TEST(threads_race_revocation)
{
	long locked = locked_kb();
	char *pages = memory(PAGES * PAGE);
	int i, fd, next, control;

	control = device_try("EDU", UPU_O_CONTROL);
	CHECK(control >= 0);
	for (i = 0; i < rounds(6); i++) {
		fd = device_open("EDU");
		start_callers(fd, pages, 200, 100 + i);
		sleep_ms(5 + i * 3 % 20);
		OK(plain(control, UPU_REVOKE));
		CHECK(!(real_command("EDU") & 4));
		next = device_open("EDU");	/* while they still call */
		EQUAL(device_info(next).dma_count, 0);
		join_callers();
		ERRNO(plain(fd, UPU_RESET), ENODEV);
		EQUAL(window_read(next, 0, 0, 4), 0x010000ed);
		close(fd);
		close(next);
		expect_locked(locked);
	}
}

TEST(threads_race_the_end_of_their_process)
{
	char *pages = memory(PAGES * PAGE);
	int i, fd, status;
	pid_t child;

	for (i = 0; i < rounds(6); i++) {
		child = fork();
		if (!child) {
			fd = device_open("EDU");
			start_callers(fd, pages, 100000, 200 + i);
			sleep_ms(10 + i * 7 % 30);
			if (i & 1)
				_exit(0);
			kill(getpid(), SIGKILL);
		}
		waitpid(child, &status, 0);
		CHECK(!(real_command("EDU") & 4));
		fd = device_open("EDU");
		EQUAL(device_info(fd).dma_count, 0);
		close(fd);
	}
}

ROOT_TEST(threads_race_removal)
{
	char *pages = memory(PAGES * PAGE);
	int i, fd;

	for (i = 0; i < rounds(4); i++) {
		fd = device_open("EDU");
		start_callers(fd, pages, 200, 300 + i);
		sleep_ms(5 + i * 7 % 20);
		OK(driver_write("unbind", "EDU"));
		join_callers();
		ERRNO(plain(fd, UPU_RESET), ENODEV);
		OK(driver_write("bind", "EDU"));
		close(device_open("EDU"));
		close(fd);
	}
}

/*
 * Whoever resets a function from outside holds its configuration accesses back, and then waits for ours to end; one
 * that waited for him would wait for ever.
 */
ROOT_TEST(threads_race_a_foreign_reset)
{
	char *pages = memory(PAGES * PAGE);
	int i, fd = device_open("EDU");

	for (i = 0; i < rounds(5); i++) {
		start_callers(fd, pages, 150, 400 + i);
		sysfs_write("EDU", "reset", "1", 1, 0);		/* it may be busy with a reset of ours */
		join_callers();
	}
	close(fd);
}

static volatile int stop_reading;

static void *read_configuration(void *arg)
{
	uint8_t space[4096];
	int fd = *(int *)arg;

	while (!stop_reading)
		if (pread(fd, space, 256, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG)) != 256)
			return (void *)1;
	return NULL;
}

ROOT_TEST(a_foreign_reset_races_configuration)
{
	int fd = device_open("NVME"), i, done = 0;
	uint32_t before = config_read(fd, 0, 4);
	pthread_t readers[2];
	void *failed;

	for (i = 0; i < 2; i++)
		CHECK(!pthread_create(&readers[i], NULL, read_configuration, &fd));
	for (i = 0; i < rounds(10); i++)
		done += !sysfs_write("NVME", "reset", "1", 1, 0);
	stop_reading = 1;
	for (i = 0; i < 2; i++) {
		pthread_join(readers[i], &failed);
		CHECK(!failed);
	}
	CHECK(done > 0);
	EQUAL(config_read(fd, 0, 4), before);
}

/* ---- what a reset, or somebody else, does to registers that the module relies on ---- */

ROOT_TEST(an_intx_mask_that_is_lost_is_put_back)
{
	int fd = device_open("EDU"), fired = event();
	uint16_t command;

	EQUAL(device_info(fd).intx, 1);
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, &fired));
	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 1);
	/* The device asks, and its mask goes away: nobody may hear a thing, and the line may not scream. */
	command = real_command("EDU") & ~0x400;
	OK(sysfs_write("EDU", "config", &command, 2, 4));
	EQUAL(event_wait(fired, 200), 0);
	CHECK(real_command("EDU") & 0x400);
	edu_ack(fd);
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_UNMASK, 0, 1, NULL));
	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 1);
	edu_ack(fd);
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_UNMASK, 0, 1, NULL));
	/* The other way round: it is masked, and the module does not know. */
	command = real_command("EDU") | 0x400;
	OK(sysfs_write("EDU", "config", &command, 2, 4));
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_UNMASK, 0, 1, NULL));
	CHECK(!(real_command("EDU") & 0x400));
	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 1);
	edu_ack(fd);
}

TEST(a_reset_keeps_msix_while_memory_is_disabled)
{
	int fd = device_open("IGB"), fired = event(), i;
	uint32_t command;

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, &fired));
	bus_master(fd, 1);
	command = config_read(fd, 4, 2);
	config_write(fd, 4, 2, command & ~2u);
	OK(plain(fd, UPU_RESET));
	EQUAL(config_read(fd, 4, 2) & 2, 0);
	config_write(fd, 4, 2, command);
	/* 82576, 8.8: GPIE, EIMS, and EICS, which raises */
	window_write(fd, 0, 0x1514, 4, 0x80000010 | 1u << 31);
	for (i = 0; i < 2; i++) {
		window_write(fd, 0, 0x1524, 4, 1);
		window_write(fd, 0, 0x1520, 4, 1);
	}
	CHECK(event_wait(fired, 2000));
}

TEST(a_reset_wakes_from_d3)
{
	int fd = device_open("IGB");
	unsigned int pm = find_cap(fd, 1);
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);
	uint32_t before = config_read(fd, 4, 2), status = bar[2], command;

	CHECK(pm);
	config_write(fd, pm + 4, 1, 3);
	OK(plain(fd, UPU_RESET));
	EQUAL(config_read(fd, pm + 4, 2) & 3, 0);
	EQUAL(config_read(fd, 4, 2), before);
	CHECK(bar[2] != ~0u);
	EQUAL(bar[2] & 2, status & 2);
	/* Decoding that was turned off in D3 is off, and says so, until it is turned on. */
	config_write(fd, pm + 4, 1, 3);
	config_write(fd, 4, 2, before & ~2u);
	config_write(fd, pm + 4, 1, 0);
	command = config_read(fd, 4, 2);
	EQUAL(pread(fd, &status, 4, UPU_WINDOW_OFFSET(0)), command & 2 ? 4 : -1);
	config_write(fd, 4, 2, before);
	EQUAL(pread(fd, &status, 4, UPU_WINDOW_OFFSET(0)), 4);
}
