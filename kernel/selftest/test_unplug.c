// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that go: by sysfs, by the machine's monitor, and by surprise. They come back at the end of
 * each test. Removal never waits longer than remove_timeout_ms, whatever the user does.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>

#include "device.h"

#define IOVA	0x1000000ull

static int sysfs_path(char *path, size_t size, const char *file)
{
	return snprintf(path, size, "/sys/bus/pci/devices/%s%s", device_address("EDU"), file);
}

static int there(void)
{
	char path[128];

	sysfs_path(path, sizeof(path), "");
	return !access(path, F_OK);
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	EQUAL(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void monitor(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "lab-monitor %s", command);
	EQUAL(system(line), 0);
}

static void wait_until(int want)
{
	double start = now();

	while (there() != want) {
		if (now() - start > 20)
			FAIL("the device does not %s", want ? "come" : "go");
		sleep_ms(20);
	}
}

static void come_back(void)
{
	char line[128];

	wait_until(1);
	snprintf(line, sizeof(line), "lab-bind %s uio_pci_user", device_address("EDU"));
	EQUAL(system(line), 0);
	close(device_open("EDU"));
}

static int set_up(int *request)
{
	int fd = device_open("EDU"), fired = event();

	*request = event();
	OK(set_eventfd(fd, UPU_SET_REQ_EVENTFD, *request));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	if (device_info(fd).flags & UPU_INFO_IOMMU)
		OK(dma_map(fd, memory(PAGE), PAGE, IOVA));
	bus_master(fd, 1);
	return fd;
}

/* The one who answers closes; the other keeps everything, and is told ENODEV. */
static void take_out(void (*remove)(void), void (*add)(void), int answers)
{
	int request, fd = set_up(&request);
	double start = now();
	uint32_t value;
	pid_t child = fork();

	if (!child) {
		close(fd);
		remove();
		_exit(0);
	}
	EQUAL(event_wait(request, 10000), 1);
	if (answers)
		close(fd);
	waitpid(child, NULL, 0);
	wait_until(0);
	CHECK(now() - start < 30);
	if (!answers) {
		ERRNO(pread(fd, &value, 4, UPU_WINDOW_OFFSET(0)), ENODEV);
		ERRNO(plain(fd, UPU_RESET), ENODEV);
		ERRNO(dma_unmap_all(fd), ENODEV);
		close(fd);
	}
	add();
	come_back();
}

static void by_sysfs(void)
{
	char path[128];

	sysfs_path(path, sizeof(path), "/remove");
	write_to(path, "1");
}

static void rescan(void)
{
	write_to("/sys/bus/pci/rescan", "1");
}

static void by_monitor(void)
{
	monitor("device_del lab-edu");
}

static void plug(void)
{
	monitor("device_add edu,id=lab-edu,bus=lab-slot1,addr=0.0");
}

ROOT_TEST(sysfs_removes_from_a_user_who_answers)
{
	take_out(by_sysfs, rescan, 1);
}

ROOT_TEST(sysfs_removes_from_a_user_who_does_not)
{
	take_out(by_sysfs, rescan, 0);
}

ROOT_TEST(unplugging_from_a_user_who_answers)
{
	if (access("/dev/virtio-ports/lab.monitor", F_OK))
		SKIP("no monitor");
	take_out(by_monitor, plug, 1);
}

ROOT_TEST(unplugging_from_a_user_who_does_not)
{
	if (access("/dev/virtio-ports/lab.monitor", F_OK))
		SKIP("no monitor");
	take_out(by_monitor, plug, 0);
}

/* ---- by surprise: the slot loses its power, and nobody has asked ---- */

/* PCI Express base specification 7.5.3.10, slot control: power controller (10), indicator (9:8). */
static void slot_power(const char *port, int on)
{
	uint8_t config[256];
	uint16_t control;
	unsigned int at;
	int fd = open(port, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	EQUAL(pread(fd, config, sizeof(config), 0), sizeof(config));
	for (at = config[0x34]; at && config[at] != 0x10; at = config[at + 1])
		;
	CHECK(at);
	memcpy(&control, config + at + 0x18, 2);
	control = (control & ~0x700) | (on ? 0x100 : 0x700);
	EQUAL(pwrite(fd, &control, 2, at + 0x18), 2);
	close(fd);
}

ROOT_TEST(a_device_that_is_torn_out_ends_well)
{
	int request, fd, status, i;
	char path[128], port[256];
	uint32_t value;
	uint16_t vendor;
	double start;
	pid_t child;

	sysfs_path(path, sizeof(path), "/../config");
	CHECK(realpath(path, port));
	sysfs_path(path, sizeof(path), "/config");
	fd = set_up(&request);
	slot_power(port, 0);
	i = open(path, O_RDONLY | O_CLOEXEC);
	EQUAL(pread(i, &vendor, 2, 0), 2);
	close(i);
	if (vendor != 0xffff) {
		slot_power(port, 1);
		SKIP("this machine's slots keep their power");
	}
	/* The user does what he always did. Nothing of it has to work, but nothing may hang. */
	for (i = 0; i < 20; i++) {
		(void)!pread(fd, &value, 4, UPU_WINDOW_OFFSET(0));
		(void)!pread(fd, &value, 4, UPU_WINDOW_OFFSET(UPU_WINDOW_CONFIG) + 4);
		irqs(fd, UPU_IRQ_MSI, i & 1 ? UPU_IRQ_MASK : UPU_IRQ_UNMASK, 0, 1, NULL);
	}
	plain(fd, UPU_RESET);
	irqs(fd, UPU_IRQ_MSI, UPU_IRQ_DISARM, 0, 0, NULL);
	start = now();
	child = fork();
	if (!child) {
		by_sysfs();
		_exit(0);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	CHECK(now() - start < 30);
	CHECK(!there());
	ERRNO(plain(fd, UPU_RESET), ENODEV);
	close(fd);
	slot_power(port, 1);
	rescan();
	come_back();
}
