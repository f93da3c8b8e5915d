/* SPDX-License-Identifier: Apache-2.0 */
/* A PCI function through VFIO, as a C program opens it: container, group, device. */
#ifndef RISER_FLOOR_VFIO_H
#define RISER_FLOOR_VFIO_H

#include <stdint.h>

struct vfio {
	int container;
	int group;
	int device;
};

/* 0, or a negative errno. */
int vfio_open(struct vfio *vfio, const char *address);
void vfio_close(struct vfio *vfio);
int vfio_map(const struct vfio *vfio, const void *memory, uint64_t size, uint64_t iova);
int vfio_unmap(const struct vfio *vfio, uint64_t iova, uint64_t size);
/* BAR 0, mapped; NULL: refused. */
volatile uint32_t *vfio_bar0(const struct vfio *vfio, uint64_t size);
/* Bus mastering on, and the one MSI to an eventfd. */
int vfio_arm(const struct vfio *vfio, int eventfd);

#endif
