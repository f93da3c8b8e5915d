# The kernel module, for the top-level Makefile to include.
#
#   make module                   builds it for KDIR, or for each kernel of the lab
#   make module-install KDIR=...  installs it into the modules of the running (or KERNELRELEASE) kernel
#   make module-test              boots each kernel of the lab and runs the module's tests in it
#   make kernel-test              the same for one kernel with its IOMMU; part of make test
#   make module-check             sparse and checkpatch (SPARSE, CHECKPATCH: where they are)

KERNEL_ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
KERNEL_OUT ?= $(KERNEL_ROOT)/../artifacts/kernel
LAB_KERNELS ?= 6.12 6.1
LAB_CACHE ?= $(or $(RISER_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/riser)/lab
SPARSE ?= sparse
CHECKPATCH ?= checkpatch.pl

.PHONY: module module-install module-test module-check module-lab kernel-test

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
# The lab's machine has one processor, and affinity needs two.
kernel-test: module-lab-6.12
	@set -o pipefail; for cpus in 1 2; do \
	    [ $$cpus = 1 ] && only= || only=affinity; \
	    RISER_LAB_CPUS=$$cpus $(KERNEL_ROOT)/../tests/Lab/run --kernel 6.12 --timeout 1200 -- $(KERNEL_ROOT)/selftest/run $$only \
	        | sed 's/^\([0-9]* passed, [0-9]* failed, [0-9]* skipped\)$$/kernel 6.12: \1/' || exit 1; \
	done

module-check:
	touch $(KERNEL_ROOT)/*.c
	for kernel in $(LAB_KERNELS); do \
		$(MAKE) -C $(KERNEL_ROOT) module KDIR=$(LAB_CACHE)/kernels/$$kernel/headers \
			OUT=$(KERNEL_OUT)/sparse-$$kernel W=1 C=2 CHECK=$(SPARSE) 2>&1 | tee $(KERNEL_OUT)/sparse.log; \
		! grep -E 'warning:|error:' $(KERNEL_OUT)/sparse.log || exit 1; \
	done
	cd $(KERNEL_ROOT) && $(CHECKPATCH) --no-tree --strict -f *.c config_rules.h upu.h uapi/*.h compat/*.h
	# Trace events are written as all of the kernel's are, which checkpatch does not know.
	cd $(KERNEL_ROOT) && $(CHECKPATCH) --no-tree --strict --ignore PARENTHESIS_ALIGNMENT -f trace.h
