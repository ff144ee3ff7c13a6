# Piquet: everything a newcomer or a check needs. `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
DEVELOPS := $(VENV)/.develops
# Servers of a test run go to temporary folders; nothing of this machine's settings reaches them. A test run starts some
# hundred processes: where Python may not keep what it compiled, each of them compiles the whole portal again.
CLEAN := env -u DATABASE_URL -u REDIS_URL -u SECRET_KEY -u VAULT_KEYS -u MAIL_URL -u DATA_DIR -u PUBLIC_URL \
	-u PYTHONDONTWRITEBYTECODE

.PHONY: help demo run test test-deep lint bench vault-key messages clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(RUNS) ## start everything with demo data on PORT (8000); Ctrl-C stops it
	@exec $(BIN)/python -m portal.workers.supervisor --demo

run: $(RUNS) ## start everything with an empty database; prints a link to create the operator
	@exec $(BIN)/python -m portal.workers.supervisor

test: $(DEVELOPS) ## all tests, with real servers in temporary folders
	@$(BIN)/python tests/install_servers.py
	@$(CLEAN) $(BIN)/python -m pytest -m "not deep" -n 3 --dist loadfile --no-loadscope-reorder

test-deep: $(DEVELOPS) ## the long proofs
	@$(BIN)/python tests/install_servers.py
	@$(CLEAN) $(BIN)/python -m pytest -m deep

lint: $(DEVELOPS) ## style, types, import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: $(DEVELOPS) ## ratios to named peers; ONLY=name runs one
	@$(BIN)/python tests/install_servers.py
	@$(CLEAN) $(BIN)/python -m benchmarks $(ONLY)

vault-key: $(RUNS) ## print a new key for VAULT_KEYS
	@$(BIN)/python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"

messages: $(DEVELOPS) ## collect the texts for translation and compile the catalogues
	@$(BIN)/python -m portal.translations

clean: ## remove the virtual environment, caches and what demo and run have written
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(RUNS): requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit("Piquet needs Python 3.11 or newer.") if sys.version_info < (3, 11) else None'
	@echo "Installing what Piquet needs ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(DEVELOPS): requirements-dev.txt $(RUNS)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
