# `make run`: the whole loop on the embedded corpus. `make test`: the default suite. `make demo-github`: a night through action.yml with a
# local GitHub, and the pull request as a page. Each sets up everything it needs.
PYTHON ?= python3
VENV ?= .venv
# On Linux plain pip takes torch's CUDA build (gigabytes). TORCH_INDEX=<URL of PyTorch's CPU wheel index> takes the small one:
# its version 2.13.0+cpu sorts above 2.13.0, and torch's own dependencies still come from the usual index.
TORCH_INDEX ?=
TORCH ?= torch==2.13.0

# Set, it would have every process of the tests compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: run test test-long demo-github lint bench schema clean
run: $(VENV)/.run
	@$(BIN)/autoresearch run

test: $(VENV)/.test lint
	$(BIN)/python -m pytest $(PARALLEL)

test-long: $(VENV)/.test
	$(BIN)/python -m pytest -m slow $(PARALLEL)

demo-github: $(VENV)/.test
	@$(BIN)/python -m tests.demo_github

lint: $(VENV)/.test
	$(BIN)/ruff check .

bench: $(VENV)/.test
	@for f in benchmarks/*.py; do echo "== $$f"; $(BIN)/python $$f || exit 1; done

schema: $(VENV)/.run
	$(BIN)/python -m bot.settings --schema > schema/autoresearch.schema.json

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Python 3.11 or newer is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.11")'
	@echo "setting up $(VENV) (a minute or so)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.python pyproject.toml constraints.txt
	@echo "installing torch, then the rest at the versions of constraints.txt"
	@$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) '$(TORCH)'
	@$(PIP) --editable '.[train]'
	@touch $@

$(VENV)/.test: $(VENV)/.run tests/action/parser/package-lock.json
	@echo "installing the test tools"
	@$(PIP) --editable '.[train,test]'
	@npm ci --silent --ignore-scripts --no-audit --no-fund --prefix tests/action/parser \
		|| echo "no Node 20, or no network: the tests with GitHub's own workflow parser are skipped"
	@touch $@

clean:
	rm -rf $(VENV) .autoresearch build *.egg-info
