// SPDX-License-Identifier: GPL-2.0
/*
 * What config_layout.c makes of a configuration space: upu-config-dump VF BAR0 ... BAR5 ROM < SPACE, with sizes in bytes; a line
 * for each byte, in hexadecimal: bits in the shadow, bits that can be written, what the user reads at first, trap.
 * Other implementations of the same rules are compared with it.
 */
#include <stdio.h>

#include "fake.h"

int main(int count, char **args)
{
	static struct fake fake;
	static u8 space[4096];
	size_t size = fread(space, 1, sizeof(space), stdin), i;
	u32 low;

	if (count != 9 || (size != 256 && size != 4096)) {
		fprintf(stderr, "usage: %s VF BAR0 BAR1 BAR2 BAR3 BAR4 BAR5 ROM < 256 or 4096 bytes\n", args[0]);
		return 2;
	}
	fake_take(&fake, space, size);
	fake.pdev.is_virtfn = fake.pdev.no_command_memory = atoi(args[1]);
	for (i = 0; i < 7; i++) {
		memcpy(&low, space + (i == 6 ? PCI_ROM_ADDRESS : PCI_BASE_ADDRESS_0 + 4 * i), 4);
		fake.pdev.resource[i].size = strtoull(args[2 + i], NULL, 0);
		if (!fake.pdev.resource[i].size)
			continue;
		fake.pdev.resource[i].flags = i < 6 && low & 1 ? IORESOURCE_IO : IORESOURCE_MEM;
		if (i < 6 && (low & 7) == PCI_BASE_ADDRESS_MEM_TYPE_64)
			fake.pdev.resource[i].flags |= IORESOURCE_MEM_64;
		if (i < 6 && !(low & 1) && low & PCI_BASE_ADDRESS_MEM_PREFETCH)
			fake.pdev.resource[i].flags |= IORESOURCE_PREFETCH;
	}
	fake_open(&fake);
	for (i = 0; i < size; i++)
		printf("%02x %02x %02x %u\n", fake.config.virt[i], fake.config.writable[i],
		       (fake.config.shadow[i] & fake.config.virt[i]) | (space[i] & ~fake.config.virt[i]),
		       fake.config.trap[i]);
	return 0;
}
