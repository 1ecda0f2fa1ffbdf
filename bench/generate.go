package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// A generator makes events that look like those of a busy platform: 40 types,
// actors and entities of very different frequency, 3 to 15 data members, about
// 1 KB in canonical form. The same seed makes the same events.
type generator struct {
	rand     *rand.Rand
	actors   *rand.Zipf
	entities *rand.Zipf
	prefix   string // of ids, so that generators do not collide
	scalars  int    // of data; 0 = 4 to 16
	n        uint64
	buf      []byte
}

func newGenerator(seed uint64) *generator {
	r := rand.New(rand.NewPCG(seed, 42))
	return &generator{
		rand:     r,
		actors:   rand.NewZipf(r, 1.1, 8, 20_000),
		entities: rand.NewZipf(r, 1.05, 16, 1_000_000),
		prefix:   strconv.FormatUint(seed, 36),
	}
}

const (
	requestEvents = 5       // events that share a correlation id
	rareEvery     = 100_000 // of so many events one has data.flag
)

var (
	nouns   = []string{"order", "invoice", "user", "session", "role", "secret", "deployment", "bucket"}
	verbs   = []string{"created", "updated", "deleted", "read", "denied"}
	regions = []string{"eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-south-1"}
	words   = []string{"alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett", "kilo", "lima"}
)

// next returns the next event as JSON, valid until the next call.
func (g *generator) next() []byte {
	r := g.rand
	noun, verb := nouns[r.IntN(len(nouns))], verbs[r.IntN(len(verbs))]
	outcome := "success"
	if verb == "denied" {
		outcome = "failure"
	}
	g.n++
	b := g.buf[:0]
	b = fmt.Appendf(b, `{"id":"%s-%010d","time":"%s","type":"%s.%s","source":"%s-service","action":"%s","outcome":"%s"`,
		g.prefix, g.n, time.Unix(1767225600+int64(g.n/100), 0).UTC().Format(time.RFC3339), noun, verb, noun, verb, outcome)
	b = fmt.Appendf(b, `,"message":"%s %s by a scheduled reconciliation of the platform controller"`, noun, verb)
	a := g.actors.Uint64()
	b = fmt.Appendf(b, `,"actor":{"type":"user","id":"user-%05d","name":"User Number %d","address":"10.%d.%d.%d","user_agent":"annals-bench/1.0 (linux; amd64)"}`,
		a, a, r.IntN(256), r.IntN(256), r.IntN(256))
	b = fmt.Appendf(b, `,"entity":{"type":"%s","id":"%s-%07d"}`, noun, noun, g.entities.Uint64())
	request := g.n / requestEvents
	b = fmt.Appendf(b, `,"correlation_id":"req-%s-%08x","trace_id":"%016x%016x"`, g.prefix, request, request*0x9e3779b97f4a7c15, r.Uint64())
	b = fmt.Appendf(b, `,"data":{"region":"%s","request_id":"%016x"`, regions[r.IntN(len(regions))], r.Uint64())
	if r.IntN(rareEvery) == 0 {
		b = append(b, `,"flag":"rare"`...)
	}
	fields := 1 + r.IntN(13)
	if g.scalars > 0 {
		fields = g.scalars - 4
	}
	for i := range fields {
		b = fmt.Appendf(b, `,"field_%02d":"%s-%s-%d"`, i, words[r.IntN(len(words))], words[r.IntN(len(words))], r.IntN(1000))
	}
	b = fmt.Appendf(b, `,"attempt":%d,"bytes":%d}}`, r.IntN(5), r.IntN(1<<20))
	g.buf = b
	return b
}

// A supply hands out events at no cost to the measurement: it makes some
// beforehand and gives each a new id every time round.
type supply struct {
	events [][]byte
	n      uint64
}

// supplyEvents is how many different events all supplies of a row have together:
// few enough to stay in the processor's cache, as events do that were just made.
const supplyEvents = 2000

// newSupply makes one of n supplies of events with so many scalars in data.
func newSupply(seed uint64, n, scalars int) *supply {
	g := newGenerator(seed)
	g.scalars = scalars
	s := &supply{events: make([][]byte, max(8, supplyEvents/n))}
	for i := range s.events {
		s.events[i] = append([]byte(nil), g.next()...)
	}
	return s
}

// idDigits is the length of the counter in an id: {"id":"PREFIX-0000000001",
const idDigits = 10

// next returns the next event, valid until the next call.
func (s *supply) next() []byte {
	b := s.events[s.n%uint64(len(s.events))]
	s.n++
	at := len(`{"id":"`)
	for b[at] != '-' {
		at++
	}
	for i, n := at+idDigits, s.n; i > at; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}
