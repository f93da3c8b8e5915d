# The kernel module, for the top-level Makefile to include.
#
#   make module                   builds it for KDIR, or for each kernel of the lab
#   make module-install KDIR=...  installs it into the modules of the running (or KERNELRELEASE) kernel
#   make module-test              boots each kernel of the lab and runs the module's tests in it
#   make kernel-test              the same for one kernel with its IOMMU; part of make test
#   make dkms-test                builds it by dkms, for each kernel of DKMS_KERNELS; part of make test
#   make module-config-test       config.c over a device of bytes, in user space; part of kernel-test
#   make module-check             sparse and checkpatch, which the lab's cache has; part of kernel-test
#   make lab-debug                all of it in kernels with KASAN, lockdep, kmemleak, faults; docs/kernel-debug.md

KERNEL_ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
KERNEL_OUT ?= $(KERNEL_ROOT)/../artifacts/kernel
LAB_KERNELS ?= 6.12 6.1
DKMS_KERNELS ?= 6.12
LAB_CACHE ?= $(or $(RISER_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/riser)/lab
WITH_TOOLS := $(KERNEL_ROOT)/../tests/Lab/debug/with-tools

.PHONY: dkms-test module module-install module-test module-check module-lab module-config-test kernel-test lab-debug

ifneq ($(KDIR),)
module:
	$(MAKE) -C $(KERNEL_ROOT) module KDIR=$(KDIR) OUT=$(KERNEL_OUT)/own W=1
else
module: module-lab
endif

# A compiler of its own version is what a kernel's headers ask for; the lab's take the system's.
module-lab: $(addprefix module-lab-,$(LAB_KERNELS))

module-lab-%:
	$(KERNEL_ROOT)/../tests/Lab/setup
	$(MAKE) -C $(KERNEL_ROOT) module KDIR=$(LAB_CACHE)/kernels/$*/headers OUT=$(KERNEL_OUT)/$* W=1
	$(MAKE) -C $(KERNEL_ROOT)/selftest OUT=$(KERNEL_OUT)/$*/selftest

module-install: module
	$(MAKE) -C $(KERNEL_ROOT) install KDIR=$(KDIR) OUT=$(KERNEL_OUT)/own

module-test: $(addprefix module-test-,$(LAB_KERNELS))

# One machine after the other: each takes two processors.
module-test-%: module-lab-%
	$(KERNEL_ROOT)/../tests/Lab/run --kernel $* -- $(KERNEL_ROOT)/selftest/run
	$(KERNEL_ROOT)/../tests/Lab/run --kernel $* --no-iommu -- $(KERNEL_ROOT)/selftest/run
	$(KERNEL_ROOT)/../tests/Lab/run --kernel $* --append intremap=off -- $(KERNEL_ROOT)/selftest/run msi_needs

.NOTPARALLEL: module-test

# The part of module-test that `make test` runs: one kernel, with its IOMMU.
# The lab's machine has one processor; affinity needs two, and so does what races within the kernel.
kernel-test: module-lab-6.12 module-config-test module-check
	@set -o pipefail; for cpus in 1 2; do \
	    [ $$cpus = 1 ] && only= || only="affinity a_foreign_reset_races"; \
	    RISER_LAB_CPUS=$$cpus $(KERNEL_ROOT)/../tests/Lab/run --kernel 6.12 --timeout 1200 -- $(KERNEL_ROOT)/selftest/run $$only \
	        | sed 's/^\([0-9]* passed, [0-9]* failed, [0-9]* skipped\)$$/kernel 6.12: \1/' || exit 1; \
	done

dkms-test:
	@$(KERNEL_ROOT)/selftest/dkms $(DKMS_KERNELS)

module-config-test:
	@$(MAKE) -s -C $(KERNEL_ROOT)/selftest OUT=$(KERNEL_OUT)/config config
	@set -o pipefail; $(KERNEL_OUT)/config/upu-config-test \
	    | sed 's/^# \([0-9]* passed, [0-9]* failed, [0-9]* skipped\)$$/kernel config: \1/'

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
	@cd $(KERNEL_ROOT) && $(WITH_TOOLS) checkpatch.pl --no-tree --strict --quiet -f *.c config_rules.h upu.h uapi/*.h compat/*.h
	@# Trace events are written as all of the kernel's are, which checkpatch does not know.
	@cd $(KERNEL_ROOT) && $(WITH_TOOLS) checkpatch.pl --no-tree --strict --quiet --ignore PARENTHESIS_ALIGNMENT -f trace.h
	@echo "ok - checkpatch --strict has nothing to say"
	@echo "module-check: $$(($(words $(CHECK_KERNELS)) + 1)) passed, 0 failed, 0 skipped"

# Two kernels of their own, since the first report of either turns lockdep off. Not part of make test: slow.
LAB_DEBUG ?= kasan lockdep
lab-debug: $(addprefix lab-debug-,$(LAB_DEBUG))
	$(KERNEL_ROOT)/selftest/debug-report $(foreach kind,$(LAB_DEBUG),$(KERNEL_OUT)/debug-$(kind).log) \
		> $(KERNEL_ROOT)/../docs/kernel-debug.md

lab-debug-%:
	$(KERNEL_ROOT)/../tests/Lab/debug/build $*
	$(MAKE) -C $(KERNEL_ROOT) module KDIR=$(LAB_CACHE)/kernels/6.12-$*/headers OUT=$(KERNEL_OUT)/6.12-$* W=1
	$(MAKE) -C $(KERNEL_ROOT)/selftest OUT=$(KERNEL_OUT)/6.12-$*/selftest
	set -o pipefail; $(KERNEL_ROOT)/../tests/Lab/run --kernel 6.12-$* --timeout 7200 --append "log_buf_len=8M kasan_multi_shot" \
		--env UPU_DEADLINE=900 --env UPU_PARAMETERS=dma_entry_limit=1000 --env UPU_RELOADS=3 -- $(KERNEL_ROOT)/selftest/run \
		| tee $(KERNEL_OUT)/debug-$*.log
