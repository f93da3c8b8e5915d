// SPDX-License-Identifier: GPL-2.0
/* Opening, information, register windows, mmap and its revocation. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>

#include "device.h"

static const unsigned long calls[] = {
	UPU_GET_INFO, UPU_GET_BAR, UPU_DMA_MAP, UPU_DMA_UNMAP, UPU_DMA_ALLOC, UPU_GET_INVALIDATIONS,
	UPU_SET_IRQS, UPU_SET_AFFINITY, UPU_GET_AFFINITY, UPU_SET_ERR_EVENTFD, UPU_SET_REQ_EVENTFD,
	UPU_SET_INVALIDATION_EVENTFD, UPU_GET_EVENT, UPU_REPLY, UPU_RESET,
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

TEST(open_is_for_one_user)
{
	int fd = device_open("EDU");

	ERRNO(device_try("EDU", O_RDWR), EBUSY);
	close(fd);
	fd = device_open("EDU");
	close(fd);
}

TEST(open_wants_read_and_write)
{
	ERRNO(device_try("EDU", O_RDONLY), EINVAL);
	ERRNO(device_try("EDU", O_WRONLY), EINVAL);
}

TEST(every_call_refuses_a_short_argsz)
{
	int fd = device_open("EDU");
	uint32_t arg[64];
	unsigned int i, size;

	for (i = 0; i < CALLS; i++)
		for (size = 0; size < 8; size++) {
			memset(arg, 0, sizeof(arg));
			arg[0] = size;
			ERRNO(ioctl(fd, calls[i], arg), EINVAL);
		}
}

TEST(every_call_refuses_a_bad_pointer)
{
	int fd = device_open("EDU");
	char *edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i;

	munmap(edge + PAGE, PAGE);
	for (i = 0; i < CALLS; i++) {
		ERRNO(ioctl(fd, calls[i], NULL), EFAULT);
		ERRNO(ioctl(fd, calls[i], edge + PAGE), EFAULT);
		*(uint32_t *)(edge + PAGE - 4) = 4096;
		ERRNO(ioctl(fd, calls[i], edge + PAGE - 4), EFAULT);
		if (calls[i] != UPU_RESET) {
			*(uint32_t *)(edge + PAGE - 8) = 4096;
			*(uint32_t *)(edge + PAGE - 4) = 0;
			ERRNO(ioctl(fd, calls[i], edge + PAGE - 8), EFAULT);
		}
	}
}

TEST(reserved_fields_are_refused)
{
	int fd = device_open("EDU");
	struct upu_bar bar = { .argsz = sizeof(bar), .reserved = 1 };
	struct upu_set_irqs set = { .argsz = sizeof(set), .kind = UPU_IRQ_MSI,
				    .action = UPU_IRQ_DISARM, .reserved = 1 };
	struct upu_set_eventfd eventfd = { .argsz = sizeof(eventfd), .fd = -1, .reserved = 1 };
	struct upu_reply reply = { .argsz = sizeof(reply), .answer = 1, .reserved = 1 };

	ERRNO(ioctl(fd, UPU_GET_BAR, &bar), EINVAL);
	ERRNO(ioctl(fd, UPU_SET_IRQS, &set), EINVAL);
	ERRNO(ioctl(fd, UPU_SET_ERR_EVENTFD, &eventfd), EINVAL);
	ERRNO(ioctl(fd, UPU_REPLY, &reply), EINVAL);
}

TEST(unknown_calls_are_enotty)
{
	int fd = device_open("EDU");
	uint32_t arg[64] = { sizeof(arg) };

	ERRNO(ioctl(fd, _IO(UPU_IOCTL_TYPE, 99), arg), ENOTTY);
	ERRNO(ioctl(fd, _IO('!', 0), arg), ENOTTY);
}

TEST(info_tells_what_the_device_is)
{
	int fd = device_open("NVME");
	struct upu_range ranges[16];
	struct upu_info info = { .argsz = sizeof(info), .range_capacity = 16,
				 .ranges = (uintptr_t)ranges };
	unsigned int i, msi_window = 0;

	OK(ioctl(fd, UPU_GET_INFO, &info));
	EQUAL(info.api_version, UPU_API_VERSION);
	EQUAL(info.msix, (config_read(fd, find_cap(fd, 0x11) + 2, 2) & 0x7ff) + 1);
	CHECK(info.reset_kinds & UPU_RESET_FLR);
	CHECK(info.flags & UPU_INFO_IOMMU);
	CHECK(info.flags & UPU_INFO_VIABLE);
	CHECK(info.flags & UPU_INFO_MSI_SAFE);
	CHECK(info.page_sizes & PAGE);
	EQUAL(info.group_devices, 1);
	for (i = 0; i < info.range_count && i < 16; i++)
		msi_window |= ranges[i].start <= 0xfee00000 && ranges[i].last >= 0xfee00000;
	CHECK(msi_window);
}

TEST(bars_have_their_sizes)
{
	int fd = device_open("EDU");
	struct upu_bar bar = device_bar(fd, 0);

	EQUAL(bar.size, 1 << 20);
	EQUAL(bar.offset, UPU_WINDOW_OFFSET(0));
	CHECK(bar.flags & UPU_BAR_MMAP);
	EQUAL(bar.range_count, 1);
	EQUAL(device_bar(fd, 1).size, 0);
	EQUAL(device_bar(fd, UPU_WINDOW_CONFIG).size, 256);
	bar.argsz = sizeof(bar);
	bar.flags = 0;
	bar.index = UPU_WINDOW_COUNT;
	ERRNO(ioctl(fd, UPU_GET_BAR, &bar), ENXIO);
}

TEST(windows_end_where_they_end)
{
	int fd = device_open("EDU");
	char data[8192];

	EQUAL(pread(fd, data, 4, UPU_WINDOW_OFFSET(0)), 4);
	EQUAL(*(uint32_t *)data, 0x010000ed);
	ERRNO(pread(fd, data, 4, UPU_WINDOW_OFFSET(0) + (1 << 20)), EFAULT);
	ERRNO(pread(fd, data, 8, UPU_WINDOW_OFFSET(0) + (1 << 20) - 4), EFAULT);
	ERRNO(pwrite(fd, data, 8, UPU_WINDOW_OFFSET(0) + (1 << 20) - 4), EFAULT);
	ERRNO(pread(fd, data, 8192, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG)), EFAULT);
	ERRNO(pread(fd, data, 2, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG) + 255), EFAULT);
	ERRNO(pread(fd, data, 4, UPU_WINDOW_OFFSET(1)), ENXIO);
	ERRNO(pread(fd, data, 4, UPU_WINDOW_OFFSET(UPU_WINDOW_COUNT)), ENXIO);
	ERRNO(pread(fd, data, 4, 4096), EINVAL);
	ERRNO(pread(fd, NULL, 4, UPU_WINDOW_OFFSET(0)), EFAULT);
	ERRNO(lseek(fd, 4096, SEEK_SET), ESPIPE);
}

/*
 * edu turns what is written to 4 over, and has registers of 4 bytes below 0x80. Those of 8 bytes behind take a half for
 * the whole: what comes back whole was one access. ivshmem's memory has any width.
 */
TEST(registers_are_accessed_by_width)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 5, 7, 8, 11, 16, 23 };
	int fd = device_open("EDU");
	uint64_t source = 0x123456789abcdef0, got = 0;
	uint8_t sent[32], back[32], want[64];
	unsigned int at, i, j;
	volatile uint8_t *bar;

	window_write(fd, 0, 4, 4, 0x13572468);
	EQUAL(window_read(fd, 0, 4, 4), ~0x13572468u);
	EQUAL(pwrite(fd, &source, 8, UPU_WINDOW_OFFSET(0) + 0x80), 8);
	EQUAL(pread(fd, &got, 8, UPU_WINDOW_OFFSET(0) + 0x80), 8);
	EQUAL(got, source);
	window_write(fd, 0, 0x80, 4, 0x11223344);
	EQUAL(pread(fd, &got, 8, UPU_WINDOW_OFFSET(0) + 0x80), 8);
	EQUAL(got, 0x11223344);
	close(fd);

	fd = device_open("IVSHMEM");
	bar = bar_map(fd, 2, 0, PAGE);
	CHECK(bar != MAP_FAILED);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (at = 8; at < 24; at++) {
			for (j = 0; j < sizeof(want); j++)
				bar[j] = want[j] = j * 5 + i;
			EQUAL(pread(fd, back, sizes[i], UPU_WINDOW_OFFSET(2) + at), sizes[i]);
			if (memcmp(back, want + at, sizes[i]))
				FAIL("%zu bytes at %u are read otherwise than by mmap", sizes[i], at);
			for (j = 0; j < sizes[i]; j++)
				want[at + j] = sent[j] = 0xf0 ^ (j * 7 + at);
			EQUAL(pwrite(fd, sent, sizes[i], UPU_WINDOW_OFFSET(2) + at), sizes[i]);
			for (j = 0; j < sizeof(want); j++)
				if (bar[j] != want[j])
					FAIL("%zu bytes written at %u: byte %u is %#x, not %#x", sizes[i], at, j,
					     bar[j], want[j]);
		}
}

TEST(mmap_follows_its_offset)
{
	int fd = device_open("IVSHMEM");
	volatile uint32_t *page;
	unsigned int i;

	for (i = 0; i < 8; i++)
		window_write(fd, 2, i * PAGE, 4, 0x1000 + i);
	for (i = 0; i < 8; i++) {
		page = bar_map(fd, 2, i * PAGE, PAGE);
		CHECK(page != MAP_FAILED);
		EQUAL(*page, 0x1000 + i);
		munmap((void *)page, PAGE);
	}
	page = bar_map(fd, 2, PAGE, 4 * PAGE);
	CHECK(page != MAP_FAILED);
	for (i = 0; i < 4; i++)
		EQUAL(page[i * PAGE / 4], 0x1001 + i);
}

/* A call of many accesses whose memory ends half way has made none of them. */
TEST(a_bad_pointer_half_way_touches_no_register)
{
	int fd = device_open("IVSHMEM"), i;
	uint64_t shared = UPU_WINDOW_OFFSET(2);
	char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char before[64], after[64];

	CHECK(page != MAP_FAILED);
	munmap(page + PAGE, PAGE);
	memset(before, 'b', sizeof(before));
	EQUAL(pwrite(fd, before, sizeof(before), shared), sizeof(before));
	memset(page, 'n', PAGE);
	for (i = 1; i < 64; i++) {
		ERRNO(pwrite(fd, page + PAGE - i, 64, shared), EFAULT);
		EQUAL(pread(fd, after, sizeof(after), shared), sizeof(after));
		CHECK(!memcmp(before, after, sizeof(before)));
		ERRNO(pread(fd, page + PAGE - i, 64, shared), EFAULT);
		EQUAL(page[PAGE - 1], 'n');
	}
	mprotect(page, PAGE, PROT_READ);
	ERRNO(pread(fd, page, 64, shared), EFAULT);
	EQUAL(pwrite(fd, page, 64, shared), 64);
}

TEST(mmap_refuses_what_is_not_there)
{
	int fd = device_open("EDU");

	ERRNO((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), EINVAL);
	ERRNO((intptr_t)bar_map(fd, 0, 1 << 20, PAGE), EINVAL);
	ERRNO((intptr_t)bar_map(fd, 0, (1 << 20) - PAGE, 2 * PAGE), EINVAL);
	ERRNO((intptr_t)bar_map(fd, 1, 0, PAGE), ENXIO);
	ERRNO((intptr_t)bar_map(fd, UPU_WINDOW_ROM, 0, PAGE), EINVAL);
	ERRNO((intptr_t)bar_map(fd, UPU_WINDOW_CONFIG, 0, PAGE), EINVAL);
	ERRNO((intptr_t)bar_map(fd, UPU_WINDOW_COUNT, 0, PAGE), ENXIO);
	ERRNO((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, UPU_WINDOW_OFFSET(0)), EINVAL);
}

/*
 * Where the table is, by the user's own reading of the capability, BIR bits stripped: with them left in, its first bytes
 * would be within reach and what follows it would not.
 */
static void check_msix_table(int fd)
{
	unsigned int cap = find_cap(fd, 0x11), bir, offset;
	struct upu_bar_range ranges[8];
	struct upu_bar bar = { .argsz = sizeof(bar), .range_capacity = 8,
			       .ranges = (uintptr_t)ranges };
	unsigned int i, reg, size = device_info(fd).msix * 16;
	char *zeros = calloc(1, size), *table = calloc(1, size);

	CHECK(cap);
	for (reg = 4; reg <= 8; reg += 4) {
		bir = config_read(fd, cap + reg, 4) & 7;
		offset = config_read(fd, cap + reg, 4) & ~7u;
		bar.argsz = sizeof(bar);
		bar.flags = 0;
		bar.index = bir;
		OK(ioctl(fd, UPU_GET_BAR, &bar));
		for (i = 0; i < bar.range_count; i++)
			CHECK(offset + 4 <= ranges[i].offset ||
			      offset >= ranges[i].offset + ranges[i].size);
		ERRNO((intptr_t)bar_map(fd, bir, offset & ~(PAGE - 1), PAGE), EINVAL);
	}
	/* This device's pending bits are not the table's neighbours. */
	CHECK(bir != (config_read(fd, cap + 4, 4) & 7) || offset >= (config_read(fd, cap + 4, 4) & ~7u) + size + 8);
	bir = config_read(fd, cap + 4, 4) & 7;
	offset = config_read(fd, cap + 4, 4) & ~7u;

	EQUAL(pwrite(fd, zeros, size, UPU_WINDOW_OFFSET(bir) + offset), size);
	EQUAL(pread(fd, table, size, UPU_WINDOW_OFFSET(bir) + offset), size);
	for (i = 0; i < size; i++) {
		window_write(fd, bir, offset + i, 1, 0);
		if (window_read(fd, bir, offset + i, 1) != 0xff || (uint8_t)table[i] != 0xff)
			FAIL("byte %u of %u of the table is within reach", i, size);
	}
	/* Nothing is there, which reads 0 on this machine. */
	for (i = 0; i < 8; i++)
		EQUAL(window_read(fd, bir, offset + size + i, 1), 0);
	for (i = 1; i < 5 && i <= offset; i++)
		CHECK(window_read(fd, bir, offset - i, 1) != 0xff);
}

TEST(msix_table_is_out_of_reach_nvme)
{
	check_msix_table(device_open("NVME"));
}

TEST(msix_table_is_out_of_reach_igb)
{
	check_msix_table(device_open("IGB"));
}

/* What was written to the whole table has changed nothing: its vectors still interrupt. */
TEST(msix_table_is_out_of_reach_ivshmem)
{
	int fd = device_open("IVSHMEM"), fds[2] = { event(), event() }, i;

	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 2, fds));
	bus_master(fd, 1);
	check_msix_table(fd);
	for (i = 0; i < 2; i++) {
		window_write(fd, 0, 12, 4, window_read(fd, 0, 8, 4) << 16 | i);
		EQUAL(event_wait(fds[i], 2000), 1);
	}
}

TEST(mmap_is_revoked_by_memory_disable)
{
	int fd = device_open("EDU");
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);
	uint32_t command = config_read(fd, 4, 2), value;

	EQUAL(*bar, 0x010000ed);
	config_write(fd, 4, 2, command & ~2u);
	CHECK(is_bus_error(bar));
	ERRNO(pread(fd, &value, 4, UPU_WINDOW_OFFSET(0)), EIO);
	config_write(fd, 4, 2, command);
	CHECK(!is_bus_error(bar));
	EQUAL(*bar, 0x010000ed);
}

TEST(mmap_is_revoked_in_d3)
{
	int fd = device_open("NVME");
	unsigned int pm = find_cap(fd, 0x01);
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);
	uint32_t value, before;

	CHECK(bar != MAP_FAILED);
	CHECK(pm);
	before = bar[2];
	config_write(fd, pm + 4, 2, 3);
	EQUAL(config_read(fd, pm + 4, 2) & 3, 3);
	CHECK(is_bus_error(bar));
	ERRNO(pread(fd, &value, 4, UPU_WINDOW_OFFSET(0)), EIO);
	config_write(fd, pm + 4, 2, 0);
	EQUAL(config_read(fd, pm + 4, 2) & 3, 0);
	CHECK(!is_bus_error(bar));
	EQUAL(bar[2], before);
}

TEST(reset_keeps_what_is_set_up)
{
	int fd = device_open("EDU");
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);
	void *page = memory(PAGE);
	int fired = event();

	OK(dma_map(fd, page, PAGE, 0x100000));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	bus_master(fd, 1);
	bar[1] = 5;
	OK(plain(fd, UPU_RESET));
	CHECK(!is_bus_error(bar));
	EQUAL(bar[0], 0x010000ed);
	CHECK(config_read(fd, 4, 2) & 4);
	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 1);
	edu_ack(fd);
	strcpy(page, "before");
	edu_dma(fd, 0x100000, 16, 0);
	strcpy(page, "after");
	edu_dma(fd, 0x100000, 16, 1);
	CHECK(!strcmp(page, "before"));
	EQUAL(dma_unmap(fd, 0x100000, PAGE), PAGE);
}

TEST(a_forked_child_has_no_bars)
{
	int fd = device_open("EDU"), status;
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);
	pid_t child;

	EQUAL(*bar, 0x010000ed);
	child = fork();
	if (!child) {
		(void)*bar;
		_exit(0);
	}
	waitpid(child, &status, 0);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	EQUAL(*bar, 0x010000ed);
}

TEST(close_turns_bus_mastering_off)
{
	int fd = device_open("EDU");

	bus_master(fd, 1);
	CHECK(real_command("EDU") & 4);
	close(fd);
	CHECK(!(real_command("EDU") & 4));
}

TEST(a_killed_user_leaves_a_quiet_device)
{
	int i, status, fd, pipes[2];
	pid_t child;
	char byte;

	for (i = 0; i < 5; i++) {
		CHECK(!pipe(pipes));
		child = fork();
		if (!child) {
			int fired = event();

			fd = device_open("EDU");
			bus_master(fd, 1);
			OK(dma_map(fd, memory(16 * PAGE), 16 * PAGE, 0x100000));
			OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
			(void)!write(pipes[1], "x", 1);
			for (;;)
				edu_raise(fd);
		}
		close(pipes[1]);
		EQUAL(read(pipes[0], &byte, 1), 1);
		close(pipes[0]);
		kill(child, i & 1 ? SIGABRT : SIGKILL);
		waitpid(child, &status, 0);
		CHECK(WIFSIGNALED(status));
		CHECK(!(real_command("EDU") & 4));
		fd = device_open("EDU");
		EQUAL(device_info(fd).dma_count, 0);
		ERRNO(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_TRIGGER, 0, 1, NULL), ENXIO);
		close(fd);
	}
}

/* ---- revocation ---- */

TEST(control_descriptors_control_only)
{
	int fd = device_try("EDU", UPU_O_CONTROL);
	struct upu_info info = { .argsz = sizeof(info) };
	uint32_t arg[64];
	unsigned int i;
	char byte;

	CHECK(fd >= 0);
	OK(ioctl(fd, UPU_GET_INFO, &info));
	CHECK(info.flags & UPU_INFO_VIABLE);
	for (i = 1; i < CALLS; i++) {
		memset(arg, 0, sizeof(arg));
		arg[0] = sizeof(arg);
		ERRNO(ioctl(fd, calls[i], arg), EPERM);
	}
	ERRNO(read(fd, &byte, 1), EBADF);
	ERRNO((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, UPU_WINDOW_OFFSET(0)), EACCES);
	OK(plain(fd, UPU_REVOKE));	/* nobody has it */
	close(device_open("EDU"));
}

/* A REVOKE that is refused takes nothing from anybody. */
TEST(revoke_checks_its_argument)
{
	int fd = device_open("EDU"), control = device_try("EDU", UPU_O_CONTROL);
	static const uint64_t bad[] = { 0, 8, 0x800000000000, 0xffff888000000000, ~0ull, ~0ull - 7 };
	char *edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct upu_plain arg = { .argsz = sizeof(arg) };
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);
	unsigned int i;

	CHECK(control >= 0);
	bus_master(fd, 1);
	for (i = 0; i < sizeof(arg); i++) {
		arg.argsz = i;
		ERRNO(ioctl(control, UPU_REVOKE, &arg), EINVAL);
	}
	arg.argsz = sizeof(arg);
	for (i = 0; i < 32; i++) {
		arg.flags = 1u << i;
		ERRNO(ioctl(control, UPU_REVOKE, &arg), EINVAL);
		ERRNO(ioctl(fd, UPU_REVOKE, &arg), EPERM);
	}
	arg.flags = 0;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ERRNO(ioctl(control, UPU_REVOKE, bad[i]), EFAULT);
	munmap(edge + PAGE, PAGE);
	for (i = 0; i < sizeof(arg); i++) {
		memcpy(edge + PAGE - i, &arg, i);
		ERRNO(ioctl(control, UPU_REVOKE, edge + PAGE - i), EFAULT);
	}
	EQUAL(bar[0], 0x010000ed);
	EQUAL(device_info(fd).flags & UPU_INFO_VIABLE, UPU_INFO_VIABLE);
	CHECK(real_command("EDU") & 4);
	arg.argsz = 4096;		/* from a later day */
	OK(ioctl(control, UPU_REVOKE, &arg));
	CHECK(is_bus_error(bar));
	ERRNO(plain(fd, UPU_RESET), ENODEV);
}

TEST(revoke_spares_a_process_that_asks)
{
	int fd = device_open("EDU"), control = device_try("EDU", UPU_O_CONTROL), request = event();
	volatile uint32_t *bar = bar_map(fd, 0, 0, 2 * PAGE);
	struct upu_set_eventfd set = { .argsz = sizeof(set), .flags = UPU_REQ_SPARE_BARS,
				       .fd = request };
	int i;

	ERRNO(ioctl(fd, UPU_SET_ERR_EVENTFD, &set), EINVAL);
	OK(ioctl(fd, UPU_SET_REQ_EVENTFD, &set));
	OK(ioctl(fd, UPU_SET_REQ_EVENTFD, &set));
	EQUAL(bar[0], 0x010000ed);
	/* Out of reach for a while is another matter. */
	config_write(fd, 4, 2, 0);
	CHECK(is_bus_error(bar));
	config_write(fd, 4, 2, 2);
	EQUAL(bar[0], 0x010000ed);

	CHECK(control >= 0);
	OK(plain(control, UPU_REVOKE));
	CHECK(event_wait(request, 1000));
	for (i = 0; i < 2; i++) {
		EQUAL(bar[i * PAGE / 4], ~0u);
		bar[i * PAGE / 4 + 1] = 0x12345678;
	}

	/* Nothing of it reached the device, which is another's by now. */
	fd = device_open("EDU");
	EQUAL(window_read(fd, 0, 0, 4), 0x010000ed);
	CHECK(window_read(fd, 0, 4, 4) != (uint32_t)~0x12345678);
	CHECK(bar[0] == ~0u);
}

TEST(revoke_takes_everything)
{
	int fd = device_open("EDU"), control, other, fired = event();
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);
	void *page = memory(PAGE);
	long locked = locked_kb();
	uint32_t arg[64];
	unsigned int i;

	EQUAL(*bar, 0x010000ed);
	ERRNO(plain(fd, UPU_REVOKE), EPERM);
	bus_master(fd, 1);
	OK(dma_map(fd, page, PAGE, 0x100000));
	EQUAL(locked_kb(), locked + 4);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	control = device_try("EDU", UPU_O_CONTROL);
	CHECK(control >= 0);
	OK(plain(control, UPU_REVOKE));

	CHECK(!(real_command("EDU") & 4));
	CHECK(is_bus_error(bar));
	for (i = 0; i < CALLS; i++) {
		memset(arg, 0, sizeof(arg));
		arg[0] = sizeof(arg);
		ERRNO(ioctl(fd, calls[i], arg), ENODEV);
	}
	ERRNO(pread(fd, arg, 4, UPU_WINDOW_OFFSET(0)), ENODEV);
	ERRNO(pread(fd, arg, 4, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG)), ENODEV);
	ERRNO(pwrite(fd, arg, 4, UPU_WINDOW_OFFSET(0)), ENODEV);
	ERRNO(read(fd, arg, 4), ENODEV);
	ERRNO(write(fd, arg, 4), ENODEV);
	ERRNO((intptr_t)bar_map(fd, 0, 0, PAGE), ENODEV);

	/* The next user has it while the last one still holds his descriptor. */
	other = device_open("EDU");
	EQUAL(device_info(other).dma_count, 0);
	OK(dma_map(other, page, PAGE, 0x100000));
	CHECK(is_bus_error(bar));
	close(fd);
	EQUAL(dma_unmap(other, 0x100000, PAGE), PAGE);
	for (i = 0; i < 100 && locked_kb() != locked; i++)
		sleep_ms(10);
	EQUAL(locked_kb(), locked);
}
