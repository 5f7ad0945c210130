# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Every target does its own set-up; `make help` lists them.

VENV := .venv
PYTHON_BIN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
CHECKS := PYTHONPATH=tests/tools $(PYTHON_BIN) -m checks

STAGES := lint unit lab system dns auth programs molecule sanity docs build ee awx

.DEFAULT_GOAL := help
.PHONY: help venv tree demo test matrix format clean distclean $(STAGES) cores galaxy logons live bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): $(wildcard requirements/*.txt)
	@PYTHON="$(PYTHON)" tests/tools/make_venv.sh $(VENV)
	@touch $@

venv: $(STAMP) ## the virtual environment .venv with everything that the other targets need

tree: $(STAMP) ## .build/ansible_collections/winops/kms, by which Ansible finds this checkout
	@$(CHECKS) tree

demo: tree ## the whole job over a simulated estate: site.yml twice by winrm, once by psrp
	@$(PYTHON_BIN) tests/demo/run.py

test: tree ## all stages below, in order, until one fails
	@$(CHECKS) run $(STAGES) $(if $(CI),cores)

matrix: tree ## the tests on every supported ansible-core and Python; ONLY="2.16 2.21-py3.13" for some
	@$(CHECKS) matrix $(ONLY)

lint: tree ## ruff, mypy --strict, yamllint, ansible-lint (production profile)
unit: tree ## unit tests and scripted protocol exchanges
lab: tree ## the simulated estate's own tests
system: tree ## real ansible-playbook runs over the simulated estate, by both connection plugins
dns: tree ## srv_record against real DNS servers (root: installs them by apt)
auth: tree ## every way to log on, by both connection plugins, with a real KDC (root: installs it by apt)
programs: tree ## against a directory server and a browser (root: installs them by apt)
molecule: tree ## Molecule: all scenarios (TWICE=1: twice), or SCENARIO=name [CONNECTION=psrp] with all its output
	@$(CHECKS) molecule $(SCENARIO) $(addprefix --connection=,$(CONNECTION)) $(if $(TWICE),--twice)
sanity: tree ## ansible-test sanity, every test of the current ansible-core
docs: tree ## module, role and changelog documentation
build: tree ## builds the collection, installs the archive, reads every module's documentation from it
ee: tree ## an execution environment for AWX, and the tests of the lab in it (ALL=1: all of them)
	@$(CHECKS) ee $(if $(ALL),--all)
logons: tree ## the table of all ways to log on, on every ansible-core (root: as auth)
galaxy: tree ## galaxy-importer on the built archive, without a warning
live: tree ## against a real Windows host, see tests/live/README.md
	@$(PYTHON_BIN) -m pytest tests/live
bench: tree ## what each way costs, over fleets of up to 10,000 simulated machines: an hour and more, on an idle machine
	@$(PYTHON_BIN) tests/bench/run.py $(ARGUMENTS)
cores: tree ## unit tests and a whole job on the oldest and the newest ansible-core and libraries (in CI a part of `make test`)

$(filter-out molecule ee,$(STAGES)) cores galaxy logons:
	@$(CHECKS) run $@

format: $(STAMP) ## rewrites Python files in the project's format
	@$(VENV)/bin/ruff check --fix --quiet . || true
	@$(VENV)/bin/ruff format .

clean: ## removes what targets made, but not the virtual environment
	rm -rf .build .cache .demo

distclean: clean ## removes the virtual environment too
	rm -rf $(VENV)
