#!/usr/bin/env bash
# The HTTP API with nothing but curl: appends in every form, searches, pages, streams,
# exports, is refused without a token and by its rate limit, reads the metrics. Each
# answer is checked. It needs bin/annals.
#
# JOURNAL names the journal's folder; without it the folder is a throw-away one.
set -euo pipefail
cd "$(dirname "$0")/.."

annals=bin/annals
work=$(mktemp -d)
journal=${JOURNAL:-$work/journal}
server=
stop() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap stop EXIT

# say says what follows.
say() { printf '\n# %s\n' "$1"; }

# expect checks that the last answer has a status and a text.
expect() {
	if [ "$status" != "$1" ] || ! grep -q -- "$2" "$work/answer"; then
		printf 'curl.sh: status %s, want %s and an answer with %s:\n' "$status" "$1" "$2" >&2
		cat "$work/answer" >&2
		exit 1
	fi
}

# call calls a path with the token and shows the answer.
call() {
	local path=$1
	shift
	printf '$ curl %s %s\n' "$path" "$*"
	status=$(curl -sS -o "$work/answer" -D "$work/head" -w '%{http_code}' -H "Authorization: Bearer $token" "$@" "$url$path")
	head -c 600 "$work/answer"
	echo
}

# field prints a string member of the last answer.
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$work/answer" | head -n 1; }

token=$("$annals" token create --data "$journal" --permissions append,read,export --output json | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
"$annals" serve --data "$journal" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --rate-requests 30 --log-level warn >"$work/serve" &
server=$!
for _ in $(seq 100); do
	url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$work/serve")
	[ -n "$url" ] && break
	sleep 0.1
done
api=/api/v1/audit
json='Content-Type: application/json'

say 'One event, an array, a batch with an expectation, lines.'
call $api/events -H "$json" -d '{"id":"one","type":"order.placed","entity":{"type":"order","id":"1"},"data":{"total":12.50},"correlation_id":"c-1"}'
expect 201 '"sequence":1'
call $api/events -H "$json" -d '{"id":"one","type":"order.placed","entity":{"type":"order","id":"1"},"data":{"total":12.50},"correlation_id":"c-1"}'
expect 200 '"duplicate":true'
call $api/events -H "$json" -d '[{"id":"two","type":"order.paid","correlation_id":"c-1"},{"id":"three","type":"order.shipped","correlation_id":"c-1"}]'
expect 201 '"receipts":\['
call $api/events -H "$json" -d '{"events":[{"type":"order.returned","entity":{"type":"order","id":"1"}}],"expect":[{"entity":{"type":"order","id":"1"},"sequence":7}]}'
expect 409 '"current_sequence":1'
call $api/events -H 'Content-Type: application/x-ndjson' --data-binary $'{"type":"a.b"}\n{"type":"a.c"}\n'
expect 201 '"receipts":\['

say 'CloudEvents: structured, a batch, binary. And an envelope in headers.'
call $api/events -H 'Content-Type: application/cloudevents+json' -d '{"specversion":"1.0","id":"1","source":"/shop","type":"shop.opened"}'
expect 201 '"id":"/shop#1"'
call $api/events -H 'Content-Type: application/cloudevents-batch+json' -d '[{"specversion":"1.0","id":"2","source":"/shop","type":"shop.closed"}]'
expect 201 '"id":"/shop#2"'
call $api/events -H 'ce-specversion: 1.0' -H 'ce-id: 3' -H 'ce-source: /shop' -H 'ce-type: shop.sold' -H "$json" -d '{"item":7}'
expect 201 '"id":"/shop#3"'
call $api/events -H 'X-Event-Type: gateway.signal.received' -H 'X-Service: gateway' -H 'X-Correlation-ID: c-2' -H "$json" -d '{"alert":"x"}'
expect 201 '"position"'
call "$api/events/batch?atomic=false" -H "$json" -d '[{"type":"fine"},{"typo":"not fine"}]'
expect 207 '"invalid"'

say 'Search, page by page; one entry; the history of an entity; an export.'
call "$api/events?correlation_id=c-1&limit=2"
expect 200 '"has_more":true'
cursor=$(field next_cursor)
call "$api/events?correlation_id=c-1&limit=2&cursor=$cursor"
expect 200 '"id":"three"'
call "$api/events?type=order.*&total=true&order=asc"
expect 200 '"total":3'
call $api/events/one
expect 200 '"total":12.50'
grep -qi '^cache-control:.*immutable' "$work/head"
call $api/entities/order/1/history
expect 200 '"sequence":1'
call "$api/export?format=ndjson"
expect 200 '"id":"two"'
call "$api/events?typ=order.placed"
expect 400 'type'

say 'Follow: server-sent events from the first on.'
timeout 2 curl -sSN -H "Authorization: Bearer $token" "$url$api/events/stream?from=0" >"$work/stream" || true
grep -q '^data: {"id":"one"' "$work/stream"
head -n 4 "$work/stream"

say 'Nothing without a token, nor with a made-up one.'
status=$(curl -sS -o "$work/answer" -w '%{http_code}' "$url$api/events")
expect 401 '"unauthenticated"'
status=$(curl -sS -o "$work/answer" -w '%{http_code}' -H 'Authorization: Bearer annals_abc_def' "$url$api/events")
expect 401 '"unauthenticated"'

say 'Too many requests a second are told when to come again.'
curl -sS -Z --parallel-max 10 -o /dev/null -w '%{http_code} Retry-After: %header{retry-after}, RateLimit: %header{ratelimit}\n' \
	-H "Authorization: Bearer $token" -H "$json" -d '{"type":"flood"}' "$url$api/events#[1-200]" >"$work/answer"
status=$(cut -d ' ' -f 1 "$work/answer" | sort -u | tail -n 1)
expect 429 '^429 Retry-After: [0-9]'
grep -m 1 '^429' "$work/answer"

say 'Metrics.'
sleep 1
call /metrics
expect 200 '^annals_'
grep -m 3 '^audit_' "$work/answer"

say 'The server ends when it is told to, and the journal is sound.'
kill -TERM "$server"
wait "$server"
server=
"$annals" verify --data "$journal" --output table
