// SPDX-License-Identifier: GPL-2.0
/* The trace events, as an administrator sees them. */
#define _GNU_SOURCE
#include "device.h"

#define IOVA	0x1000000ull
#define TRACING	"/sys/kernel/tracing/"

static int tracing_write(const char *file, const char *text)
{
	char path[128];
	int fd, ret;

	snprintf(path, sizeof(path), TRACING "%s", file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = write(fd, text, strlen(text)) < 0 ? -1 : 0;
	close(fd);
	return ret;
}

/* Lines of the trace that have all of @event, the device, and @rest. */
static int traced(const char *event, const char *rest)
{
	FILE *file = fopen(TRACING "trace", "re");
	char line[512];
	int count = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, event) && strstr(line, device_address("EDU")) && strstr(line, rest);
	fclose(file);
	return count;
}

ROOT_TEST(trace_events_tell_what_happens)
{
	int fd = device_open("EDU"), fired = event();
	char *page = memory(PAGE);

	CHECK(device_info(fd).flags & UPU_INFO_IOMMU);
	if (access(TRACING "events/uio_pci_user", F_OK))
		SKIP("this kernel has no trace events");
	OK(tracing_write("trace", ""));
	OK(tracing_write("events/uio_pci_user/enable", "1"));
	OK(dma_map_flags(fd, page, PAGE, IOVA, UPU_DMA_READ));
	EQUAL(dma_unmap(fd, IOVA, PAGE), PAGE);
	OK(dma_map(fd, page, PAGE, IOVA + PAGE));
	munmap(page, PAGE);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_TRIGGER, 0, 1, NULL));
	bus_master(fd, 1);
	edu_raise(fd);
	EQUAL(event_wait(fired, 2000), 2);
	edu_ack(fd);
	OK(tracing_write("events/uio_pci_user/enable", "0"));
	EQUAL(traced("upu_map:", "iova=0x1000000 size=0x1000 detail=1"), 1);
	EQUAL(traced("upu_map:", "iova=0x1001000 size=0x1000 detail=3"), 1);
	EQUAL(traced("upu_unmap:", "iova=0x1000000 size=0x1000"), 1);
	EQUAL(traced("upu_invalidate:", "iova=0x1001000 size=0x1000 detail=1"), 1);
	EQUAL(traced("upu_interrupt:", "vector=0"), 2);
	/* Off is off. */
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_TRIGGER, 0, 1, NULL));
	EQUAL(traced("upu_interrupt:", "vector=0"), 2);
}
