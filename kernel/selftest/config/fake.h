/* SPDX-License-Identifier: GPL-2.0 */
/* A session of config*.c over a device of bytes. */
#ifndef FAKE_H
#define FAKE_H

#include "../../upu.h"

struct fake {
	struct upu_session session;
	struct upu_device udev;
	struct upu_config config;
	struct pci_dev pdev;
};

/* Takes @space as it is; what the PCI core finds out about a device is set from it. */
void fake_take(struct fake *fake, const u8 *space, int size);
void fake_open(struct fake *fake);

#endif
