package server_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
)

// heapBytes returns what is in use, stacks included.
func heapBytes() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// stall opens subscriptions of everything whose client reads the beginning alone.
func stall(t *testing.T, url string, n int) []net.Conn {
	t.Helper()
	address := strings.TrimPrefix(url, "http://")
	conns := make([]net.Conn, n)
	for i := range conns {
		c, err := net.Dial("tcp", address)
		check(t, err)
		check(t, c.(*net.TCPConn).SetReadBuffer(4<<10))
		fmt.Fprintf(c, "GET /api/v1/audit/events/stream?from=0 HTTP/1.1\r\nHost: x\r\n\r\n")
		conns[i] = c
	}
	for _, c := range conns { // each has begun
		_, err := io.ReadFull(c, make([]byte, 1))
		check(t, err)
	}
	return conns
}
