#!/usr/bin/env bash
# Compiles everything, tests included, for systems that the tests do not run on:
# two other operating systems, one of 32 bits, one big-endian.
set -euo pipefail
cd "$(dirname "$0")/.."

for target in darwin/arm64 windows/amd64 linux/386 linux/s390x; do
	echo "cross $target"
	export CGO_ENABLED=0 GOOS=${target%/*} GOARCH=${target#*/}
	go vet ./...
	go build -o /dev/null ./cmd/annals
done
