//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package durable

import (
	"errors"
	"os"
)

// openFlags are added to every open.
const openFlags = 0

// flock reports that this system has no lock that ends with its process.
func flock(*os.File) error { return errors.ErrUnsupported }
