#!/usr/bin/env bash
# Makes sure that the tools are there which the tests need and Go does not fetch.
# As root on a system with apt-get it installs what is missing; elsewhere it says
# what to install.
set -euo pipefail

declare -A package=(
	[go]="" # too old in most distributions: see https://go.dev/doc/install
	[git]=git
	[make]=make
	[curl]=curl
	[python3]="python3 python3-venv" # for schemathesis
	[cc]="gcc libc6-dev" # for the race detector
	[jq]=jq # an opinion of its own on imported logs
)

missing=()
for tool in "${!package[@]}"; do
	command -v "$tool" >/dev/null || missing+=("$tool")
done
[ ${#missing[@]} -gt 0 ] || exit 0

packages=()
for tool in "${missing[@]}"; do
	if [ -z "${package[$tool]}" ]; then
		echo "tools: $tool is missing: install it as its makers say" >&2
		exit 1
	fi
	read -ra names <<<"${package[$tool]}"
	packages+=("${names[@]}")
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "tools: install ${missing[*]} first (Debian: apt-get install ${packages[*]})" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}"
