/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The lab's igb (82576) and its VFs as engines that do DMA: a transmit queue of context descriptors,
 * which send nothing; each is fetched, and written back as done.
 */
#ifndef IGB_H
#define IGB_H

#include <stdint.h>

/* Whether the device carries out a descriptor in the page at @iova, which this process sees at @page. */
int igb_reaches(int fd, uint8_t *page, uint64_t iova);
int igb_vf_reaches(int fd, uint8_t *page, uint64_t iova);	/* its PF must be up */

#endif
