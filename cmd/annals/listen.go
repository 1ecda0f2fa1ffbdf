package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listeners are where a server listens.
type listeners struct {
	api   net.Listener
	admin net.Listener // nil if there is none
	url   string       // of the API
}

func (l *listeners) close() error {
	err := l.api.Close()
	if l.admin != nil {
		err = errors.Join(err, l.admin.Close())
	}
	return err
}

// listen takes the server's addresses. Nobody is answered yet.
func (s *service) listen() (*listeners, error) {
	c := s.config
	l := &listeners{}
	scheme := "http"
	var err error
	if c.tlsCert != "" {
		scheme = "https"
		if s.certs, err = newCertificates(c.tlsCert, c.tlsKey); err != nil {
			return nil, err
		}
	}
	if l.api, err = listenTCP("listen", c.listen); err != nil {
		return nil, err
	}
	l.url = scheme + "://" + hostPort(c.listen, l.api.Addr())
	if c.adminListen == adminNone {
		return l, nil
	}
	if l.admin, err = listenTCP("admin-listen", c.adminListen); err != nil {
		return nil, errors.Join(err, l.api.Close())
	}
	s.logger.Info("metrics and profiles", "url", "http://"+hostPort(c.adminListen, l.admin.Addr()))
	return l, nil
}

func listenTCP(setting, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, hinted(fmt.Errorf("%s: %w", setting, err), "another process has this port; :0 takes a free one")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return l, nil
}

// hostPort returns the address under which this machine reaches a listener: the host as
// it was given, the port as it is.
func hostPort(given string, at net.Addr) string {
	host, _, _ := net.SplitHostPort(given)
	_, port, _ := net.SplitHostPort(at.String())
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// isLoopback reports whether only this machine can reach an address.
func isLoopback(setting, address string) (bool, error) {
	at, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return false, hinted(usagef("%s: %w", setting, err), "write host:port, such as 127.0.0.1:7300 or :7300")
	}
	return at.IP.IsLoopback(), nil
}
