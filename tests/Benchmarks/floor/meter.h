/* SPDX-License-Identifier: Apache-2.0 */
/* What the producer and a handler share; Meter.cs has the same layout. */
#ifndef RISER_FLOOR_METER_H
#define RISER_FLOOR_METER_H

#include <stdint.h>
#include <time.h>

struct meter {
	/* the producer's cache line */
	_Alignas(64) int64_t target;	/* what done is when the round is over */
	int64_t ack_fd;			/* signalled then; -1: the producer spins */
	int64_t stamped;		/* 1: the handler says when it ran */
	int64_t last_fd;		/* who does not count is done when this one is heard; -1: everyone counts */
	/* the handler's */
	_Alignas(64) int64_t done;	/* signals handled so far */
	int64_t handled_at;		/* CLOCK_MONOTONIC, ns */
};

static inline int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

#endif
