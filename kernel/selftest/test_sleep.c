// SPDX-License-Identifier: GPL-2.0
/*
 * What a device is found like after D3 and after a suspend, in which it has forgotten everything. The PCI core's own suspend and
 * resume are done to the one device, by upu_forgetful.ko; what comes before them for the user is test_root.c's.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "device.h"

#define MEMORY		2u
#define MASTER		4u
#define INTX_OFF	0x400u

/* Of the igb: software may raise the vectors of its mask. */
#define GPIE		0x1514
#define EICS		0x1520
#define EIMS		0x1524

static void forget(const char *name, int suspend)
{
	char line[512];

	if (!getenv("UPU_FORGETFUL"))
		SKIP("no upu_forgetful.ko; see ./run");
	snprintf(line, sizeof(line), "insmod %s device=%s suspend=%d && rmmod upu_forgetful", getenv("UPU_FORGETFUL"),
		 device_address(name), suspend);
	EQUAL(system(line), 0);
}

static void power(int fd, int state)
{
	unsigned int pm = find_cap(fd, 1);

	CHECK(pm);
	config_write(fd, pm + 4, 1, state);
	EQUAL(config_read(fd, pm + 4, 1) & 3, state);
}

static void memory_decoding(int fd, int on)
{
	uint32_t command = config_read(fd, 4, 2);

	config_write(fd, 4, 2, on ? command | MEMORY : command & ~MEMORY);
}

/* The device itself interrupts, by the entry of its table. */
static void vector_works(int fd, int fired)
{
	window_write(fd, 0, GPIE, 4, 0x80000010);
	window_write(fd, 0, EIMS, 4, 1);
	window_write(fd, 0, EICS, 4, 1);
	EQUAL(event_wait(fired, 2000), 1);
}

static int igb_armed(int *fired)
{
	int fd = device_open("IGB");

	*fired = event();
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_ARM, 0, 1, fired));
	bus_master(fd, 1);
	vector_works(fd, *fired);
	return fd;
}

/* The table comes back while the user has memory off, and works when he has it on. */
ROOT_TEST(vectors_survive_d3_with_memory_disabled)
{
	int fired, fd = igb_armed(&fired);

	memory_decoding(fd, 0);
	power(fd, 3);
	forget("IGB", 0);
	power(fd, 0);
	EQUAL(config_read(fd, 4, 2) & MEMORY, 0);
	EQUAL(real_command("IGB") & MEMORY, 0);
	memory_decoding(fd, 1);
	vector_works(fd, fired);
}

ROOT_TEST(vectors_survive_a_suspend)
{
	int fired, fd = igb_armed(&fired);

	forget("IGB", 1);
	CHECK(config_read(fd, 4, 2) & MASTER);		/* as the user had it */
	vector_works(fd, fired);
	memory_decoding(fd, 0);
	forget("IGB", 1);
	EQUAL(config_read(fd, 4, 2) & MEMORY, 0);
	EQUAL(real_command("IGB") & MEMORY, 0);
	memory_decoding(fd, 1);
	vector_works(fd, fired);
}

/* The kernel wakes it, so that the user finds it awake. */
ROOT_TEST(a_suspend_wakes_from_d3)
{
	int fired, fd = igb_armed(&fired);
	volatile uint32_t *bar = bar_map(fd, 0, 0, PAGE);

	power(fd, 3);
	ERRNO(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_MASK, 0, 1, NULL), EBUSY);
	forget("IGB", 1);
	power(fd, 0);
	OK(irqs(fd, UPU_IRQ_MSIX, UPU_IRQ_UNMASK, 0, 1, NULL));
	CHECK(bar[2] != ~0u);				/* STATUS */
	vector_works(fd, fired);
}

/* With nothing armed nobody would answer INTx, on a line that may be others' as well. */
ROOT_TEST(a_suspend_leaves_intx_off)
{
	int fd = device_open("IGB"), fired = event();

	CHECK(real_command("IGB") & INTX_OFF);
	forget("IGB", 1);
	CHECK(real_command("IGB") & INTX_OFF);
	EQUAL(config_read(fd, 4, 2) & INTX_OFF, 0);	/* the user's own bit */
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_ARM, 0, 1, &fired));
	CHECK(!(real_command("IGB") & INTX_OFF));
	forget("IGB", 1);
	CHECK(!(real_command("IGB") & INTX_OFF));
	OK(irqs(fd, UPU_IRQ_INTX, UPU_IRQ_MASK, 0, 1, NULL));
	forget("IGB", 1);
	CHECK(real_command("IGB") & INTX_OFF);
}

/* The owner of the memory has ended, and bus mastering stays off for who has the descriptor. */
ROOT_TEST(a_suspend_turns_no_bus_mastering_on)
{
	int fd = device_open("IGB"), status;
	pid_t child;

	bus_master(fd, 1);
	child = fork();
	if (!child) {
		OK(dma_map(fd, memory(PAGE), PAGE, 0x1000000));
		_exit(0);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	EQUAL(real_command("IGB") & MASTER, 0);
	forget("IGB", 1);
	EQUAL(real_command("IGB") & MASTER, 0);
}
