package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/annals-io/annals/internal/query"
	"github.com/spf13/pflag"
	yaml "go.yaml.in/yaml/v3"
)

// configName is the file of settings that is read if none is named.
const configName = "annals.yaml"

// maxConfigBytes bounds that file.
const maxConfigBytes = 64 << 10

// settingKey returns the key of a setting in files.
func settingKey(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// settingVariable returns the environment variable of a setting.
func settingVariable(flag string) string { return "ANNALS_" + strings.ToUpper(settingKey(flag)) }

// A fileSetting is a value in a file of settings.
type fileSetting struct {
	value string
	at    string // file and line
}

// configure sets each setting of f from where it is given: given holds what flags say,
// then comes the environment, then the file; what nobody says keeps its default. It
// returns where each comes from.
func (e *env) configure(f, given *pflag.FlagSet, file string) (sources map[string]string, err error) {
	inFile, err := readConfig(file, f)
	if err != nil {
		return nil, err
	}
	sources = make(map[string]string)
	f.VisitAll(func(s *pflag.Flag) {
		value, source, ok := "", "default", false
		variable := settingVariable(s.Name)
		if asked := given.Lookup(s.Name); asked != nil && asked.Changed {
			value, source, ok = asked.Value.String(), "flag", true
		} else if v := e.getenv(variable); v != "" {
			value, source, ok = v, variable, true
		} else if v, there := inFile[s.Name]; there {
			value, source, ok = v.value, v.at, true
		}
		sources[s.Name] = source
		if !ok || err != nil {
			return
		}
		if s.Value.Set(value) != nil {
			err = usagef("%s (%s) is %q, want %s", settingKey(s.Name), source, clip(value, maxValue), wanted(s.Value.Type()))
		}
	})
	return sources, err
}

// wanted says what values a type of setting has.
func wanted(typ string) string {
	switch typ {
	case "bool":
		return "true or false"
	case "duration":
		return "a duration such as 30s or 24h"
	case "int", "int64", "float64":
		return "a number"
	}
	return typ
}

// readConfig reads a file of settings, by flag. Without a name it is annals.yaml in the
// working directory, which need not be there.
func readConfig(name string, known *pflag.FlagSet) (map[string]fileSetting, error) {
	optional := name == ""
	if optional {
		name = configName
	}
	f, err := os.Open(name)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err == nil && len(text) > maxConfigBytes {
		err = fmt.Errorf("it has more than %d bytes", maxConfigBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("read settings %s: %w", name, err)
	}
	return parseConfig(name, text, known)
}

// parseConfig reads the text of a file of settings: one mapping of keys to scalars.
func parseConfig(name string, text []byte, known *pflag.FlagSet) (map[string]fileSetting, error) {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil // comments alone
	case err != nil:
		return nil, usagef("read settings %s: %w", name, err)
	case d.Decode(new(yaml.Node)) != io.EOF:
		return nil, usagef("%s holds more than one document", name)
	}
	root := doc.Content[0]
	if root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, usagef("%s is no mapping of settings", name)
	}
	all := make(map[string]fileSetting)
	for i := 0; i < len(root.Content); i += 2 {
		if err := addSetting(all, name, root.Content[i], root.Content[i+1], known); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// addSetting takes one key and value of a file.
func addSetting(all map[string]fileSetting, name string, key, value *yaml.Node, known *pflag.FlagSet) error {
	at := fmt.Sprintf("%s, line %d", name, key.Line)
	flag := strings.ReplaceAll(key.Value, "_", "-")
	_, twice := all[flag]
	switch {
	case key.Kind != yaml.ScalarNode:
		return usagef("%s: a key is no name", at)
	case known.Lookup(flag) == nil || strings.Contains(key.Value, "-"):
		return unknownSetting(at, key.Value, known)
	case twice:
		return usagef("%s: %s is there twice", at, key.Value)
	case value.Kind != yaml.ScalarNode:
		return usagef("%s: %s is no single value", at, key.Value)
	case value.Tag == "!!null":
		return usagef("%s: %s has no value", at, key.Value)
	}
	all[flag] = fileSetting{value.Value, at}
	return nil
}

// unknownSetting is the error of a key that is no setting.
func unknownSetting(at, key string, known *pflag.FlagSet) error {
	err := usagef("%s: unknown setting %q", at, clip(key, maxValue))
	if near := nearSetting(key, known); near != "" {
		return hinted(err, "did you mean %s?", near)
	}
	return hinted(err, "annals serve --print-config lists the settings")
}

// nearSetting returns the setting that was probably meant, or "".
func nearSetting(key string, known *pflag.FlagSet) string {
	var names []string
	known.VisitAll(func(s *pflag.Flag) { names = append(names, settingKey(s.Name)) })
	return query.Nearest(strings.ReplaceAll(strings.ToLower(key), "-", "_"), names)
}

// otherVariables are the environment variables of other commands.
var otherVariables = []string{"ANNALS_CONFIG", "ANNALS_OUTPUT", "ANNALS_TENANT", "ANNALS_URL", "ANNALS_TOKEN", "ANNALS_TOKEN_FILE"}

// strangeVariables returns the variables that look like settings and are none. Those that
// Kubernetes sets for a service named annals are left out.
func strangeVariables(environ []string, known *pflag.FlagSet) (strange []string) {
	settings := map[string]bool{}
	known.VisitAll(func(s *pflag.Flag) { settings[settingVariable(s.Name)] = true })
	for _, name := range otherVariables {
		settings[name] = true
	}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		rest, ok := strings.CutPrefix(name, "ANNALS_")
		if ok && !settings[name] && !strings.HasPrefix(rest, "PORT") && !strings.HasPrefix(rest, "SERVICE_") {
			strange = append(strange, name)
		}
	}
	return strange
}
