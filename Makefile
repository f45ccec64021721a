# The short way; meson and ninja do the work. `make demo` and `make check` are all a newcomer needs: on a fresh
# Debian 12 they install what debian/control lists.
PREFIX ?= /usr/local
DESTDIR ?=

all: build/slipway

setup:
	@tools/setup

build/build.ninja: | setup
	meson setup build --prefix=$(PREFIX) -Dtests=false

build/slipway: build/build.ninja setup FORCE
	@ninja -C build

demo: build/slipway
	@tools/demo

check: setup
	@tools/run-tests

lint: setup
	@tools/lint

format: setup
	@find src tests bench -name '*.[ch]' -exec clang-format -i {} +

bench: build/slipway
	@bench/run

soak: setup
	@tools/soak $(SEED)

hostile: setup
	@tools/hostile

install: build/slipway
	DESTDIR="$(DESTDIR)" meson install -C build --no-rebuild

clean:
	rm -rf build

FORCE:

.PHONY: all setup demo check lint format bench soak hostile install clean FORCE
