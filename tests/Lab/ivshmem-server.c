// SPDX-License-Identifier: Apache-2.0
/*
 * The other side of the lab's ivshmem-doorbell device (QEMU's docs/specs/ivshmem-spec.rst, "Client-Server
 * protocol", version 0). It gives QEMU the shared memory and one eventfd per vector, and rings those eventfds
 * when the guest asks it to through the doorbell port: a line "VECTOR COUNT" is answered by the same line
 * once COUNT eventfd writes are done. Events that QEMU has not taken yet coalesce, as on a real bus.
 *
 * Usage: ivshmem-server PEER-SOCKET DOORBELL-SOCKET BYTES VECTORS
 */
#define _GNU_SOURCE
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_VECTORS = 64, OUR_PEER = 0 };

static int vectors[MAX_VECTORS];
static int vector_count;

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		errx(1, "%s: longer than a socket's path may be", path);
	strcpy(address.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1))
		err(1, "%s", path);
	return fd;
}

/* One message: a little-endian 64-bit number, with or without a file descriptor. */
static void tell(int peer, int64_t number, int fd)
{
	union { char bytes[CMSG_SPACE(sizeof(int))]; struct cmsghdr align; } control = { 0 };
	struct iovec part = { &number, sizeof(number) };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *header;

		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
	}
	if (sendmsg(peer, &message, MSG_NOSIGNAL) != sizeof(number))
		err(1, "sendmsg");
}

static void greet(int peer, int memory)
{
	tell(peer, 0, -1);		/* protocol version */
	tell(peer, OUR_PEER, -1);	/* the id of the device */
	tell(peer, -1, memory);
	for (int i = 0; i < vector_count; i++)
		tell(peer, OUR_PEER, vectors[i]);
}

static void ring(FILE *doorbell)
{
	const uint64_t one = 1;
	long vector, count;
	char line[64];

	if (!fgets(line, sizeof(line), doorbell))
		exit(0);
	if (sscanf(line, "%ld %ld", &vector, &count) != 2 || vector < 0 || vector >= vector_count) {
		fputs("error: VECTOR COUNT\n", doorbell);
		return;
	}
	for (long i = 0; i < count; i++)
		if (write(vectors[vector], &one, sizeof(one)) != sizeof(one))
			err(1, "eventfd");
	fprintf(doorbell, "%ld %ld\n", vector, count);
}

int main(int argc, char **argv)
{
	int peers, doorbells, memory;

	if (argc != 5)
		errx(2, "usage: %s PEER-SOCKET DOORBELL-SOCKET BYTES VECTORS", argv[0]);
	prctl(PR_SET_PDEATHSIG, SIGTERM);	/* never outlives the run that started it */
	vector_count = atoi(argv[4]);
	if (vector_count < 1 || vector_count > MAX_VECTORS)
		errx(2, "vectors: 1 to %d", MAX_VECTORS);
	memory = memfd_create("ivshmem", MFD_CLOEXEC);
	if (memory < 0 || ftruncate(memory, atol(argv[3])))
		err(1, "memfd");
	for (int i = 0; i < vector_count; i++)
		if ((vectors[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
			err(1, "eventfd");
	peers = listen_at(argv[1]);
	doorbells = listen_at(argv[2]);

	for (FILE *doorbell = NULL;;) {
		struct pollfd ready[] = {
			{ .fd = peers, .events = POLLIN },
			{ .fd = doorbell ? fileno(doorbell) : doorbells, .events = POLLIN },
		};

		if (poll(ready, 2, -1) < 0)
			err(1, "poll");
		if (ready[0].revents)
			greet(accept(peers, NULL, NULL), memory);	/* stays open: QEMU takes its end as "removed" */
		if (!ready[1].revents)
			continue;
		if (doorbell) {
			ring(doorbell);
			fflush(doorbell);
		} else {
			doorbell = fdopen(accept(doorbells, NULL, NULL), "r+");
			setvbuf(doorbell, NULL, _IONBF, 0);
		}
	}
}
