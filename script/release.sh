#!/usr/bin/env bash
# Builds the wheel and the source package, and tries the wheel as who installs it does: an environment with nothing in it,
# an empty folder, what its extra names and no more (pinned, by hash), and `secondsite demo`.
# TRY names another verb: CI has rehearsed the demo's drills by then.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf build/dist
.venv/bin/python -m hatchling build -d build/dist >/dev/null
tried=$(mktemp -d)
trap 'rm -rf "$tried"' EXIT
.venv/bin/python -m venv "$tried/venv"
wheel=$(echo "$PWD"/build/dist/secondsite-*.whl)
pip=("$tried/venv/bin/python" -m pip --quiet --disable-pip-version-check)
sed '/--hash=/d; s/ \\$//' requirements/dev.txt >"$tried/versions.txt"
"${pip[@]}" install --dry-run --report "$tried/report.json" --constraint "$tried/versions.txt" "$wheel[lab]"
.venv/bin/python script/pins_of.py "$tried/report.json" requirements/dev.txt >"$tried/wanted.txt"
"${pip[@]}" install --no-deps --require-hashes --requirement "$tried/wanted.txt"
"${pip[@]}" install --no-deps --no-index "$wheel"
mkdir "$tried/empty"
cd "$tried/empty"
read -ra try <<<"${TRY:-demo}"
"$tried/venv/bin/secondsite" "${try[@]}"
