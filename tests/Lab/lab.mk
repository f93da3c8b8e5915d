# The virtual machine with real PCI devices: see tests/Lab/README.md. Included by the Makefile.
LAB_KERNELS ?= 6.12 6.1
LAB_KERNEL ?= 6.12
LAB_CONFIGURATION ?= Release

.PHONY: lab lab-setup lab-shell soak-lab

# Builds the module and the lab specs and runs them in the machine, once per kernel; results in artifacts/lab/<kernel>.
lab: lab-setup $(addprefix module-lab-,$(LAB_KERNELS))
	dotnet build tests/Lab/Riser.Lab.Specs.csproj -c $(LAB_CONFIGURATION) -v quiet --nologo
	LAB_KERNELS="$(LAB_KERNELS)" tests/Lab/specs \
	    "$$(dotnet msbuild tests/Lab/Riser.Lab.Specs.csproj -p:Configuration=$(LAB_CONFIGURATION) -getProperty:TargetPath)" artifacts/lab

# Only downloads and unpacks what the machine is made of.
lab-setup:
	tests/Lab/setup

# A shell in the machine, in this checkout: make lab-shell LAB_KERNEL=6.1
lab-shell: lab-setup module-lab-$(LAB_KERNEL)
	tests/Lab/run --kernel $(LAB_KERNEL) --timeout 86400 --interactive -- bash -i

# What the machine can say of SPECIFICATION.md's promises, at full length: kills, and locked memory. RISER_SOAK is a share of it.
soak-lab:
	RISER_SOAK="$${RISER_SOAK:-1}" LAB_TIMEOUT="$${LAB_TIMEOUT:-36000}" \
	    LAB_FILTER="FullyQualifiedName~kill_9_and_opens|FullyQualifiedName~leaves_no_locked_memory" $(MAKE) --no-print-directory lab LAB_KERNELS=$(LAB_KERNEL)
	@cat artifacts/lab/*/figures
