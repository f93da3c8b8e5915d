# What one can do with this checkout; `make help` lists it. The work is in eng/, tests/Lab and kernel/.
CONFIGURATION ?= Release
SHELL := /bin/bash
export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1
# Several builds share a machine: no process stays behind after a build.
export MSBUILDDISABLENODEREUSE := 1
dotnet_build = dotnet build -c $(CONFIGURATION) -v quiet --nologo --disable-build-servers

# Suites that are targets of their own. Each prints lines "NAME: N passed, N failed, N skipped".
TARGET_SUITES :=
-include tests/Lab/lab.mk
-include kernel/kernel.mk
TARGET_SUITES += $(if $(wildcard tests/Lab/lab.mk),lab) $(if $(wildcard kernel/kernel.mk),kernel-test dkms-test module-install-test udev-test)

.DEFAULT_GOAL := help
.PHONY: help needs akka-source build run test format bench soak soak-runtime clean

## help: this list
help:
	@sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST)) | sed 's/^\([^:]*\): /\1\t/' | expand -t 12

## run: build the runtime and start it on two simulated devices; ARGS="--device ID ..." goes to `riser run`
run: needs akka-source
	@$(dotnet_build) src/Host/Riser.Host.csproj
	@exec "$$(dotnet msbuild src/Host/Riser.Host.csproj -p:Configuration=$(CONFIGURATION) -getProperty:OutDir)riser" run $(ARGS)

## build: build everything
build: needs akka-source
	@$(dotnet_build) Actors.sln

## test: build everything, check its form, run every suite; the last line is the sum
test: needs
	@CONFIGURATION=$(CONFIGURATION) TARGET_SUITES="$(strip $(TARGET_SUITES))" MAKE="$(MAKE)" eng/test

## format: bring every file into the form that `make test` asks for
format: akka-source
	dotnet format Actors.sln

## bench: measure against the floor in C; docs/performance.md
bench: needs akka-source
	@test -d tests/Benchmarks || { echo "There are no benchmarks in this checkout." >&2; exit 1; }
	@dotnet run -c Release --project tests/Benchmarks -- $(ARGS)

## soak: what SPECIFICATION.md promises, at full length (hours); RISER_SOAK=0.01 is a share of it
soak: soak-runtime kernel-soak soak-lab
soak-runtime: needs akka-source
	@eng/soak

## lab: run the specs that need real PCI devices in a virtual machine
## lab-shell: a shell in that machine
## clean: delete what was built; what was downloaded stays in the cache
clean:
	rm -rf artifacts eng/akka-source.props

needs:
	@eng/check-needs

akka-source: needs
	@eng/choose-akka
