package server

import "github.com/annals-io/annals/internal/access"

// routes are all routes of the API. Tests hold the document of the API, the matrix of
// permissions and this table together.
var routes = []route{
	{
		method: "POST", pattern: api + "/events", needs: access.Append,
		params: []string{"expected_sequence", "wait"}, handle: postEvents,
	},
	{
		method: "POST", pattern: api + "/events/batch", needs: access.Append,
		params: []string{"expected_sequence", "wait", "atomic"}, handle: postBatch,
	},
	{method: "POST", pattern: api + "/events/stream", needs: access.Append, stream: true, handle: postStream},
	{method: "GET", pattern: api + "/events", needs: access.Read, params: []string{"*"}, handle: getEvents},
	{method: "GET", pattern: api + "/events/stream", needs: access.Read, params: []string{"*"}, stream: true, handle: getStream},
	{method: "GET", pattern: api + "/events/{id}", needs: access.Read, params: []string{"tenant"}, handle: getEvent},
	{method: "GET", pattern: api + "/events/{id}/proof", needs: access.Read, params: []string{"tenant"}, handle: getProof},
	{method: "GET", pattern: api + "/export", needs: access.Export, params: []string{"*"}, handle: getExport},
	{
		method: "GET", pattern: api + "/entities", needs: access.Read,
		params: []string{"type", "limit", "cursor", "order", "tenant"}, handle: getEntities,
	},
	{
		method: "GET", pattern: api + "/entities/history", needs: access.Read,
		params: []string{"type", "id", "from", "to", "field", "limit", "cursor", "order", "tenant"}, handle: getHistoryOf,
	},
	{
		method: "GET", pattern: api + "/entities/{type}/{id}/history", needs: access.Read,
		params: []string{"from", "to", "field", "limit", "cursor", "order", "tenant"}, handle: getHistory,
	},
	{method: "GET", pattern: api + "/stats", needs: access.Read, untold: true, handle: getStats},
	{method: "GET", pattern: api + "/gaps", needs: access.Read, params: []string{"producer", "tenant"}, handle: getGaps},
	{method: "GET", pattern: api + "/limits", handle: getLimits},
	{method: "GET", pattern: "/metrics", needs: access.Read, untold: true, handle: getMetrics},
	{method: "GET", pattern: "/checkpoint", needs: access.Read, gate: gateProofs, handle: getCheckpoint},
	{method: "GET", pattern: "/tile/{path...}", needs: access.Read, gate: gateProofs, handle: getTile},
	{
		method: "GET", pattern: "/journal/history/{entity_id}", needs: access.Read,
		params: []string{"limit", "cursor", "order", "tenant"}, handle: getJournalHistory,
	},
	{
		method: "GET", pattern: "/journal/recent", needs: access.Read,
		params: []string{"limit", "cursor", "order", "tenant"}, handle: getJournalRecent,
	},
	{method: "GET", pattern: "/journal/stats", needs: access.Read, untold: true, handle: getJournalStats},
	{method: "POST", pattern: "/journal/flush", needs: access.Append, handle: postFlush},
	{method: "GET", pattern: "/healthz", gate: gateOpen, handle: healthz},
	{method: "GET", pattern: "/readyz", gate: gateOpen, handle: readyz},
	{method: "GET", pattern: "/openapi.json", gate: gateOpen, handle: getOpenAPI},
	{method: "GET", pattern: "/docs", gate: gateOpen, handle: getDocs},
}
