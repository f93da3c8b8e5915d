/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests share: opening devices, the calls with their arguments filled in, four devices' registers. */
#ifndef DEVICE_H
#define DEVICE_H

#include <fcntl.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include "../uapi/uio_pci_user.h"
#include "tap.h"

#define PAGE	4096ul
#define HUGE	(2ul << 20)

/* @name is the lab's: EDU, NVME, IGB, IVSHMEM, TESTDEV, VF, RNG, XHCI. Skips the test where there is none. */
const char *device_address(const char *name);
const char *device_path(const char *name);
int device_open(const char *name);	/* fails the test if it cannot */
int device_try(const char *name, int flags);	/* as open() */

struct upu_info device_info(int fd);
struct upu_bar device_bar(int fd, unsigned int index);
void *bar_map(int fd, unsigned int index, uint64_t offset, size_t size);
int is_bus_error(volatile uint32_t *at);	/* reading there is SIGBUS */
uint32_t window_read(int fd, unsigned int window, uint64_t offset, int width);
void window_write(int fd, unsigned int window, uint64_t offset, int width, uint32_t value);
#define config_read(fd, offset, width)	window_read(fd, UPU_WINDOW_CONFIG, offset, width)
#define config_write(fd, offset, width, value)	window_write(fd, UPU_WINDOW_CONFIG, offset, width, value)
unsigned int find_cap(int fd, unsigned int id);
uint16_t real_command(const char *name);	/* as the device has it, by sysfs */
void bus_master(int fd, int on);

/* As ioctl(): -1 and errno. */
int dma_map(int fd, void *memory, uint64_t size, uint64_t iova);
int dma_map_flags(int fd, void *memory, uint64_t size, uint64_t iova, uint32_t flags);
int dma_map_buffer(int fd, int buffer, uint64_t offset, uint64_t size, uint64_t iova);
int64_t dma_unmap(int fd, uint64_t iova, uint64_t size);	/* bytes unmapped, or -1 */
int64_t dma_unmap_all(int fd);
int dma_alloc(int fd, uint64_t size, uint32_t flags);
int invalidations(int fd, struct upu_invalidation *records, unsigned int capacity);	/* or -1 */
int irqs(int fd, uint32_t kind, uint32_t action, uint32_t start, uint32_t count, const int *fds);
int irqs_max(int fd, uint32_t kind, uint32_t start, uint32_t count, const int *fds, uint32_t maximum);
int plain(int fd, unsigned long call);
int set_eventfd(int fd, unsigned long call, int eventfd);

void *memory(size_t size);	/* anonymous, touched, no huge pages */
int event(void);		/* a non-blocking eventfd */
uint64_t event_count(int fd);	/* takes what is there */
uint64_t event_wait(int fd, int ms);	/* takes what comes in this time, 0 if nothing does */
long locked_kb(void);		/* VmLck */
void sleep_ms(int ms);
double now(void);		/* seconds, monotonic */

/* edu: a device that computes factorials, copies 4 KiB by DMA, and interrupts. */
#define EDU_RAISE	0x60
#define EDU_ACK		0x64
#define EDU_BUFFER	0x40000
void edu_raise(int fd);
void edu_ack(int fd);
void edu_dma(int fd, uint64_t iova, unsigned int size, int to_memory);
void edu_begin(int fd, uint64_t from, uint64_t to, unsigned int size);	/* arrives 100 ms later */
void edu_end(int fd);
void edu_copy(int fd, uint64_t from, uint64_t to, unsigned int size);

#endif
