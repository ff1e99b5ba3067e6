# Thin front over Meson and the scripts in tools/; every target is one line you could type.
#   make   make check   make san   make fuzz T=json S=60   make cov   make tidy   make bench

T ?=
S ?= 60

.PHONY: all check check-slow san fuzz cov tidy bench format clean

all: build/build.ninja
	ninja -C build

build/build.ninja:
	meson setup build

check:
	./check

check-slow:
	./check --slow

san:
	tools/san

fuzz:
	tools/fuzz --seconds $(S) $(T)

cov:
	tools/cov

tidy:
	tools/tidy

bench: all
	meson test -C build --benchmark --verbose

format:
	tools/format

clean:
	rm -rf build build-*
