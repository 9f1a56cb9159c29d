#!/bin/sh
# Azure's Blob Storage for the tests: Azurite, from npm, into build/. The newest that runs on Debian's Node 18.
set -eu
cd "$(dirname "$0")/.."
version=3.35.0
binary=build/azurite/node_modules/.bin/azurite-blob
if [ "$($binary --version 2>/dev/null)" = "$version" ]; then exit 0; fi
mkdir -p build/azurite
npm install --prefix build/azurite --ignore-scripts --no-audit --no-fund --loglevel=error "azurite@$version"
