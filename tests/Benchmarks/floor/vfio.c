// SPDX-License-Identifier: Apache-2.0
/* A PCI function through VFIO, and what a loop over its two DMA ioctls costs. */
#include "vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "meter.h"

static int open_group(const char *address)
{
	char link[128], target[PATH_MAX] = "", path[64];

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/iommu_group", address);
	if (readlink(link, target, sizeof(target) - 1) < 0)
		return -1;
	snprintf(path, sizeof(path), "/dev/vfio/%.32s", strrchr(target, '/') + 1);
	return open(path, O_RDWR | O_CLOEXEC);
}

int vfio_open(struct vfio *vfio, const char *address)
{
	*vfio = (struct vfio){ .container = -1, .group = -1, .device = -1 };
	vfio->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (vfio->container >= 0)
		vfio->group = open_group(address);
	if (vfio->group < 0 ||
	    ioctl(vfio->group, VFIO_GROUP_SET_CONTAINER, &vfio->container) ||
	    ioctl(vfio->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) ||
	    (vfio->device = ioctl(vfio->group, VFIO_GROUP_GET_DEVICE_FD, address)) < 0) {
		int error = errno;

		vfio_close(vfio);
		return -error;
	}
	return 0;
}

void vfio_close(struct vfio *vfio)
{
	if (vfio->device >= 0)
		close(vfio->device);
	if (vfio->group >= 0)
		close(vfio->group);
	if (vfio->container >= 0)
		close(vfio->container);
}

int vfio_map(const struct vfio *vfio, const void *memory, uint64_t size, uint64_t iova)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)memory,
		.iova = iova,
		.size = size,
	};

	return ioctl(vfio->container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

int vfio_unmap(const struct vfio *vfio, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = iova, .size = size };

	if (ioctl(vfio->container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return -errno;
	return unmap.size == size ? 0 : -EIO;
}

volatile uint32_t *vfio_bar0(const struct vfio *vfio, uint64_t size)
{
	struct vfio_region_info region = { .argsz = sizeof(region), .index = VFIO_PCI_BAR0_REGION_INDEX };
	void *bar;

	if (ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, &region) || region.size < size)
		return NULL;
	bar = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vfio->device, region.offset);
	return bar == MAP_FAILED ? NULL : bar;
}

int vfio_arm(const struct vfio *vfio, int eventfd)
{
	struct vfio_region_info config = { .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX };
	char buffer[sizeof(struct vfio_irq_set) + sizeof(int)];
	struct vfio_irq_set *set = (struct vfio_irq_set *)buffer;
	uint16_t command;

	if (ioctl(vfio->device, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pread(vfio->device, &command, 2, config.offset + 4) != 2)
		return -EIO;
	command |= 6;			/* memory decoding, bus mastering */
	if (pwrite(vfio->device, &command, 2, config.offset + 4) != 2)
		return -EIO;
	*set = (struct vfio_irq_set){
		.argsz = sizeof(buffer),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSI_IRQ_INDEX,
		.count = 1,
	};
	memcpy(set->data, &eventfd, sizeof(eventfd));
	return ioctl(vfio->device, VFIO_DEVICE_SET_IRQS, set) ? -errno : 0;
}

/* ---- for the suite ---- */

struct vfio *floor_vfio_open(const char *address, int *error)
{
	struct vfio *vfio = malloc(sizeof(*vfio));

	*error = vfio ? vfio_open(vfio, address) : -ENOMEM;
	if (!*error)
		return vfio;
	free(vfio);
	return NULL;
}

void floor_vfio_close(struct vfio *vfio)
{
	vfio_close(vfio);
	free(vfio);
}

/*
 * Maps pieces of @size bytes one after the other and then unmaps them, @pairs times; with one piece it is
 * a map and an unmap in turn. @elapsed has the nanoseconds of each time. 0, or a negative errno.
 */
int floor_vfio_pairs(struct vfio *vfio, char *memory, int64_t size, int pieces, int64_t pairs, uint64_t iova, int64_t *elapsed)
{
	int64_t pair, start;
	int i, error = 0;

	for (pair = 0; pair < pairs && !error; pair++) {
		start = clock_ns(CLOCK_MONOTONIC);
		for (i = 0; i < pieces && !error; i++)
			error = vfio_map(vfio, memory + i * size, size, iova + (uint64_t)i * size);
		for (i = 0; i < pieces && !error; i++)
			error = vfio_unmap(vfio, iova + (uint64_t)i * size, size);
		elapsed[pair] = clock_ns(CLOCK_MONOTONIC) - start;
	}
	return error;
}

/* A descriptor of the caller's own for the container; its mappings are the loop's, too. */
int floor_vfio_container(const struct vfio *vfio)
{
	return fcntl(vfio->container, F_DUPFD_CLOEXEC, 0);
}

/*
 * The same with what keeping watch over the memory takes: each piece is registered with a userfaultfd before it is
 * mapped and taken out after it was unmapped. Memory that a userfaultfd has already is refused (EBUSY).
 */
int floor_vfio_watched_pairs(struct vfio *vfio, char *memory, int64_t size, int pieces, int64_t pairs, uint64_t iova, int64_t *elapsed)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_REMAP,
	};
	int watch = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	int64_t pair, start;
	int i, error = 0;

	if (watch < 0)
		return -errno;
	if (ioctl(watch, UFFDIO_API, &api))
		error = -errno;
	for (pair = 0; pair < pairs && !error; pair++) {
		start = clock_ns(CLOCK_MONOTONIC);
		for (i = 0; i < pieces && !error; i++) {
			struct uffdio_register piece = {
				.range = { .start = (uintptr_t)(memory + i * size), .len = size },
				.mode = UFFDIO_REGISTER_MODE_WP,
			};

			error = ioctl(watch, UFFDIO_REGISTER, &piece) ? -errno :
				vfio_map(vfio, memory + i * size, size, iova + (uint64_t)i * size);
		}
		for (i = 0; i < pieces && !error; i++) {
			struct uffdio_range piece = { .start = (uintptr_t)(memory + i * size), .len = size };

			error = vfio_unmap(vfio, iova + (uint64_t)i * size, size);
			if (!error && ioctl(watch, UFFDIO_UNREGISTER, &piece))
				error = -errno;
		}
		elapsed[pair] = clock_ns(CLOCK_MONOTONIC) - start;
	}
	close(watch);
	return error;
}
