package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is set when a release is built (-ldflags "-X main.release=v1.2.3").
var release string

// version returns the release, or else the commit that was built.
func version() string {
	if release != "" {
		return release
	}
	revision, changed := "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision" && len(s.Value) >= 12:
				revision = s.Value[:12]
			case s.Key == "vcs.modified" && s.Value == "true":
				changed = "+changes"
			}
		}
	}
	if revision == "" {
		return "development"
	}
	return "commit " + revision + changed
}

type versionCmd struct{}

// Run shows the version.
func (versionCmd) Run(s *streams) error {
	fmt.Fprintf(s.out, "portcullis %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
