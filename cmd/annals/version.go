package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A versionReport says what this program is. Its shape is a contract.
type versionReport struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"` // "" if the build did not know it
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion(e *env) *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print the version of this program",
		Example:           "  annals version --output json",
		Args:              noArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: e.action(func(context.Context, []string) error {
			return e.version()
		}),
	}
}

// version prints what the build says of itself.
func (e *env) version() error {
	form, err := e.form(formTable, formTable, formJSON, formNDJSON)
	if err != nil {
		return err
	}
	v := buildVersion()
	if form != formTable {
		return e.printJSON(v)
	}
	commit := ""
	if v.Commit != "" {
		commit = ", commit " + v.Commit
	}
	_, err = fmt.Fprintf(e.stdout, "annals %s%s, %s, %s\n", v.Version, commit, v.Go, v.Platform)
	return err
}

func buildVersion() versionReport {
	v := versionReport{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}
