/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as config*.c and upu.h name, so that they themselves, not a copy, run in a program of their
 * own, over a device that is an array of bytes. Every <linux/...> that they include is this file (see the Makefile).
 */
#ifndef SHIM_H
#define SHIM_H

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
typedef unsigned int uint;
typedef int irqreturn_t, vm_fault_t, pci_power_t;
typedef u64 phys_addr_t, resource_size_t;
typedef unsigned long vm_flags_t;

#define __user
#define __iomem
#define __force
#define LINUX_VERSION_CODE	(6 << 16 | 12 << 8)
#define KERNEL_VERSION(a, b, c)	((a) << 16 | (b) << 8 | (c))
#define GFP_KERNEL		0
#define GFP_KERNEL_ACCOUNT	0
#define PAGE_SHIFT		12
#define HZ			100
#define time_before(a, b)	((long)((a) - (b)) < 0)
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define BIT(n)			(1ul << (n))
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, value)	((x) = (value))
#define smp_mb()
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(type, a, b)	((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max_t(type, a, b)	((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define round_up(x, to)		(((x) + (to) - 1) / (to) * (to))
#define container_of(pointer, type, member) \
	((type *)((char *)(pointer) - offsetof(type, member)))

/* Named by upu.h, and never looked into here. */
struct list_head { void *next; };
struct device { int number; };
struct cdev { int number; };
struct mutex { int held; };
struct rw_semaphore { int held; };
struct kref { int count; };
struct rb_node { int color; };
struct rb_root { void *node; };
struct mmu_interval_notifier { int number; };
struct work_struct { int number; };
typedef struct { int held; } spinlock_t;
typedef struct { int count; } atomic_t;
typedef struct { long count; } atomic64_t;
typedef struct { int number; } wait_queue_head_t, poll_table;
struct task_struct;
struct eventfd_ctx;
struct iommu_group;
struct iommu_domain;
struct mm_struct;
struct vm_area_struct;
struct address_space;
struct file;
struct page;
struct class;
struct file_operations;
struct pci_error_handlers;
struct pci_device_id;
struct pci_saved_state;
struct workqueue_struct;

#define IORESOURCE_IO		0x100
#define IORESOURCE_MEM		0x200
#define IORESOURCE_PREFETCH	0x2000
#define IORESOURCE_MEM_64	0x100000
#define IORESOURCE_UNSET	0x20000000
#define PCI_ROM_RESOURCE	6
#define PCI_STD_NUM_BARS	6

enum { PCI_D0, PCI_D1, PCI_D2, PCI_D3hot, PCI_D3cold };

/* The device: its bytes, and what the tests want to know of what was done to it. */
struct pci_dev {
	u8 space[4096];
	u8 saved[4096];
	int cfg_size;
	u16 vendor, device;
	u8 msi_cap, pm_cap, pcie_cap;
	u32 devcap;
	int current_state;
	unsigned int is_virtfn:1, no_command_memory:1, block_cfg_access:1;
	struct {
		unsigned long flags;
		u64 size;
	} resource[7];
	int mps, readrq;
	u8 vpd[256];
	int vpd_error;
	unsigned int reads, writes, resets, moves, vpd_accesses, intx_updates, zaps;
	bool gone, locked_at_vpd;
	struct mutex *lock;
};

extern unsigned long jiffies;

int pci_read_config_byte(struct pci_dev *pdev, int pos, u8 *value);
int pci_read_config_word(struct pci_dev *pdev, int pos, u16 *value);
int pci_read_config_dword(struct pci_dev *pdev, int pos, u32 *value);
int pci_write_config_byte(struct pci_dev *pdev, int pos, u8 value);
int pci_write_config_word(struct pci_dev *pdev, int pos, u16 value);
int pci_write_config_dword(struct pci_dev *pdev, int pos, u32 value);
bool pci_device_is_present(struct pci_dev *pdev);
int pci_set_power_state(struct pci_dev *pdev, int state);
int pci_save_state(struct pci_dev *pdev);
void pci_restore_state(struct pci_dev *pdev);
void pci_clear_master(struct pci_dev *pdev);
ssize_t pci_read_vpd(struct pci_dev *pdev, long pos, size_t count, void *data);
ssize_t pci_write_vpd(struct pci_dev *pdev, long pos, size_t count, const void *data);
int pcie_set_readrq(struct pci_dev *pdev, int size);

#define pci_resource_flags(pdev, i)	((pdev)->resource[i].flags)
#define pci_resource_len(pdev, i)	((pdev)->resource[i].size)
#define pcie_get_mps(pdev)		((pdev)->mps)
#define pcie_get_readrq(pdev)		((pdev)->readrq)

static inline u16 pcie_caps_reg(struct pci_dev *pdev)
{
	u16 value;

	pci_read_config_word(pdev, pdev->pcie_cap + PCI_EXP_FLAGS, &value);
	return value;
}

static inline int pci_pcie_type(struct pci_dev *pdev)
{
	return (pcie_caps_reg(pdev) & PCI_EXP_FLAGS_TYPE) >> 4;
}

static inline void pci_cfg_access_lock(struct pci_dev *pdev) { pdev->block_cfg_access = 0; }
static inline void pci_cfg_access_unlock(struct pci_dev *pdev) { (void)pdev; }
static inline void mutex_lock(struct mutex *mutex) { mutex->held++; }
static inline int mutex_lock_killable(struct mutex *mutex) { mutex->held++; return 0; }
static inline void mutex_unlock(struct mutex *mutex) { mutex->held--; }
static inline void down_write(struct rw_semaphore *lock) { lock->held++; }
static inline void up_write(struct rw_semaphore *lock) { lock->held--; }
static inline void *kmalloc(size_t size, int gfp) { (void)gfp; return malloc(size); }
static inline void kfree(const void *memory) { free((void *)memory); }

/* A null pointer is what the tests have for a bad one. */
static inline unsigned long copy_from_user(void *to, const void *from, size_t size)
{
	if (!from)
		return size;
	memcpy(to, from, size);
	return 0;
}

static inline unsigned long copy_to_user(void *to, const void *from, size_t size)
{
	if (!to)
		return size;
	memcpy(to, from, size);
	return 0;
}

#endif
