// SPDX-License-Identifier: Apache-2.0
/*
 * The loop that everyone writes: epoll, level triggered, blocking, read() for each event. Or edge triggered, not read;
 * or one that never sleeps.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "meter.h"

#define EVENTS_PER_TURN 256	/* as riser.reactor.events-per-turn */

struct loop {
	struct meter *meter;
	pthread_t thread;
	int epoll, stop, edge, timeout;
};

static void handled(struct meter *m, int64_t count)
{
	const uint64_t one = 1;
	int64_t target = __atomic_load_n(&m->target, __ATOMIC_ACQUIRE);
	int64_t done = m->done + count;

	if (m->stamped || done == target)
		m->handled_at = clock_ns(CLOCK_MONOTONIC);
	__atomic_store_n(&m->done, done, __ATOMIC_RELEASE);
	if (done == target && m->ack_fd >= 0 && write((int)m->ack_fd, &one, sizeof(one)) < 0)
		abort();
}

/* One event of a descriptor that is not read: one signal or more. */
static void heard(struct meter *m, int fd)
{
	if (m->last_fd < 0)
		handled(m, 1);
	else if (fd == m->last_fd)
		handled(m, __atomic_load_n(&m->target, __ATOMIC_ACQUIRE) - m->done);
}

static void *run(void *arg)
{
	struct loop *loop = arg;
	struct epoll_event events[EVENTS_PER_TURN];

	for (;;) {
		int ready = epoll_wait(loop->epoll, events, EVENTS_PER_TURN, loop->timeout);

		for (int i = 0; i < ready; i++) {
			uint64_t count = 1;

			if (events[i].data.fd == loop->stop)
				return NULL;
			if (loop->edge)
				heard(loop->meter, events[i].data.fd);
			else if (read(events[i].data.fd, &count, sizeof(count)) == sizeof(count))
				handled(loop->meter, (int64_t)count);
		}
	}
}

static int watch(struct loop *loop, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event);
}

void floor_loop_stop(struct loop *loop)
{
	const uint64_t one = 1;

	if (write(loop->stop, &one, sizeof(one)) < 0)
		abort();
	pthread_join(loop->thread, NULL);
	close(loop->stop);
	close(loop->epoll);
	free(loop);
}

/* @timeout: epoll_wait's, -1 to sleep, 0 to spin. NULL: no descriptors or no memory. */
struct loop *floor_loop_start(struct meter *meter, const int *fds, int count, int edge, int timeout)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->meter = meter;
	loop->edge = edge;
	loop->timeout = timeout;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->epoll < 0 || loop->stop < 0 || watch(loop, loop->stop, EPOLLIN))
		goto err;
	for (int i = 0; i < count; i++)
		if (watch(loop, fds[i], edge ? EPOLLIN | EPOLLET : EPOLLIN))
			goto err;
	if (!pthread_create(&loop->thread, NULL, run, loop))
		return loop;
err:
	close(loop->stop);
	close(loop->epoll);
	free(loop);
	return NULL;
}

/* CPU time of the loop's thread. */
int64_t floor_loop_cpu(struct loop *loop)
{
	clockid_t clock;

	return pthread_getcpuclockid(loop->thread, &clock) ? -1 : clock_ns(clock);
}
