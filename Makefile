# SPDX-License-Identifier: Apache-2.0
# A thin front: meson builds, this file knows what people want.
#
#   make          build the programs into build/
#   make kernel   build the guest's kernel into the cache (once)
#   make demo     everything, then a container in a virtual machine
#   make check    all tests; ends with "N passed, N failed, N skipped"
#   make bench    measurements against the bare machine and podman
#   make soak     fuzzing and long runs, for SECONDS=600
#   make install  PREFIX=/usr/local DESTDIR=

PREFIX ?= /usr/local
DESTDIR ?=
B := build
export PREFIX
# Whatever is run from here leaves the network of this machine alone; tests of networks have namespaces of their own.
export CORACLE_NETWORK := none
# Nor is a machine saved behind every first start; tests of that turn it on.
export CORACLE_TEMPLATES := off

SECONDS ?= 600
.PHONY: all kernel demo check bench soak install clean packages-build configure

all: packages-build configure
	@ninja -C $(B) --quiet

packages-build:
	@scripts/packages build

# Another PREFIX than last time is written into the programs anew.
configure:
	@test -f $(B)/build.ninja || meson setup $(B) --prefix $(PREFIX) >/dev/null
	@test "$$(cat $(B)/prefix 2>/dev/null)" = $(PREFIX) || meson configure $(B) -Dprefix=$(PREFIX)
	@ninja -C $(B) build.ninja >/dev/null
	@echo $(PREFIX) >$(B)/prefix

kernel:
	@scripts/packages kernel
	@kernel/build.sh >/dev/null

demo: all kernel
	@scripts/packages run demo
	@scripts/demo

check:
	@scripts/packages build kernel run demo check
	@scripts/check

bench: all kernel
	@scripts/packages run demo bench
	@bench/bench.py

soak: all kernel
	@scripts/packages run demo check
	@scripts/soak $(SECONDS)

install: all kernel
	@DESTDIR=$(DESTDIR) meson install -C $(B) --no-rebuild --quiet
	@install -D -m 644 "$$(kernel/build.sh)" $(DESTDIR)$(PREFIX)/lib/coracle/vmlinux

clean:
	@rm -rf $(B) build-*
