// SPDX-License-Identifier: GPL-2.0
/*
 * A device's interrupt reaches a virtual machine: eventfd to irqfd, inside the kernel. The machine is
 * ours, a few bytes of real-mode code; its processor's thread does not leave KVM_RUN from the first
 * interrupt to the last, and nobody reads the eventfd.
 */
#define _GNU_SOURCE
#include <linux/kvm.h>
#include <pthread.h>
#include <sys/ioctl.h>

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
	volatile int exits;
	volatile uint32_t reason;
};

static void machine_create(struct machine *machine)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	struct kvm_regs regs = { .rip = CODE, .rsp = STACK, .rflags = 2 };
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), size;

	if (kvm < 0)
		SKIP("no /dev/kvm: %s", strerror(errno));
	memset(machine, 0, sizeof(*machine));
	machine->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	OK(machine->vm);
	OK(ioctl(machine->vm, KVM_CREATE_IRQCHIP, 0));
	machine->memory = memory(MEMORY);
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

static void *machine_run(void *argument)
{
	struct machine *machine = argument;

	if (ioctl(machine->cpu, KVM_RUN, 0))
		FAIL("KVM_RUN: %s", strerror(errno));
	machine->reason = machine->run->exit_reason;
	machine->exits++;
	return NULL;
}

ROOT_TEST(a_devices_interrupt_reaches_a_guest_inside_the_kernel)
{
	int fd = device_open("EDU"), fired = event(), i, waited;
	struct machine machine;
	volatile uint16_t *counter;
	pthread_t thread;

	machine_create(&machine);
	counter = (uint16_t *)(machine.memory + COUNTER);
	bus_master(fd, 1);
	OK(irqs(fd, UPU_IRQ_MSI, UPU_IRQ_ARM, 0, 1, &fired));
	machine_attach(&machine, fired);
	CHECK(!pthread_create(&thread, NULL, machine_run, &machine));
	for (i = 1; i <= TIMES; i++) {
		edu_raise(fd);
		for (waited = 0; waited < 5000 && *counter < i && !machine.exits; waited++)
			sleep_ms(1);
		if (*counter != i)
			FAIL("interrupt %d: the guest has counted %d, exit reason %u", i, *counter,
			     machine.reason);
		edu_ack(fd);
	}
	pthread_join(thread, NULL);
	EQUAL(machine.exits, 1);
	EQUAL(machine.reason, KVM_EXIT_IO);
	EQUAL(machine.run->io.port, 0x10);
	EQUAL(event_count(fired), 0);		/* taken in the kernel */
}
