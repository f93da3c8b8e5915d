// SPDX-License-Identifier: GPL-2.0
/*
 * Errors and removal: the user is told, asked, and waited for until a deadline. For suspend see
 * suspend.c.
 *
 * Whoever asks may hold the function's own lock (device_lock), but never upu_device.lock; a reply
 * needs event_lock alone.
 */
#include <linux/delay.h>

#include "upu.h"

/* An error that nobody ends (another function on the bus gave up) is over by itself after this. */
#define UPU_ERROR_MS	30000

void upu_handshake_init(struct upu_session *session)
{
	spin_lock_init(&session->event_lock);
	mutex_init(&session->events.read_lock);
	init_waitqueue_head(&session->events.wait);
}

/* The end of the session: nobody is asked any more, and who is waiting stops. */
void upu_handshake_close(struct upu_session *session)
{
	struct eventfd_ctx *old[UPU_EVENTFD_COUNT];
	unsigned long flags;
	int i;

	spin_lock_irqsave(&session->event_lock, flags);
	memcpy(old, session->events.eventfd, sizeof(old));
	memset(session->events.eventfd, 0, sizeof(old));
	/* Whoever polls one of them is to look, and to find ENODEV. */
	for (i = 0; i < UPU_EVENTFD_COUNT; i++)
		if (old[i] && i == UPU_EVENTFD_REQ)
			upu_eventfd_add(old[i]);
	spin_unlock_irqrestore(&session->event_lock, flags);
	for (i = 0; i < UPU_EVENTFD_COUNT; i++)
		if (old[i])
			eventfd_ctx_put(old[i]);
	wake_up_all(&session->events.wait);
}

/* Any context. */
void upu_eventfd_signal(struct upu_session *session, enum upu_eventfd which)
{
	unsigned long flags;

	spin_lock_irqsave(&session->event_lock, flags);
	if (session->events.eventfd[which])
		upu_eventfd_add(session->events.eventfd[which]);
	spin_unlock_irqrestore(&session->event_lock, flags);
}

static enum upu_eventfd upu_event_channel(u32 kind)
{
	switch (kind) {
	case UPU_EVENT_SUSPEND:
	case UPU_EVENT_RESUMED:
	case UPU_EVENT_REMOVE:
		return UPU_EVENTFD_REQ;
	default:
		return UPU_EVENTFD_ERR;
	}
}

/* Whether something is waiting that @which would have told of. event_lock is held. */
static bool upu_event_waiting(struct upu_session *session, enum upu_eventfd which)
{
	struct upu_events *events = &session->events;
	unsigned int i;

	if (which == UPU_EVENTFD_INVALIDATION)
		return READ_ONCE(session->dma.record_count);
	for (i = 0; i < events->count; i++)
		if (upu_event_channel(events->entry[(events->head + i) % UPU_EVENTS].kind) == which)
			return true;
	return false;
}

int upu_set_eventfd(struct upu_session *session, enum upu_eventfd which, void __user *user)
{
	struct upu_set_eventfd arg;
	struct eventfd_ctx *ctx = NULL;
	unsigned long flags;
	int ret;

	ret = upu_copy_in(&arg, user, sizeof(arg),
			  which == UPU_EVENTFD_REQ ? UPU_REQ_SPARE_BARS : 0);
	if (ret)
		return ret;
	if (arg.reserved || arg.fd < -1)
		return -EINVAL;
	if (arg.fd >= 0) {
		ctx = eventfd_ctx_fdget(arg.fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	if (arg.flags & UPU_REQ_SPARE_BARS) {
		ret = upu_bar_spare(session);
		if (ret)
			goto out;
	}
	spin_lock_irqsave(&session->event_lock, flags);
	/* Under @event_lock: what the end of the session has emptied stays empty. */
	if (upu_session_dead(session)) {
		ret = -ENODEV;
	} else {
		swap(session->events.eventfd[which], ctx);
		if (session->events.eventfd[which] && upu_event_waiting(session, which))
			upu_eventfd_add(session->events.eventfd[which]);
	}
	spin_unlock_irqrestore(&session->event_lock, flags);
out:
	if (ctx)
		eventfd_ctx_put(ctx);
	return ret;
}

/* Queues an event; the oldest makes room. event_lock is held. */
static struct upu_event_entry *upu_queue_event(struct upu_session *session, u32 kind, u32 state)
{
	struct upu_events *events = &session->events;
	struct upu_event_entry *entry;

	if (events->count == UPU_EVENTS) {
		events->head = (events->head + 1) % UPU_EVENTS;
		events->count--;
		events->entry[events->head].flags |= UPU_EVENT_LOST;
	}
	entry = &events->entry[(events->head + events->count++) % UPU_EVENTS];
	*entry = (struct upu_event_entry){
		.kind = kind, .state = state, .sequence = ++events->sequence };
	return entry;
}

void upu_tell(struct upu_session *session, u32 kind, u32 state)
{
	unsigned long flags;

	spin_lock_irqsave(&session->event_lock, flags);
	upu_queue_event(session, kind, state);
	spin_unlock_irqrestore(&session->event_lock, flags);
	upu_eventfd_signal(session, upu_event_channel(kind));
}

/*
 * Tells, and waits for the answer (UPU_REPLY_*), the end of the session, or the deadline. 0 if
 * there was no answer. Without an eventfd nobody listens, and nobody is waited for.
 */
u32 upu_ask(struct upu_session *session, u32 kind, u32 state, unsigned int timeout_ms)
{
	struct upu_events *events = &session->events;
	unsigned long timeout = msecs_to_jiffies(timeout_ms), flags;
	struct upu_event_entry *entry;
	bool listens;
	u32 answer;

	spin_lock_irqsave(&session->event_lock, flags);
	entry = upu_queue_event(session, kind, state);
	listens = events->eventfd[upu_event_channel(kind)] && !events->asked;
	if (listens) {
		entry->deadline = (jiffies + timeout) ?: 1;
		events->asked = entry->sequence;
		events->asked_kind = kind;
		events->answer = 0;
	}
	spin_unlock_irqrestore(&session->event_lock, flags);
	upu_eventfd_signal(session, upu_event_channel(kind));
	if (!listens)
		return 0;

	wait_event_timeout(events->wait, READ_ONCE(events->answer) || upu_session_dead(session),
			   timeout);
	spin_lock_irqsave(&session->event_lock, flags);
	answer = events->answer;
	events->asked = 0;
	spin_unlock_irqrestore(&session->event_lock, flags);
	return answer;
}

int upu_get_event(struct upu_session *session, void __user *user)
{
	struct upu_events *events = &session->events;
	struct upu_event_entry entry, *oldest;
	struct upu_event arg;
	unsigned long flags, left = 0;
	int ret;

	ret = upu_copy_in(&arg, user, sizeof(arg), 0);
	if (ret)
		return ret;

	mutex_lock(&events->read_lock);
	spin_lock_irqsave(&session->event_lock, flags);
	if (events->count) {
		unsigned long at = jiffies;

		entry = events->entry[events->head];
		if (entry.sequence == events->asked && time_before(at, entry.deadline))
			left = entry.deadline - at;
	} else {
		ret = -EAGAIN;
	}
	spin_unlock_irqrestore(&session->event_lock, flags);
	if (ret)
		goto out;

	arg.flags = entry.flags;
	arg.kind = entry.kind;
	arg.state = entry.state;
	arg.sequence = entry.sequence;
	arg.deadline_ms = left ? max(jiffies_to_msecs(left), 1u) : 0;
	arg.reserved = 0;
	if (copy_to_user(user, &arg, sizeof(arg))) {
		ret = -EFAULT;		/* and the event stays */
		goto out;
	}
	spin_lock_irqsave(&session->event_lock, flags);
	oldest = &events->entry[events->head];
	if (events->count && oldest->sequence == entry.sequence) {
		events->head = (events->head + 1) % UPU_EVENTS;
		events->count--;
	}
	/* Else newer ones have pushed it out meanwhile: it was not lost. */
	spin_unlock_irqrestore(&session->event_lock, flags);
out:
	mutex_unlock(&events->read_lock);
	return ret;
}

static bool upu_answer_fits(u32 kind, u32 answer)
{
	switch (kind) {
	case UPU_EVENT_ERROR:
		return answer >= UPU_REPLY_RECOVERED && answer <= UPU_REPLY_DISCONNECT;
	case UPU_EVENT_MMIO_ENABLED:
		return answer == UPU_REPLY_RECOVERED || answer == UPU_REPLY_NEED_RESET ||
		       answer == UPU_REPLY_DISCONNECT;
	case UPU_EVENT_SLOT_RESET:
	case UPU_EVENT_SUSPEND:
		return answer == UPU_REPLY_RECOVERED || answer == UPU_REPLY_DISCONNECT;
	default:
		return false;
	}
}

int upu_reply(struct upu_session *session, void __user *user)
{
	struct upu_events *events = &session->events;
	struct upu_reply arg;
	unsigned long flags;
	int ret;

	ret = upu_copy_in(&arg, user, sizeof(arg), 0);
	if (ret)
		return ret;
	if (arg.reserved || arg.answer < UPU_REPLY_RECOVERED || arg.answer > UPU_REPLY_DISCONNECT)
		return -EINVAL;
	spin_lock_irqsave(&session->event_lock, flags);
	if (!arg.sequence || events->asked != arg.sequence || events->answer)
		ret = -ENOENT;
	else if (!upu_answer_fits(events->asked_kind, arg.answer))
		ret = -EINVAL;
	else
		WRITE_ONCE(events->answer, arg.answer);
	spin_unlock_irqrestore(&session->event_lock, flags);
	if (!ret)
		wake_up_all(&events->wait);
	return ret;
}

/* ---- errors (PCI core; device_lock and pci_bus_sem are held) ---- */

bool upu_device_in_error(struct upu_device *udev)
{
	unsigned long until = READ_ONCE(udev->error_until);

	return until && time_before(jiffies, until);
}

static pci_ers_result_t upu_error_step(struct pci_dev *pdev, u32 kind, u32 state,
				       pci_ers_result_t unasked)
{
	struct upu_device *udev = pci_get_drvdata(pdev);
	struct upu_session *session;
	pci_ers_result_t result = unasked;

	WRITE_ONCE(udev->error_until, (jiffies + msecs_to_jiffies(UPU_ERROR_MS)) ?: 1);
	session = upu_session_of(udev);
	if (session) {
		switch (upu_ask(session, kind, state, READ_ONCE(upu_reply_timeout_ms))) {
		case UPU_REPLY_RECOVERED:
			result = PCI_ERS_RESULT_RECOVERED;
			break;
		case UPU_REPLY_CAN_RECOVER:
			result = PCI_ERS_RESULT_CAN_RECOVER;
			break;
		case UPU_REPLY_NEED_RESET:
			result = PCI_ERS_RESULT_NEED_RESET;
			break;
		case UPU_REPLY_DISCONNECT:
			result = PCI_ERS_RESULT_DISCONNECT;
			break;
		default:
			break;
		}
		upu_session_put(session);
	}
	/* A frozen link is reset whatever is answered; what that takes away comes back only so. */
	if (state == UPU_STATE_FROZEN && result != PCI_ERS_RESULT_DISCONNECT)
		result = PCI_ERS_RESULT_NEED_RESET;
	if (result == PCI_ERS_RESULT_DISCONNECT)
		WRITE_ONCE(udev->error_until, 0);	/* no further step will come */
	return result;
}

static pci_ers_result_t upu_error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	switch (state) {
	case pci_channel_io_normal:
		return upu_error_step(pdev, UPU_EVENT_ERROR, UPU_STATE_NORMAL,
				      PCI_ERS_RESULT_CAN_RECOVER);
	case pci_channel_io_frozen:
		return upu_error_step(pdev, UPU_EVENT_ERROR, UPU_STATE_FROZEN,
				      PCI_ERS_RESULT_NEED_RESET);
	default:
		return upu_error_step(pdev, UPU_EVENT_ERROR, UPU_STATE_DEAD,
				      PCI_ERS_RESULT_DISCONNECT);
	}
}

static pci_ers_result_t upu_mmio_enabled(struct pci_dev *pdev)
{
	return upu_error_step(pdev, UPU_EVENT_MMIO_ENABLED, 0, PCI_ERS_RESULT_RECOVERED);
}

/*
 * Takes upu_device.lock, and the user's bar_lock. The PCI core holds pci_bus_sem, for which whoever
 * has one of them may be waiting (a reset, a change of the power state), so that neither is waited
 * for without end.
 */
static bool upu_lock_in_error(struct upu_device *udev)
{
	unsigned long until = jiffies + msecs_to_jiffies(READ_ONCE(upu_reply_timeout_ms));

	for (;;) {
		if (mutex_trylock(&udev->lock)) {
			if (!udev->session || down_write_trylock(&udev->session->bar_lock))
				return true;
			mutex_unlock(&udev->lock);
		}
		if (time_after(jiffies, until))
			return false;
		usleep_range(500, 1000);
	}
}

/*
 * The link was reset: what the kernel had set up comes back, bus mastering is the user's
 * to turn on.
 */
static pci_ers_result_t upu_slot_reset(struct pci_dev *pdev)
{
	struct upu_device *udev = pci_get_drvdata(pdev);
	struct upu_session *session;

	if (!upu_lock_in_error(udev)) {
		WRITE_ONCE(udev->error_until, 0);
		return PCI_ERS_RESULT_DISCONNECT;
	}
	session = udev->session;
	pci_load_saved_state(pdev, session ? session->pristine : udev->pristine);
	pci_restore_state(pdev);
	pci_clear_master(pdev);
	if (session) {
		session->config->d3 = false;
		upu_config_reloaded(session);
		up_write(&session->bar_lock);
		upu_intx_refresh(session);
	}
	mutex_unlock(&udev->lock);
	return upu_error_step(pdev, UPU_EVENT_SLOT_RESET, 0, PCI_ERS_RESULT_RECOVERED);
}

static void upu_resume(struct pci_dev *pdev)
{
	struct upu_device *udev = pci_get_drvdata(pdev);
	struct upu_session *session = upu_session_of(udev);

	WRITE_ONCE(udev->error_until, 0);
	if (session) {
		upu_tell(session, UPU_EVENT_RESUME, 0);
		upu_session_put(session);
	}
}

/*
 * Somebody resets the function; we ourselves, if @resetter is us. From here to upu_reset_done() no
 * call of the user reaches the device.
 */
static void upu_reset_prepare(struct pci_dev *pdev)
{
	struct upu_device *udev = pci_get_drvdata(pdev);

	if (READ_ONCE(udev->resetter) == current)
		return;
	mutex_lock(&udev->lock);
	if (udev->session)
		udev->reset_command = upu_reset_begin(udev->session);
	udev->reset_session = udev->session;
}

static void upu_reset_done(struct pci_dev *pdev)
{
	struct upu_device *udev = pci_get_drvdata(pdev);
	struct upu_session *session;

	if (READ_ONCE(udev->resetter) == current)
		return;
	session = udev->reset_session;
	udev->reset_session = NULL;
	if (session) {
		upu_reset_end(session, udev->reset_command);
		upu_tell(session, UPU_EVENT_RESET, 0);
	}
	mutex_unlock(&udev->lock);
}

const struct pci_error_handlers upu_error_handlers = {
	.error_detected = upu_error_detected,
	.mmio_enabled = upu_mmio_enabled,
	.slot_reset = upu_slot_reset,
	.resume = upu_resume,
	.reset_prepare = upu_reset_prepare,
	.reset_done = upu_reset_done,
};
