// SPDX-License-Identifier: Apache-2.0
/* Ways to ask the kernel whether something has come, when nothing has. */
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <unistd.h>

int64_t floor_look_epoll(int epoll, int64_t times)
{
	struct epoll_event events[256];
	int64_t found = 0;

	while (times-- > 0)
		found += epoll_wait(epoll, events, 256, 0);
	return found;
}

int64_t floor_look_read(int eventfd, int64_t times)
{
	int64_t found = 0, count;

	while (times-- > 0)
		found += read(eventfd, &count, sizeof(count)) > 0;
	return found;
}

int64_t floor_look_poll(int epoll, int64_t times)
{
	struct pollfd set = { .fd = epoll, .events = POLLIN };
	int64_t found = 0;

	while (times-- > 0)
		found += poll(&set, 1, 0);
	return found;
}
