# Every target makes .venv where it is missing. Plain pip: the constraints file pins what was tested.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo notebook quick test cluster-test check-devices faults check bench pictures miniature install clean

demo: .venv/installed          ## a whole search in the generated world, a few minutes on two cores
	$(BIN)/xstilts search demo

notebook: .venv/installed      ## runs docs/notebook.ipynb in a folder of its own, and keeps its output
	home=$$(mktemp -d) && XSTILTS_HOME=$$home $(BIN)/jupyter-execute --inplace docs/notebook.ipynb; rm -rf $$home

test: .venv/installed          ## the tests; those that need real data run where XSTILTS_MIRROR is set
	HF_HUB_OFFLINE=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore=tests/cluster

quick: .venv/installed         ## the tests that are not slow, on all cores
	HF_HUB_OFFLINE=1 $(BIN)/pytest -n auto --dist loadfile -m "not slow" --ignore=tests/cluster

test-%: .venv/installed        ## one folder's tests, without Ray's and DeepSpeed's long ones: make test-spaces_tests
	HF_HUB_OFFLINE=1 $(BIN)/pytest -n auto --dist loadfile -m "not slow" tests/$*

cluster-test: .venv/installed  ## `ray up` on three hosts that are namespaces (Linux, root); says why where it cannot
	HF_HUB_OFFLINE=1 $(BIN)/pytest -rs tests/cluster

check-devices: .venv/installed ## one of each for every GPU, or for the CPU, and the tests of training on them
	HF_HUB_OFFLINE=1 $(BIN)/python benchmarks/check_devices.py

faults: .venv/installed        ## a table of 27 faults, sweeps and trials killed, damaged records, histories of stage trees
	HF_HUB_OFFLINE=1 XSTILTS_EXAMPLES=new XSTILTS_KILLS=20 XSTILTS_SWEEP_KILLS=200 XSTILTS_DAMAGES=200 XSTILTS_FLIPS=1000 XSTILTS_FAULT_ROWS=all $(BIN)/pytest tests/faults
	HF_HUB_OFFLINE=1 XSTILTS_EXAMPLES=new XSTILTS_HISTORIES=1000 $(BIN)/pytest tests/trainables_tests/stage_store/test_stage_tree.py

check: .venv/installed         ## lint, format, types, layers, words, generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python tests/wording.py
	$(BIN)/python -m search.cli.reference_page | diff docs/cli.md -
	$(BIN)/python -m search.cli.api_page | diff docs/api.md -

bench: .venv/installed         ## ours beside the alternatives; needs XSTILTS_MIRROR and a quiet machine
	$(BIN)/python benchmarks/train_throughput.py
	$(BIN)/python benchmarks/trial_overhead.py

pictures: .venv/installed      ## the pictures of README.md, from a run of the demo: a few minutes
	$(BIN)/python benchmarks/pictures/make.py

miniature: .venv/installed     ## pretrain the shipped encoder and vision tower again
	$(BIN)/python -m trainables.miniature.vision_pretraining
	$(BIN)/python -m trainables.miniature.make

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,bench]'
	touch $@

clean:
	rm -rf .venv build *.egg-info
