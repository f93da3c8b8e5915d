// SPDX-License-Identifier: GPL-2.0
/*
 * Another process, which is to a vector what a virtual machine monitor would be: it gets the vector's
 * eventfd by SCM_RIGHTS, makes it an irqfd of a machine of its own, and looks into the virtual APIC.
 *
 *	irqfd SOCKET	connects, receives the descriptor, answers lines:
 *	->		"ready", or "skip WHY" where KVM does not let us
 *	<- "look N"	-> "irr VECTOR eventfd EMPTY|FULL", when the bit appears or after N milliseconds
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define VECTOR	0x51
#define GSI	24
#define SVR	0xf0	/* offsets in the APIC's page: Intel SDM 3A, table 11-1 */
#define IRR	0x200

static FILE *answers;

static void skip(const char *what)
{
	fprintf(answers, "skip %s: %s\n", what, strerror(errno));
	exit(0);
}

static int receive(int socket)
{
	char data[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = data,
				  .msg_controllen = sizeof(data) };
	int fd = -1;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
		exit(2);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static int in_irr(int cpu)
{
	struct kvm_lapic_state lapic;

	if (ioctl(cpu, KVM_GET_LAPIC, &lapic))
		exit(3);
	return *(unsigned int *)(lapic.regs + IRR + VECTOR / 32 * 0x10) >> VECTOR % 32 & 1;
}

int main(int count, char **args)
{
	struct { struct kvm_irq_routing head; struct kvm_irq_routing_entry entry; } routing = {
		.head.nr = 1,
		.entry = { .gsi = GSI, .type = KVM_IRQ_ROUTING_MSI,
			   .u.msi = { .address_lo = 0xfee00000, .data = VECTOR } },
	};
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct kvm_lapic_state lapic;
	struct kvm_irqfd irqfd = { .gsi = GSI };
	int kvm, machine, cpu, eventfd, hub, wait;
	unsigned long long counter;
	char line[64];

	if (count != 2)
		return 1;
	hub = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strncpy(address.sun_path, args[1], sizeof(address.sun_path) - 1);
	if (hub < 0 || connect(hub, (struct sockaddr *)&address, sizeof(address)))
		return 1;
	answers = fdopen(dup(hub), "w");
	setvbuf(answers, NULL, _IOLBF, 0);
	eventfd = receive(hub);

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		skip("/dev/kvm");
	machine = ioctl(kvm, KVM_CREATE_VM, 0);
	if (machine < 0)
		skip("KVM_CREATE_VM");
	if (ioctl(machine, KVM_CREATE_IRQCHIP, 0))
		skip("KVM_CREATE_IRQCHIP");
	cpu = ioctl(machine, KVM_CREATE_VCPU, 0);
	if (cpu < 0)
		skip("KVM_CREATE_VCPU");
	if (ioctl(cpu, KVM_GET_LAPIC, &lapic))
		skip("KVM_GET_LAPIC");
	*(unsigned int *)(lapic.regs + SVR) = 0x1ff;	/* enabled */
	if (ioctl(cpu, KVM_SET_LAPIC, &lapic))
		skip("KVM_SET_LAPIC");
	if (ioctl(machine, KVM_SET_GSI_ROUTING, &routing))
		skip("KVM_SET_GSI_ROUTING");
	irqfd.fd = eventfd;
	if (ioctl(machine, KVM_IRQFD, &irqfd))
		skip("KVM_IRQFD");
	if (in_irr(cpu))
		return 4;
	fprintf(answers, "ready\n");

	while (read(hub, line, sizeof(line)) > 0) {
		if (sscanf(line, "look %d", &wait) != 1)
			return 5;
		while (!in_irr(cpu) && wait-- > 0)
			usleep(1000);
		fprintf(answers, "irr %d eventfd %s\n", in_irr(cpu) ? VECTOR : 0,
			read(eventfd, &counter, sizeof(counter)) < 0 && errno == EAGAIN ? "EMPTY" : "FULL");
	}
	return 0;
}
