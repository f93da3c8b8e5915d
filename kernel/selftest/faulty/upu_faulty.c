// SPDX-License-Identifier: GPL-2.0
/*
 * For the tests alone: makes, as it is loaded, one of the mistakes that a debug kernel is there to
 * see. Whether it sees them, and whether those who read its log do, is what ../detectors asks.
 *
 *	insmod upu_faulty.ko mistake=use_after_free
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timer.h>

#define LEAKED	16	/* objects: a pointer to one of them may stay behind on the stack */

static char *mistake = "none";
module_param(mistake, charp, 0444);
MODULE_PARM_DESC(mistake, "What to do wrong; none");

static int number;	/* what is read or shifted is not to be optimized away */
static int __rcu *shared;

static void upu_none(void)
{
}

static void upu_use_after_free(void)
{
	int *memory = kmalloc(64, GFP_KERNEL);

	kfree(memory);
	if (memory)
		WRITE_ONCE(number, READ_ONCE(*memory));
}

static void upu_out_of_bounds(void)
{
	char *memory = kmalloc(60, GFP_KERNEL);
	int end = 60;

	OPTIMIZER_HIDE_VAR(end);
	if (memory)
		WRITE_ONCE(number, READ_ONCE(memory[end]));
	kfree(memory);
}

static noinline void upu_leak(void)
{
	void *memory = NULL;
	int i;

	for (i = 0; i < LEAKED; i++) {
		memory = kmalloc(200, GFP_KERNEL);
		OPTIMIZER_HIDE_VAR(memory);
	}
}

static void upu_undefined_shift(void)
{
	int by = 40;

	OPTIMIZER_HIDE_VAR(by);
	WRITE_ONCE(number, 1 << by);
}

static void upu_sleep_under_a_spinlock(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
}

static void upu_order_of_locks(void)
{
	static DEFINE_MUTEX(first);
	static DEFINE_MUTEX(second);

	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static void upu_rcu_without_its_lock(void)
{
	WRITE_ONCE(number, !!rcu_dereference(shared));
}

static void upu_broken_list(void)
{
	struct list_head head, entry;

	INIT_LIST_HEAD(&head);
	list_add(&entry, &head);
	list_del(&entry);
	list_del(&entry);
}

static void upu_never(struct timer_list *timer)
{
}

static void upu_freed_timer(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return;
	timer_setup(timer, upu_never, 0);
	mod_timer(timer, jiffies + 3600 * HZ);
	kfree(timer);
}

static const struct {
	const char *name;
	void (*make)(void);
} upu_mistakes[] = {
	{ "none", upu_none },
	{ "use_after_free", upu_use_after_free },
	{ "out_of_bounds", upu_out_of_bounds },
	{ "leak", upu_leak },
	{ "undefined_shift", upu_undefined_shift },
	{ "sleep_under_a_spinlock", upu_sleep_under_a_spinlock },
	{ "order_of_locks", upu_order_of_locks },
	{ "rcu_without_its_lock", upu_rcu_without_its_lock },
	{ "broken_list", upu_broken_list },
	{ "freed_timer", upu_freed_timer },
};

static int __init upu_faulty_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(upu_mistakes); i++)
		if (!strcmp(mistake, upu_mistakes[i].name)) {
			upu_mistakes[i].make();
			return 0;
		}
	return -EINVAL;
}

static void __exit upu_faulty_exit(void)
{
}

module_init(upu_faulty_init);
module_exit(upu_faulty_exit);

MODULE_DESCRIPTION("Test fixture of uio_pci_user: a mistake on request");
MODULE_LICENSE("GPL");
