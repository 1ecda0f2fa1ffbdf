package client_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/client"
	"golang.org/x/mod/sumdb/note"
)

// verifier returns what checks the checkpoints of a journal.
func verifier(t *testing.T, j *annals.Journal) note.Verifier {
	t.Helper()
	key, err := j.VerifierKey()
	check(t, err)
	v, err := note.NewVerifier(key)
	check(t, err)
	return v
}

// TestVerifyReceipt has receipts proven: those that are true, and others.
func TestVerifyReceipt(t *testing.T) {
	f, other := newFixture(t, ""), newFixture(t, "")
	ours, theirs := verifier(t, f.journal), verifier(t, other.journal)
	ctx := t.Context()
	var receipts []annals.Receipt
	for _, id := range []string{"1", strange, ".", "..", "stream", "6"} {
		r, err := f.Append(ctx, annals.Event{ID: id, Type: "a"})
		check(t, err)
		receipts = append(receipts, r...)
	}
	for _, r := range receipts {
		if err := f.VerifyReceipt(ctx, r, ours); err != nil {
			t.Errorf("receipt of %q: %v", r.ID, err)
		}
		p, err := f.Prove(ctx, r.Position)
		check(t, err)
		if p.Position != r.Position || p.Hash != r.Hash || p.Size <= uint64(p.Position) {
			t.Errorf("proof of %q is %+v", r.ID, p)
		}
	}
	altered, moved, lost := receipts[1], receipts[1], receipts[1]
	altered.Hash[0] ^= 1
	moved.Position++
	lost.Position += 100
	for name, r := range map[string]annals.Receipt{"altered": altered, "moved": moved} {
		if _, ok := errors.AsType[*annals.CorruptError](f.VerifyReceipt(ctx, r, ours)); !ok {
			t.Errorf("a receipt that was %s is verified", name)
		}
	}
	if err := f.VerifyReceipt(ctx, lost, ours); !errors.Is(err, annals.ErrNotFound) {
		t.Errorf("a receipt behind the end: %v", err)
	}
	for _, v := range [][]note.Verifier{{theirs}, nil} {
		if _, ok := errors.AsType[*annals.CorruptError](f.VerifyReceipt(ctx, receipts[1], v...)); !ok {
			t.Errorf("another's signature is accepted")
		}
	}
}

// TestVerifyReceiptForged gives proofs that do not check out.
func TestVerifyReceiptForged(t *testing.T) {
	f := newFixture(t, "")
	r, err := f.Append(t.Context(), annals.Event{ID: "1", Type: "a"}, annals.Event{ID: "2", Type: "a"}, annals.Event{ID: "3", Type: "a"})
	check(t, err)
	for _, change := range [][2]string{{`"path":["`, `"path":["00`}, {`"tree_size":`, `"tree_size":1`}, {`"path":[`, `"path":[],"other":[`}, {`"position":1`, `"position":2`}} {
		c := newTripped(t, client.Options{}, func(q *http.Request) (*http.Response, error) {
			q.URL.Host = strings.TrimPrefix(f.web.URL, "http://")
			a, err := http.DefaultTransport.RoundTrip(q)
			if err != nil || !strings.HasSuffix(q.URL.Path, "/proof") {
				return a, err
			}
			var text strings.Builder
			check(t, a.Write(&text))
			_, body, _ := strings.Cut(text.String(), "\r\n\r\n")
			if !strings.Contains(body, change[0]) {
				t.Errorf("the proof has no %s: %s", change[0], body)
			}
			return answer(200, strings.Replace(body, change[0], change[1], 1)), nil
		})
		if err := c.VerifyReceipt(t.Context(), r[1], verifier(t, f.journal)); err == nil {
			t.Errorf("a proof with %s is accepted", change[1])
		}
	}
}
