#!/usr/bin/env bash
# Fuzzes a server from its own OpenAPI document with schemathesis, which is a Python
# package and is put into a virtual environment in .venv: no answer may be a 5xx, or
# differ from what the document says.
#
#	scripts/schemathesis.sh [SECONDS]    # how long to fuzz; default 30
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-30}
package='schemathesis==4.32.5'

if ! .venv/bin/pip freeze 2>/dev/null | grep -qx "$package"; then
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check "$package"
fi

work=$(mktemp -d)
server=
stop() {
	if [ -n "$server" ]; then
		kill -TERM "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap stop EXIT

CGO_ENABLED=0 go build -o "$work/annals" ./cmd/annals
"$work/annals" import --data "$work/journal" --format cloudtrail testdata/corpora/aws-cloudtrail-invictus-2023.jsonl.zst >/dev/null
"$work/annals" token create --data "$work/journal" --permissions append,read,export,admin --tenant '*' --output json >"$work/token"
token=$(sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' "$work/token")
"$work/annals" serve --data "$work/journal" --listen 127.0.0.1:0 --admin-listen none --rate-requests 0 --log-level warn >"$work/serve" 2>"$work/log" &
server=$!
for _ in $(seq 100); do
	url=$(sed -n 's/.*"url": *"\([^"]*\)".*/\1/p' "$work/serve")
	[ -n "$url" ] && break
	sleep 0.1
done
if [ -z "$url" ]; then
	cat "$work/log" >&2
	echo "schemathesis: the server does not start" >&2
	exit 1
fi

.venv/bin/schemathesis run "$url/openapi.json" \
	--header "Authorization: Bearer $token" --workers 2 --max-time "$seconds" \
	--checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
	--exclude-path-regex '(/stream|/metrics)$' --request-timeout 20 --suppress-health-check all --warnings off

kill -0 "$server" || { cat "$work/log" >&2; echo "schemathesis: the server has died" >&2; exit 1; }
kill -TERM "$server"
wait "$server"
server=
"$work/annals" verify --data "$work/journal" --output json
