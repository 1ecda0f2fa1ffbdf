package server

import (
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/annals-io/annals"
)

// A frame is a piece of a stream of events: what subscribers of one query get for some
// positions. It never changes, so that those who want the same share it.
type frame struct {
	from, next annals.Position // next is not part of it
	text       []byte
}

// keptFrames is how many frames are kept for subscribers that come to them, and
// keptBytes the most of each.
const (
	keptFrames = 512
	keptBytes  = 2 * frameBytes
)

// A frameKey names a frame: a query, as channelKey has it, and where the frame begins.
type frameKey struct {
	query string
	from  annals.Position
}

// frames are the newest frames of queries that have several subscribers. One that makes
// a frame leaves it here, and one that comes to the same position takes it.
type frames struct {
	mu    sync.Mutex
	users map[string]int       // subscribers of each query; guarded by mu
	byKey map[frameKey]*frame  // guarded by mu
	order [keptFrames]frameKey // of byKey; guarded by mu
	next  int                  // in order, of the oldest; guarded by mu
}

// join adds a subscriber of a query.
func (s *frames) join(query string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == nil {
		s.users, s.byKey = make(map[string]int), make(map[frameKey]*frame)
	}
	s.users[query]++
}

// leave takes a subscriber away. Frames go when others need their place.
func (s *frames) leave(query string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users[query]--; s.users[query] == 0 {
		delete(s.users, query)
	}
}

// find returns a frame, nil if it is not there, and whether others would want it.
func (s *frames) find(key frameKey) (f *frame, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byKey[key], s.users[key.query] > 1
}

// keep leaves a frame for others.
func (s *frames) keep(key frameKey, f *frame) {
	if cap(f.text) > keptBytes {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[key] != nil {
		return
	}
	delete(s.byKey, s.order[s.next])
	s.byKey[key], s.order[s.next] = f, key
	s.next = (s.next + 1) % keptFrames
}

// sharedParams are the parameters that mean the same for everybody at any time.
var sharedParams = []string{"tenant", "type", "entity_type", "entity_id", "outcome", "severity", "source"}

// channelKey returns what is the same for those who want the same as a request, "" if
// that cannot be told: since and q can have times that count from now.
func channelKey(params url.Values, tenants []string) string {
	for name := range params {
		if !slices.Contains(sharedParams, name) {
			return ""
		}
	}
	return strings.Join(tenants, "\x00") + "\x00\x00" + params.Encode()
}
