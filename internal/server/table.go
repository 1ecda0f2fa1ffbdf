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
	{method: "GET", pattern: api + "/limits", handle: getLimits},
	{method: "GET", pattern: "/metrics", needs: access.Read, untold: true, handle: getMetrics},
	{method: "GET", pattern: "/healthz", gate: gateOpen, handle: healthz},
	{method: "GET", pattern: "/readyz", gate: gateOpen, handle: readyz},
}
