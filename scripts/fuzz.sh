#!/usr/bin/env bash
# Runs each fuzz target of the module for SECONDS_EACH. With SECONDS_ALL above
# zero the share of each shrinks so that together they stay within it, but never
# below one second.
#
#	scripts/fuzz.sh SECONDS_EACH [SECONDS_ALL]
set -euo pipefail
cd "$(dirname "$0")/.."

each=${1:?usage: fuzz.sh SECONDS_EACH [SECONDS_ALL]}
all=${2:-0}

# go test -list prints a package's targets, then a line with the package.
listing=$(go test -list '^Fuzz' ./...)
targets=$(awk '/^Fuzz/ {name[n++] = $1} /^ok/ {for (i = 0; i < n; i++) print $2, name[i]; n = 0}' <<<"$listing")
count=$(grep -c . <<<"$targets" || true)
if [ "$count" = 0 ]; then
	echo "fuzz: no targets found" >&2
	exit 1
fi
if [ "$all" -gt 0 ] && [ $((each * count)) -gt "$all" ]; then
	each=$((all / count > 0 ? all / count : 1))
fi
echo "fuzz: $count targets, $each s each"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=0
while read -r pkg name; do
	echo "fuzz $pkg $name"
	if go test -run '^$' -fuzz "^$name\$" -fuzztime "${each}s" -fuzzminimizetime 10s "$pkg" >"$log" 2>&1 </dev/null; then
		grep '^fuzz: elapsed' "$log" | tail -n 1 || true
		continue
	fi
	# On a slow machine the go command may report its own deadline at the end of
	# the time as a failure. A real one names the input that it has written.
	input=$(sed -n 's/.*Failing input written to //p' "$log")
	if [ -z "$input" ] && grep -q 'context deadline exceeded' "$log"; then
		echo "fuzz: time was up in the middle of an input"
		continue
	fi
	failed=$((failed + 1))
	cat "$log"
	dir=$(go list -f '{{.Dir}}' "$pkg")
	if [ -n "$input" ] && [ -f "$dir/$input" ]; then
		cat "$dir/$input"
	fi
done <<<"$targets"

if [ "$failed" -gt 0 ]; then
	echo "fuzz: $failed of $count targets failed" >&2
	exit 1
fi
