package server

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/annals-io/annals"
	"github.com/annals-io/annals/internal/access"
	"golang.org/x/time/rate"
)

// Rates bound what one credential may ask for, so that none takes the server from the
// others. Zero fields bound nothing. A server without authentication knows no
// credentials and bounds nothing.
type Rates struct {
	// WriteRequests is how many requests that append are taken in a second. As many
	// may come at once after a pause.
	WriteRequests float64

	// WriteEvents is how many events are taken in a second. As many as one append may
	// have can come at once after a pause.
	WriteEvents float64

	// Concurrent is how many requests are answered at once, streams aside.
	Concurrent int
}

// Names of the policies in header fields.
const (
	policyRequests = "write-requests"
	policyEvents   = "write-events"
)

// maxBuckets bounds the credentials whose use is remembered.
const maxBuckets = 20_000

// bucketIdle is how long a bucket is kept that nobody uses: by then it is full again.
const bucketIdle = time.Minute

// A limiter bounds what credentials ask for.
type limiter struct {
	rates  Rates    // never changes
	policy []string // the header field RateLimit-Policy; nil for none; never changes

	mu       sync.RWMutex
	buckets  map[string]*bucket // by credential; guarded by mu
	forgotAt time.Time          // when idle ones were looked for; guarded by mu
}

// A bucket is what one credential may still ask for.
type bucket struct {
	requests *rate.Limiter // nil: not bounded
	events   *rate.Limiter // nil: not bounded
	inside   atomic.Int64  // requests that are answered now
	usedAt   atomic.Int64  // Unix time
}

func newLimiter(r Rates) *limiter {
	l := &limiter{rates: r, buckets: make(map[string]*bucket)}
	text := ""
	if r.WriteRequests > 0 {
		text = fmt.Sprintf(`"%s";q=%d;w=1`, policyRequests, burst(r.WriteRequests, 1))
	}
	if r.WriteEvents > 0 {
		q := burst(r.WriteEvents, annals.MaxBatchEvents)
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf(`"%s";q=%d;w=%d;qu="events"`, policyEvents, q, int(math.Ceil(float64(q)/r.WriteEvents)))
	}
	if text != "" {
		l.policy = []string{text}
	}
	return l
}

// burst returns what may come at once at a rate.
func burst(perSecond float64, least int) int { return max(least, int(math.Ceil(perSecond))) }

// bucket returns the bucket of a credential.
func (l *limiter) bucket(id string, now time.Time) *bucket {
	l.mu.RLock()
	b := l.buckets[id]
	l.mu.RUnlock()
	if b == nil {
		b = l.add(id, now)
	}
	if at := now.Unix(); b.usedAt.Load() != at {
		b.usedAt.Store(at)
	}
	return b
}

// add makes the bucket of a credential. With too many of them, those that are idle are
// forgotten; if none is, the new ones share one.
func (l *limiter) add(id string, now time.Time) *bucket {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buckets) >= maxBuckets && now.Sub(l.forgotAt) >= time.Second {
		l.forgotAt = now
		l.forgetLocked(now)
	}
	if len(l.buckets) >= maxBuckets {
		id = ""
	}
	b := l.buckets[id]
	if b == nil {
		b = new(bucket)
		if r := l.rates.WriteRequests; r > 0 {
			b.requests = rate.NewLimiter(rate.Limit(r), burst(r, 1))
		}
		if r := l.rates.WriteEvents; r > 0 {
			b.events = rate.NewLimiter(rate.Limit(r), burst(r, annals.MaxBatchEvents))
		}
		l.buckets[id] = b
	}
	return b
}

func (l *limiter) forgetLocked(now time.Time) {
	before := now.Add(-max(bucketIdle, l.refill())).Unix()
	for id, b := range l.buckets {
		if b.usedAt.Load() < before && b.inside.Load() == 0 {
			delete(l.buckets, id)
		}
	}
}

// refill returns how long an empty bucket takes to be full.
func (l *limiter) refill() time.Duration {
	if r := l.rates.WriteEvents; r > 0 {
		return time.Duration(min(float64(burst(r, annals.MaxBatchEvents))/r, 3600) * float64(time.Second))
	}
	return time.Second
}

// rates returns what the request's credential may ask for.
func (x *exchange) rates() Rates {
	if x.grant == nil || x.grant == x.server.local {
		return Rates{}
	}
	return x.server.limiter.Load().rates
}

// throttle takes a request from what its credential may ask for.
func (x *exchange) throttle() error {
	l := x.server.limiter.Load()
	if x.rates() == (Rates{}) {
		return nil
	}
	now := time.Now()
	b := l.bucket(x.grant.ID, now)
	if n := l.rates.Concurrent; n > 0 && !x.route.stream {
		x.bucket = b // finish leaves it
		if b.inside.Add(1) > int64(n) {
			return rateProblem(fmt.Sprintf("the credential has %d requests in progress, which is all that it may", n), 0)
		}
	}
	x.events = b.events
	if x.route.needs != access.Append {
		return nil
	}
	if l.policy != nil {
		x.w.Header()["Ratelimit-Policy"] = l.policy
	}
	if b.requests == nil {
		return nil
	}
	taken := b.requests.AllowN(now, 1)
	x.tellLeft(policyRequests, b.requests, now)
	if !taken {
		return rateProblem(fmt.Sprintf("the credential may append %g times a second", l.rates.WriteRequests), wait(b.requests, 1, now))
	}
	return nil
}

// takeEvents takes the events of a request from what its credential may append.
func (x *exchange) takeEvents(n int) error {
	if x.events == nil {
		return nil
	}
	now := time.Now()
	if x.events.AllowN(now, n) {
		return nil
	}
	x.tellLeft(policyEvents, x.events, now)
	return rateProblem(fmt.Sprintf("the credential may append %g events a second", float64(x.events.Limit())), wait(x.events, n, now))
}

// paceEvents is takeEvents for streams, which wait. It returns an error if ctx ends first.
func (x *exchange) paceEvents(ctx context.Context, n int) error {
	if x.events == nil || n == 0 {
		return nil
	}
	return x.events.WaitN(ctx, n)
}

// tellLeft says in the answer what is left of a policy.
func (x *exchange) tellLeft(policy string, l *rate.Limiter, now time.Time) {
	left := max(0, l.TokensAt(now))
	text := append(make([]byte, 0, 40), '"')
	text = append(append(text, policy...), `";r=`...)
	text = strconv.AppendInt(text, int64(left), 10)
	seconds := math.Ceil((float64(l.Burst()) - left) / float64(l.Limit()))
	text = strconv.AppendInt(append(text, ";t="...), int64(seconds), 10)
	x.w.Header()["Ratelimit"] = []string{string(text)}
}

// wait returns the seconds until n may be taken.
func wait(l *rate.Limiter, n int, now time.Time) int {
	lacks := float64(min(n, l.Burst())) - l.TokensAt(now)
	return int(math.Ceil(lacks / float64(l.Limit())))
}

// rateProblem tells a client to come again.
func rateProblem(detail string, seconds int) error {
	p := problemf(codeRateLimited, detail)
	p.retryAfter = max(seconds, retryAfter)
	return p
}

// SetRates changes the bounds of a running server. What credentials have used before is
// forgotten.
func (s *Server) SetRates(r Rates) { s.limiter.Store(newLimiter(r)) }
