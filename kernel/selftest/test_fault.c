// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation, each page and each copy to or from user memory of each call fails once. Then the call fails, with an
 * errno that says so, and everything is as it was before; or it has found another way, and is undone. Needs a kernel
 * with fault injection (make lab-debug); ./run restricts the faults to those below this module.
 */
#define _GNU_SOURCE
#include <dirent.h>

#include "device.h"

#define IOVA	0x1000000ull
#define MOST	400		/* faults of one call: more are an endless loop */

static int fail_file = -1;

static void faults_open(void)
{
	fail_file = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_file < 0 || access("/sys/kernel/debug/failslab", F_OK))
		SKIP("this kernel injects no faults");
	if (!getenv("UPU_FAULTS"))
		SKIP("faults are not restricted to the module; see ./run");
}

static void fault_at(unsigned int n)
{
	char text[16];

	sprintf(text, "%u", n);
	EQUAL(pwrite(fail_file, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* Whether the fault that was asked for has happened; asks for none any more. */
static int fault_was(void)
{
	char text[16] = "";

	CHECK(pread(fail_file, text, sizeof(text) - 1, 0) > 0);
	fault_at(0);
	return atoi(text) == 0;
}

static int open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	CHECK(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* ---- what must not change ---- */

struct state {
	uint64_t pinned;
	uint32_t mappings, armed;
	long locked;
	int files;
};

static struct state look(int fd, uint32_t kind)
{
	struct state state = { .locked = locked_kb(), .files = open_files() };
	struct upu_info info;
	uint32_t i;

	if (fd < 0)
		return state;
	info = device_info(fd);
	state.pinned = info.pinned;
	state.mappings = info.dma_count;
	for (i = 0; i < 10; i++)
		state.armed += !irqs(fd, kind, UPU_IRQ_UNMASK, i, 1, NULL);
	return state;
}

static void same(const char *name, unsigned int n, struct state before, struct state after)
{
	if (before.pinned != after.pinned || before.mappings != after.mappings || before.armed != after.armed ||
	    before.locked != after.locked || before.files != after.files)
		FAIL("%s, fault %u: pinned %llu -> %llu, mappings %u -> %u, armed %u -> %u, locked %ld -> %ld kB, "
		     "files %d -> %d", name, n, (unsigned long long)before.pinned, (unsigned long long)after.pinned,
		     before.mappings, after.mappings, before.armed, after.armed, before.locked, after.locked,
		     before.files, after.files);
}

static int said(int error)
{
	/* ENOSPC and EIO are what the PCI and IOMMU core make of it. */
	return error == ENOMEM || error == EFAULT || error == ENOSPC || error == EIO || error == EAGAIN;
}

struct world {
	int fd, other, buffer;
	char *memory;
	int fds[8];
};

static struct world world;

/* Calls @call with its first fault, its second, ... until there is none left. @undo takes back what succeeded. */
static void faults(const char *name, int fd, uint32_t kind, int (*call)(void), void (*undo)(void))
{
	struct state before;
	unsigned int n, failed = 0, survived = 0;
	int ret, error, was;

	for (n = 1; n < MOST; n++) {
		before = look(fd, kind);
		fault_at(n);
		errno = 0;
		ret = call();
		error = errno;
		was = fault_was();
		if (ret < 0) {
			if (!was || !said(error))
				FAIL("%s, fault %u (%s): errno %d (%s)", name, n, was ? "came" : "did not come", error,
				     strerror(error));
			failed++;
		} else {
			survived += was;
			if (undo)
				undo();
		}
		same(name, n, before, look(fd, kind));
		if (!was)
			break;
	}
	CHECK(n < MOST);
	printf("# %s: %u faults, %u refused, %u survived\n", name, n - 1, failed, survived);
	if (n == 1)
		FAIL("%s has nothing that could fail", name);
}

/* ---- opening ---- */

static int do_open(void)
{
	world.other = device_try("IGB", O_RDWR);
	return world.other;
}

static void undo_open(void)
{
	close(world.other);
}

static int do_open_control(void)
{
	world.other = device_try("IGB", UPU_O_CONTROL);
	return world.other;
}

TEST(faults_while_opening)
{
	faults_open();
	faults("open", -1, 0, do_open, undo_open);
	faults("open control", -1, 0, do_open_control, undo_open);
}

/* ---- DMA ---- */

static void world_of_dma(void)
{
	int i;

	faults_open();
	world.fd = device_open("EDU");
	if (!(device_info(world.fd).flags & UPU_INFO_IOMMU))
		SKIP("no IOMMU");
	world.buffer = dma_alloc(world.fd, 4 * PAGE, 0);
	world.memory = memory(64 * PAGE);
	/* Pages that lie all over, so that the list of them has to grow. */
	for (i = 0; i < 64; i += 2) {
		madvise(world.memory + i * PAGE, PAGE, MADV_DONTNEED);
		world.memory[(62 - i) * PAGE] = 1;
	}
	OK(dma_map(world.fd, memory(PAGE), PAGE, IOVA + 0x800000));	/* there is an owner already */
}

static int do_map(void)
{
	return dma_map(world.fd, world.memory, 64 * PAGE, IOVA);
}

static int do_map_buffer(void)
{
	return dma_map_buffer(world.fd, world.buffer, 0, 4 * PAGE, IOVA);
}

static void undo_map(void)
{
	CHECK(dma_unmap(world.fd, IOVA, 64 * PAGE) > 0);
}

static int do_unmap(void)
{
	return dma_unmap(world.fd, IOVA, 64 * PAGE) < 0 ? -1 : 0;
}

static void undo_unmap(void)
{
	OK(do_map());
}

static int do_unmap_all(void)
{
	return dma_unmap_all(world.fd) < 0 ? -1 : 0;
}

static char *again;

static void undo_unmap_all(void)
{
	OK(do_map());
	OK(dma_map(world.fd, again, PAGE, IOVA + 0x800000));
}

TEST(faults_while_mapping)
{
	world_of_dma();
	faults("DMA_MAP", world.fd, UPU_IRQ_MSI, do_map, undo_map);
	faults("DMA_MAP of a buffer", world.fd, UPU_IRQ_MSI, do_map_buffer, undo_map);
	OK(do_map());
	faults("DMA_UNMAP", world.fd, UPU_IRQ_MSI, do_unmap, undo_unmap);
	again = memory(PAGE);
	faults("DMA_UNMAP of all", world.fd, UPU_IRQ_MSI, do_unmap_all, undo_unmap_all);
}

static int do_first_map(void)
{
	world.fd = device_open("EDU");
	return 0;
}

/* The first mapping makes its process the owner; one that fails leaves the device free for another's. */
TEST(faults_while_becoming_the_owner)
{
	struct state before;
	unsigned int n;
	int ret, was;

	faults_open();
	world.memory = memory(4 * PAGE);
	for (n = 1; n < MOST; n++) {
		do_first_map();
		before = look(world.fd, UPU_IRQ_MSI);
		fault_at(n);
		ret = dma_map(world.fd, world.memory, 4 * PAGE, IOVA);
		was = fault_was();
		if (ret) {
			CHECK(was && said(errno));
			same("the first DMA_MAP", n, before, look(world.fd, UPU_IRQ_MSI));
			OK(dma_map(world.fd, world.memory, 4 * PAGE, IOVA));
		}
		close(world.fd);
		if (!was)
			break;
	}
	CHECK(n > 3 && n < MOST);
	printf("# the first DMA_MAP: %u faults\n", n - 1);
}

static int do_alloc(void)
{
	world.other = dma_alloc(world.fd, 8 * PAGE, 0);
	return world.other;
}

static int do_alloc_huge(void)
{
	world.other = dma_alloc(world.fd, HUGE, UPU_ALLOC_HUGE);
	return world.other;
}

TEST(faults_while_allocating)
{
	world_of_dma();
	faults("DMA_ALLOC", world.fd, UPU_IRQ_MSI, do_alloc, undo_open);
	faults("DMA_ALLOC of 2 MiB", world.fd, UPU_IRQ_MSI, do_alloc_huge, undo_open);
}

static struct upu_invalidation records[4];

static int do_invalidations(void)
{
	return invalidations(world.fd, records, 4) < 0 ? -1 : 0;
}

static void undo_invalidations(void)
{
	char *page = memory(PAGE);

	EQUAL(records[0].iova, IOVA);
	OK(dma_map(world.fd, page, PAGE, IOVA));
	munmap(page, PAGE);
	while (device_info(world.fd).pinned > PAGE)	/* given back a moment later */
		sleep_ms(1);
}

TEST(faults_while_reading_invalidations)
{
	world_of_dma();
	records[0].iova = IOVA;
	undo_invalidations();
	faults("GET_INVALIDATIONS", world.fd, UPU_IRQ_MSI, do_invalidations, undo_invalidations);
}

/* ---- interrupts ---- */

static int do_arm_msi(void)
{
	return irqs(world.fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, world.fds);
}

static void undo_msi(void)
{
	OK(irqs(world.fd, UPU_IRQ_MSI, UPU_IRQ_DISARM, 0, 0, NULL));
}

static int do_arm_intx(void)
{
	return irqs(world.fd, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, world.fds);
}

static void undo_intx(void)
{
	OK(irqs(world.fd, UPU_IRQ_INTX, UPU_IRQ_DISARM, 0, 0, NULL));
}

static int do_resample(void)
{
	return irqs(world.fd, UPU_IRQ_INTX, UPU_IRQ_RESAMPLE, 0, 1, world.fds + 1);
}

static void world_of_irqs(const char *name)
{
	int i;

	faults_open();
	world.fd = device_open(name);
	for (i = 0; i < 8; i++)
		world.fds[i] = event();
}

TEST(faults_while_arming_intx_and_msi)
{
	world_of_irqs("EDU");
	faults("ARM of MSI", world.fd, UPU_IRQ_MSI, do_arm_msi, undo_msi);
	faults("ARM of INTx", world.fd, UPU_IRQ_INTX, do_arm_intx, undo_intx);
	OK(do_arm_intx());
	faults("RESAMPLE", world.fd, UPU_IRQ_INTX, do_resample, NULL);
}

static int do_arm_msix(void)
{
	return irqs(world.fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 4, world.fds);
}

static void undo_msix(void)
{
	OK(irqs(world.fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 0, 0, NULL));
}

/* Two that are new and two that are replaced. */
static int do_grow_msix(void)
{
	return irqs(world.fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 2, 4, world.fds + 2);
}

static void undo_grow_msix(void)
{
	OK(irqs(world.fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 4, 2, NULL));
}

static int do_disarm_msix(void)
{
	return irqs(world.fd, UPU_IRQ_MSIX, UPU_IRQ_DISARM, 0, 0, NULL);
}

static void undo_disarm_msix(void)
{
	OK(do_arm_msix());
}

static int do_trigger(void)
{
	return irqs(world.fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 4, NULL);
}

static uint64_t cpus[16];

static int do_get_affinity(void)
{
	struct upu_affinity arg = { .argsz = sizeof(arg), .mask_size = sizeof(cpus), .mask = (uintptr_t)cpus };

	return ioctl(world.fd, UPU_GET_AFFINITY, &arg);
}

static int do_set_affinity(void)
{
	uint64_t first[16] = { 1 };
	struct upu_affinity arg = { .argsz = sizeof(arg), .mask_size = sizeof(first), .mask = (uintptr_t)first };

	return ioctl(world.fd, UPU_SET_AFFINITY, &arg);
}

TEST(faults_while_arming_msix)
{
	world_of_irqs("IGB");
	faults("ARM of MSI-X", world.fd, UPU_IRQ_MSIX, do_arm_msix, undo_msix);
	OK(do_arm_msix());
	faults("ARM of more", world.fd, UPU_IRQ_MSIX, do_grow_msix, undo_grow_msix);
	faults("DISARM", world.fd, UPU_IRQ_MSIX, do_disarm_msix, undo_disarm_msix);
	faults("TRIGGER", world.fd, UPU_IRQ_MSIX, do_trigger, NULL);
	faults("GET_AFFINITY", world.fd, UPU_IRQ_MSIX, do_get_affinity, NULL);
	faults("SET_AFFINITY", world.fd, UPU_IRQ_MSIX, do_set_affinity, NULL);
}

static int do_counter(void)
{
	int on = 1;

	return write(world.fd, &on, 4) == 4 ? 0 : -1;
}

static int do_eventfd(void)
{
	return set_eventfd(world.fd, UPU_SET_ERR_EVENTFD, world.fds[0]);
}

static int do_reply(void)
{
	struct upu_reply reply = { .argsz = sizeof(reply), .sequence = 99, .answer = UPU_REPLY_RECOVERED };

	return ioctl(world.fd, UPU_REPLY, &reply) && errno == ENOENT ? 0 : -1;
}

static int do_get_event(void)
{
	struct upu_event event = { .argsz = sizeof(event) };

	return ioctl(world.fd, UPU_GET_EVENT, &event) && errno == EAGAIN ? 0 : -1;
}

/* ---- windows, and the rest ---- */

static int do_info(void)
{
	struct upu_range ranges[8];
	struct upu_info info = { .argsz = sizeof(info), .range_capacity = 8, .ranges = (uintptr_t)ranges };

	return ioctl(world.fd, UPU_GET_INFO, &info);
}

static int do_bar(void)
{
	struct upu_bar_range ranges[8];
	struct upu_bar bar = { .argsz = sizeof(bar), .range_capacity = 8, .ranges = (uintptr_t)ranges };

	return ioctl(world.fd, UPU_GET_BAR, &bar);
}

static int do_read_config(void)
{
	char space[256];

	return pread(world.fd, space, 256, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG)) == 256 ? 0 : -1;
}

static int do_write_config(void)
{
	uint16_t command = 6;

	return pwrite(world.fd, &command, 2, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG) + 4) == 2 ? 0 : -1;
}

static int do_read_bar(void)
{
	uint32_t value;

	return pread(world.fd, &value, 4, UPU_WINDOW_OFFSET(0)) == 4 ? 0 : -1;
}

/* What is written to 4 does nothing but come back turned over. */
static int do_write_bar(void)
{
	uint32_t value = 5;

	return pwrite(world.fd, &value, 4, UPU_WINDOW_OFFSET(0) + 4) == 4 ? 0 : -1;
}

static int do_read_rom(void)
{
	char image[512];

	return pread(world.fd, image, 512, UPU_WINDOW_OFFSET(UPU_WINDOW_ROM)) == 512 ? 0 : -1;
}

static int do_spare_bars(void)
{
	struct upu_set_eventfd set = { .argsz = sizeof(set), .flags = UPU_REQ_SPARE_BARS, .fd = world.fds[0] };

	return ioctl(world.fd, UPU_SET_REQ_EVENTFD, &set);
}

/* It is allocated once for each user. */
static void undo_spare_bars(void)
{
	close(world.fd);
	EQUAL(device_open("EDU"), world.fd);
}

static int do_reset(void)
{
	return plain(world.fd, UPU_RESET);
}

/* A page table that cannot be had: the kernel asks again, or the program is told by a signal. */
static int do_touch(void)
{
	volatile uint32_t *bar = bar_map(world.fd, 0, 0, PAGE);
	int failed;

	if (bar == MAP_FAILED)
		return -1;
	failed = is_bus_error(bar);
	munmap((void *)bar, PAGE);
	errno = ENOMEM;
	return failed ? -1 : 0;
}

TEST(faults_of_windows_and_the_rest)
{
	world_of_irqs("EDU");
	faults("GET_INFO", world.fd, UPU_IRQ_MSI, do_info, NULL);
	faults("GET_BAR", world.fd, UPU_IRQ_MSI, do_bar, NULL);
	faults("pread of configuration", world.fd, UPU_IRQ_MSI, do_read_config, NULL);
	faults("pwrite of configuration", world.fd, UPU_IRQ_MSI, do_write_config, NULL);
	faults("pread of a BAR", world.fd, UPU_IRQ_MSI, do_read_bar, NULL);
	faults("pwrite of a BAR", world.fd, UPU_IRQ_MSI, do_write_bar, NULL);
	if (do_touch())
		FAIL("a BAR cannot be mapped");
	fault_at(1);
	do_touch();
	fault_was();
	faults("SET_ERR_EVENTFD", world.fd, UPU_IRQ_MSI, do_eventfd, NULL);
	faults("REQ_SPARE_BARS", world.fd, UPU_IRQ_MSI, do_spare_bars, undo_spare_bars);
	faults("REPLY", world.fd, UPU_IRQ_MSI, do_reply, NULL);
	faults("GET_EVENT", world.fd, UPU_IRQ_MSI, do_get_event, NULL);
	faults("the counter", world.fd, UPU_IRQ_MSI, do_counter, undo_intx);
	if (device_info(world.fd).reset_kinds)
		faults("RESET", world.fd, UPU_IRQ_MSI, do_reset, NULL);
}

TEST(faults_while_reading_a_rom)
{
	world_of_irqs("XHCI");
	faults("pread of the ROM", world.fd, UPU_IRQ_MSI, do_read_rom, NULL);
}

static int do_take_event(void)
{
	struct upu_event event = { .argsz = sizeof(event) };
	int ret = ioctl(world.fd, UPU_GET_EVENT, &event);

	if (!ret)
		EQUAL(event.kind, UPU_EVENT_RESET);
	return ret;
}

static void undo_take_event(void)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", device_address("EDU"));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	EQUAL(write(fd, "1", 1), 1);
	close(fd);
}

/* An event that could not be handed over waits for the next call: else that one would be refused without a fault. */
ROOT_TEST(faults_while_an_event_waits)
{
	world_of_irqs("EDU");
	OK(set_eventfd(world.fd, UPU_SET_ERR_EVENTFD, world.fds[0]));
	undo_take_event();
	faults("GET_EVENT of one that waits", world.fd, UPU_IRQ_MSI, do_take_event, undo_take_event);
}

static uint64_t bare_iova;

static int do_map_bare(void)
{
	struct upu_dma_map map = { .argsz = sizeof(map), .flags = UPU_DMA_READ | UPU_DMA_WRITE,
				   .vaddr = (uintptr_t)world.memory, .size = PAGE };
	int ret = ioctl(world.fd, UPU_DMA_MAP, &map);

	bare_iova = map.iova;
	return ret;
}

static int do_map_bare_buffer(void)
{
	struct upu_dma_map map = { .argsz = sizeof(map), .flags = UPU_DMA_READ | UPU_DMA_WRITE | UPU_DMA_BUFFER,
				   .fd = world.buffer, .size = PAGE };
	int ret = ioctl(world.fd, UPU_DMA_MAP, &map);

	bare_iova = map.iova;
	return ret;
}

static void undo_map_bare(void)
{
	EQUAL(dma_unmap(world.fd, bare_iova, PAGE), PAGE);
}

static int do_unmap_bare(void)
{
	return dma_unmap(world.fd, bare_iova, PAGE) < 0 ? -1 : 0;
}

static void undo_unmap_bare(void)
{
	OK(do_map_bare());
}

ROOT_TEST(faults_while_mapping_without_an_iommu)
{
	world_of_irqs("EDU");
	CHECK(!(device_info(world.fd).flags & UPU_INFO_IOMMU));
	world.buffer = dma_alloc(world.fd, PAGE, 0);
	CHECK(world.buffer >= 0);
	world.memory = memory(PAGE);
	OK(do_map_bare());			/* there is an owner from now on */
	undo_map_bare();
	faults("DMA_MAP", world.fd, UPU_IRQ_MSI, do_map_bare, undo_map_bare);
	faults("DMA_MAP of a buffer", world.fd, UPU_IRQ_MSI, do_map_bare_buffer, undo_map_bare);
	OK(do_map_bare());
	faults("DMA_UNMAP", world.fd, UPU_IRQ_MSI, do_unmap_bare, undo_unmap_bare);
}

static int do_revoke(void)
{
	return plain(world.other, UPU_REVOKE);
}

static void undo_revoke(void)
{
	close(world.fd);
	world.fd = device_open("EDU");
	OK(dma_map(world.fd, world.memory, PAGE, IOVA));
	OK(irqs(world.fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, world.fds));
}

/* Taking back must not fail for want of memory, once it has understood what is asked. */
TEST(faults_while_revoking)
{
	world_of_irqs("EDU");
	world.memory = memory(PAGE);
	world.other = device_try("EDU", UPU_O_CONTROL);
	undo_revoke();
	faults("REVOKE", -1, 0, do_revoke, undo_revoke);
}

static int driver_write(const char *file)
{
	char path[128];
	int fd, ret, error;

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/uio_pci_user/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	ret = write(fd, device_address("EDU"), strlen(device_address("EDU"))) < 0 ? -1 : 0;
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

ROOT_TEST(faults_while_binding_and_unbinding)
{
	unsigned int n;
	int ret, was, refused = 0;

	faults_open();
	OK(driver_write("unbind"));
	for (n = 1; n < MOST; n++) {
		fault_at(n);
		ret = driver_write("bind");
		was = fault_was();
		if (ret) {
			if (!was || (!said(errno) && errno != ENODEV))
				FAIL("bind, fault %u: %s", n, strerror(errno));
			refused++;
			if (!was)
				break;
			continue;
		}
		/* The driver core goes on without a node in /dev, if that is what it has no memory for. */
		if (!was || !access(device_path("EDU"), F_OK))
			close(device_open("EDU"));
		fault_at(n);
		ret = driver_write("unbind");
		was |= fault_was();
		OK(ret);			/* nothing may keep a driver from letting go */
		if (!was)
			break;
	}
	CHECK(n > 3 && n < MOST);
	printf("# bind: %u faults, %d refused\n", n - 1, refused);
	OK(driver_write("bind"));
	close(device_open("EDU"));
}
