// SPDX-License-Identifier: GPL-2.0
/*
 * A device's interrupt reaches a virtual machine: eventfd to irqfd, inside the kernel. The machine is
 * ours, a few bytes of real-mode code, in a process of its own that is given the vector's eventfd by
 * SCM_RIGHTS and has nothing else of the device. It does not leave KVM_RUN from the first interrupt
 * to the last, and nobody reads the eventfd.
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "device.h"

#define VECTOR	0x51
#define GSI	24
#define SVR	0xf0	/* of the local APIC: spurious vector and enable; Intel SDM 3A, table 11-1 */
#define MEMORY	0x10000
#define CODE	0x1000
#define HANDLER	0x1100
#define COUNTER	0x2000
#define STACK	0x3000
#define TIMES	50

static const uint8_t program[] = {
	0xfb,					/* sti */
	0xf4,					/* hlt */
	0xeb, 0xfd,				/* back to hlt */
};

/* FS starts at the local APIC. */
static const uint8_t handler[] = {
	0xff, 0x06, 0x00, 0x20,			/* inc word [COUNTER] */
	0x64, 0x66, 0xc7, 0x06, 0xb0, 0x00,	/* mov dword fs:[0xb0], 0: end of interrupt */
	0x00, 0x00, 0x00, 0x00,
	0x81, 0x3e, 0x00, 0x20, TIMES, 0,	/* cmp word [COUNTER], TIMES */
	0x75, 0x02,				/* if it is, */
	0xe6, 0x10,				/* out 0x10, al: back to userspace */
	0xcf,					/* iret */
};

struct machine {
	int vm, cpu;
	uint8_t *memory;
	struct kvm_run *run;
};

static void machine_create(struct machine *machine, uint8_t *memory)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), size;

	if (kvm < 0)
		SKIP("no /dev/kvm: %s", strerror(errno));
	machine->memory = memory;
	machine->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	OK(machine->vm);
	OK(ioctl(machine->vm, KVM_CREATE_IRQCHIP, 0));
	region.userspace_addr = (uintptr_t)machine->memory;
	OK(ioctl(machine->vm, KVM_SET_USER_MEMORY_REGION, &region));
	memcpy(machine->memory + CODE, program, sizeof(program));
	memcpy(machine->memory + HANDLER, handler, sizeof(handler));
	*(uint16_t *)(machine->memory + VECTOR * 4) = HANDLER;	/* in segment 0 */

	machine->cpu = ioctl(machine->vm, KVM_CREATE_VCPU, 0);
	OK(machine->cpu);
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	machine->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, machine->cpu, 0);
	CHECK(machine->run != MAP_FAILED);
	OK(ioctl(machine->cpu, KVM_GET_SREGS, &sregs));
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.fs.base = 0xfee00000;
	OK(ioctl(machine->cpu, KVM_SET_SREGS, &sregs));
	OK(ioctl(machine->cpu, KVM_SET_REGS, &regs));
	OK(ioctl(machine->cpu, KVM_GET_LAPIC, &lapic));
	*(uint32_t *)(lapic.regs + SVR) = 0x1ff;
	OK(ioctl(machine->cpu, KVM_SET_LAPIC, &lapic));
	close(kvm);
}

static void machine_attach(struct machine *machine, int eventfd)
{
	struct { struct kvm_irq_routing head; struct kvm_irq_routing_entry entry; } routing = {
		.head.nr = 1,
		.entry = { .gsi = GSI, .type = KVM_IRQ_ROUTING_MSI,
			   .u.msi = { .address_lo = 0xfee00000, .data = VECTOR } },
	};
	struct kvm_irqfd irqfd = { .fd = eventfd, .gsi = GSI };

	OK(ioctl(machine->vm, KVM_SET_GSI_ROUTING, &routing));
	OK(ioctl(machine->vm, KVM_IRQFD, &irqfd));
}

/* ---- the two processes ---- */

union rights {
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
};

/* Returns whether there was somebody to take it. */
static int pass(int socket, int fd)
{
	union rights rights = { .head = { .cmsg_len = CMSG_LEN(sizeof(fd)),
					  .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &rights,
				  .msg_controllen = sizeof(rights) };

	memcpy(CMSG_DATA(&rights.head), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

static int receive(int socket)
{
	union rights rights;
	char data;
	struct iovec byte = { .iov_base = &data, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = &rights,
				  .msg_controllen = sizeof(rights) };
	int fd;

	EQUAL(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
	CHECK(message.msg_controllen && rights.head.cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&rights.head), sizeof(fd));
	return fd;
}

/* Runs the machine from its first interrupt to its last, and says before that it is about to. */
_Noreturn static void run_machine(int socket, uint8_t *memory)
{
	struct machine machine;

	machine_create(&machine, memory);
	machine_attach(&machine, receive(socket));
	EQUAL(write(socket, "", 1), 1);
	OK(ioctl(machine.cpu, KVM_RUN, 0));
	EQUAL(machine.run->exit_reason, KVM_EXIT_IO);
	EQUAL(machine.run->io.port, 0x10);
	_exit(TEST_PASSED);
}

/* It is not to end by itself; if it has, that says why. */
static void ended(pid_t child)
{
	int status;

	EQUAL(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIPPED)
		SKIP("no machine");
	EQUAL(status, 0);
}

ROOT_TEST(a_devices_interrupt_reaches_a_guest_inside_the_kernel)
{
	int fd, fired, i, waited, pair[2];
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			       -1, 0);
	volatile uint16_t *counter = (uint16_t *)(memory + COUNTER);
	char ready;
	pid_t child;

	CHECK(memory != MAP_FAILED);
	OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	child = fork();
	CHECK(child >= 0);
	if (!child) {
		close(pair[0]);
		run_machine(pair[1], memory);
	}
	close(pair[1]);

	fd = device_open("EDU");
	fired = event();
	bus_master(fd, 1);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	if (!pass(pair[0], fired) || read(pair[0], &ready, 1) != 1)
		ended(child);
	for (i = 1; i <= TIMES; i++) {
		edu_raise(fd);
		for (waited = 0; waited < 5000 && *counter < i; waited++)
			sleep_ms(1);
		if (*counter != i)
			FAIL("interrupt %d: the guest has counted %d", i, *counter);
		edu_ack(fd);
	}
	ended(child);
	EQUAL(event_count(fired), 0);		/* taken in the kernel */
}
