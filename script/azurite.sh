#!/bin/sh
# Azure's Blob Storage for the tests: Azurite, from npm, into build/, each package by its digest (script/azurite/). The
# newest that runs on Debian's Node 18. Anew: in script/azurite, `npm install --package-lock-only --ignore-scripts`.
set -eu
cd "$(dirname "$0")/.."
version=3.35.0 # as in script/azurite/package.json
binary=build/azurite/node_modules/.bin/azurite-blob
if [ "$($binary --version 2>/dev/null)" = "$version" ]; then exit 0; fi
mkdir -p build/azurite
cp script/azurite/package.json script/azurite/package-lock.json build/azurite/
npm ci --prefix build/azurite --ignore-scripts --no-audit --no-fund --loglevel=error
