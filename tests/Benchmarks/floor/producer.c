// SPDX-License-Identifier: Apache-2.0
/* The one producer of every variant: signals eventfds as a device does, and waits until all was handled. */
#define _GNU_SOURCE
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include "meter.h"

static int wait_handled(struct meter *m, int64_t patience_ns)
{
	int64_t start, token;

	if (m->ack_fd >= 0) {
		struct pollfd ack = { .fd = (int)m->ack_fd, .events = POLLIN };

		if (poll(&ack, 1, (int)(patience_ns / 1000000)) != 1)
			return -1;
		return read(ack.fd, &token, sizeof(token)) == sizeof(token) ? 0 : -1;
	}
	start = clock_ns(CLOCK_MONOTONIC);
	while (__atomic_load_n(&m->done, __ATOMIC_ACQUIRE) < m->target)
		if (clock_ns(CLOCK_MONOTONIC) - start > patience_ns)
			return -1;
	return 0;
}

static void pause_until(int64_t until)
{
	while (clock_ns(CLOCK_MONOTONIC) < until)
		;
}

/*
 * Each round signals every eventfd once. @elapsed gets, per round, the time from before the first write to the last
 * handler. Returns 0, or -1 when a round's signals did not arrive in @patience_ns, or more did.
 */
int floor_produce(struct meter *m, const int *fds, int count, int64_t rounds, int64_t gap_ns, int64_t patience_ns,
		  int64_t *elapsed, int64_t *cpu_ns)
{
	const uint64_t one = 1;
	int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	for (int64_t round = 0; round < rounds; round++) {
		int64_t start;

		__atomic_store_n(&m->target, m->done + count, __ATOMIC_RELEASE);
		start = clock_ns(CLOCK_MONOTONIC);
		for (int i = 0; i < count; i++)
			if (write(fds[i], &one, sizeof(one)) != sizeof(one))
				return -1;
		if (wait_handled(m, patience_ns) || m->done != m->target)
			return -1;
		elapsed[round] = m->handled_at - start;
		if (gap_ns)
			pause_until(clock_ns(CLOCK_MONOTONIC) + gap_ns);
	}
	*cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return 0;
}

/*
 * Signals the eventfds in turn, @events times in all and each @pace_ns after the one before, without waiting for
 * handlers; then the last one, which is none of those. @elapsed gets the time to the last handler. Returns as above.
 */
int floor_stream(struct meter *m, const int *fds, int count, int64_t events, int64_t pace_ns, int64_t patience_ns,
		 int64_t *elapsed, int64_t *cpu_ns)
{
	const uint64_t one = 1;
	int64_t cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	int64_t start;

	__atomic_store_n(&m->target, m->done + events + 1, __ATOMIC_RELEASE);
	start = clock_ns(CLOCK_MONOTONIC);
	for (int64_t event = 0; event < events; event++) {
		if (write(fds[event % (count - 1)], &one, sizeof(one)) != sizeof(one))
			return -1;
		if (pace_ns)
			pause_until(start + (event + 1) * pace_ns);
	}
	if (write(fds[count - 1], &one, sizeof(one)) != sizeof(one))
		return -1;
	if (wait_handled(m, patience_ns) || m->done != m->target)
		return -1;
	*elapsed = m->handled_at - start;
	*cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return 0;
}

/* CPU time of every thread of this process. */
int64_t floor_process_cpu(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/*
 * Binds thread @tid (0: the caller) to @count of the CPUs that the process was started on, from the @first one on.
 * Returns 0 or -1.
 */
int floor_bind(int tid, int first, int count)
{
	static cpu_set_t all;
	static int known;
	cpu_set_t some;

	if (!known) {
		if (sched_getaffinity(0, sizeof(all), &all))
			return -1;
		known = 1;
	}
	CPU_ZERO(&some);
	for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&some) < count; cpu++)
		if (CPU_ISSET(cpu, &all) && first-- <= 0)
			CPU_SET(cpu, &some);
	return sched_setaffinity(tid, sizeof(some), &some);
}

/* Puts thread @tid (0: the caller) into the class for batch work, or back into the usual one. Returns 0 or -1. */
int floor_batch(int tid, int batch)
{
	const struct sched_param none = { .sched_priority = 0 };

	return sched_setscheduler(tid, batch ? SCHED_BATCH : SCHED_OTHER, &none);
}
