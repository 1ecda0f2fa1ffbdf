package main

import (
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
)

// adminHandler serves what the server's operator looks at.
func (s *service) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.server.Metrics())
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return s.localOnly(mux)
}

// guard protects a server that asks for no token from web pages: a browser on this
// machine reaches it too.
func (s *service) guard(h http.Handler) http.Handler {
	if !s.config.noAuth {
		return h
	}
	return s.localOnly(http.NewCrossOriginProtection().Handler(h))
}

// localOnly refuses requests to other names than this machine's, which are those of
// pages whose name leads here (DNS rebinding), unless others are let in on purpose.
func (s *service) localOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.config.insecureHTTP && !isLocalName(r.Host) {
			http.Error(w, "the server is for this machine: use 127.0.0.1 or localhost", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isLocalName reports whether a host, with or without a port, is this machine.
func isLocalName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
