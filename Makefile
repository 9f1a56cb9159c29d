# One-word commands. Everything runs in .venv, which the first of them makes.
PYTHON ?= python3
BIN := .venv/bin
EXAMPLE := examples/kgents

.PHONY: help setup demo test test-quick lint format bench mutants clean lock

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## make .venv with the pinned packages
	@$(PYTHON) script/environment.py

demo: setup ## the main job on the example: discover, audit, evaluate
	@echo "# 1/3  secondsite init manifests"
	@cd $(EXAMPLE) && ../../$(BIN)/secondsite init manifests --yes
	@echo; echo "# 2/3  secondsite audit --brief"
	@cd $(EXAMPLE) && ../../$(BIN)/secondsite audit --brief --fail-on never
	@echo; echo "# 3/3  secondsite evaluate"
	@cd $(EXAMPLE) && ../../$(BIN)/secondsite evaluate --html report.html
	@echo; echo "The report with charts: $(EXAMPLE)/report.html"

test: setup ## every test (under 20 minutes on two cores)
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered
	$(BIN)/coverage report --fail-under=95 --include='src/secondsite/model/*,src/secondsite/catalogue/*,src/secondsite/strategies/*,src/secondsite/evaluate/*,src/secondsite/audit/*'

test-quick: setup ## without the slow ones (under 2 minutes)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" -q

lint: setup ## ruff, mypy --strict, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: setup ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## figures with a peer beside them
	$(BIN)/python benchmarks/simulation.py
	$(BIN)/python benchmarks/checker.py
	$(BIN)/python benchmarks/lab_bench.py
	$(BIN)/python benchmarks/backup_bench.py

mutants: setup ## would the tests notice a lie? (slow)
	sh benchmarks/mutants.sh

lock: setup ## resolve and pin the development packages anew
	$(BIN)/python script/lock.py

clean: ## remove what was made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist $(EXAMPLE)/report.html
