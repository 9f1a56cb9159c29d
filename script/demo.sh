#!/bin/sh
# The main job on one example: discover, audit, evaluate, drill, publish. `make demo EXAMPLE=examples/...` runs it.
#
# The example's own demo.conf says what is unlike: `before` and `after` are commands around all steps, `init` is what
# `secondsite init` is given, `drills` the strategies to drill, `ends` the exit codes of a drill that are no surprise.
set -eu
example=$1 name=$(basename "$1") bin=$PWD/.venv/bin build=$PWD/build/demo
PATH=$bin:$PATH
init=manifests drills= ends="0 3" before= after= documents=$build/$name evidence=$build/$name/evidence
cd "$example"
. ./demo.conf

step() { echo; echo "# $1/5  secondsite $2"; }

if [ -n "$after" ]; then trap "$after" EXIT; fi
if [ -n "$before" ]; then echo "# $before"; $before; fi
step 1 "init $init"
secondsite init $init --yes
step 2 "audit --brief"
secondsite audit --brief --fail-on never
step 3 evaluate
secondsite evaluate || test $? -eq 1
options=
for strategy in $drills; do options="$options --strategy $strategy"; done
step 4 "drill region-loss$options"
code=0
secondsite drill region-loss $options --evidence "$evidence" || code=$?
case " $ends " in *" $code "*) ;; *) echo "the drill ended with $code"; exit "$code" ;; esac
step 5 publish
secondsite publish "$documents" --evidence "$evidence"
echo
echo "The report to open: build/demo/$(basename "$documents")/report.html"
