package main

import (
	"fmt"
	"strconv"
	"strings"
)

// grouped writes a number with commas.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a number of things.
func plural(n uint64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if stem, ok := strings.CutSuffix(one, "y"); ok {
		return grouped(n) + " " + stem + "ies"
	}
	return grouped(n) + " " + one + "s"
}

// size writes a number of bytes with three digits at least.
func size(bytes int64) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d bytes", bytes)
	}
	n, unit := float64(bytes), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		if n /= 1 << 10; n < 1<<10 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", n, unit)
}

// seconds writes a duration.
func seconds(s float64) string {
	switch {
	case s < 1:
		return fmt.Sprintf("%.0f ms", max(1, 1000*s))
	case s < 100:
		return fmt.Sprintf("%.1f s", s)
	}
	return fmt.Sprintf("%.0f s", s)
}
