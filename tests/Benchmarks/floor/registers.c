// SPDX-License-Identifier: Apache-2.0
/* Registers as C reaches them: volatile, one access for each call of the loop's body. */
#include <stdint.h>

static _Alignas(4096) unsigned char bar[4096];

uint64_t floor_read32(int64_t times, uint32_t offset)
{
	volatile uint32_t *reg = (volatile uint32_t *)(bar + offset);
	uint64_t sum = 0;

	while (times-- > 0)
		sum += *reg;
	return sum;
}

uint64_t floor_read64(int64_t times, uint32_t offset)
{
	volatile uint64_t *reg = (volatile uint64_t *)(bar + offset);
	uint64_t sum = 0;

	while (times-- > 0)
		sum += *reg;
	return sum;
}

void floor_write32(int64_t times, uint32_t offset)
{
	volatile uint32_t *reg = (volatile uint32_t *)(bar + offset);

	while (times-- > 0)
		*reg = (uint32_t)times;
}

void floor_write64(int64_t times, uint32_t offset)
{
	volatile uint64_t *reg = (volatile uint64_t *)(bar + offset);

	while (times-- > 0)
		*reg = (uint64_t)times;
}
