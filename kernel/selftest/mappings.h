/* SPDX-License-Identifier: GPL-2.0 */
/* What is expected of edu's mappings. */
#ifndef MAPPINGS_H
#define MAPPINGS_H

#include <stdint.h>

/* edu, behind an IOMMU and a bus master. */
int edu_open(void);

/* Exactly one record, of this mapping; the mapping is gone. */
void expect_record(int fd, uint64_t iova, uint64_t size, void *vaddr, uint32_t cause,
		   int within_ms);

/* No mapping is left, and their memory has been given back. */
void expect_given_back(int fd);

/* Both. */
void expect_invalidation(int fd, uint64_t iova, uint64_t size, void *vaddr, uint32_t cause,
			 int within_ms);

/* The device reads and writes 64 bytes there, and nothing has been recorded. */
void expect_alive(int fd, uint64_t iova, char *memory);

#endif
