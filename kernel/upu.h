/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of uio_pci_user share.
 *
 * Locks, outermost first:
 *
 *	device_lock		PCI core: probe, remove, errors, resets. Only ever tried for by us.
 *	upu_device.lock		who is the user; configuration space, interrupts, reset. Never held
 *				while user memory is touched: no user can stall a removal.
 *	upu_device.vpd_lock	VPD, with upu_device.lock let go
 *	upu_dma.owner_lock	whose memory may be mapped
 *	mmap_lock		of any process
 *	upu_session.bar_lock	registers: read side by accesses and faults, write side by what
 *				takes them away. Nothing that takes mmap_lock happens inside.
 *	upu_mapping.lock	whether the IOMMU knows the mapping. Taken in MMU notifiers.
 *	upu_dma.tree_lock	which mappings there are, and the queue of invalidations
 *	upu_session.event_lock	eventfds and events (irqs off)
 *	upu_vector.lock		a vector's eventfd and mask (irqs off: the handler takes it)
 *
 * Owners: a device is kept by its class device, a session by its file (and by work that is queued
 * for it); revocation ends a session, its memory goes with the last close.
 */
#ifndef UPU_H
#define UPU_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/irqreturn.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat/compat.h"
#include "uapi/uio_pci_user.h"

#define UPU_NAME	"uio_pci_user"

extern bool upu_allow_noiommu;
extern bool upu_allow_unsafe_interrupts;
extern uint upu_dma_entry_limit;
extern uint upu_reply_timeout_ms;
extern uint upu_remove_timeout_ms;

/* Work that ends before the module does. */
extern struct workqueue_struct *upu_wq;

struct upu_session;

/*
 * Failures of which the PCI core writes a line to the log each: so many in so long a time are let
 * happen, then the answer is given without asking it.
 */
#define UPU_FAILURES		10
#define UPU_FAILURES_TIME	(10 * HZ)

struct upu_failures {
	unsigned int count;
	unsigned long end;		/* jiffies */
};

static inline bool upu_failed_enough(const struct upu_failures *failures)
{
	return failures->count >= UPU_FAILURES && time_before(jiffies, failures->end);
}

static inline void upu_failed(struct upu_failures *failures)
{
	if (!failures->count || !time_before(jiffies, failures->end)) {
		failures->count = 0;
		failures->end = jiffies + UPU_FAILURES_TIME;
	}
	failures->count++;
}

/* One bound function. */
struct upu_device {
	struct device dev;		/* of our class; its release frees this */
	struct cdev cdev;
	struct pci_dev *pdev;		/* referenced */
	struct mutex lock;
	struct upu_session *session;	/* the one user, or NULL; set under @lock and @user_lock */
	spinlock_t user_lock;		/* for who looks @session up and must not wait for @lock */
	struct task_struct *resetter;	/* holds @lock through a reset; compared only */
	bool gone;			/* removed; under @lock */
	bool dirty;			/* used since its last reset; under @lock */
	struct upu_failures enabling;	/* under @lock */
	struct mutex vpd_lock;		/* one access at a time */
	struct upu_failures vpd;	/* under @vpd_lock */
	unsigned long error_until;	/* jiffies; an error is being handled, 0 if none is */
	struct pci_saved_state *pristine;	/* as it was bound */
	struct upu_session *reset_session;	/* its bar_lock is held through a foreign reset */
	u16 reset_command;		/* what upu_memory_force_on() found before that reset */
	struct list_head node;		/* in the list of all devices */
};

/* ---- bar.c ---- */

#define UPU_BAR_RANGES	3	/* a BAR less MSI-X table and PBA: three pieces at most */

struct upu_bar_state {
	u64 size;
	u32 flags;			/* UPU_BAR_* */
	unsigned int ranges;
	struct upu_bar_range range[UPU_BAR_RANGES];
	u64 table;			/* the MSI-X table, which no access reaches; none: */
	u64 table_end;			/*	both are 0 */
	void __iomem *io;		/* mapped at the first access, under upu_device.lock */
};

void upu_bar_open(struct upu_session *session);
int upu_bar_spare(struct upu_session *session);
void upu_bar_close(struct upu_session *session);
void upu_bar_zap(struct upu_session *session);
bool upu_bar_reachable(struct upu_session *session);
u16 upu_memory_force_on(struct upu_session *session);
void upu_memory_restore(struct upu_session *session, u16 command);
int upu_get_bar(struct upu_session *session, void __user *user);
ssize_t upu_bar_rw(struct upu_session *session, unsigned int index, char __user *user,
		   size_t count, u64 offset, bool write);
int upu_bar_mmap(struct upu_session *session, struct vm_area_struct *vma);

/* ---- config.c, config_layout.c, config_hidden.c, config_effects.c ---- */

#define UPU_CAP_COUNT	64
#define UPU_CAP_GAP	0xff		/* in upu_config.owner: between capabilities */

struct upu_cap {
	u16 id;
	u16 start;
	u16 size;
};

/* A byte of each array for each byte of configuration space. */
struct upu_config {
	u8 virt[PCI_CFG_SPACE_EXP_SIZE];	/* bits that live in @shadow, not in the device */
	u8 writable[PCI_CFG_SPACE_EXP_SIZE];
	u8 shadow[PCI_CFG_SPACE_EXP_SIZE];
	u8 owner[PCI_CFG_SPACE_EXP_SIZE];	/* index in @caps; 0 is the header */
	u8 trap[PCI_CFG_SPACE_EXP_SIZE];	/* enum upu_trap */
	struct upu_cap caps[UPU_CAP_COUNT];
	unsigned int cap_count;
	u32 real_bar[7];			/* as the kernel assigned them, ROM last */
	u16 size;
	bool d3;
	bool restore_in_d0;			/* the device forgets its state in D3hot */
	u16 command_in_d0;			/* COMMAND as it was before D3hot */
	u16 command_at_suspend;
	bool intx_disabled;			/* COMMAND bit 10 as the user wrote it */
};

int upu_config_open(struct upu_session *session);
ssize_t upu_config_rw(struct upu_session *session, char __user *user, size_t count, u64 offset,
		      bool write);
bool upu_config_memory_on(struct upu_session *session);
void upu_config_reloaded(struct upu_session *session);
void upu_config_wake(struct upu_session *session);
void upu_config_resumed(struct upu_session *session);

/* ---- irq.c, intx.c, affinity.c, counter.c ---- */

struct upu_vector {
	struct upu_session *session;
	spinlock_t lock;
	struct eventfd_ctx *trigger;	/* NULL: the counter alone */
	unsigned int index;
	int virq;
	bool masked;			/* by the user, or INTx by its own interrupt */
	bool hw_masked;			/* INTx: what the device has been told */
	bool pending;			/* triggered by software while masked */
	char name[48];
};

struct upu_resample;

struct upu_irqs {
	u32 have[UPU_IRQ_MSIX + 1];	/* by kind; read once, while the device is there */
	u32 kind;			/* UPU_IRQ_*; all under upu_device.lock */
	u32 allocated;			/* vectors that the PCI core gave at the first ARM */
	u32 armed;
	struct upu_vector **vector;	/* of @size; NULL where disarmed */
	u32 size;
	bool intx_pci23;
	struct upu_resample *resample;
	atomic_t events;		/* interrupts of all vectors */
	u32 events_seen;		/* by read() */
	wait_queue_head_t wait;
};

void upu_irq_init(struct upu_session *session);
void upu_irq_open(struct upu_session *session);
void upu_irq_close(struct upu_session *session);
u32 upu_irq_count(struct pci_dev *pdev, u32 kind);
bool upu_irq_msi_safe(struct pci_dev *pdev);
int upu_set_irqs(struct upu_session *session, void __user *user);
int upu_irq_arm_awake(struct upu_session *session, u32 kind, u32 start, u32 count,
		      u32 maximum, struct eventfd_ctx **trigger, const bool *armed);
u16 upu_table_begin(struct upu_session *session, u32 kind);
int upu_irq_mask(struct upu_session *session, u32 start, u32 count, bool mask);
void upu_vector_signal(struct upu_vector *v);
void upu_vector_mask(struct upu_session *session, struct upu_vector *v, bool mask);
irqreturn_t upu_intx_handler(int irq, void *arg);
void upu_intx_apply(struct upu_vector *v);
void upu_intx_update(struct upu_session *session);
void upu_intx_refresh(struct upu_session *session);
int upu_set_affinity(struct upu_session *session, void __user *user);
int upu_get_affinity(struct upu_session *session, void __user *user);
ssize_t upu_counter_read(struct upu_session *session, struct file *file, char __user *user,
			 size_t count);
ssize_t upu_counter_write(struct upu_session *session, const char __user *user, size_t count);
__poll_t upu_counter_poll(struct upu_session *session, struct file *file, poll_table *wait);

/* ---- resample.c ---- */

struct upu_resample *upu_resample_new(struct upu_session *session, int fd);
void upu_resample_free(struct upu_resample *resample);
void upu_intx_resample(struct upu_session *session);

/* ---- dma.c, domain.c, mapping.c, notifier.c ---- */

/* Pages that lie one after the other. */
struct upu_run {
	struct page *page;
	unsigned long count;
};

struct upu_mapping {
	struct kref ref;
	struct rb_node node;		/* in upu_dma.tree, by iova; under tree_lock */
	struct list_head link;		/* on its way out */
	struct upu_session *session;
	struct mm_struct *mm;		/* grabbed */
	struct mmu_interval_notifier notifier;
	u64 iova;
	u64 size;
	u64 vaddr;
	u32 flags;
	bool watched;			/* @notifier is inserted */
	bool accounted;
	bool pinned;			/* by us; else the pages are @buffer's */
	struct file *buffer;

	spinlock_t lock;
	bool live;			/* the IOMMU knows it; under @lock */

	bool in_tree;			/* these under tree_lock */
	bool busy;			/* DMA_MAP has not finished */
	bool leaving;			/* DMA_UNMAP or the end of the session has it */
	struct list_head check;		/* in upu_dma.to_check: a CLEAR was seen */
	bool told;			/* its record has been queued */

	struct upu_run *runs;
	unsigned long run_count;
	unsigned long run_room;
};

#define UPU_RECORDS	256

struct upu_owner;

struct upu_dma {
	struct iommu_group *group;	/* NULL without an IOMMU */
	struct iommu_domain *domain;	/* freed with the session */
	bool attached;
	bool claimed;
	int prot;			/* IOMMU_CACHE or 0 */
	bool may_bypass_caches;		/* by DMA without snoop, which is kept off then */
	u64 page_sizes;
	u64 aperture_start;
	u64 aperture_last;
	struct upu_range *reserved;
	unsigned int reserved_count;

	struct mutex owner_lock;
	struct upu_owner *owner;
	bool quiet;			/* the owner has ended: no bus mastering */

	spinlock_t tree_lock;
	struct rb_root tree;
	u32 count;
	u32 leaving;			/* how many of them are on their way out */
	wait_queue_head_t left;		/* woken when none is, for DMA_UNMAP of all */
	bool closed;
	struct list_head doomed;	/* cut, still to be unpinned */
	struct list_head to_check;	/* for the worker to look at, in turn */
	struct upu_invalidation record[UPU_RECORDS];
	unsigned int record_head;
	unsigned int record_count;
	struct upu_invalidation merged;	/* what did not fit in @record; cause 0 if unused */
	u64 sequence;
	struct mutex read_lock;		/* one reader of the records at a time */
	atomic64_t pinned;		/* bytes */

	struct work_struct reap;
	struct work_struct check;
};

void upu_dma_init(struct upu_session *session);
int upu_dma_open(struct upu_session *session);
void upu_dma_close(struct upu_session *session);
void upu_dma_flush(struct upu_session *session);
void upu_dma_free(struct upu_session *session);
bool upu_dma_viable(struct upu_device *udev);
int upu_dma_map(struct upu_session *session, void __user *user);
int upu_dma_unmap(struct upu_session *session, void __user *user);
int upu_mapping_pin(struct upu_mapping *map);
void upu_mapping_unpin(struct upu_mapping *map);
int upu_mapping_attach(struct upu_mapping *map);
void upu_mapping_cut(struct upu_mapping *map);
int upu_account(struct upu_mapping *map);
void upu_unaccount(struct upu_mapping *map);
void upu_mapping_bury(struct upu_mapping *map);
void upu_reap_work(struct work_struct *work);
void upu_doom(struct upu_mapping *map);
void upu_mapping_put(struct upu_mapping *map);
void upu_dma_revoke_all(struct upu_session *session, u32 cause);
void upu_dma_tell_all(struct upu_session *session, u32 cause);

int upu_owner_claim(struct upu_session *session);
void upu_owner_unclaim(struct upu_session *session, bool mapped);
int upu_owner_check(struct upu_session *session);
void upu_owner_release(struct upu_session *session);
int upu_mapping_watch(struct upu_mapping *map);
void upu_mapping_unwatch(struct upu_mapping *map);
void upu_record(struct upu_mapping *map, u32 cause);
void upu_mapping_dismiss(struct upu_mapping *map, u32 cause);
void upu_check_work(struct work_struct *work);
int upu_get_invalidations(struct upu_session *session, void __user *user);

/* ---- buffer.c ---- */

int upu_dma_alloc(struct upu_session *session, void __user *user);
struct file *upu_buffer_get(int fd);
u64 upu_buffer_size(struct file *file);
struct page *upu_buffer_page(struct file *file, unsigned long index, unsigned long *count);

/* ---- handshake.c ---- */

#define UPU_EVENTS	16

struct upu_event_entry {
	u32 kind;
	u32 state;
	u32 flags;
	u64 sequence;
	unsigned long deadline;		/* jiffies; 0 where no reply is awaited */
};

enum upu_eventfd { UPU_EVENTFD_ERR, UPU_EVENTFD_REQ, UPU_EVENTFD_INVALIDATION, UPU_EVENTFD_COUNT };

struct upu_events {
	struct eventfd_ctx *eventfd[UPU_EVENTFD_COUNT];
	struct upu_event_entry entry[UPU_EVENTS];
	unsigned int head;
	unsigned int count;
	u64 sequence;
	u64 asked;			/* sequence of the event that waits for a reply, or 0 */
	u32 asked_kind;
	u32 answer;			/* UPU_REPLY_*, 0 while there is none */
	wait_queue_head_t wait;
	struct mutex read_lock;		/* one reader at a time */
};

extern const struct pci_error_handlers upu_error_handlers;
bool upu_device_in_error(struct upu_device *udev);
void upu_handshake_init(struct upu_session *session);
void upu_handshake_close(struct upu_session *session);
void upu_eventfd_signal(struct upu_session *session, enum upu_eventfd which);
int upu_set_eventfd(struct upu_session *session, enum upu_eventfd which, void __user *user);
int upu_get_event(struct upu_session *session, void __user *user);
int upu_reply(struct upu_session *session, void __user *user);
void upu_tell(struct upu_session *session, u32 kind, u32 state);
u32 upu_ask(struct upu_session *session, u32 kind, u32 state, unsigned int timeout_ms);

/* ---- suspend.c ---- */

extern const struct dev_pm_ops upu_pm_ops;
int upu_pm_register(void);
void upu_pm_unregister(void);

/* ---- session: device.c, revoke.c ---- */

struct upu_session {
	struct kref ref;
	struct upu_device *udev;	/* referenced */
	struct address_space *mapping;	/* of the opened file, for BARs to be zapped in */
	bool dead;			/* written under upu_device.lock and @bar_lock */
	struct rw_semaphore bar_lock;
	struct upu_bar_state bar[UPU_WINDOW_ROM + 1];
	struct upu_config *config;
	struct upu_irqs irqs;
	struct upu_dma dma;
	spinlock_t event_lock;
	struct upu_events events;
	struct pci_saved_state *pristine;
	struct page *ones;		/* what BARs read after the end, if asked; or NULL */
	bool enabled;			/* pci_enable_device() */
};

/* What struct file points to. */
struct upu_file {
	struct upu_device *udev;	/* referenced */
	struct upu_session *session;	/* NULL: a control descriptor */
};

extern const struct file_operations upu_fops;
extern struct class upu_class;
extern struct list_head upu_devices;
extern struct mutex upu_devices_lock;

int upu_chrdev_register(void);
void upu_chrdev_unregister(void);
int upu_probe(struct pci_dev *pdev, const struct pci_device_id *id);
void upu_remove(struct pci_dev *pdev);
void upu_session_put(struct upu_session *session);
struct upu_session *upu_session_of(struct upu_device *udev);
void upu_set_session(struct upu_device *udev, struct upu_session *session);
int upu_device_open(struct upu_device *udev, struct file *file, struct upu_session **result);
u16 upu_reset_begin(struct upu_session *session);
void upu_reset_end(struct upu_session *session, u16 command);
int upu_device_reset(struct upu_device *udev, struct upu_session *session);
u32 upu_reset_kinds(struct pci_dev *pdev);

/* Ends a session; upu_device.lock is held. Idempotent. */
void upu_session_end(struct upu_session *session);

static inline bool upu_session_dead(struct upu_session *session)
{
	return READ_ONCE(session->dead);
}

/*
 * To follow whatever has written COMMAND as it was read or saved before: the owner of the memory
 * may have ended meanwhile, and his notifier takes none of our locks. Any context.
 */
static inline void upu_keep_quiet(struct upu_session *session)
{
	smp_mb();		/* upu_quiet() sees what was written, or we see its mark */
	if (READ_ONCE(session->dma.quiet))
		pci_clear_master(session->udev->pdev);
}

/*
 * Copies an argument in by the rules of the uAPI: @size bytes, argsz first, flags second.
 * Returns 0, -EFAULT, or -EINVAL for a short argsz or unknown flags.
 */
static inline int upu_copy_in(void *arg, void __user *user, u32 size, u32 known_flags)
{
	u32 *head = arg;

	if (copy_from_user(arg, user, 2 * sizeof(u32)))
		return -EFAULT;
	if (head[0] < size || head[1] & ~known_flags)
		return -EINVAL;
	if (copy_from_user(arg, user, size))
		return -EFAULT;
	/* Another thread may have changed them between the two copies. */
	if (head[0] < size || head[1] & ~known_flags)
		return -EINVAL;
	return 0;
}

#endif
