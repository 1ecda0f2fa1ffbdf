package access

import (
	"fmt"
	"strings"
)

// A Permission is a set of kinds of requests.
type Permission uint8

// The permissions. None includes another.
const (
	Append Permission = 1 << iota // add events
	Read                          // search, get, follow
	Export                        // read everything at once
	Admin                         // what concerns the journal itself, its own events included

	All = Append | Read | Export | Admin
)

// permissionNames are the names of the permissions, lowest bit first.
var permissionNames = [...]string{"append", "read", "export", "admin"}

// ParsePermissions reads names separated by commas, such as "append,read".
func ParsePermissions(text string) (Permission, error) {
	var all Permission
	for name := range strings.SplitSeq(text, ",") {
		p, err := parsePermission(strings.TrimSpace(name))
		if err != nil {
			return 0, err
		}
		all |= p
	}
	return all, nil
}

func parsePermission(name string) (Permission, error) {
	for i, known := range permissionNames {
		if name == known {
			return 1 << i, nil
		}
	}
	return 0, fmt.Errorf("parse permission %.40q: it is none of %s", name, strings.Join(permissionNames[:], ", "))
}

// Names returns the names of the set, in the order of the constants.
func (p Permission) Names() []string {
	names := []string{}
	for i, name := range permissionNames {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String returns the names of the set, separated by commas.
func (p Permission) String() string { return strings.Join(p.Names(), ",") }
