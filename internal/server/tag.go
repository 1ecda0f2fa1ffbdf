package server

import "strings"

// matchesTag reports whether the values of If-None-Match name an entity tag. Weak tags
// match as strong ones do.
func matchesTag(values []string, tag string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == tag {
				return true
			}
		}
	}
	return false
}
