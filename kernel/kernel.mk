# The kernel module, for the top-level Makefile to include.
#
#   make module                   builds it for KDIR, or for each kernel of the lab
#   make module-install           builds and installs it for the running kernel, or for the one of KDIR=...
#   make kernel-test              boots each kernel of the lab in each of its machines and runs the module's tests;
#                                 part of make test. MODULE_KERNELS="6.12 6.1" names the kernels
#   make kernel-soak              the tests' loops at full length (RISER_SOAK=0.1: a tenth of it); part of make soak
#   make dkms-test                builds it by dkms, for each kernel of DKMS_KERNELS; part of make test
#   make module-install-test      installs it into a folder, for each kernel of DKMS_KERNELS; part of make test
#   make udev-test                boots a machine with Debian's udev and the rule of udev/; part of make test
#   make module-config-test       configuration space over a device of bytes, in user space; part of kernel-test
#   make module-check             sparse, checkpatch and kernel-doc, which the lab's cache has; part of kernel-test
#   make lab-debug                all of it in kernels with KASAN, lockdep, kmemleak, faults; docs/kernel-debug.md

KERNEL_ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
KERNEL_OUT ?= $(KERNEL_ROOT)/../artifacts/kernel
MODULE_KERNELS ?= 6.12 6.1
DKMS_KERNELS ?= 6.12 6.1
LAB_CACHE ?= $(or $(RISER_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/riser)/lab
WITH_TOOLS := $(KERNEL_ROOT)/../tests/Lab/debug/with-tools

.PHONY: dkms-test udev-test module module-install module-install-test module-check module-lab module-config-test kernel-test kernel-soak lab-debug

ifneq ($(KDIR),)
module:
	$(MAKE) -C $(KERNEL_ROOT) module KDIR=$(KDIR) OUT=$(KERNEL_OUT)/own W=1
else
module: module-lab
endif

# A compiler of its own version is what a kernel's headers ask for; the lab's take the system's.
module-lab: $(addprefix module-lab-,$(MODULE_KERNELS))

module-lab-%:
	$(KERNEL_ROOT)/../tests/Lab/setup
	$(MAKE) -C $(KERNEL_ROOT) module KDIR=$(LAB_CACHE)/kernels/$*/headers OUT=$(KERNEL_OUT)/$* W=1
	$(MAKE) -C $(KERNEL_ROOT)/selftest OUT=$(KERNEL_OUT)/$*/selftest
	$(MAKE) -C $(KERNEL_ROOT)/selftest exclusive forgetful KDIR=$(LAB_CACHE)/kernels/$*/headers OUT=$(KERNEL_OUT)/$*/selftest

# Where nobody says for which kernel, for the one that runs.
module-install: INSTALL_KDIR = $(or $(KDIR),/lib/modules/$(shell uname -r)/build)
module-install:
	@[ -e $(INSTALL_KDIR)/Makefile ] || { echo "module-install: there are no kernel headers in $(INSTALL_KDIR);" \
		"install those of the kernel (Debian: linux-headers-$$(uname -r)), or name their folder: make module-install KDIR=..." >&2; exit 1; }
	$(MAKE) -C $(KERNEL_ROOT) module KDIR=$(INSTALL_KDIR) OUT=$(KERNEL_OUT)/own W=1
	$(MAKE) -C $(KERNEL_ROOT) install KDIR=$(INSTALL_KDIR) OUT=$(KERNEL_OUT)/own

module-install-test:
	@$(KERNEL_ROOT)/selftest/install $(DKMS_KERNELS)

# The machines, and which tests are for which: none is skipped because it is another machine's.
#   whole     an IOMMU, one processor, two NUMA nodes, a device that reports errors. 6.12 preempts itself everywhere there,
#             6.1 where it says so, as both do in the other machines: what races on one processor meets under either
#   two       two processors, on which the races are run again (they take turns on one thread of the emulator), and VFs
#             where their emulation has its registers: below 4 GiB, as all of the memory
#   unmapped  interrupts are not remapped
#   bare      no IOMMU
# Faults are for the debug kernels (lab-debug).
MODULE_MACHINES = whole two unmapped bare
machine_whole = --device-set errors --append numa=fake=2
preempt_whole_6.12 = --append preempt=full
machine_two = --mem 2800
machine_unmapped = --append intremap=off
machine_bare = --no-iommu
races = threads_race maps_race mapping_races intx_mask_races an_eventfd_is_replaced vectors_added
tests_whole = -affinity -_vf -msi_needs -without_an_iommu -a_foreign_reset_races -faults_
tests_two = affinity _vf $(races) a_foreign_reset_races
tests_unmapped = msi_needs
tests_bare =
cpus_two = 2

# One machine after the other: each takes two processors.
# $(call module-machine,KERNEL,MACHINE)
define module-machine
	@set -o pipefail; RISER_LAB_CPUS=$(or $(cpus_$(2)),1) $(KERNEL_ROOT)/../tests/Lab/run --kernel $(1) --timeout 1200 \
		$(machine_$(2)) $(preempt_$(2)_$(1)) -- $(KERNEL_ROOT)/selftest/run $(tests_$(2)) \
		| sed -u 's/^\([0-9]* passed, [0-9]* failed, [0-9]* skipped\)$$/kernel $(1), machine $(2): \1/'

endef

kernel-test: $(addprefix module-lab-,$(MODULE_KERNELS)) module-config-test module-check
	$(foreach kernel,$(MODULE_KERNELS),$(foreach machine,$(MODULE_MACHINES),$(call module-machine,$(kernel),$(machine))))

# The loops: names of their tests; the races have two processors. RISER_SOAK_SEED=N draws again what a run has said that it
# drew. Who names SOAK_TESTS gets no races, who names SOAK_RACES nothing else.
RISER_SOAK ?= 1
SOAK_KERNEL ?= 6.12
ifeq ($(SOAK_TESTS)$(SOAK_RACES),)
SOAK_TESTS = fills_no_log no_canary_dies_where administrators dies_at_any_moment death_leaves a_late_death reload
SOAK_RACES = maps_race_freed
endif

# $(call module-soak,CPUS,TESTS)
define module-soak
	RISER_LAB_CPUS=$(1) $(KERNEL_ROOT)/../tests/Lab/run --kernel $(SOAK_KERNEL) --timeout 86400 $(machine_whole) \
		--env UPU_SOAK=$(RISER_SOAK) --env UPU_SEED=$(RISER_SOAK_SEED) -- $(KERNEL_ROOT)/selftest/run $(2)

endef

kernel-soak: module-lab-$(SOAK_KERNEL)
	$(if $(SOAK_TESTS),$(call module-soak,1,$(SOAK_TESTS)))
	$(if $(SOAK_RACES),$(call module-soak,2,$(SOAK_RACES)))

udev-test:
	@$(KERNEL_ROOT)/selftest/udev

dkms-test:
	@$(KERNEL_ROOT)/selftest/dkms $(DKMS_KERNELS)

module-config-test:
	@$(MAKE) -s -C $(KERNEL_ROOT)/selftest OUT=$(KERNEL_OUT)/config config
	@set -o pipefail; $(KERNEL_OUT)/config/upu-config-test \
	    | sed -u 's/^# \([0-9]* passed, [0-9]* failed, [0-9]* skipped\)$$/kernel config: \1/'

# C=2 checks what is built already as well, W=1 is of the build itself.
CHECK_KERNELS ?= 6.12 6.1
module-check:
	@for kernel in $(CHECK_KERNELS); do \
		$(KERNEL_ROOT)/../tests/Lab/setup && touch $(KERNEL_ROOT)/*.c || exit 1; \
		$(WITH_TOOLS) $(MAKE) -s -C $(KERNEL_ROOT) module KDIR=$(LAB_CACHE)/kernels/$$kernel/headers \
			OUT=$(KERNEL_OUT)/sparse-$$kernel W=1 C=2 CHECK=sparse > $(KERNEL_OUT)/sparse.log 2>&1 && \
		! grep -E 'warning:|error:' $(KERNEL_OUT)/sparse.log || { cat $(KERNEL_OUT)/sparse.log; exit 1; }; \
		echo "ok - sparse and W=1 have nothing to say on $$kernel"; \
	done
	@cd $(KERNEL_ROOT) && $(WITH_TOOLS) checkpatch.pl --no-tree --strict --quiet -f *.c config.h config_rules.h upu.h uapi/*.h compat/*.h
	@# Trace events are written as all of the kernel's are, which checkpatch does not know.
	@cd $(KERNEL_ROOT) && $(WITH_TOOLS) checkpatch.pl --no-tree --strict --quiet --ignore PARENTHESIS_ALIGNMENT -f trace.h
	@echo "ok - checkpatch --strict has nothing to say"
	@$(LAB_CACHE)/kernels/$(firstword $(CHECK_KERNELS))/headers/scripts/kernel-doc -none -Wall -Werror $(KERNEL_ROOT)/uapi/*.h
	@echo "ok - kernel-doc has nothing to say of the uAPI header"
	@awk '/^```c$$/ { inside = 1; next } /^```$$/ { inside = 0 } inside' $(KERNEL_ROOT)/../docs/uapi.md | diff -u $(KERNEL_ROOT)/selftest/example.c -
	@echo "ok - docs/uapi.md quotes kernel/selftest/example.c"
	@echo "module-check: $$(($(words $(CHECK_KERNELS)) + 3)) passed, 0 failed, 0 skipped"

# A kernel of its own, in all of the machines. Not part of make test: slow. LAB_DEBUG="kasan lockdep" are two instead, for
# when there is a report: the first one of KASAN turns lockdep off. The first machine, `detectors`, is for mistakes made on
# purpose, which the kernel and the tests' own checks must see.
LAB_DEBUG ?= debug
DEBUG_MACHINES ?= detectors $(MODULE_MACHINES)
machine_detectors = --device-set none
command_detectors = $(KERNEL_ROOT)/selftest/detectors
debug_whole = $(filter-out -faults_,$(tests_whole))
may_skip_debug = a_devices_interrupt_reaches_a_guest_inside_the_kernel

lab-debug: $(addprefix lab-debug-,$(LAB_DEBUG))
	$(KERNEL_ROOT)/selftest/debug-report \
		$(foreach kind,$(LAB_DEBUG),$(foreach machine,$(DEBUG_MACHINES),$(KERNEL_OUT)/debug-$(kind)-$(machine).log)) \
		> $(KERNEL_ROOT)/../docs/kernel-debug.md

lab-debug-%:
	$(KERNEL_ROOT)/../tests/Lab/debug/build $*
	$(MAKE) -C $(KERNEL_ROOT) module KDIR=$(LAB_CACHE)/kernels/6.12-$*/headers OUT=$(KERNEL_OUT)/6.12-$* W=1
	$(MAKE) -C $(KERNEL_ROOT)/selftest OUT=$(KERNEL_OUT)/6.12-$*/selftest
	$(MAKE) -C $(KERNEL_ROOT)/selftest exclusive forgetful KDIR=$(LAB_CACHE)/kernels/6.12-$*/headers OUT=$(KERNEL_OUT)/6.12-$*/selftest
	$(MAKE) -C $(KERNEL_ROOT)/selftest faulty KDIR=$(LAB_CACHE)/kernels/6.12-$*/headers OUT=$(KERNEL_OUT)/6.12-$*/selftest
	$(foreach machine,$(DEBUG_MACHINES),$(call debug-machine,$*,$(machine)))

# $(call debug-machine,KIND,MACHINE). The other machines run whatever becomes of one; the report fails in the end.
define debug-machine
	@RISER_LAB_CPUS=$(or $(cpus_$(2)),1) $(KERNEL_ROOT)/../tests/Lab/run --kernel 6.12-$(1) --timeout 7200 \
		$(machine_$(2)) --append "log_buf_len=8M kasan_multi_shot" \
		--env UPU_DEADLINE=900 --env UPU_PARAMETERS=dma_entry_limit=1000 --env UPU_RELOADS=3 \
		--env UPU_MAY_SKIP=$(may_skip_debug) \
		-- $(or $(command_$(2)),$(KERNEL_ROOT)/selftest/run $(or $(debug_$(2)),$(tests_$(2)))) | tee $(KERNEL_OUT)/debug-$(1)-$(2).log || true

endef
