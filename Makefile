# Short names for what is in scripts/. Each script says what it does at its top.

PREFIX ?= /usr/local
DESTDIR ?=
export PREFIX DESTDIR

.PHONY: help build demo test test-bindings test-servers test-matrix torture torture-topologies sanitize lint
.PHONY: bench bench-quick bench-bindings
.PHONY: docs install uninstall dist test-packages header readme clean

help:
	@echo "make build         build the library for C, as it is installed"
	@echo "make demo          build the library and run the examples in C and C++ against a private server"
	@echo "make test          run every test, in Rust and in C; the last line counts them"
	@echo "make test-bindings  the tests of the bindings alone, and the table of what each can do"
	@echo "make test-servers  the Rust tests again, on the newest Redis and the newest Valkey that can be had"
	@echo "make test-matrix   the Rust tests on every version, transport, topology and protocol, crossed: most of an hour"
	@echo "make torture       what goes wrong only under load, in full: minutes, with a verdict in the last line"
	@echo "make torture-topologies  the same of failovers (cluster, sentinels) and of slots that move"
	@echo "make sanitize      C threads that mix all calls under AddressSanitizer and ThreadSanitizer, with the library"
	@echo "make lint          formatting, lints and documentation of Rust and C"
	@echo "make bench         measure against other clients, side by side: twenty minutes"
	@echo "make bench-quick   the same in five minutes, less exactly"
	@echo "make bench-bindings  measure the bindings against the clients of their languages"
	@echo "make docs          make the reference site, in target/docs: open index.html there"
	@echo "make install       install into PREFIX (default /usr/local), under DESTDIR"
	@echo "make uninstall     remove what install put there"
	@echo "make dist          build the packages of a release into target/dist"
	@echo "make test-packages  install each of them in an empty place and try it there"
	@echo "make header        write what is generated in include/ anew from the source"
	@echo "make readme        write the table of options and the programs in README.md anew"
	@echo "make clean         remove everything that was built"

build demo test test-bindings test-servers test-matrix torture sanitize lint \
bench bench-bindings docs install uninstall dist test-packages:
	@scripts/$@

torture-topologies:
	@scripts/torture topologies

bench-quick:
	@scripts/bench --quick

header:
	cargo build --quiet
	@echo "include/ is up to date"

readme:
	UPDATE=1 cargo test --quiet --test readme its_table
	@echo "README.md is up to date"

clean:
	cargo clean
