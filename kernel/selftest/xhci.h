/* SPDX-License-Identifier: GPL-2.0 */
/* The lab's xhci, which has several MSI vectors: one for each of its interrupters. */
#ifndef XHCI_H
#define XHCI_H

#include <stdint.h>

#define XHCI_INTERRUPTERS	16

/* Whether it can fetch an event ring's description from the page at @iova, at @page in this process. */
int xhci_reaches(int fd, uint8_t *page, uint64_t iova);
/* All interrupters are given a ring in that page; the device must be a bus master. */
void xhci_open(int fd, uint8_t *page, uint64_t iova);
void xhci_raise(int fd, unsigned int interrupter);

#endif
