package main

import "testing"

// configSeeds are files of settings.
var configSeeds = []string{
	"log_level: debug\n", "# nothing\n", "listen: [a]\n", "a: &x b\nlog_level: *x\n", "{log_level: warn}", "---\nlisten: x\n---\n", "log_level: \"\\u0000\"\n", "? [a]\n: b\n", "listen:\n", "- a\n",
}

// FuzzConfig reads files of settings: known settings with a single value each, or an error.
func FuzzConfig(f *testing.F) {
	if len(configSeeds) == 0 {
		f.Fatal("there are no seeds")
	}
	for _, seed := range configSeeds {
		f.Add([]byte(seed))
	}
	known := new(serveConfig).flags()
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseConfig("annals.yaml", text, known)
		for name := range all {
			if known.Lookup(name) == nil {
				t.Errorf("%q gives %q", text, name)
			}
		}
		if err != nil && all != nil {
			t.Errorf("%q gives settings and %v", text, err)
		}
	})
}
