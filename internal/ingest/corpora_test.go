package ingest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/annals-io/annals/internal/ingest"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// A presence says which facts an event has, by name; "event" whether it is one.
type presence map[string]bool

// facts are what an auditor asks of every event.
var facts = []string{"actor", "action", "entity", "time", "outcome"}

// corpora are logs of each format, and jq programs that say of each event, with no
// help from the mapping, which facts it has.
var corpora = []struct{ format, file, jq string }{
	{"cloudtrail", "../../../../testdata/corpora/aws-cloudtrail-invictus-2023.jsonl.zst", `
		{event: (.eventSource and .eventName), time: has("eventTime"), action: has("eventName"), outcome: true,
		 actor: (.userIdentity | (.arn // .principalId // .invokedBy // .accountId) != null),
		 entity: ((.resources[0] | .type != null and .ARN != null)? // false)}`},
	{"kubernetes", "k8s-audit-falco-traces.jsonl.zst", `
		{event: has("verb"), action: has("verb"), actor: (.user.username != null), entity: (.objectRef.resource != null or .requestURI != null),
		 time: ((.requestReceivedTimestamp // .stageTimestamp // .timestamp) != null),
		 outcome: (.responseStatus.code != null or .stage != null)}`},
	{"github", "github-webhooks-octokit.jsonl.zst", `
		def stamps: .. | objects | to_entries[] | select(.key | IN("created_at", "updated_at", "submitted_at", "completed_at", "starred_at",
			"effective_date", "timestamp", "pushed_at", "published_at", "withdrawn_at")) | select(.value != null);
		{action: true, outcome: false, actor: (.sender.login != null),
		 entity: ((.repository.full_name // .organization.login // .installation.account.login // .sponsorship.sponsorable.login
			// .marketplace_purchase.account.login // .security_advisory.ghsa_id // .sender.login) != null),
		 time: ([stamps] | length > 0)} | .event = true`},
	{"okta", "panther-okta.jsonl.zst", `
		{event: ((.eventType // .eventtype) != null), action: ((.eventType // .eventtype) != null),
		 actor: ((.actor.id // .actorId // .actor.alternateId // .client.ipAddress // .sourceIP) != null), entity: ((.target // []) | length > 0),
		 time: ((.published // .p_event_time // "") | test("^[0-9]{4}-")), outcome: ((.outcome.result // .result) != null)}`},
	{"gcp", "panther-gcp_audit.jsonl.zst", `
		def object: if type == "object" then . else null end;
		(.protoPayload // .protopayload // {}) as $p |
		{event: true, action: ($p.methodName != null),
		 actor: (($p.authenticationInfo.principalEmail // $p.authenticationInfo.principalSubject
			// ($p.requestMetadata | object | .callerIp // .callerIP // .callerSuppliedUserAgent)) != null),
		 entity: (($p.resourceName // "") != "" and (((.resource | object | .type) // $p.serviceName) != null)),
		 time: ([.timestamp, .receiveTimestamp, .receivetimestamp, ($p.requestMetadata | object | .requestAttributes.time), .p_event_time]
			| any(type == "string" and test("^[0-9]{4}-"))), outcome: ($p.methodName != null)}`},
	{"azure", "panther-azure_activity.jsonl.zst", `
		def known: map(select(. != null) | tostring | ascii_downcase)
			| any(IN("success", "succeeded", "accept", "accepted", "start", "started", "failure", "failed"));
		{event: has("operationName"), action: has("operationName"), actor: (.callerIpAddress != null or .identity != null),
		 entity: (.resourceId != null or .uri != null), time: has("time"),
		 outcome: (.statusCode != null or ([.resultType, .resultSignature, (.status | strings), (.status | objects | .value)] | known))}`},
	{"windows", "windows-otrf-empire-schtasks-2020.jsonl.zst", windowsFacts},
	{"windows", "windows-otrf-schtask-2020.jsonl.zst", windowsFacts},
}

// windowsFacts tells the facts of flat Windows events. The audit bits are those of
// the texts of Keywords, which are beyond the numbers that jq can hold.
const windowsFacts = `
	def said: . != null and . != "" and . != "-" and . != "S-1-0-0";
	def logon: .EventID | IN(4624, 4625, 4634, 4647, 4768, 4769, 4771, 4776, 4778, 4779);
	{event: (.EventID != null), action: (.EventID != null), entity: (.Hostname | said),
	 actor: ([.SubjectUserSid, .User, .SubjectUserName, .UserID, .AccountName, .IpAddress, .SourceIp, .ClientAddress,
		.SubjectDomainName] + (if logon then [.TargetUserSid, .TargetUserName] else [] end) | any(said)),
	 time: ((.TimeCreated // .UtcTime // ."@timestamp") != null),
	 outcome: ((.EventType // "" | startswith("AUDIT_")) or (.Keywords | tostring | test("^0x80[12]0")))}`

// TestCorporaFacts checks that events have a fact exactly where the jq programs find
// it in their sources.
func TestCorporaFacts(t *testing.T) {
	jq, err := exec.LookPath("jq")
	if err != nil {
		t.Skip("skip: platform no jq")
	}
	for _, c := range corpora {
		t.Run(strings.TrimSuffix(filepath.Base(c.file), ".jsonl.zst"), func(t *testing.T) {
			lines := readZstd(t, filepath.Join("testdata/corpora", c.file))
			want := runJQ(t, jq, c.jq, lines)
			f := lookup(t, c.format)
			got, total := map[string]int{}, map[string]int{}
			for i, line := range lines {
				has := mappedFacts(t, f, line)
				if accept := want[i]["event"] && want[i]["time"]; has["event"] != accept {
					t.Errorf("line %d is an event: %t, jq says %t", i+1, has["event"], accept)
				}
				for _, fact := range facts {
					if has["event"] && has[fact] != want[i][fact] {
						t.Errorf("line %d has %s: %t, jq says %t", i+1, fact, has[fact], want[i][fact])
					}
					count(got, fact, has["event"] && has[fact])
					count(total, fact, want[i]["event"] && want[i]["time"] && want[i][fact])
				}
			}
			if diff := cmp.Diff(total, got); diff != "" {
				t.Errorf("of %d events (-jq +mapped):\n%s", len(lines), diff)
			}
			t.Logf("of %d events: %v", len(lines), got)
		})
	}
}

func count(counts map[string]int, name string, yes bool) {
	if yes {
		counts[name]++
	}
}

// mappedFacts maps a value and returns the facts that its event has.
func mappedFacts(t *testing.T, f ingest.Format, line []byte) presence {
	t.Helper()
	out, _, err := f.Map(nil, line, ingest.Input{})
	if err != nil {
		return presence{}
	}
	var e map[string]json.RawMessage
	check(t, json.Unmarshal(out, &e))
	has := presence{"event": true}
	for _, fact := range facts {
		_, has[fact] = e[fact]
	}
	return has
}

// runJQ runs a program over lines; it answers with one object a line.
func runJQ(t *testing.T, jq, program string, lines [][]byte) []presence {
	t.Helper()
	cmd := exec.Command(jq, "-c", program)
	cmd.Stdin = bytes.NewReader(bytes.Join(lines, []byte("\n")))
	out, err := cmd.Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("jq: %s", e.Stderr)
	}
	check(t, err)
	var answers []presence
	for answer := range bytes.Lines(out) {
		var p presence
		check(t, json.Unmarshal(answer, &p))
		answers = append(answers, p)
	}
	if len(answers) != len(lines) {
		t.Fatalf("jq answers for %d of %d lines", len(answers), len(lines))
	}
	return answers
}

// readZstd returns the lines of a compressed file.
func readZstd(t testing.TB, name string) [][]byte {
	t.Helper()
	file, err := os.ReadFile(name)
	check(t, err)
	d, err := zstd.NewReader(nil)
	check(t, err)
	defer d.Close()
	text, err := d.DecodeAll(file, nil)
	check(t, err)
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

// TestGitHubEvents checks that the event of a payload is told by its members.
func TestGitHubEvents(t *testing.T) {
	lines := readZstd(t, "testdata/corpora/github-webhooks-octokit.jsonl.zst")
	names := readLines(t, "testdata/corpora/github-webhooks-octokit.names.tsv")[1:]
	if len(lines) != 273 || len(names) != len(lines) {
		t.Fatalf("%d payloads, %d names", len(lines), len(names))
	}
	f := lookup(t, "github")
	for i, line := range lines {
		out, _, err := f.Map(nil, line, ingest.Input{Time: "2026-03-01T10:00:00Z"})
		check(t, err)
		var e struct{ Category, Type string }
		check(t, json.Unmarshal(out, &e))
		want := strings.Split(names[i], "\t")[1]
		if e.Category != want || !strings.HasPrefix(e.Type+".", "github."+want+".") {
			t.Errorf("line %d is %s, %s; want %s", i+1, e.Category, e.Type, want)
		}
	}
}

// TestCorporaDetect takes each corpus for what it is.
func TestCorporaDetect(t *testing.T) {
	for _, c := range corpora {
		guesses := ingest.Detect(readZstd(t, filepath.Join("testdata/corpora", c.file)))
		if len(guesses) == 0 || guesses[0].Format.Name() != c.format {
			t.Errorf("%s is taken for %+v", c.file, guesses)
		}
	}
}
