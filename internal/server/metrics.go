package server

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/annals-io/annals"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// How many values of a label are told apart: senders choose them. The rest are "other".
const (
	maxServices   = 100
	maxOperations = 50
	maxLabelText  = 60 // bytes
	maxEventKinds = 5000
)

// labelOther stands for values beyond.
const labelOther = "other"

// secondsBuckets are the bounds of histograms of time.
var secondsBuckets = []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}

// metrics count what a server does. Names and labels are promises; labels are bounded.
type metrics struct {
	registry *prometheus.Registry

	events     *prometheus.CounterVec // by service, operation, outcome
	duplicates prometheus.Counter
	writes     prometheus.Histogram
	batches    prometheus.Histogram
	queries    prometheus.Histogram
	problems   map[*code]prometheus.Counter
	routes     map[*route]*routeMetrics // the route nil is of requests without one
	inside     prometheus.Gauge

	mu         sync.RWMutex
	kinds      map[string]prometheus.Counter // by the canonical JSON of what the labels are made of; guarded by mu
	services   map[string]bool               // guarded by mu
	operations map[string]bool               // guarded by mu
}

// routeMetrics are those of one route.
type routeMetrics struct {
	seconds prometheus.Observer
	byClass [6]prometheus.Counter // by the first digit of the status
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(), kinds: make(map[string]prometheus.Counter),
		services: make(map[string]bool), operations: make(map[string]bool),
	}
	m.events = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "audit_events_total", Help: "Events that were appended, duplicates left out, by source, action and outcome of the event.",
	}, []string{"service", "operation", "outcome"})
	m.duplicates = m.counter("annals_duplicate_events_total", "Events that were there already.")
	m.writes = m.seconds("audit_write_duration_seconds", "Time of appends, until they are durable.")
	m.queries = m.seconds("audit_query_duration_seconds", "Time of requests that read, streams and exports left out.")
	m.batches = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "annals_append_events", Help: "Events of one append.", Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000},
	})
	m.inside = prometheus.NewGauge(prometheus.GaugeOpts{Name: "annals_http_requests_in_progress", Help: "Requests that are answered now, streams included."})
	m.registry.MustRegister(m.events, m.batches, m.inside, &journalCollector{s}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.addProblems()
	m.addRoutes()
	return m
}

func (m *metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *metrics) seconds(name, help string) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: secondsBuckets})
	m.registry.MustRegister(h)
	return h
}

// addProblems makes a counter for each kind of problem.
func (m *metrics) addProblems() {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "annals_http_problems_total", Help: "Requests that were answered with a problem, by its code: what was refused, limited, or failed.",
	}, []string{"code"})
	m.registry.MustRegister(v)
	m.problems = make(map[*code]prometheus.Counter, len(codes))
	for _, c := range codes {
		m.problems[c] = v.WithLabelValues(c.name)
	}
}

// addRoutes makes the metrics of each route.
func (m *metrics) addRoutes() {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "annals_http_requests_total", Help: "Requests by route and class of status.",
	}, []string{"route", "status"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "annals_http_request_duration_seconds", Help: "Time of requests, from their header to the end of their answer.", Buckets: secondsBuckets,
	}, []string{"route"})
	m.registry.MustRegister(requests, seconds)
	add := func(r *route, name string) {
		rm := &routeMetrics{seconds: seconds.WithLabelValues(name)}
		for class := 1; class < len(rm.byClass); class++ {
			rm.byClass[class] = requests.WithLabelValues(name, fmt.Sprintf("%dxx", class))
		}
		m.routes[r] = rm
	}
	m.routes = make(map[*route]*routeMetrics, len(routes)+1)
	add(nil, "none")
	for i := range routes {
		add(&routes[i], routes[i].name())
	}
}

// Metrics returns what serves the server's metrics, to whoever asks.
func (s *Server) Metrics() http.Handler {
	return promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}

// getMetrics serves the metrics as a route.
func getMetrics(x *exchange) error {
	x.status = http.StatusOK // it is what a handler of metrics sends
	x.server.Metrics().ServeHTTP(x.w, x.r)
	return nil
}

// measured ends the measure of a request.
func (x *exchange) measured(began time.Time) {
	m, took := x.server.metrics, time.Since(began)
	rm := m.routes[x.route]
	rm.seconds.Observe(took.Seconds())
	if class := x.status / 100; class > 0 && class < len(rm.byClass) {
		rm.byClass[class].Inc()
	}
	if r := x.route; r != nil && !r.stream && r.audited() == TypeRead {
		m.queries.Observe(took.Seconds())
	}
	x.logRequest(took)
}

// logRequest logs a request for those who look for one: nothing that a client sent but its
// id and where it comes from.
func (x *exchange) logRequest(took time.Duration) {
	l := x.server.opts.Logger
	if !l.Enabled(x.r.Context(), slog.LevelDebug) {
		return
	}
	credential := ""
	if x.grant != nil {
		credential = x.grant.ID
	}
	l.Debug("request", "request_id", x.id, "route", x.routeName(), "status", x.status, "took", took, "credential", credential, "from", x.r.RemoteAddr)
}

// appended counts an append.
func (m *metrics) appended(events []annals.Encoded, receipts []annals.Receipt, took time.Duration) {
	m.writes.Observe(took.Seconds())
	m.batches.Observe(float64(len(events)))
	for i := range receipts {
		if receipts[i].Duplicate {
			m.duplicates.Inc()
			continue
		}
		m.kind(&events[i]).Inc()
	}
}

// kind returns the counter of events like this one.
func (m *metrics) kind(e *annals.Encoded) prometheus.Counter {
	var buf [256]byte
	key := buf[:0]
	for _, name := range [...]string{"source", "action", "outcome"} {
		value, _ := e.Member(name)
		key = append(append(key, value...), ' ') // strings hold no bare space behind their end
	}
	m.mu.RLock()
	c := m.kinds[string(key)]
	m.mu.RUnlock()
	if c == nil {
		c = m.addKind(e, string(key))
	}
	return c
}

// addKind makes the counter of a new kind of events.
func (m *metrics) addKind(e *annals.Encoded, key string) prometheus.Counter {
	m.mu.Lock()
	defer m.mu.Unlock()
	service := bounded(m.services, maxServices, memberText(e, "source"))
	operation := bounded(m.operations, maxOperations, memberText(e, "action"))
	c := m.events.WithLabelValues(service, operation, memberText(e, "outcome"))
	if len(m.kinds) >= maxEventKinds {
		clear(m.kinds) // it only saves the way here
	}
	m.kinds[key] = c
	return c
}

// bounded returns a label's value, or what stands for it once there are too many.
func bounded(known map[string]bool, most int, value string) string {
	if len(value) > maxLabelText {
		return labelOther
	}
	if !known[value] {
		if len(known) >= most {
			return labelOther
		}
		known[value] = true
	}
	return value
}

// memberText returns a string of an event, "" if it has none.
func memberText(e *annals.Encoded, name string) string {
	var text string
	if raw, ok := e.Member(name); ok {
		_ = json.Unmarshal(raw, &text) // it is a string
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
