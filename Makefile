# Everything here is a short name for a command; nothing needs make.
.DEFAULT_GOAL := help
.PHONY: help up test lint types demo screenshots bench
python := .venv/bin/python
port := $(or $(EVOX_PORT),8000)

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

up: ## Start EVOX, until Ctrl-C.
	./scripts/up

test: ## Run every check and test; what CI runs.
	./scripts/test

lint: ## Check style, format and import contracts.
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -c "from importlinter.cli import lint_imports_command as run; run(['--no-logo'])"

types: ## Check types (needs a running ./scripts/up, or DATABASE_URL and REDIS_URL).
	$(python) -m mypy

demo: ## Run the demonstration, picture its work into screenshots/demo.png, and stop it.
	@mkdir -p screenshots
	@folder=$$(mktemp -d); EVOX_DATA_DIR=$$folder ./scripts/up --demo & up=$$!; \
	trap 'kill $$up 2>/dev/null; wait $$up; EVOX_DATA_DIR='$$folder' ./scripts/up --purge' EXIT; \
	for second in $$(seq 300); do \
		curl -fs http://127.0.0.1:$(port)/healthz >/dev/null && break; \
		kill -0 $$up || exit 1; sleep 1; \
	done; \
	for second in $$(seq 180); do \
		curl -fs 'http://127.0.0.1:$(port)/api/v1/dispatches?status=exhausted' | grep -q '"id"' && break; \
		sleep 1; \
	done; sleep 10; \
	$(python) scripts/screenshot.py http://127.0.0.1:$(port)/work screenshots/demo.png --width 1280 --theme light

screenshots: ## Picture every state of the page and of the admin into screenshots/.
	./scripts/screenshots screenshots

bench: ## Measure the fingerprint.
	$(python) -m benchmarks.fingerprint
