#!/usr/bin/env bash
# A first look at Annals: imports a real audit trail (56 minutes of one cloud
# account under a simulated attack) into a new journal and asks it a few
# questions. Each command is shown before its output.
#
# JOURNAL names the journal's folder; it must not exist. Without it the folder is
# a new one under the system's folder for temporary files, and stays there.
#
# It ends with a server of the journal, which runs until it is interrupted. Without
# a terminal, or with SERVE=no, it answers one request and is stopped.
set -euo pipefail
cd "$(dirname "$0")/.."

annals=bin/annals
trail=testdata/corpora/aws-cloudtrail-invictus-2023.jsonl.zst
journal=${JOURNAL:-$(mktemp -d "${TMPDIR:-/tmp}/annals-XXXXXX")/journal}

# show prints a command as one would type it, then runs it.
show() {
	printf '\n$ annals'
	local word
	for word in "$@"; do
		case $word in
		*[!A-Za-z0-9_./=-]*) printf " '%s'" "$word" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
	printf '\n'
	"$annals" "$@"
}

# ask says what a search is after, then shows it.
ask() {
	printf '\n# %s\n' "$1"
	show query --data "$journal" --output table --limit "${3:-5}" "$2"
}

if [ ! -x "$annals" ]; then
	echo "run.sh: $annals is missing; run make build first" >&2
	exit 1
fi

printf '# Import: every event is on disk and in the hash tree when this returns.\n'
show import --data "$journal" --output table --format cloudtrail "$trail"

ask 'Who was refused what?' 'outcome:failure data.errorCode:Client.UnauthorizedOperation'
ask 'Who logged in to the console, and from where?' 'action:ConsoleLogin'
ask 'Who changed identities and rights? (one service, reads left out)' 'type:aws.iam.* data.readOnly:false' 8
ask 'Who tried to switch the audit trail off?' 'action:StopLogging OR action:DeleteTrail'
ask 'Which calls came from a service, so that the address is a host name?' 'actor_address:secretsmanager.amazonaws.com'
ask 'What happened in one minute, and failed, but was not throttled?' \
	'time:2023-07-10T12:00:00Z..2023-07-10T12:01:00Z outcome:failure -data.errorCode:ThrottlingException'

printf '\n# What is in there?\n'
show stats --data "$journal" --output table
printf '\n# Is any of it missing or altered? (exit status 3 if so)\n'
show verify --data "$journal" --output table

# serve starts a server on a free port, and sets its process and its address.
serve() {
	local pipe line
	pipe=$(mktemp -u "${TMPDIR:-/tmp}/annals-serve-XXXXXX")
	mkfifo "$pipe"
	"$annals" serve --data "$journal" --listen 127.0.0.1:0 --admin-listen none --log-level warn >"$pipe" &
	server=$!
	trap 'kill "$server" 2>/dev/null || true' EXIT
	read -r line <"$pipe"
	rm "$pipe"
	url=$(printf '%s' "$line" | sed -n 's/.*"url":"\([^"]*\)".*/\1/p')
}

printf '\n# Others reach it over HTTP, with a token.\n'
printf '\n$ annals token create --data %s --permissions append,read,export\n' "$journal"
token=$("$annals" token create --data "$journal" --permissions append,read,export --output table)
printf '\n$ annals serve --data %s\n' "$journal"
serve
curl=(curl -sS --fail-with-body -H "Authorization: Bearer $token")
printf '\n$ curl -H "Authorization: Bearer $TOKEN" %s/api/v1/audit/events?action=StopLogging\n' "$url"
"${curl[@]}" "$url/api/v1/audit/events?action=StopLogging"
echo

cat <<END

The journal is in $journal
Try next:
  $annals query --data $journal 'actor_name:bert-jan action:Delete*'
  $annals export --data $journal --format ndjson | head -n 1
  $annals checkpoint --data $journal
Change one byte in $journal/log and run verify again: it names the place.
END

if [ ! -t 1 ] || [ "${SERVE:-}" = no ]; then
	kill "$server"
	wait "$server"
	exit
fi
cat <<END

It is served at   $url
with the token    $token
  curl -H 'Authorization: Bearer $token' $url/api/v1/audit/events?action=StopLogging
Interrupt (Ctrl-C) to stop.
END
wait "$server"
