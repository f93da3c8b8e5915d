/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The access rules of configuration space: this file is all of them, and nothing but lines of three
 * macros with plain literals, so that other programs can read it. It is included several times.
 *
 * UPU_CAP(space, id, size)
 *	A capability that the user sees. space: CAP (standard) or ECAP (extended). size in bytes, or
 *	VARIABLE where the capability itself says. Every id without a line is hidden: unlinked from
 *	its list, or, as the first extended one, a placeholder of id 0.
 *
 * UPU_RULE(space, id, when, offset, width, virt, write, trap)
 *	Bits of one register at offset in its capability (space HEADER: in the header), width bytes.
 *	virt: bits that the user reads from and writes to a shadow, and the device never sees.
 *	write: bits that the user can write; a write to the others is dropped, and succeeds.
 *	when: ALWAYS; for MSI the layout that its flags give; NO_MEMORY for a function without the
 *	memory bit of COMMAND. Of two rules for one byte the later holds.
 *	trap: what else a write does; NONE for most.
 *	Bytes of a capability without a rule are read through, and writes to them are dropped.
 *
 * UPU_BODY(space, id, offset)
 *	From offset on, the whole body is passed through and writable.
 *
 * Byte 1 (next) of every standard, and dword 0 of every extended capability is virtual and
 * read-only. Of a hidden capability, up to the next one, bytes are read through and writes to them
 * are dropped. Bytes between capabilities otherwise are passed through and writable.
 */

/* Header */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x00, 2, 0xffff, 0x0000, NONE)		/* vendor */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x02, 2, 0xffff, 0x0000, NONE)		/* device */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x04, 2, 0x0400, 0xffff, COMMAND)
UPU_RULE(HEADER, 0x00, NO_MEMORY, 0x04, 2, 0x0402, 0xffff, COMMAND)	/* a VF has no such bit */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x06, 2, 0x0010, 0x0000, NONE)		/* status */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x0c, 1, 0x00, 0xff, NONE)		/* cache line size */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x0d, 1, 0x00, 0xff, NONE)		/* latency timer */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x0f, 1, 0x00, 0xff, NONE)		/* self test */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x10, 4, 0xffffffff, 0xffffffff, BAR)
UPU_RULE(HEADER, 0x00, ALWAYS, 0x14, 4, 0xffffffff, 0xffffffff, BAR)
UPU_RULE(HEADER, 0x00, ALWAYS, 0x18, 4, 0xffffffff, 0xffffffff, BAR)
UPU_RULE(HEADER, 0x00, ALWAYS, 0x1c, 4, 0xffffffff, 0xffffffff, BAR)
UPU_RULE(HEADER, 0x00, ALWAYS, 0x20, 4, 0xffffffff, 0xffffffff, BAR)
UPU_RULE(HEADER, 0x00, ALWAYS, 0x24, 4, 0xffffffff, 0xffffffff, BAR)
UPU_RULE(HEADER, 0x00, ALWAYS, 0x30, 4, 0xffffffff, 0xffffffff, BAR)	/* ROM */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x34, 1, 0xff, 0x00, NONE)		/* first capability */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x3c, 1, 0xff, 0xff, NONE)		/* interrupt line */
UPU_RULE(HEADER, 0x00, ALWAYS, 0x3d, 1, 0xff, 0x00, NONE)		/* interrupt pin */

/* Power management */
UPU_CAP(CAP, 0x01, 8)
UPU_RULE(CAP, 0x01, ALWAYS, 0x02, 2, 0xf800, 0x0000, NONE)		/* PME support: none */
UPU_RULE(CAP, 0x01, ALWAYS, 0x04, 4, 0x00008100, 0xffff7ffc, PM_CONTROL)

/* AGP: read through */
UPU_CAP(CAP, 0x02, 12)

/* Vital product data */
UPU_CAP(CAP, 0x03, 8)
UPU_RULE(CAP, 0x03, ALWAYS, 0x02, 2, 0xffff, 0xffff, VPD)
UPU_RULE(CAP, 0x03, ALWAYS, 0x04, 4, 0xffffffff, 0xffffffff, NONE)

/* MSI: enabled through SET_IRQS alone; address and data are for show */
UPU_CAP(CAP, 0x05, VARIABLE)
UPU_RULE(CAP, 0x05, ALWAYS, 0x02, 1, 0xff, 0x71, MSI_FLAGS)
UPU_RULE(CAP, 0x05, ALWAYS, 0x04, 4, 0xffffffff, 0xffffffff, NONE)
UPU_RULE(CAP, 0x05, MSI_64, 0x08, 4, 0xffffffff, 0xffffffff, NONE)
UPU_RULE(CAP, 0x05, MSI_64, 0x0c, 2, 0xffff, 0xffff, NONE)
UPU_RULE(CAP, 0x05, MSI_64, 0x10, 4, 0x00000000, 0xffffffff, NONE)
UPU_RULE(CAP, 0x05, MSI_64, 0x14, 4, 0x00000000, 0xffffffff, NONE)
UPU_RULE(CAP, 0x05, MSI_32, 0x08, 2, 0xffff, 0xffff, NONE)
UPU_RULE(CAP, 0x05, MSI_32, 0x0c, 4, 0x00000000, 0xffffffff, NONE)
UPU_RULE(CAP, 0x05, MSI_32, 0x10, 4, 0x00000000, 0xffffffff, NONE)

/* PCI-X */
UPU_CAP(CAP, 0x07, VARIABLE)
UPU_RULE(CAP, 0x07, ALWAYS, 0x02, 2, 0x0000, 0xffff, NONE)
UPU_RULE(CAP, 0x07, ALWAYS, 0x08, 4, 0x00000000, 0xffffffff, NONE)

/* HyperTransport: read through */
UPU_CAP(CAP, 0x08, VARIABLE)

/* Vendor specific: drivers keep registers there */
UPU_CAP(CAP, 0x09, VARIABLE)
UPU_BODY(CAP, 0x09, 2)

/* PCI Express */
UPU_CAP(CAP, 0x10, VARIABLE)
UPU_RULE(CAP, 0x10, ALWAYS, 0x08, 2, 0xf0e0, 0xfdff, DEVICE_CONTROL)
UPU_RULE(CAP, 0x10, ALWAYS, 0x28, 2, 0x0000, 0xffdf, NONE)		/* control 2 */

/* MSI-X: read-only */
UPU_CAP(CAP, 0x11, 12)

/* SATA: read through */
UPU_CAP(CAP, 0x12, VARIABLE)

/* Advanced features */
UPU_CAP(CAP, 0x13, 6)
UPU_RULE(CAP, 0x13, ALWAYS, 0x04, 1, 0x01, 0x01, AF_CONTROL)

/* Advanced error reporting */
UPU_CAP(ECAP, 0x0001, 44)
UPU_RULE(ECAP, 0x0001, ALWAYS, 0x04, 4, 0x00000000, 0x03fff031, NONE)
UPU_RULE(ECAP, 0x0001, ALWAYS, 0x08, 4, 0x00000000, 0x03fff031, NONE)
UPU_RULE(ECAP, 0x0001, ALWAYS, 0x0c, 4, 0x00000000, 0x03fff031, NONE)
UPU_RULE(ECAP, 0x0001, ALWAYS, 0x10, 4, 0x00000000, 0x0000f1c1, NONE)
UPU_RULE(ECAP, 0x0001, ALWAYS, 0x14, 4, 0x00000000, 0x0000f1c1, NONE)
UPU_RULE(ECAP, 0x0001, ALWAYS, 0x18, 4, 0x00000000, 0x00000140, NONE)

/* Power budgeting: the data select register */
UPU_CAP(ECAP, 0x0004, 16)
UPU_RULE(ECAP, 0x0004, ALWAYS, 0x04, 1, 0x00, 0xff, NONE)

/* Vendor specific, and designated vendor specific */
UPU_CAP(ECAP, 0x000b, VARIABLE)
UPU_BODY(ECAP, 0x000b, 4)
UPU_CAP(ECAP, 0x0023, VARIABLE)
UPU_BODY(ECAP, 0x0023, 4)

/* Read through */
UPU_CAP(ECAP, 0x0002, VARIABLE)						/* virtual channel */
UPU_CAP(ECAP, 0x0003, 12)						/* serial number */
UPU_CAP(ECAP, 0x0008, VARIABLE)						/* multi-function VC */
UPU_CAP(ECAP, 0x0009, VARIABLE)						/* the same */
UPU_CAP(ECAP, 0x000d, VARIABLE)						/* access control */
UPU_CAP(ECAP, 0x000e, 8)						/* ARI */
UPU_CAP(ECAP, 0x000f, 8)						/* ATS */
UPU_CAP(ECAP, 0x0010, 64)						/* SR-IOV */
UPU_CAP(ECAP, 0x0012, 44)						/* multicast */
UPU_CAP(ECAP, 0x0013, 16)						/* page requests */
UPU_CAP(ECAP, 0x0015, VARIABLE)						/* resizable BAR */
UPU_CAP(ECAP, 0x0016, VARIABLE)						/* dynamic power */
UPU_CAP(ECAP, 0x0017, VARIABLE)						/* TPH */
UPU_CAP(ECAP, 0x0018, 8)						/* latency tolerance */
