package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/portcullis-authz/portcullis/server/config"
)

// TestFlagsAreTheKeys holds the flags of serve against the configuration: a flag
// for every key, a key for every flag, under one name.
func TestFlagsAreTheKeys(t *testing.T) {
	want := map[string]string{}
	for _, k := range config.Reference() {
		want[k.Flag] = k.Name
	}
	for _, command := range []string{"serve", "config check", "config show"} {
		got := map[string]string{}
		for _, f := range flagsOf(t, command) {
			if !slices.Contains([]string{"help", "config", "demo", "dev"}, f.name) {
				got[f.name] = f.key
			}
		}
		require.Equal(t, want, got, command)
	}
}

// TestStoreFlags: the commands that open the store take its keys and those alone.
func TestStoreFlags(t *testing.T) {
	for _, command := range []string{"import", "export", "key create", "key list", "key revoke"} {
		var got []string
		for _, f := range flagsOf(t, command) {
			if f.key != "" {
				got = append(got, f.key)
			}
		}
		require.Equal(t, []string{"data", "mongo.uri", "mongo.database", "log.level", "log.format"}, got, command)
	}
}

type flag struct{ name, key string }

func flagsOf(t *testing.T, command string) (flags []flag) {
	t.Helper()
	parser, err := newParser(&cli{}, &bytes.Buffer{}, &bytes.Buffer{}, func(int) {})
	require.NoError(t, err)
	for _, leaf := range parser.Model.Leaves(false) {
		if leaf.FullPath() != "portcullis "+command {
			continue
		}
		for _, group := range leaf.AllFlags(false) {
			for _, f := range group {
				require.NotEmpty(t, f.Help, f.Name)
				flags = append(flags, flag{f.Name, f.Tag.Get("key")})
			}
		}
	}
	require.NotEmpty(t, flags, command)
	return flags
}
