// SPDX-License-Identifier: GPL-2.0
/* Whose mappings they are: the first process's that maps, until it ends. */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "device.h"
#include "mappings.h"

#define IOVA	0x1000000ull	/* edu has 28 address bits */

TEST(the_end_of_the_owner_unmaps_and_quiets)
{
	int fd = edu_open(), status, pipes[2];
	struct upu_invalidation records[4];
	char *page = memory(PAGE), byte;
	pid_t child;
	int how, i;

	for (how = 0; how < 3; how++) {
		CHECK(!pipe(pipes));
		bus_master(fd, 1);
		child = fork();
		if (!child) {			/* the first to map: the owner */
			bus_master(fd, 1);
			if (how == 2)
				fcntl(fd, F_SETFD, 0);
			OK(dma_map(fd, memory(PAGE), PAGE, IOVA));
			OK(dma_map_buffer(fd, dma_alloc(fd, PAGE, 0), 0, PAGE, IOVA + PAGE));
			(void)!write(pipes[1], "x", 1);
			if (how == 0)
				_exit(0);
			if (how == 2) {
				execl("/bin/sleep", "sleep", "100", NULL);
				_exit(1);
			}
			pause();
		}
		EQUAL(read(pipes[0], &byte, 1), 1);
		if (how == 1)		/* it lives until it is killed */
			ERRNO(dma_map(fd, page, PAGE, IOVA + 0x100000), EPERM);
		if (how == 1)
			kill(child, SIGKILL);
		if (how == 2)
			for (i = 0; i < 1000 && device_info(fd).dma_count; i++)
				sleep_ms(10);	/* exec is over then, the new program lives */
		else
			waitpid(child, &status, 0);
		CHECK(!(config_read(fd, 4, 2) & 4));
		EQUAL(invalidations(fd, records, 4), 2);
		EQUAL(records[0].cause, UPU_CAUSE_EXITED);
		EQUAL(records[1].cause, UPU_CAUSE_EXITED);
		EQUAL(device_info(fd).dma_count, 0);
		if (how == 2) {
			EQUAL(kill(child, SIGKILL), 0);
			waitpid(child, &status, 0);
		}
	}
	/* The device is free for the next one to map. */
	OK(dma_map(fd, page, PAGE, IOVA));
	bus_master(fd, 1);
	strcpy(page, "x");
	edu_dma(fd, IOVA, 16, 0);
	EQUAL(dma_unmap(fd, IOVA, PAGE), PAGE);
}

TEST(only_the_first_process_maps)
{
	int fd = edu_open(), status;
	char *page = memory(PAGE);
	pid_t child;

	ERRNO(dma_map(fd, NULL, PAGE, IOVA), EFAULT);	/* a failure makes nobody the owner */
	child = fork();
	if (!child) {
		OK(dma_map(fd, page, PAGE, IOVA));
		EQUAL(dma_unmap(fd, IOVA, PAGE), PAGE);
		_exit(0);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	OK(dma_map(fd, page, PAGE, IOVA));
	child = fork();
	if (!child) {
		ERRNO(dma_map(fd, page, PAGE, IOVA + PAGE), EPERM);
		ERRNO(dma_unmap(fd, IOVA, PAGE), EPERM);
		ERRNO(dma_unmap_all(fd), EPERM);
		_exit(0);
	}
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	EQUAL(dma_unmap(fd, IOVA, PAGE), PAGE);
}

/* As a broker does it: opened by one, mapped by another, the first gone. */
TEST(a_descriptor_may_be_passed_on)
{
	int fd = edu_open(), sockets[2], status, got;
	char data[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = data,
				  .msg_controllen = sizeof(data) };
	struct cmsghdr *control = CMSG_FIRSTHDR(&message);
	pid_t child;

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	if (!child) {
		char *page;

		close(fd);
		EQUAL(recvmsg(sockets[1], &message, 0), 1);
		memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(got));
		page = memory(PAGE);
		OK(dma_map(got, page, PAGE, IOVA));
		expect_alive(got, IOVA, page);
		_exit(0);
	}
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(control), &fd, sizeof(fd));
	EQUAL(sendmsg(sockets[0], &message, 0), 1);
	close(fd);
	waitpid(child, &status, 0);
	EQUAL(status, 0);
	close(device_open("EDU"));
}
