// SPDX-License-Identifier: GPL-2.0
/* What takes an administrator to bring about: unbinding, errors, suspend, other users. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "device.h"

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return ret;
}

static void bind(const char *name)
{
	write_file("/sys/bus/pci/drivers_probe", device_address(name));
	CHECK(!access(device_path(name), F_OK));
}

static void unbind(const char *name)
{
	OK(write_file("/sys/bus/pci/drivers/uio_pci_user/unbind", device_address(name)));
	CHECK(access(device_path(name), F_OK));
}

static int next_event(int fd, struct upu_event *event)
{
	memset(event, 0, sizeof(*event));
	event->argsz = sizeof(*event);
	return ioctl(fd, UPU_GET_EVENT, event);
}

static int reply(int fd, uint64_t sequence, uint32_t answer)
{
	struct upu_reply arg = { .argsz = sizeof(arg), .sequence = sequence, .answer = answer };

	return ioctl(fd, UPU_REPLY, &arg);
}

ROOT_TEST(removal_waits_for_a_user_who_answers)
{
	int fd = device_open("EDU"), request = event(), status;
	struct upu_event event;
	double start = now();
	pid_t child;

	OK(set_eventfd(fd, UPU_SET_REQ_EVENTFD, request));
	ERRNO(next_event(fd, &event), EAGAIN);
	child = fork();
	if (!child) {
		close(fd);
		unbind("EDU");
		_exit(0);
	}
	EQUAL(event_wait(request, 2000), 1);
	OK(next_event(fd, &event));
	EQUAL(event.kind, UPU_EVENT_REMOVE);
	CHECK(event.deadline_ms > 0);
	ERRNO(device_try("EDU", O_RDWR), ENODEV);
	ERRNO(reply(fd, event.sequence, UPU_REPLY_RECOVERED), EINVAL);
	CHECK(window_read(fd, 0, 0, 4) == 0x010000ed);	/* until then it works */
	close(fd);
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	CHECK(now() - start < 4);
	bind("EDU");
	close(device_open("EDU"));
}

ROOT_TEST(removal_does_not_wait_forever)
{
	int fd = device_open("EDU"), request = event(), fired = event();
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);
	double start = now();
	uint32_t value;

	EQUAL(*bar, 0x010000ed);
	OK(set_eventfd(fd, UPU_SET_REQ_EVENTFD, request));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	if (device_info(fd).flags & UPU_INFO_IOMMU)
		OK(dma_map(fd, memory(PAGE), PAGE, 0x100000));
	unbind("EDU");
	CHECK(now() - start > 1.5 && now() - start < 15);
	ERRNO(pread(fd, &value, 4, UPU_WINDOW_OFFSET(0)), ENODEV);
	bind("EDU");
	close(device_open("EDU"));	/* beside the dead descriptor */
	close(fd);
	close(device_open("EDU"));
}

ROOT_TEST(removal_asks_nobody_who_does_not_listen)
{
	int fd = device_open("EDU");
	double start = now();

	unbind("EDU");
	CHECK(now() - start < 10);
	ERRNO(plain(fd, UPU_RESET), ENODEV);
	bind("EDU");
}

ROOT_TEST(strangers_get_nothing)
{
	int fd = device_try("EDU", UPU_O_CONTROL), status;
	pid_t child;

	CHECK(fd >= 0);
	close(fd);
	child = fork();
	if (!child) {
		chmod(device_path("EDU"), 0666);
		OK(setuid(4321));
		ERRNO(device_try("EDU", UPU_O_CONTROL), EPERM);
		close(device_open("EDU"));	/* permission on the file is permission */
		OK(0);
		_exit(0);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	chmod(device_path("EDU"), 0600);
	child = fork();
	if (!child) {
		OK(setuid(4321));
		ERRNO(device_try("EDU", O_RDWR), EACCES);
		_exit(0);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0);
}

ROOT_TEST(a_group_with_a_driver_in_it_is_busy)
{
	int fd = device_try("SHARED", UPU_O_CONTROL);
	struct upu_info info;

	CHECK(fd >= 0);
	info = device_info(fd);
	CHECK(info.group_devices > 1);
	CHECK(!(info.flags & UPU_INFO_VIABLE));
	ERRNO(device_try("SHARED", O_RDWR), EBUSY);
}

static int lab_bind(const char *name, const char *driver)
{
	char line[128];

	snprintf(line, sizeof(line), "lab-bind %s %s > /dev/null 2>&1", device_address(name), driver);
	return system(line);
}

/* A user of one function is the user of its group: neither another user nor a driver gets in beside him. */
ROOT_TEST(a_group_has_one_user)
{
	static const char * const names[] = { "SHARED", "SHARED_B" };
	int i, fd;

	EQUAL(lab_bind("SHARED_B", "uio_pci_user"), 0);
	for (i = 0; i < 2; i++) {
		fd = device_open(names[i]);
		CHECK(device_info(fd).flags & UPU_INFO_VIABLE);
		EQUAL(device_info(fd).group_devices, 2);
		ERRNO(plain(fd, UPU_RESET), EOPNOTSUPP);	/* of its bus alone, where the other is */
		ERRNO(device_try(names[!i], O_RDWR), EBUSY);
		close(fd);
	}
	fd = device_open("SHARED");
	CHECK(lab_bind("SHARED_B", "uio_pci_generic"));
	EQUAL(window_read(fd, 0, 0, 4), 0x010000ed);
	close(fd);
	EQUAL(lab_bind("SHARED_B", "uio_pci_generic"), 0);
	ERRNO(device_try("SHARED", O_RDWR), EBUSY);
}

ROOT_TEST(msi_needs_remapping_or_a_waiver)
{
	int fd = device_open("NVME"), fired = event();

	CHECK(!(device_info(fd).flags & UPU_INFO_MSI_SAFE));
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, &fired), EPERM);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 1, NULL), ENXIO);
	OK(write_file("/sys/module/uio_pci_user/parameters/allow_unsafe_interrupts", "1"));
	CHECK(device_info(fd).flags & UPU_INFO_MSI_SAFE);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, &fired));
	OK(write_file("/sys/module/uio_pci_user/parameters/allow_unsafe_interrupts", "0"));
}

ROOT_TEST(a_foreign_reset_is_told)
{
	int fd = device_open("NVME"), error = event();
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);
	struct upu_event event;
	char path[128];
	uint32_t capabilities = bar[0];

	OK(set_eventfd(fd, UPU_SET_ERR_EVENTFD, error));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", device_address("NVME"));
	OK(write_file(path, "1"));
	EQUAL(event_wait(error, 2000), 1);
	OK(next_event(fd, &event));
	EQUAL(event.kind, UPU_EVENT_RESET);
	EQUAL(bar[0], capabilities);
}

/* Where it cannot be written to the caller an event is not taken, however often he asks. */
ROOT_TEST(an_event_is_not_lost_to_a_bad_pointer)
{
	struct upu_event *constant = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = device_open("NVME"), error = event(), i;
	struct upu_event event;
	char path[128];

	OK(set_eventfd(fd, UPU_SET_ERR_EVENTFD, error));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", device_address("NVME"));
	OK(write_file(path, "1"));
	OK(write_file(path, "1"));
	constant->argsz = sizeof(*constant);
	OK(mprotect(constant, PAGE, PROT_READ));
	for (i = 0; i < 40; i++) {
		ERRNO(ioctl(fd, UPU_GET_EVENT, constant), EFAULT);
		ERRNO(ioctl(fd, UPU_GET_EVENT, NULL), EFAULT);
	}
	for (i = 1; i <= 2; i++) {
		OK(next_event(fd, &event));
		EQUAL(event.kind, UPU_EVENT_RESET);
		EQUAL(event.sequence, i);
		EQUAL(event.flags, 0);
	}
	ERRNO(next_event(fd, &event), EAGAIN);
}

/* ---- errors: injected through the kernel's own aer_inject ---- */

struct aer_error {
	uint8_t bus, dev, fn;
	uint32_t uncorrectable, correctable, header[4];
	uint32_t domain;
};

static int inject(const char *name, uint32_t uncorrectable)
{
	struct aer_error error = { .uncorrectable = uncorrectable };
	unsigned int domain, bus, dev, fn;
	int fd = open("/dev/aer_inject", O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		SKIP("no /dev/aer_inject");
	CHECK(sscanf(device_address(name), "%x:%x:%x.%x", &domain, &bus, &dev, &fn) == 4);
	error.bus = bus;
	error.dev = dev;
	error.fn = fn;
	error.domain = domain;
	ret = write(fd, &error, sizeof(error));
	close(fd);
	return ret < 0 ? -1 : 0;
}

/* Answers what comes; returns the kinds of events that came, as digits. */
static int answer_errors(int fd, int error, uint32_t answer, int *reset_refused)
{
	struct upu_event event;
	int kinds = 0;

	while (event_wait(error, 3000)) {
		while (!next_event(fd, &event)) {
			kinds = kinds * 10 + event.kind;
			if (event.kind == UPU_EVENT_RESUME)
				return kinds;
			if (event.kind == UPU_EVENT_ERROR && reset_refused) {
				ERRNO(plain(fd, UPU_RESET), EBUSY);
				*reset_refused = 1;
			}
			if (!event.deadline_ms)
				continue;
			if (event.kind == UPU_EVENT_ERROR)
				OK(reply(fd, event.sequence, answer));
			else
				OK(reply(fd, event.sequence, UPU_REPLY_RECOVERED));
			ERRNO(reply(fd, event.sequence, UPU_REPLY_RECOVERED), ENOENT);
		}
	}
	return kinds;
}

ROOT_TEST(an_error_is_asked_about)
{
	int fd = device_open("IGB"), error = event(), refused = 0;

	OK(set_eventfd(fd, UPU_SET_ERR_EVENTFD, error));
	if (inject("IGB", 0x4000))	/* completion timeout, non-fatal */
		SKIP("aer_inject refuses: %s", strerror(errno));
	/* ERROR, MMIO_ENABLED, RESUME */
	EQUAL(answer_errors(fd, error, UPU_REPLY_CAN_RECOVER, &refused), 124);
	EQUAL(refused, 1);
	CHECK(plain(fd, UPU_RESET) == 0);
}

ROOT_TEST(an_error_may_ask_for_a_reset)
{
	int fd = device_open("IGB"), error = event();

	OK(set_eventfd(fd, UPU_SET_ERR_EVENTFD, error));
	if (inject("IGB", 0x4000))
		SKIP("aer_inject refuses: %s", strerror(errno));
	/* ERROR, SLOT_RESET, RESUME */
	EQUAL(answer_errors(fd, error, UPU_REPLY_NEED_RESET, NULL), 134);
	CHECK(config_read(fd, 4, 2) & 2);
	CHECK(!(config_read(fd, 4, 2) & 4));
	CHECK(window_read(fd, 0, 8, 4) != ~0u);
}

ROOT_TEST(an_error_does_not_wait_forever)
{
	int fd = device_open("IGB"), error = event(), kinds = 0;
	struct upu_event event;
	double start;

	OK(set_eventfd(fd, UPU_SET_ERR_EVENTFD, error));
	start = now();
	if (inject("IGB", 0x4000))
		SKIP("aer_inject refuses: %s", strerror(errno));
	while (now() - start < 20 && kinds != 124) {
		if (event_wait(error, 500))
			while (!next_event(fd, &event))
				kinds = kinds * 10 + event.kind;
	}
	EQUAL(kinds, 124);
	CHECK(now() - start > 1);
}

/*
 * ---- errors: of the device itself, by the machine's monitor. The lab's RNG is the one that can be
 * told to report them, and has its registers in BAR 4.
 */

/* The port hands errors on where firmware has let it: bridge control, SERR# enable. */
static void let_port_report(const char *name)
{
	char path[128];
	uint8_t control;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/../config", device_address(name));
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	EQUAL(pread(fd, &control, 1, 0x3e), 1);
	control |= 2;
	EQUAL(pwrite(fd, &control, 1, 0x3e), 1);
	close(fd);
}

static void device_reports(const char *error)
{
	char line[128];

	if (access("/dev/virtio-ports/lab.monitor", F_OK))
		SKIP("no monitor");
	let_port_report("RNG");
	snprintf(line, sizeof(line), "lab-monitor pcie_aer_inject_error lab-rng %s", error);
	EQUAL(system(line), 0);
}

ROOT_TEST(a_devices_own_error_is_asked_about)
{
	int fd = device_open("RNG"), error = event(), refused = 0;

	OK(set_eventfd(fd, UPU_SET_ERR_EVENTFD, error));
	device_reports("COMP_TIME");
	EQUAL(answer_errors(fd, error, UPU_REPLY_CAN_RECOVER, &refused), 124);
	EQUAL(refused, 1);
}

/* A fatal error: the link is frozen, and reset whatever the user answers; what was set up comes back. */
static void freeze_and_answer(uint32_t answer)
{
	int fd = device_open("RNG"), error = event(), fired = event(), kinds = 0;
	volatile uint32_t *bar = bar_map(fd, 4, 0, PAGE);
	struct upu_event event;

	OK(set_eventfd(fd, UPU_SET_ERR_EVENTFD, error));
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, &fired));
	bus_master(fd, 1);
	CHECK(bar[1] != ~0u);
	device_reports("DLP");
	while (kinds != 134 && event_wait(error, 10000)) {
		while (!next_event(fd, &event)) {
			kinds = kinds * 10 + event.kind;
			if (event.kind == UPU_EVENT_ERROR)
				EQUAL(event.state, UPU_STATE_FROZEN);
			if (event.deadline_ms)
				OK(reply(fd, event.sequence, event.kind == UPU_EVENT_ERROR ?
					 answer : UPU_REPLY_RECOVERED));
		}
	}
	EQUAL(kinds, 134);
	CHECK(!(config_read(fd, 4, 2) & 4));	/* as it was opened */
	CHECK(window_read(fd, 4, 4, 4) != ~0u);
	CHECK(bar[1] != ~0u);			/* mapped anew */
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_TRIGGER, 0, 1, NULL));
	EQUAL(event_count(fired), 1);
	close(fd);
	munmap((void *)bar, PAGE);
}

ROOT_TEST(an_error_that_freezes_the_link_resets_it)
{
	freeze_and_answer(UPU_REPLY_NEED_RESET);
}

ROOT_TEST(an_error_that_freezes_the_link_resets_it_whatever_the_answer)
{
	freeze_and_answer(UPU_REPLY_CAN_RECOVER);
	freeze_and_answer(UPU_REPLY_RECOVERED);
}

ROOT_TEST(an_error_that_freezes_the_link_does_not_wait_forever)
{
	int fd = device_open("RNG"), error = event(), kinds = 0;
	struct upu_event event;

	OK(set_eventfd(fd, UPU_SET_ERR_EVENTFD, error));
	device_reports("DLP");
	while (kinds != 134 && event_wait(error, 20000))
		while (!next_event(fd, &event))
			kinds = kinds * 10 + event.kind;
	EQUAL(kinds, 134);
}

static int recoveries(void)
{
	FILE *log = popen("dmesg | grep -c 'device recovery successful'", "r");
	int count = -1;

	CHECK(log && fscanf(log, "%d", &count) == 1);
	pclose(log);
	return count;
}

/*
 * Nobody has it open; what it was bound with comes back: it can report another error, and the next user finds it
 * working.
 */
ROOT_TEST(an_error_that_freezes_the_link_of_no_user_spares_the_next)
{
	int fd, i, round, before = recoveries();

	close(device_open("RNG"));
	for (round = 1; round <= 2; round++) {
		device_reports("DLP");
		for (i = 0; i < 200 && recoveries() < before + round; i++)
			sleep_ms(50);
		EQUAL(recoveries(), before + round);
	}
	fd = device_open("RNG");
	CHECK(window_read(fd, 4, 4, 4) != ~0u);
}

/* ---- suspend, as far as freezing: pm_test stops before devices are touched ---- */

static int try_suspend(void)
{
	if (write_file("/sys/power/pm_test", "freezer"))
		SKIP("no pm_test");
	write_file("/sys/module/suspend/parameters/pm_test_delay", "1");
	return write_file("/sys/power/state", "freeze");
}

static void suspend_with(uint32_t answer, int expect_refused)
{
	int fd = device_open("NVME"), request = event(), status, kinds = 0;
	struct upu_event event;
	pid_t child;

	OK(set_eventfd(fd, UPU_SET_REQ_EVENTFD, request));
	child = fork();
	if (!child)
		_exit(try_suspend() ? 1 : 0);
	while (kinds != 56) {
		if (!event_wait(request, 20000))
			FAIL("no event after %d", kinds);
		while (!next_event(fd, &event)) {
			kinds = kinds * 10 + event.kind;
			if (event.kind == UPU_EVENT_SUSPEND && answer)
				OK(reply(fd, event.sequence, answer));
		}
	}
	waitpid(child, &status, 0);
	CHECK(WIFEXITED(status));
	if (WEXITSTATUS(status) == TEST_SKIPPED)
		SKIP("no pm_test");
	EQUAL(WEXITSTATUS(status), expect_refused);
	write_file("/sys/power/pm_test", "none");
}

ROOT_TEST(suspend_is_agreed_to)
{
	suspend_with(UPU_REPLY_RECOVERED, 0);
}

ROOT_TEST(suspend_is_refused)
{
	suspend_with(UPU_REPLY_DISCONNECT, 1);
}

ROOT_TEST(suspend_does_not_wait_forever)
{
	suspend_with(0, 0);
}

/* ---- no IOMMU ---- */

ROOT_TEST(without_an_iommu_only_rawio)
{
	int fd, status, huge, fired = event();
	struct upu_dma_map arg = { .argsz = sizeof(arg), .flags = UPU_DMA_READ | UPU_DMA_WRITE |
				   UPU_DMA_BUFFER, .size = HUGE, .address_bits = 0 };
	struct upu_invalidation record;
	char *page, *at;
	pid_t child;

	fd = device_try("EDU", UPU_O_CONTROL);
	CHECK(fd >= 0);
	if (device_info(fd).flags & UPU_INFO_IOMMU)
		SKIP("there is an IOMMU");
	ERRNO(device_try("EDU", O_RDWR), EPERM);
	OK(write_file("/sys/module/uio_pci_user/parameters/allow_noiommu", "1"));
	chmod(device_path("EDU"), 0666);
	child = fork();
	if (!child) {
		OK(setuid(4321));
		ERRNO(device_try("EDU", O_RDWR), EPERM);
		_exit(0);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	fd = device_open("EDU");
	bus_master(fd, 1);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 1);
	edu_ack(fd);

	page = memory(64 * PAGE);
	ERRNO(dma_map(fd, page, PAGE, 0x100000), EINVAL);	/* the address is the kernel's to say */
	arg.flags &= ~UPU_DMA_BUFFER;
	arg.vaddr = (uintptr_t)page;
	arg.size = PAGE;
	OK(ioctl(fd, UPU_DMA_MAP, &arg));
	CHECK(arg.iova);
	if (arg.iova + PAGE <= 1 << 28) {
		strcpy(page, "without");
		edu_dma(fd, arg.iova, 64, 0);
		memset(page, 0, 64);
		edu_dma(fd, arg.iova, 64, 1);
		CHECK(!strcmp(page, "without"));
	}
	munmap(page, PAGE);
	EQUAL(invalidations(fd, &record, 1), 1);
	EQUAL(record.flags, UPU_INVALIDATION_PINNED);
	EQUAL(device_info(fd).pinned, PAGE);			/* the pin stays */
	EQUAL(dma_unmap(fd, arg.iova, PAGE), PAGE);
	EQUAL(device_info(fd).pinned, 0);

	huge = dma_alloc(fd, HUGE, UPU_ALLOC_HUGE);
	if (huge < 0)
		SKIP("no free 2 MiB");
	arg.flags |= UPU_DMA_BUFFER;
	arg.fd = huge;
	arg.vaddr = 0;
	arg.size = HUGE;
	arg.iova = 0;
	OK(ioctl(fd, UPU_DMA_MAP, &arg));
	at = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, huge, 0);
	CHECK(at != MAP_FAILED);
	EQUAL(dma_unmap(fd, arg.iova, HUGE), HUGE);
	arg.iova = 0;
	arg.address_bits = 12;
	ERRNO(ioctl(fd, UPU_DMA_MAP, &arg), EINVAL);		/* out of the device's reach */
	write_file("/sys/module/uio_pci_user/parameters/allow_noiommu", "0");
}
