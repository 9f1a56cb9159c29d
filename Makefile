# One-word commands. Everything runs in .venv, which the first of them makes.
GROUP ?=
SAMPLE ?= 40
SEED ?= 1
PYTHON ?= python3
BIN := .venv/bin
EXAMPLE := examples/kgents

.PHONY: help setup demo publish docs site drills coverage covered test test-quick lint format bench mutants clean lock sbom weaknesses release

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## make .venv with the pinned packages
	@$(PYTHON) script/environment.py

demo: setup ## the main job on an example: discover, audit, evaluate, drill, publish (EXAMPLE=examples/parcels for another)
	@script/demo.sh $(EXAMPLE)

publish: setup ## the example's documents, as they are committed
	cd $(EXAMPLE) && ../../$(BIN)/secondsite publish docs/saas --evidence evidence

docs: setup ## docs/audit.md, from the rules
	$(BIN)/python script/audit_page.py

site: setup ## build/site: README and docs as plain pages
	$(BIN)/python script/site.py

test: setup ## every test but whole drills (under 25 minutes on two cores); TESTS=… for some
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not drills" $(PYTEST) $(TESTS)

# Where a bug would lie or lose data: 95 % of branches.
COVERED := model catalogue strategies evaluate audit operate backup archive drill/check drill/verdict drill/evidence drill/ledger

coverage: ## make test, measured: where a bug would lie or lose data, 95 % of branches or more
	@rm -f .coverage
	@$(MAKE) --no-print-directory test PYTEST="--cov --cov-report="
	@$(MAKE) --no-print-directory covered

covered: setup ## the same of what was measured last
	@for part in $(COVERED); do \
		$(BIN)/coverage report --skip-covered --show-missing --fail-under=95 \
			--include="src/secondsite/$$part/*" || { echo "secondsite/$$part: below it by branch"; exit 1; }; \
	done

test-quick: setup ## without the slow ones (under 2 minutes)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" -q

drills: setup ## whole drills on real servers, two at a time (25 minutes, mostly waiting)
	$(BIN)/python -m pytest -m drills -n 2

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
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/spread.py
	$(BIN)/python benchmarks/init_bench.py
	$(BIN)/python benchmarks/checker.py
	$(BIN)/python benchmarks/lab_bench.py
	$(BIN)/python benchmarks/drill_bench.py
	$(BIN)/python benchmarks/backup_bench.py
	$(BIN)/python benchmarks/small_streams_bench.py
	$(BIN)/python benchmarks/salvage_bench.py
	$(BIN)/python benchmarks/archive_bench.py
	SECONDSITE_KILLS=100 $(BIN)/python -m pytest -q tests/archive/test_killed_at_any_moment.py

mutants: setup ## would the tests notice a lie? a sample of each group (GROUP=check for one, SAMPLE=0 for all, SEED)
	$(BIN)/python benchmarks/mutants.py --group "$(GROUP)" --sample $(SAMPLE) --seed $(SEED)

release: setup ## build wheel and source package, install the wheel into an empty environment, run its demo
	script/release.sh

lock: setup ## resolve and pin the development packages anew
	$(BIN)/python script/lock.py

sbom: setup ## build/sbom.cdx.json: what secondsite runs with, in CycloneDX
	$(BIN)/python script/sbom.py

weaknesses: setup ## published weaknesses of the pinned packages; exit 3 where not all could be looked up
	$(BIN)/python script/weaknesses.py

clean: ## remove what was made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist
