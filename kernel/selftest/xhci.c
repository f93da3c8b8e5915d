// SPDX-License-Identifier: GPL-2.0
/* xHCI specification 1.2: 5.3 and 5.4 (registers), 5.5.2 (interrupters), 6.5 (segment tables). */
#define _GNU_SOURCE
#include "xhci.h"
#include "device.h"

#define RING		0x800	/* within the page; one for all: nothing is ever written to it */
#define RING_SIZE	16
#define ERROR		(1u << 12)

enum { USBCMD = 0, USBSTS = 4 };
enum { IMAN = 0, ERSTSZ = 8, ERSTBA = 0x10, ERDP = 0x18 };

static uint64_t ring;

static uint64_t operational(int fd)
{
	return window_read(fd, 0, 0, 4) & 0xff;
}

static uint64_t interrupter(int fd, unsigned int number)
{
	return (window_read(fd, 0, 0x18, 4) & ~0x1fu) + 0x20 + number * 0x20;
}

static void reset(int fd)
{
	int i;

	window_write(fd, 0, operational(fd) + USBCMD, 4, 2);
	for (i = 0; i < 100 && window_read(fd, 0, operational(fd) + USBCMD, 4) & 2; i++)
		sleep_ms(5);
}

/* A table of one segment; the device fetches it as its address is written. */
static void give_ring(int fd, unsigned int number, uint8_t *page, uint64_t iova)
{
	uint64_t at = interrupter(fd, number);
	uint32_t *entry = (uint32_t *)(page + number * 64);

	ring = iova + RING;
	entry[0] = ring;
	entry[1] = ring >> 32;
	entry[2] = RING_SIZE;
	window_write(fd, 0, at + ERSTSZ, 4, 1);
	window_write(fd, 0, at + ERDP, 4, ring);
	window_write(fd, 0, at + ERDP + 4, 4, ring >> 32);
	window_write(fd, 0, at + ERSTBA, 4, iova + number * 64);
	window_write(fd, 0, at + ERSTBA + 4, 4, iova >> 32);
}

int xhci_reaches(int fd, uint8_t *page, uint64_t iova)
{
	reset(fd);
	CHECK(!(window_read(fd, 0, operational(fd) + USBSTS, 4) & ERROR));
	give_ring(fd, 0, page, iova);
	return !(window_read(fd, 0, operational(fd) + USBSTS, 4) & ERROR);
}

void xhci_open(int fd, uint8_t *page, uint64_t iova)
{
	unsigned int i;

	reset(fd);
	window_write(fd, 0, operational(fd) + USBCMD, 4, 4);	/* interrupts on */
	for (i = 0; i < XHCI_INTERRUPTERS; i++) {
		give_ring(fd, i, page, iova);
		window_write(fd, 0, interrupter(fd, i) + IMAN, 4, 3);
	}
	EQUAL(window_read(fd, 0, operational(fd) + USBSTS, 4) & ERROR, 0);
}

/* Told that the ring was read up to a place where it is not filled yet, it tells us anew. */
void xhci_raise(int fd, unsigned int number)
{
	window_write(fd, 0, interrupter(fd, number) + ERDP, 4, (ring + 16) | 8);
}
