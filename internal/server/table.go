package server

// routes are all routes of the API. Tests hold the document of the API, the matrix of
// permissions and this table together.
var routes = []route{
	{method: "GET", pattern: api + "/limits", handle: getLimits},
	{method: "GET", pattern: "/healthz", gate: gateOpen, handle: healthz},
	{method: "GET", pattern: "/readyz", gate: gateOpen, handle: readyz},
}
