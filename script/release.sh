#!/usr/bin/env bash
# Builds the wheel and the source package, and tries the wheel as who installs it does: an environment with nothing in it,
# an empty folder, the newest packages that it takes, and `secondsite demo`.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf build/dist
.venv/bin/python -m hatchling build -d build/dist >/dev/null
tried=$(mktemp -d)
trap 'rm -rf "$tried"' EXIT
.venv/bin/python -m venv "$tried/venv"
wheel=$(echo "$PWD"/build/dist/secondsite-*.whl)
"$tried/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel[lab]"
mkdir "$tried/empty"
cd "$tried/empty"
"$tried/venv/bin/secondsite" demo
