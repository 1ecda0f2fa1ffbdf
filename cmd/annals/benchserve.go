package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/annals-io/annals/bench"
)

// benchServe starts this program as a server of the journal in dir, for measuring:
// without a bound of requests, and with a token for everything of the default tenant.
func benchServe(ctx context.Context, dir, indexData string) (*bench.Service, error) {
	var token newTokenReport
	out, err := self(ctx, "token", "create", "--data", dir, "--permissions", "append,read,export,admin", "--output", "json").Output()
	if err == nil {
		err = json.Unmarshal(out, &token)
	}
	if err != nil {
		return nil, fmt.Errorf("make a token: %w", err)
	}
	c := self(ctx, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--admin-listen", "none", "--rate-requests", "0",
		"--scrub-interval", "-1s", "--index-data", indexData, "--log-level", "error")
	c.Stderr = os.Stderr
	lines, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	var report serveReport
	line, err := bufio.NewReader(lines).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &report)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the server's address: %w", err), stopServer(c))
	}
	return &bench.Service{URL: report.URL, Token: token.Token, Stop: func() error { return stopServer(c) }}, nil
}

// self returns this program as a command.
func self(ctx context.Context, args ...string) *exec.Cmd {
	name, err := os.Executable()
	if err != nil {
		name = os.Args[0]
	}
	return exec.CommandContext(ctx, name, args...)
}

// stopServer ends a server and waits for it.
func stopServer(c *exec.Cmd) error {
	return errors.Join(c.Process.Signal(syscall.SIGTERM), c.Wait())
}
