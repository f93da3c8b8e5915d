// SPDX-License-Identifier: GPL-2.0
/*
 * The end of a session, whoever ends it: close, the end of the process, REVOKE, removal.
 * The device falls silent first; only then is anything that it might reach taken away.
 */
#include "upu.h"

/*
 * Bus mastering off and reset. The PCI core keeps the function's lock through a reset; where
 * another holds it (removal does), the device stays marked as used, and is reset by the one who
 * holds it or before the next user gets it.
 */
static void upu_silence(struct upu_session *session)
{
	struct upu_device *udev = session->udev;
	struct pci_dev *pdev = udev->pdev;
	u16 command;

	if (!pci_device_is_present(pdev))
		return;			/* if it comes back, it is reset before anybody gets it */
	pci_set_power_state(pdev, PCI_D0);
	pci_clear_master(pdev);
	/* The MSI-X table of what is still armed is written back by the reset. */
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	pci_write_config_word(pdev, PCI_COMMAND, command | PCI_COMMAND_MEMORY);
	upu_device_reset(udev, NULL);
	/*
	 * A reset restores what was set when it began; this is what was set when the user came.
	 * What is still armed is written back by it too, until it is freed below.
	 */
	if (session->pristine) {
		pci_load_saved_state(pdev, session->pristine);
		pci_restore_state(pdev);
	}
	pci_clear_master(pdev);
}

void upu_session_end(struct upu_session *session)
{
	struct upu_device *udev = session->udev;

	lockdep_assert_held(&udev->lock);
	if (session->dead)
		return;

	down_write(&session->bar_lock);
	WRITE_ONCE(session->dead, true);
	upu_bar_zap(session);
	up_write(&session->bar_lock);

	upu_silence(session);
	upu_irq_close(session);
	pci_intx(udev->pdev, 0);
	upu_dma_close(session);
	upu_handshake_close(session);
	upu_bar_close(session);
	if (session->enabled)
		pci_disable_device(udev->pdev);
	session->enabled = false;

	upu_set_session(udev, NULL);
}
