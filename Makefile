# One-word commands. Everything runs in .venv, which the first of them makes.
PYTHON ?= python3
BIN := .venv/bin
EXAMPLE := examples/kgents

.PHONY: help setup demo publish docs drills coverage test test-quick lint format bench mutants clean lock

help: ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## make .venv with the pinned packages
	@$(PYTHON) script/environment.py

demo: setup ## the main job on the example: discover, audit, evaluate, drill, publish
	@echo "# 1/5  secondsite init manifests"
	@cd $(EXAMPLE) && ../../$(BIN)/secondsite init manifests --yes
	@echo; echo "# 2/5  secondsite audit --brief"
	@cd $(EXAMPLE) && ../../$(BIN)/secondsite audit --brief --fail-on never
	@echo; echo "# 3/5  secondsite evaluate"
	@cd $(EXAMPLE) && ../../$(BIN)/secondsite evaluate
	@echo; echo "# 4/5  secondsite drill: the recommendation, and the plan on paper on what runs today"
	@cd $(EXAMPLE) && ../../$(BIN)/secondsite drill region-loss \
		--strategy warm-standby/leafnode-mirror/failover-record \
		--strategy warm-standby/supercluster-mirror@today --evidence ../../build/demo/evidence || test $$? -eq 1
	@echo; echo "# 5/5  secondsite publish"
	@cd $(EXAMPLE) && ../../$(BIN)/secondsite publish ../../build/demo/saas --evidence ../../build/demo/evidence
	@echo; echo "The report to open: build/demo/saas/report.html"

publish: setup ## the example's documents, as they are committed
	cd $(EXAMPLE) && ../../$(BIN)/secondsite publish docs/saas --evidence evidence

docs: setup ## docs/audit.md, from the rules
	$(BIN)/python script/audit_page.py

test: setup ## every test but whole drills (under 20 minutes on two cores); TESTS=… for some
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not drills" $(TESTS)

coverage: setup ## the pure layers by branch, each at 95 % or more (a minute)
	@rm -f .coverage
	$(BIN)/python -m pytest tests/model tests/catalogue tests/strategies tests/evaluate tests/audit \
		tests/lab/test_server_config.py tests/lab/test_stream_config.py tests/publish/test_rendered_texts.py \
		tests/system_file/test_file_errors.py \
		-m "not slow" -n 2 --dist loadfile -q --cov --cov-report=
	@for layer in model catalogue strategies evaluate audit; do \
		$(BIN)/coverage report --skip-covered --show-missing --fail-under=95 --include="src/secondsite/$$layer/*" \
			|| { echo "secondsite.$$layer: below 95 % by branch"; exit 1; }; \
	done

test-quick: setup ## without the slow ones (under 2 minutes)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" -q

drills: setup ## whole drills on real servers, two at a time (8 minutes)
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
	$(BIN)/python benchmarks/init_bench.py
	$(BIN)/python benchmarks/checker.py
	$(BIN)/python benchmarks/lab_bench.py
	$(BIN)/python benchmarks/drill_bench.py
	$(BIN)/python benchmarks/backup_bench.py
	$(BIN)/python benchmarks/salvage_bench.py

mutants: setup ## would the tests notice a lie? (slow)
	sh benchmarks/mutants.sh

lock: setup ## resolve and pin the development packages anew
	$(BIN)/python script/lock.py

clean: ## remove what was made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist
