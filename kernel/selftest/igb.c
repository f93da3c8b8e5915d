// SPDX-License-Identifier: GPL-2.0
/* 82576 datasheet: 7.2.2.2 (context descriptors), 8.12 (transmit registers), 8.14.3 (mailbox of a VF). */
#define _GNU_SOURCE
#include "igb.h"
#include "device.h"

#define TCTL		0x400
#define PF_QUEUE	0xe000
#define VF_QUEUE	0x3800
#define MAILBOX		0xc40
#define MESSAGE		0x800

enum { TDBAL = 0x00, TDBAH = 0x04, TDLEN = 0x08, TDH = 0x10, TDT = 0x18, TXDCTL = 0x28 };

static int queue_reaches(int fd, unsigned int queue, uint8_t *page, uint64_t iova)
{
	volatile uint32_t *descriptor = (volatile uint32_t *)page;
	int i;

	memset(page, 0, PAGE);
	descriptor[2] = 1u << 29 | 1u << 27 | 2u << 20;	/* advanced, report status, a context */
	window_write(fd, 0, queue + TXDCTL, 4, 0);
	window_write(fd, 0, queue + TDBAL, 4, iova);
	window_write(fd, 0, queue + TDBAH, 4, iova >> 32);
	window_write(fd, 0, queue + TDLEN, 4, 128);
	window_write(fd, 0, queue + TDH, 4, 0);
	window_write(fd, 0, queue + TDT, 4, 0);
	window_write(fd, 0, queue + TXDCTL, 4, 1u << 25);
	window_write(fd, 0, queue + TDT, 4, 1);
	for (i = 0; i < 20 && !(descriptor[3] & 1); i++)
		sleep_ms(10);
	return descriptor[3] & 1;
}

int igb_reaches(int fd, uint8_t *page, uint64_t iova)
{
	window_write(fd, 0, TCTL, 4, window_read(fd, 0, TCTL, 4) | 2);
	return queue_reaches(fd, PF_QUEUE, page, iova);
}

/* A VF may transmit once it has told its PF that it was reset. */
int igb_vf_reaches(int fd, uint8_t *page, uint64_t iova)
{
	static int told;
	int i;

	if (told)
		return queue_reaches(fd, VF_QUEUE, page, iova);
	window_write(fd, 0, MAILBOX, 4, 4);		/* ours, not the PF's */
	window_write(fd, 0, MESSAGE, 4, 1);		/* reset */
	window_write(fd, 0, MAILBOX, 4, 1);		/* look */
	for (i = 0; i < 20 && !told; i++)
		told = queue_reaches(fd, VF_QUEUE, page, iova);
	return told;
}
