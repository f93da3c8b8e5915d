// SPDX-License-Identifier: GPL-2.0
/*
 * Windows that few devices have: an expansion ROM and I/O ports. The ROM is tests/Lab/run's: 8 KiB, of
 * which the header claims an image of 1 KiB; from byte 64 on all of it is the word below, again and again.
 */
#define _GNU_SOURCE
#include "device.h"

#define ROM	UPU_WINDOW_OFFSET(UPU_WINDOW_ROM)
#define SIZE	8192
#define IMAGE	1024
#define FIRST	64
#define WORD	"the lab\n"

static void check_bytes(const uint8_t *at, uint64_t offset, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		uint64_t byte = offset + i;

		if (byte < FIRST)
			continue;
		if (at[i] != (byte < IMAGE ? WORD[byte % 8] : 0xff))
			FAIL("byte %llu of the ROM is %#x", (unsigned long long)byte, at[i]);
	}
}

TEST(a_rom_is_read_and_never_written)
{
	int fd = device_open("XHCI");
	struct upu_bar bar = device_bar(fd, UPU_WINDOW_ROM);
	uint32_t version = window_read(fd, 0, 0, 4);
	static const struct { uint64_t offset; size_t size, got; } reads[] = {
		{ 64, 8, 8 }, { 65, 1, 1 }, { 67, 1000, 1000 }, { IMAGE - 3, 7, 7 }, { IMAGE, 64, 64 },
		{ SIZE - 1, 1, 1 }, { 0, PAGE + 1, PAGE }, { 0, SIZE, PAGE }, { PAGE, PAGE, PAGE },
	};
	uint8_t data[SIZE];
	unsigned int i;

	EQUAL(bar.size, SIZE);
	EQUAL(bar.flags, UPU_BAR_READ);
	EQUAL(bar.range_count, 0);
	EQUAL(pread(fd, data, FIRST, ROM), FIRST);
	CHECK(data[0] == 0x55 && data[1] == 0xaa && !memcmp(data + data[0x18], "PCIR", 4));
	for (i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
		memset(data, 0x11, sizeof(data));
		EQUAL(pread(fd, data, reads[i].size, ROM + reads[i].offset), reads[i].got);
		check_bytes(data, reads[i].offset, reads[i].got);
	}
	EQUAL(pread(fd, data, 0, ROM), 0);
	ERRNO(pread(fd, data, 1, ROM + SIZE), EFAULT);
	ERRNO(pread(fd, data, 2, ROM + SIZE - 1), EFAULT);
	ERRNO(pread(fd, NULL, 4, ROM), EFAULT);
	ERRNO(pwrite(fd, data, 4, ROM + FIRST), EROFS);
	ERRNO(pwrite(fd, data, 4, ROM + SIZE), EFAULT);
	ERRNO((intptr_t)bar_map(fd, UPU_WINDOW_ROM, 0, PAGE), EINVAL);
	/* Its decoder is off again, and the registers are where they were. */
	EQUAL(config_read(fd, 0x30, 4) & 1, 0);
	EQUAL(window_read(fd, 0, 0, 4), version);
}

TEST(a_rom_is_out_of_reach_as_the_registers_are)
{
	int fd = device_open("XHCI");
	uint32_t command = config_read(fd, 4, 2);
	uint8_t data[8];

	config_write(fd, 4, 2, command & ~2u);
	ERRNO(pread(fd, data, 8, ROM + FIRST), EIO);
	config_write(fd, 4, 2, command | 2);
	EQUAL(pread(fd, data, 8, ROM + FIRST), 8);
	check_bytes(data, FIRST, 8);
	OK(plain(device_try("XHCI", UPU_O_CONTROL), UPU_REVOKE));
	ERRNO(pread(fd, data, 8, ROM + FIRST), ENODEV);
	ERRNO(pwrite(fd, data, 8, ROM + FIRST), ENODEV);
}

/* One that nobody has ever written is no image. */
TEST(a_rom_without_an_image_is_eio)
{
	int fd = device_open("RNG");
	uint8_t data[8];

	EQUAL(device_bar(fd, UPU_WINDOW_ROM).size, SIZE);
	ERRNO(pread(fd, data, 8, ROM), EIO);
	ERRNO(pwrite(fd, data, 8, ROM), EROFS);
	fd = device_open("TESTDEV");
	EQUAL(device_bar(fd, UPU_WINDOW_ROM).size, 0);
	ERRNO(pread(fd, data, 8, ROM), ENXIO);
	ERRNO(pwrite(fd, data, 8, ROM), ENXIO);
}

/* ---- I/O ports ---- */

#define PORTS	1	/* pci-testdev's; docs/specs/pci-testdev of QEMU */

TEST(ports_are_read_and_written)
{
	int fd = device_open("TESTDEV"), i;
	struct upu_bar bar = device_bar(fd, PORTS);
	uint32_t command = config_read(fd, 4, 2), where;
	char name[16] = "", whole[33];
	uint64_t eight;

	EQUAL(bar.size, 256);
	EQUAL(bar.flags, UPU_BAR_READ | UPU_BAR_WRITE | UPU_BAR_IO);
	EQUAL(bar.range_count, 0);
	ERRNO((intptr_t)bar_map(fd, PORTS, 0, PAGE), EINVAL);

	/* Test 0: counts the bytes that are written at the offset that it names. */
	window_write(fd, PORTS, 0, 1, 0);
	EQUAL(pread(fd, name, 15, UPU_WINDOW_OFFSET(PORTS) + 16), 15);
	CHECK(!strcmp(name, "portio-no-event"));
	where = window_read(fd, PORTS, 4, 4);
	CHECK(where >= 128 && where < 256);
	EQUAL(window_read(fd, PORTS, 4, 2), where & 0xffff);
	for (i = 0; i < 10; i++) {
		EQUAL(window_read(fd, PORTS, 12, 4), i);
		window_write(fd, PORTS, where, 1, window_read(fd, PORTS, 8, 1));
	}
	/* Of any length, by accesses of 4 bytes at the most, and of any alignment. */
	EQUAL(pread(fd, whole, 33, UPU_WINDOW_OFFSET(PORTS)), 33);
	EQUAL(pread(fd, &eight, 8, UPU_WINDOW_OFFSET(PORTS) + 8), 8);
	CHECK(!memcmp(whole + 8, &eight, 8) && eight >> 32 == 10);
	EQUAL(pread(fd, &eight, 3, UPU_WINDOW_OFFSET(PORTS) + 17), 3);
	CHECK(!memcmp(&eight, "ort", 3));
	ERRNO(pread(fd, whole, 33, UPU_WINDOW_OFFSET(PORTS) + 256 - 32), EFAULT);

	/* Memory decoding is not theirs. */
	config_write(fd, 4, 2, command & ~2u);
	EQUAL(window_read(fd, PORTS, 12, 4), 10);
	ERRNO(pread(fd, whole, 4, UPU_WINDOW_OFFSET(0)), EIO);
	config_write(fd, 4, 2, command);
	OK(plain(device_try("TESTDEV", UPU_O_CONTROL), UPU_REVOKE));
	ERRNO(pread(fd, whole, 4, UPU_WINDOW_OFFSET(PORTS)), ENODEV);
	ERRNO(pwrite(fd, whole, 4, UPU_WINDOW_OFFSET(PORTS)), ENODEV);
}
