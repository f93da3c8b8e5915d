/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * uio_pci_user: PCI functions for processes without privilege.
 *
 * One character device per function, /dev/uio_pci_user/<domain:bus:dev.fn>. Everything goes through
 * its file descriptor, so the permission on that file, or the possession of the descriptor, is all
 * the permission there is.
 *
 * Rules that hold for every call
 * ------------------------------
 * - Each structure starts with @argsz, the size in bytes the caller was built with, and @flags.
 *   An @argsz below the size below is EINVAL; a longer one is accepted (the rest is not looked at).
 * - Unknown flag bits and reserved fields that are not zero are EINVAL.
 * - A call happens whole, or changes nothing.
 * - Pointers travel as __u64. All paddings are named. Layouts are the same for 32 and 64 bit.
 *
 * Errors
 * ------
 * =========  =====================================================================================
 * E2BIG      A count is larger than the device or the module can ever serve.
 * EACCES     The file was not opened for what is asked (mmap for writing without O_RDWR).
 * EAGAIN     Nothing to read yet on a non-blocking descriptor; no record or event is waiting; the
 *            memory of a DMA_MAP kept changing while it was pinned. Try again.
 * EBADF      A descriptor in an argument is not open.
 * EBUSY      The device has its one user already; its IOMMU group is not free; another kind of
 *            interrupt is armed; a reset is asked for while an error is being handled or the device
 *            is held by the kernel; an unmap meets a map that has not finished.
 * EEXIST     An IOVA range overlaps a mapping.
 * EFAULT     A bad pointer; an access past the end of a window; memory that cannot be pinned.
 * EINTR      A signal while read() waits for an interrupt; one that kills while a DMA_MAP,
 *            DMA_UNMAP or DMA_ALLOC is under way.
 * EINVAL     A malformed argument (see the rules above), a range that is unaligned, outside of
 *            the aperture, on a reserved range, wider than @address_bits, or cuts a mapping in two.
 * EIO        The device did not answer, or is powered down or has its memory decoding off while a
 *            register is read or written; read() of the event counter with no interrupt armed;
 *            open() and RESET of a device that does not power up or come back from its reset; the
 *            expansion ROM has no image; an affinity that the interrupt controller cannot have.
 * EMFILE     No descriptor is left for DMA_ALLOC (ENFILE: none in the system).
 * ENODEV     The device is gone: removed, or revoked from this user.
 * ENOENT     An unmap covers no mapping; a reply's event is not waiting (any more).
 * ENOMEM     The limit of locked memory, or the memory itself, is used up.
 * ENOSPC     Too many mappings, or more vectors than the system or @maximum gives.
 * ENOTTY     Not a call of this module.
 * ENXIO      No such window or vector, or a vector that is not armed.
 * EOPNOTSUPP The device has no such thing: no interrupt of that kind, no reset that works.
 * EOVERFLOW  start + size or start + count wraps around.
 * EPERM      Not allowed: a control descriptor for anything but GET_INFO and REVOKE, REVOKE
 *            without one; DMA calls of a process other than the one that mapped first; MSI without
 *            interrupt remapping; a device without IOMMU; CPUs outside of the caller's.
 * EROFS      A write to the expansion ROM.
 * =========  =====================================================================================
 */
#ifndef _UAPI_UIO_PCI_USER_H
#define _UAPI_UIO_PCI_USER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/** UPU_API_VERSION - grows when a call or field is added; nothing published is ever changed. */
#define UPU_API_VERSION		1

/**
 * UPU_O_CONTROL - access mode for open() that gives a control descriptor.
 *
 * Linux's access mode 3 asks for read and write permission and gives a descriptor for neither.
 * It serves GET_INFO and REVOKE, does not count as the device's one user, and is given to
 * CAP_SYS_ADMIN and to the owner of the file only (EPERM). The device's user opens O_RDWR.
 *
 * Errors of open(): EBUSY, EINVAL (another access mode), EIO, ENODEV, ENOMEM, EPERM. A device that
 * cannot be reset is opened as it is; one that should have come back from its reset is not (EIO).
 */
#define UPU_O_CONTROL		3

/*
 * Windows: file offsets of pread(), pwrite() and mmap(). Offset 0 is none of them: there read(),
 * poll() and write() find the event counter of Linux's UIO.
 *
 * An access is split into aligned ones of 1, 2, 4 and 8 bytes (4 in configuration space and of
 * ports). If its memory is bad none of them is made. One that the device stops in the middle (EIO,
 * ENODEV), a signal that kills, or another thread that takes the memory away meanwhile, returns
 * what was done. A ROM is read as far as its images go, and then as ones.
 *
 * Errors: EFAULT, EINVAL, EIO, ENODEV, ENOMEM, ENXIO, EROFS.
 */
#define UPU_WINDOW_BAR0		0
#define UPU_WINDOW_BAR5		5
#define UPU_WINDOW_ROM		6
#define UPU_WINDOW_CONFIG	7
#define UPU_WINDOW_COUNT	8
#define UPU_WINDOW_SHIFT	40
/** UPU_WINDOW_OFFSET - the file offset at which window @window starts. */
#define UPU_WINDOW_OFFSET(window)	(((__u64)(window) + 1) << UPU_WINDOW_SHIFT)

#define UPU_IOCTL_TYPE		0xB7

/* ---------------------------------------------------------------------------------------- */

/* struct upu_info.flags */
#define UPU_INFO_IOMMU		(1 << 0)	/* DMA goes through an IOMMU domain of its own */
#define UPU_INFO_VIABLE		(1 << 1)	/* no kernel driver holds a member of the group */
#define UPU_INFO_MSI_SAFE	(1 << 2)	/* interrupts are remapped, or that is waived */
#define UPU_INFO_MSIX_DYNAMIC	(1 << 3)	/* MSI-X vectors can be added after ARM */
#define UPU_INFO_COHERENT	(1 << 4)	/* DMA snoops the CPU's caches */
#define UPU_INFO_VF		(1 << 5)	/* a virtual function */
#define UPU_INFO_INTX_EXCLUSIVE	(1 << 6)	/* INTx has no mask: no shared line */

/* struct upu_info.reset_kinds, in the order in which the kernel tries them */
#define UPU_RESET_DEVICE_SPECIFIC	(1 << 0)
#define UPU_RESET_ACPI			(1 << 1)
#define UPU_RESET_FLR			(1 << 2)
#define UPU_RESET_AF_FLR		(1 << 3)
#define UPU_RESET_PM			(1 << 4)
#define UPU_RESET_BUS			(1 << 5)
#define UPU_RESET_CXL_BUS		(1 << 6)

/**
 * struct upu_range - a closed range of bus addresses
 * @start: first byte
 * @last: last byte
 */
struct upu_range {
	__u64 start;
	__u64 last;
};

/**
 * struct upu_info - argument of UPU_GET_INFO
 * @argsz: sizeof(struct upu_info)
 * @flags: must be 0 on entry; UPU_INFO_* on return
 * @api_version: UPU_API_VERSION of the module
 * @intx: number of INTx interrupts, 0 or 1
 * @msi: number of MSI vectors, 0 to 32
 * @msix: number of MSI-X vectors, 0 to 2048
 * @reset_kinds: UPU_RESET_* that the device offers
 * @group: number of the IOMMU group, or -1
 * @group_devices: functions in that group, this one included
 * @numa_node: node of the device, or -1
 * @page_sizes: bitmap of the IOMMU's page sizes in bytes; the granule of DMA_MAP is the lowest, or
 *	the page size of the system where that is larger
 * @aperture_start: first mappable bus address
 * @aperture_last: last mappable bus address
 * @locked_limit: RLIMIT_MEMLOCK of the caller in bytes, ~0 if unlimited
 * @locked: locked memory of the caller in bytes
 * @pinned: memory in bytes that this device's user has mapped by address, and not yet given back
 * @dma_maximum: number of mappings that one user may have
 * @dma_count: number of mappings that there are
 * @range_capacity: entries that fit at @ranges; 0 to ask for the number only
 * @range_count: on return, number of reserved ranges, whether they fitted or not
 * @ranges: user address of an array of struct upu_range, bus addresses that cannot be mapped
 *
 * The IOMMU fields are known while the device has a user; before that they are 0.
 *
 * Errors: EFAULT, EINVAL, ENODEV.
 */
struct upu_info {
	__u32 argsz;
	__u32 flags;
	__u32 api_version;
	__u32 intx;
	__u32 msi;
	__u32 msix;
	__u32 reset_kinds;
	__s32 group;
	__u32 group_devices;
	__s32 numa_node;
	__u64 page_sizes;
	__u64 aperture_start;
	__u64 aperture_last;
	__u64 locked_limit;
	__u64 locked;
	__u64 pinned;
	__u32 dma_maximum;
	__u32 dma_count;
	__u32 range_capacity;
	__u32 range_count;
	__u64 ranges;
};

#define UPU_GET_INFO		_IO(UPU_IOCTL_TYPE, 0)

/* struct upu_bar.flags */
#define UPU_BAR_READ		(1 << 0)
#define UPU_BAR_WRITE		(1 << 1)
#define UPU_BAR_MMAP		(1 << 2)	/* at least one of the ranges can be mapped */
#define UPU_BAR_IO		(1 << 3)	/* I/O ports: pread and pwrite only */
#define UPU_BAR_64		(1 << 4)	/* a 64-bit BAR */
#define UPU_BAR_PREFETCH	(1 << 5)

/**
 * struct upu_bar_range - a part of a BAR that can be mapped
 * @offset: start within the BAR in bytes, page aligned
 * @size: length in bytes, a multiple of the page size
 */
struct upu_bar_range {
	__u64 offset;
	__u64 size;
};

/**
 * struct upu_bar - argument of UPU_GET_BAR
 * @argsz: sizeof(struct upu_bar)
 * @flags: must be 0 on entry; UPU_BAR_* on return
 * @index: UPU_WINDOW_*: BAR 0 to 5, the ROM, or configuration space
 * @range_capacity: entries that fit at @ranges; 0 to ask for the number only
 * @range_count: on return, number of mappable ranges, whether they fitted or not
 * @reserved: must be 0
 * @size: on return, size in bytes; 0 where the device has no such BAR
 * @offset: on return, file offset of the window
 * @ranges: user address of an array of struct upu_bar_range
 *
 * The pages of an MSI-X table and of its pending bits are never part of a mappable range; BARs
 * smaller than a page have none.
 *
 * Errors: EFAULT, EINVAL, ENODEV, ENXIO (no such window).
 */
struct upu_bar {
	__u32 argsz;
	__u32 flags;
	__u32 index;
	__u32 range_capacity;
	__u32 range_count;
	__u32 reserved;
	__u64 size;
	__u64 offset;
	__u64 ranges;
};

#define UPU_GET_BAR		_IO(UPU_IOCTL_TYPE, 1)

/* ---------------------------------------------------------------------------------------- */

/* struct upu_dma_map.flags */
#define UPU_DMA_READ		(1 << 0)	/* the device may read the memory */
#define UPU_DMA_WRITE		(1 << 1)	/* the device may write the memory */
#define UPU_DMA_BUFFER		(1 << 2)	/* the memory is @fd's, from UPU_DMA_ALLOC */

/**
 * struct upu_dma_map - argument of UPU_DMA_MAP
 * @argsz: sizeof(struct upu_dma_map)
 * @flags: UPU_DMA_READ, UPU_DMA_WRITE or both; UPU_DMA_BUFFER
 * @vaddr: user address of the memory; with UPU_DMA_BUFFER, offset in the buffer
 * @size: length in bytes
 * @iova: bus address that the device will use; without an IOMMU it must be 0, and is filled in
 * @address_bits: width of the addresses that the device can put on the bus, 1 to 64; 0 for 64
 * @fd: the buffer, with UPU_DMA_BUFFER; else must be 0
 *
 * @vaddr, @size and @iova are multiples of the IOMMU's smallest page. Memory given by address is
 * pinned and counted as locked memory of the calling process, for each mapping of it anew; it is
 * unmapped from the device when it goes away (see struct upu_invalidation). A buffer stays alive
 * for as long as it is mapped, whatever becomes of @fd.
 *
 * The process that maps first is the one whose memory can be mapped, until it ends.
 *
 * Errors: EAGAIN, EBADF, EEXIST, EFAULT, EINVAL, EINTR, ENODEV, ENOMEM, ENOSPC, EOVERFLOW, EPERM.
 */
struct upu_dma_map {
	__u32 argsz;
	__u32 flags;
	__u64 vaddr;
	__u64 size;
	__u64 iova;
	__u32 address_bits;
	__s32 fd;
};

#define UPU_DMA_MAP		_IO(UPU_IOCTL_TYPE, 2)

/* struct upu_dma_unmap.flags */
#define UPU_DMA_UNMAP_ALL	(1 << 0)	/* every mapping; @iova and @size must be 0 */

/**
 * struct upu_dma_unmap - argument of UPU_DMA_UNMAP
 * @argsz: sizeof(struct upu_dma_unmap)
 * @flags: 0 or UPU_DMA_UNMAP_ALL
 * @iova: start of the range
 * @size: length of the range in bytes; on return, bytes that were unmapped
 *
 * Unmaps every mapping that lies within the range. Once it has returned, the device reaches none of
 * that memory.
 *
 * Errors: EBUSY, EFAULT, EINTR, EINVAL (cuts a mapping in two), ENODEV, ENOENT (nothing is mapped
 * there, perhaps since the memory went away before: read the invalidations), EOVERFLOW, EPERM.
 */
struct upu_dma_unmap {
	__u32 argsz;
	__u32 flags;
	__u64 iova;
	__u64 size;
};

#define UPU_DMA_UNMAP		_IO(UPU_IOCTL_TYPE, 3)

/* struct upu_dma_alloc.flags */
#define UPU_ALLOC_HUGE		(1 << 0)	/* pieces of 2 MiB, each contiguous */

/**
 * struct upu_dma_alloc - argument of UPU_DMA_ALLOC
 * @argsz: sizeof(struct upu_dma_alloc)
 * @flags: 0 or UPU_ALLOC_HUGE
 * @size: length in bytes, a multiple of the page size (of 2 MiB with UPU_ALLOC_HUGE)
 * @numa_node: node to take the memory from, or -1 for any
 * @fd: on return, a descriptor (O_CLOEXEC) to mmap(), MAP_SHARED, from offset 0
 *
 * Memory for DMA that fork, reclaim and the splitting of huge pages never touch, zeroed. It belongs
 * to the descriptor and not to the device: it outlives the session, and the next one can map it
 * again. It counts as locked memory of the caller until its last user is gone.
 *
 * Errors: EFAULT, EINTR, EINVAL, EMFILE, ENFILE, ENODEV, ENOMEM.
 */
struct upu_dma_alloc {
	__u32 argsz;
	__u32 flags;
	__u64 size;
	__s32 numa_node;
	__s32 fd;
};

#define UPU_DMA_ALLOC		_IO(UPU_IOCTL_TYPE, 4)

/* struct upu_invalidation.cause */
#define UPU_CAUSE_UNMAPPED	1	/* munmap, mremap, MAP_FIXED, the OOM reaper */
#define UPU_CAUSE_EXITED	2	/* exit or exec of the process */
#define UPU_CAUSE_DROPPED	3	/* MADV_DONTNEED, MADV_REMOVE, truncation, a punched hole */

/* struct upu_invalidation.flags */
#define UPU_INVALIDATION_MERGED	(1 << 0)	/* stands for several: the queue was full */
#define UPU_INVALIDATION_PINNED	(1 << 1)	/* no IOMMU: still reached by the device */

/**
 * struct upu_invalidation - a mapping that was taken away since its memory went away
 * @iova: bus address at which the mapping started
 * @size: its length in bytes
 * @vaddr: user address of its memory; 0 with UPU_INVALIDATION_MERGED
 * @sequence: grows by one for each mapping taken away, from 1
 * @cause: UPU_CAUSE_*; of the last one with UPU_INVALIDATION_MERGED
 * @flags: UPU_INVALIDATION_*
 *
 * A mapping is taken away whole. A merged record covers several: [@iova, @iova + @size) contains
 * them all, and may contain mappings that are alive; @sequence is that of the last.
 */
struct upu_invalidation {
	__u64 iova;
	__u64 size;
	__u64 vaddr;
	__u64 sequence;
	__u32 cause;
	__u32 flags;
};

/**
 * struct upu_get_invalidations - argument of UPU_GET_INVALIDATIONS
 * @argsz: sizeof(struct upu_get_invalidations)
 * @flags: must be 0
 * @capacity: entries that fit at @records, at least 1
 * @count: on return, entries written
 * @records: user address of an array of struct upu_invalidation
 *
 * Takes the oldest records out of the queue. Never blocks.
 *
 * Errors: EAGAIN (none is waiting), EFAULT (none is taken), EINVAL, ENODEV, ENOMEM.
 */
struct upu_get_invalidations {
	__u32 argsz;
	__u32 flags;
	__u32 capacity;
	__u32 count;
	__u64 records;
};

#define UPU_GET_INVALIDATIONS	_IO(UPU_IOCTL_TYPE, 5)

/* ---------------------------------------------------------------------------------------- */

/* struct upu_set_irqs.kind */
#define UPU_IRQ_NONE		0	/* returned where none is armed; not accepted */
#define UPU_IRQ_INTX		1
#define UPU_IRQ_MSI		2
#define UPU_IRQ_MSIX		3

/* struct upu_set_irqs.action */
#define UPU_IRQ_ARM		1	/* one descriptor of @fds per vector */
#define UPU_IRQ_DISARM		2	/* frees vectors; all, with @start and @count 0 */
#define UPU_IRQ_MASK		3	/* the device holds its interrupts back */
#define UPU_IRQ_UNMASK		4
#define UPU_IRQ_TRIGGER		5	/* from software, as if the device had raised it */
#define UPU_IRQ_RESAMPLE	6	/* INTx: a signal on eventfd @fds[0] unmasks */

/* values in @fds besides descriptors */
#define UPU_IRQ_FD_NONE		(-1)	/* the vector is disarmed */
#define UPU_IRQ_FD_COUNTER	(-2)	/* armed, and heard by read() and poll() alone */

/**
 * struct upu_set_irqs - argument of UPU_SET_IRQS
 * @argsz: sizeof(struct upu_set_irqs)
 * @flags: must be 0
 * @kind: UPU_IRQ_INTX, UPU_IRQ_MSI or UPU_IRQ_MSIX
 * @action: UPU_IRQ_ARM to UPU_IRQ_RESAMPLE
 * @start: first vector
 * @count: number of vectors
 * @maximum: with ARM, the most vectors that will be asked for while any is armed; what the kernel
 *	cannot add later (MSI; MSI-X without UPU_INFO_MSIX_DYNAMIC) is reserved at the first ARM.
 *	0 is @start + @count. With all other actions must be 0.
 * @reserved: must be 0
 * @fds: user address of @count __s32, with ARM and RESAMPLE; else must be 0
 *
 * Vectors armed before and outside of the range are not touched, and lose nothing. One eventfd may
 * serve several vectors. INTx is masked by each interrupt, until UNMASK, write() of 1, or a signal
 * on the resample eventfd; if the device still asks then, it is signalled anew. A trigger of a
 * masked vector is kept (one, as the pending bit of the device would) until it is unmasked.
 *
 * Errors: E2BIG, EBADF, EBUSY (another kind is armed; the device is in D3), EFAULT, EINVAL, ENODEV,
 * ENOMEM, ENOSPC, ENXIO (mask, unmask or trigger of a vector that is not armed), EOPNOTSUPP,
 * EOVERFLOW, EPERM.
 */
struct upu_set_irqs {
	__u32 argsz;
	__u32 flags;
	__u32 kind;
	__u32 action;
	__u32 start;
	__u32 count;
	__u32 maximum;
	__u32 reserved;
	__u64 fds;
};

#define UPU_SET_IRQS		_IO(UPU_IOCTL_TYPE, 6)

/**
 * struct upu_affinity - argument of UPU_SET_AFFINITY and UPU_GET_AFFINITY
 * @argsz: sizeof(struct upu_affinity)
 * @flags: must be 0
 * @vector: an armed vector
 * @mask_size: bytes at @mask, a multiple of 8, at most a page (E2BIG)
 * @mask: user address of a CPU mask, bit 0 of the first byte being CPU 0
 *
 * The mask holds until it is set again or the vector is disarmed. It must be made of CPUs that the
 * calling thread may run on.
 *
 * Errors: E2BIG, EBUSY (SET in D3), EFAULT, EINVAL (empty, no CPU of it online, one that the
 * machine cannot have, or too short on GET), EIO, ENODEV, ENOMEM, ENXIO, EOPNOTSUPP (SET of an
 * INTx line that other devices share), EPERM.
 */
struct upu_affinity {
	__u32 argsz;
	__u32 flags;
	__u32 vector;
	__u32 mask_size;
	__u64 mask;
};

#define UPU_SET_AFFINITY	_IO(UPU_IOCTL_TYPE, 7)
#define UPU_GET_AFFINITY	_IO(UPU_IOCTL_TYPE, 8)

/* ---------------------------------------------------------------------------------------- */

/* struct upu_set_eventfd.flags, of UPU_SET_REQ_EVENTFD alone */
#define UPU_REQ_SPARE_BARS	(1 << 0)	/* BARs taken away read all ones: no SIGBUS */

/**
 * struct upu_set_eventfd - argument of UPU_SET_ERR_EVENTFD, UPU_SET_REQ_EVENTFD and
 *	UPU_SET_INVALIDATION_EVENTFD
 * @argsz: sizeof(struct upu_set_eventfd)
 * @flags: UPU_REQ_SPARE_BARS or 0
 * @fd: an eventfd, or -1 for none
 * @reserved: must be 0
 *
 * ERR is signalled when an error step (AER) is queued for UPU_GET_EVENT, REQ when a removal or a
 * suspend is, INVALIDATION when a record is queued for UPU_GET_INVALIDATIONS. What is waiting
 * already when the eventfd is set is signalled at once. REQ is signalled as well when the device is
 * taken away for good, by REVOKE or by its removal; from then on every call is ENODEV.
 *
 * A BAR that is mapped when the device is taken away is SIGBUS from then on. A process that has
 * more than this device to lose sets UPU_REQ_SPARE_BARS: then the pages of its BARs read all ones,
 * as a device that is not there does, and what is written to them reaches nobody (but is read back,
 * since all of them are one page of memory). It stays set.
 *
 * Errors: EBADF, EFAULT, EINVAL (not an eventfd), ENODEV, ENOMEM.
 */
struct upu_set_eventfd {
	__u32 argsz;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};

#define UPU_SET_ERR_EVENTFD	_IO(UPU_IOCTL_TYPE, 9)
#define UPU_SET_REQ_EVENTFD	_IO(UPU_IOCTL_TYPE, 10)
#define UPU_SET_INVALIDATION_EVENTFD	_IO(UPU_IOCTL_TYPE, 11)

/* struct upu_event.kind; those marked ? wait for a reply */
#define UPU_EVENT_ERROR		1	/* ? the device reported an error; @state says how bad */
#define UPU_EVENT_MMIO_ENABLED	2	/* ? registers can be read again */
#define UPU_EVENT_SLOT_RESET	3	/* ? link reset, configuration restored */
#define UPU_EVENT_RESUME	4	/*   recovery is over, go on */
#define UPU_EVENT_SUSPEND	5	/* ? the system wants to suspend */
#define UPU_EVENT_RESUMED	6	/*   the system is back, or did not suspend after all */
#define UPU_EVENT_REMOVE	7	/* ? the device is to go: the answer is close() */
#define UPU_EVENT_RESET		8	/*   somebody else has reset the device */

/* struct upu_event.state of UPU_EVENT_ERROR */
#define UPU_STATE_NORMAL	1	/* I/O works */
#define UPU_STATE_FROZEN	2	/* I/O is blocked */
#define UPU_STATE_DEAD		3	/* for good */

/* struct upu_event.flags */
#define UPU_EVENT_LOST		(1 << 0)	/* older events were dropped unread */

/**
 * struct upu_event - argument of UPU_GET_EVENT
 * @argsz: sizeof(struct upu_event)
 * @flags: must be 0 on entry; UPU_EVENT_* flags on return
 * @kind: UPU_EVENT_*
 * @state: UPU_STATE_*, else 0
 * @sequence: names the event in UPU_REPLY
 * @deadline_ms: time left to reply, in milliseconds; 0 where no reply is awaited (any more)
 * @reserved: 0
 *
 * Takes the oldest event. Never blocks.
 *
 * Errors: EAGAIN (none is waiting), EFAULT, EINVAL, ENODEV.
 */
struct upu_event {
	__u32 argsz;
	__u32 flags;
	__u32 kind;
	__u32 state;
	__u64 sequence;
	__u32 deadline_ms;
	__u32 reserved;
};

#define UPU_GET_EVENT		_IO(UPU_IOCTL_TYPE, 12)

/* struct upu_reply.answer */
#define UPU_REPLY_RECOVERED	1	/* error steps: well again. Suspend: go ahead */
#define UPU_REPLY_CAN_RECOVER	2	/* ERROR: go on to MMIO_ENABLED */
#define UPU_REPLY_NEED_RESET	3	/* error steps: reset the link, please */
#define UPU_REPLY_DISCONNECT	4	/* error steps: give the device up. Suspend: refuse */

/**
 * struct upu_reply - argument of UPU_REPLY
 * @argsz: sizeof(struct upu_reply)
 * @flags: must be 0
 * @sequence: of the event
 * @answer: UPU_REPLY_*
 * @reserved: must be 0
 *
 * A reply that comes too late is ENOENT, and the kernel has done what it does without one: ERROR of
 * state NORMAL goes on to MMIO_ENABLED, of state FROZEN asks for a reset, DEAD disconnects; every
 * other step counts as recovered; suspend goes ahead; a removal takes the device away.
 * A link that is FROZEN is reset whatever the answer; RECOVERED and CAN_RECOVER mean NEED_RESET.
 * Without an eventfd for the event nobody is waited for.
 *
 * Errors: EFAULT, EINVAL (also an answer that the event does not have), ENODEV, ENOENT.
 */
struct upu_reply {
	__u32 argsz;
	__u32 flags;
	__u64 sequence;
	__u32 answer;
	__u32 reserved;
};

#define UPU_REPLY		_IO(UPU_IOCTL_TYPE, 13)

/**
 * struct upu_plain - argument of UPU_RESET and UPU_REVOKE
 * @argsz: sizeof(struct upu_plain)
 * @flags: must be 0
 *
 * RESET brings the function to its initial state by the best means it has. Configuration space as
 * the kernel set it up, armed vectors and DMA mappings stay; mapped BARs are taken away during the
 * reset and come back with the next access.
 * Errors: EBUSY, EFAULT, EINVAL, EIO (it has not come back), ENODEV, EOPNOTSUPP.
 *
 * REVOKE, on a control descriptor, takes the device away from its user: bus mastering off, reset,
 * interrupts freed, BARs gone (SIGBUS), memory unmapped. The user's calls are ENODEV from then on,
 * and the device can be opened anew. Without a user it does nothing, and succeeds.
 * Errors: EFAULT, EINVAL, ENODEV, EPERM.
 */
struct upu_plain {
	__u32 argsz;
	__u32 flags;
};

#define UPU_RESET		_IO(UPU_IOCTL_TYPE, 14)
#define UPU_REVOKE		_IO(UPU_IOCTL_TYPE, 15)

#endif /* _UAPI_UIO_PCI_USER_H */
