// SPDX-License-Identifier: GPL-2.0
/* Bus mastering goes off with the end of the owner of the memory, and stays off; that of the next user stays on. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "device.h"

#define IOVA	0x1000000ull
#define MASTER	4u

/* Keeps mmap_lock busy, which the reaper has to take for each mapping. */
static void *populate(void *nothing)
{
	for (;;)
		munmap(mmap(NULL, 256ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0),
		       256ul << 20);
	return nothing;
}

/* A process that has a device and maps a page often. It is the one user; the caller kills it. */
static pid_t hold(const char *name)
{
	int ready[2];
	pid_t child;
	char byte;

	OK(pipe(ready));
	child = fork();
	if (!child) {
		int fd = device_open(name);
		char *page = memory(PAGE);
		pthread_t thread;
		unsigned int i;

		for (i = 0; i < 900; i++)
			OK(dma_map(fd, page, PAGE, IOVA + i * PAGE));
		OK(-pthread_create(&thread, NULL, populate, NULL));
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	EQUAL(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

/*
 * Mappings that a revocation has cut are watched until the reaper comes to them. Who had them dies meanwhile, and
 * the device is another's by then.
 */
ROOT_TEST(a_late_death_leaves_the_next_user_alone)
{
	int control = device_try("NVME", UPU_O_CONTROL), fd, i;
	pid_t child;

	CHECK(control >= 0);
	for (i = 0; i < loops(5, 200); i++) {
		child = hold("NVME");
		OK(plain(control, UPU_REVOKE));
		fd = device_open("NVME");
		bus_master(fd, 1);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		CHECK(real_command("NVME") & MASTER);
		close(fd);
	}
}

/* Of those that the lab may have: one that forgets its state in D3hot, and so gets back what was saved before. */
static const char *forgetful(unsigned int *pm)
{
	static const char *const names[] = { "IGB", "RNG", "EDU", "IVSHMEM", "NVME" };
	char variable[32];
	unsigned int i;
	int fd;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(variable, sizeof(variable), "UPU_%s", names[i]);
		if (!getenv(variable))
			continue;
		fd = device_open(names[i]);
		*pm = find_cap(fd, 1);
		if (*pm && !(config_read(fd, *pm + 4, 2) & 8)) {
			close(fd);
			return names[i];
		}
		close(fd);
	}
	SKIP("no device forgets its state in D3hot");
}

/* The owner dies in between; another has the descriptor, and neither D0 nor a reset may bring the bit back. */
static void stays_quiet(int reset)
{
	unsigned int pm;
	const char *name = forgetful(&pm);
	int fd = device_open(name), ready[2];
	pid_t child;
	char byte;

	OK(pipe(ready));
	child = fork();
	if (!child) {
		OK(dma_map(fd, memory(PAGE), PAGE, IOVA));
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	EQUAL(read(ready[0], &byte, 1), 1);
	bus_master(fd, 1);
	CHECK(real_command(name) & MASTER);
	config_write(fd, pm + 4, 1, 3);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (reset)
		OK(plain(fd, UPU_RESET));
	else
		config_write(fd, pm + 4, 1, 0);
	EQUAL(config_read(fd, pm + 4, 1) & 3, 0);
	EQUAL(real_command(name) & MASTER, 0);
	CHECK(real_command(name) & 2);		/* it did come back */
	bus_master(fd, 1);			/* nobody has memory mapped */
	EQUAL(real_command(name) & MASTER, 0);
}

TEST(the_way_out_of_d3_turns_no_bus_mastering_on) { stays_quiet(0); }
TEST(a_reset_turns_no_bus_mastering_on) { stays_quiet(1); }
