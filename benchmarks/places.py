"""Paths of the benchmark's files, which are stored in `var`, except for the report."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("CORPUS") or ROOT.parent / "shared" / "corpus")
FOLDER = ROOT / "var" / "benchmarks"
# Raise the number when the recipe of the inputs changes.
INPUTS = FOLDER / "inputs-2"
WORST = FOLDER / "worst"
RESULTS = ROOT / "var" / "benchmarks.json"
REPORT = ROOT / "docs" / "benchmarks.md"
SYSTEM_REPORT = ROOT / "docs" / "benchmarks-system.md"
