package enginetest

import (
	"fmt"
	"strings"

	"github.com/annals-io/annals/engine"
)

var limitCases = []testCase{
	{
		"an empty batch",
		"A batch without records adds nothing, succeeds, and its expectations are ignored as those of duplicates are.",
		emptyBatch,
	},
	{
		"most records of a batch",
		"A batch holds up to MaxBatchRecords; one more is ErrTooLarge and adds nothing, even if all are duplicates.",
		mostRecords,
	},
	{
		"most bytes of a batch",
		"A batch whose bodies, each with MaxAssignedBytes added, come to MaxBatchBytes is stored; one byte more is ErrTooLarge and adds nothing.",
		mostBytes,
	},
	{
		"large entries",
		"An entry may be as large as a batch: entries of several MiB and small ones between them are stored and read alike.",
		largeEntries,
	},
	{
		"bytes are kept as they are",
		"An engine never looks into a body: escapes, control characters, members that look assigned and long numbers come back byte for byte.",
		exactBytes,
	},
}

func emptyBatch(s *suite) {
	s.append(item{id: "a", entity: thing("a")})
	for _, expect := range [][]engine.Expect{nil, {expectEntity(thing("a"), 7)}} {
		if got, err := s.try(nil, expect...); err != nil || len(got) != 0 {
			s.Errorf("append of nothing expecting %v: %v, %v", expect, got, err)
		}
	}
	if size := s.e.Size(); size != 1 {
		s.Errorf("size is %d after one record", size)
	}
}

func mostRecords(s *suite) {
	most := numbered("", engine.MaxBatchRecords)
	for i := range most {
		most[i].entity = thing(fmt.Sprint(i % 1000))
	}
	over := append(most[:len(most):len(most)], item{id: "over"})
	s.refused("one record more", is(engine.ErrTooLarge), over)
	got := s.append(most...)
	if last := got[len(got)-1]; last.Position != engine.MaxBatchRecords-1 || last.Sequence != engine.MaxBatchRecords/1000 {
		s.Errorf("last of %d records: %+v", len(most), last)
	}
	s.refused("one record more than a repeated batch", is(engine.ErrTooLarge), append(over[:len(most):len(most)], most[0]))
}

// sized returns an item whose body is so long that, with the assigned members,
// it counts n bytes.
func sized(id string, n int) item {
	x := item{id: id, data: `""`}
	x.data = `"` + strings.Repeat("x", n-engine.MaxAssignedBytes-len(x.body())) + `"`
	return x
}

func mostBytes(s *suite) {
	const quarter = engine.MaxBatchBytes / 4
	most := []item{sized("a", quarter), sized("b", quarter), sized("c", quarter), sized("d", quarter)}
	s.refused("one byte more", is(engine.ErrTooLarge), append(most[:3:3], sized("d", quarter+1)))
	s.append(most...)
}

func largeEntries(s *suite) {
	large := sized("large", 5<<20)
	s.append(item{id: "before"}, large, item{id: "after"})
	s.append(sized("alone", 3<<20))
	s.append(item{id: "last"})
	s.reopen()
	if got := s.append(large); !got[0].Duplicate {
		s.Errorf("retry of a large entry: %+v", got)
	}
}

func exactBytes(s *suite) {
	var escapes strings.Builder
	for c := range 0x20 {
		fmt.Fprintf(&escapes, `\u%04x`, c)
	}
	all := []string{
		`"` + escapes.String() + `\b\f\n\r\t\"\\/\/"`,
		"\"\u007f\u0080\u2028\u2029\ufffd\uffff\U0001f600\U0010ffff\\ud83d\\ude00<>&'\"",
		`[0,-0,1e400,12345678901234567890123456789.0000000000000001,1E-7]`,
		`{"recorded_at":"2026-01-02T03:04:05.000000000Z","sequence":7,"position":3}`,
		`{"x":1,"recorded_at":"2026-01-02T03:04:05.000000000Z","position":3}`,
		`",\"recorded_at\":\"2026-01-02T03:04:05.000000000Z\",\"position\":3}"`,
		`{"":{"":[[],{},"",null,true,false]},"\u0000":"\u0000"}`,
		strings.Repeat("[", 60) + strings.Repeat("]", 60),
		`""`, `null`, `{}`,
	}
	for i, data := range all {
		id := data
		if len(id) > 200 {
			id = id[:200]
		}
		// The id holds the same text, quotes and all, as an identity to look up.
		s.append(item{id: fmt.Sprint(i, id), entity: engine.Entity{Type: "\"\\\n\u2028", ID: id}, data: data})
	}
	s.reopen()
	for i, data := range all {
		id := data
		if len(id) > 200 {
			id = id[:200]
		}
		if got := s.append(item{id: fmt.Sprint(i, id), entity: engine.Entity{Type: "\"\\\n\u2028", ID: id}, data: data}); !got[0].Duplicate {
			s.Errorf("retry of data %.100q: %+v", data, got[0])
		}
	}
}
