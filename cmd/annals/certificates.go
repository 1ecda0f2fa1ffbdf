package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// certificates are the server's certificate, which may be replaced as it runs.
type certificates struct {
	certFile, keyFile string // never change

	current atomic.Pointer[tls.Certificate]
	read    atomic.Pointer[[2]fileState] // of the files when they were read
}

// A fileState tells whether a file is another.
type fileState struct {
	size     int64
	modified time.Time
}

func newCertificates(certFile, keyFile string) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile}
	return c, c.load()
}

// load reads the files. After an error the certificate is the one before.
func (c *certificates) load() error {
	state := c.state() // before reading: a change meanwhile is seen later
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	c.read.Store(&state)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

func (c *certificates) state() (s [2]fileState) {
	for i, name := range [2]string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			s[i] = fileState{info.Size(), info.ModTime()}
		}
	}
	return s
}

// stale reports whether the files are others than those that were read.
func (c *certificates) stale() bool { return c.state() != *c.read.Load() }

// config returns how the server speaks TLS.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}
}
